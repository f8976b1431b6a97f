"""Peak memory of a search in a separate process: a few chunks, for any size of the array."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import exzarr

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or not Path("/proc/self/clear_refs").exists(),
    reason="peak memory is read from /proc",
)

MIB = 1 << 20
CHUNKS = (8192, 128)  # 4 MiB

MEASURE = """
import sys
from pathlib import Path
import numpy as np
import exzarr
from exzarr.gallery.embeddings import top_k

def status(name):
    text = Path("/proc/self/status").read_text()
    return 1024 * next(int(line.split()[1]) for line in text.splitlines() if line.startswith(name))

array = exzarr.open_array(sys.argv[1])
queries = np.random.default_rng(0).normal(size=(8, 128))
top_k(array[:8192], queries)  # import everything first
Path("/proc/self/clear_refs").write_text("5")  # reset the peak
before = status("VmRSS:")
found = top_k(array, queries, 5)
print(status("VmHWM:") - before, *found.rows[:, 0])
"""


@pytest.mark.parametrize("compressors", [None, "auto"])
def test_search_holds_few_chunks_in_memory(tmp_path: Path, compressors: Any) -> None:
    """Search 192 MiB. Compressed data have 8 MiB of read-ahead, and each thread has a buffer."""
    array = exzarr.create_array(
        tmp_path / "v.zarr", shape=(48 * 8192, 128), chunks=CHUNKS, dtype="f4", compressors=compressors
    )
    rng = np.random.default_rng(1)
    queries = np.random.default_rng(0).normal(size=(8, 128))

    def blocks() -> Any:
        for number in range(48):
            block = rng.standard_normal(CHUNKS, np.float32)
            if number < 8:
                block[number] = queries[number]
            yield (number, 0), block

    array.write_stream(blocks())
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, str(array.store.path)],  # type: ignore[attr-defined]
        capture_output=True,
        text=True,
        check=True,
    )
    peak, *rows = map(int, done.stdout.split())
    assert rows == [number * 8193 for number in range(8)]
    assert peak < 40 * MIB
