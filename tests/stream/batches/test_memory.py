"""Peak memory of an epoch, in a process of its own: what `explain` says, and 32 MiB.

512 MiB are streamed; 2 GiB under `make soak`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import exzarr
from tests.breadth import SOAK

pytestmark = [
    pytest.mark.slow,
    pytest.mark.cover,
    pytest.mark.skipif(
        sys.platform != "linux" or not Path("/proc/self/clear_refs").exists(),
        reason="peak memory is read from /proc",
    ),
    pytest.mark.hypothesis,  # so that `make soak` runs it
]

MIB = 1 << 20
TOTAL = (2048 if SOAK else 512) * MIB

MEASURE = """
import sys
from pathlib import Path
import numpy as np
import exzarr

def status(name):
    text = Path("/proc/self/status").read_text()
    return 1024 * next(int(line.split()[1]) for line in text.splitlines() if line.startswith(name))

path, batch_size, shuffle, cache = sys.argv[1:]
exzarr.config.set(workers=2)
array = exzarr.open_array(path)
options = {"shuffle": False if shuffle == "False" else shuffle, "cache_bytes": int(cache)}
small = exzarr.batches(exzarr.ones((100, 4), chunks=(10, 4)), 10, **options)
sum(len(batch) for batch in small)  # everything is imported
loader = exzarr.batches(array, int(batch_size), **options)
bound = loader.explain().memory
Path("/proc/self/clear_refs").write_text("5")  # reset the peak
before = status("VmRSS:")
samples = 0
for batch in loader:
    samples += len(batch)
    assert batch[0, 0] == batch[0, -1]
print(samples, status("VmHWM:") - before, bound)
"""

CASES: dict[str, tuple[dict[str, Any], int, Any, int]] = {
    "in order": ({"chunks": (256, 1024)}, 64, False, 0),
    "chunks": ({"chunks": (256, 1024)}, 64, "chunks", 0),
    "window": ({"chunks": (256, 1024)}, 64, "window", 0),
    "window of shards": ({"chunks": (64, 1024), "shards": (4096, 1024)}, 100, "window", 0),
    "window of raw tiles": ({"chunks": (256, 256), "compressors": None}, 64, "window", 0),
    "full": ({"chunks": (256, 1024)}, 2048, "full", 128 * MIB),
}


@pytest.mark.parametrize("name", CASES)
def test_peak_memory_of_an_epoch(name: str, tmp_path: Path, run_python: Callable[..., Any]) -> None:
    layout, batch_size, shuffle, cache = CASES[name]
    samples = TOTAL // 8192
    if shuffle == "full":  # most chunks are read over and over
        samples = 256 * MIB // 8192
    array = exzarr.create_array(tmp_path / "a.zarr", shape=(samples, 1024), dtype="i8", **layout)
    step = 4096
    for start in range(0, samples, step):
        rows = np.arange(start, start + step)
        array[start : start + step] = np.broadcast_to(rows[:, None], (step, 1024))
    done = run_python(MEASURE, str(tmp_path / "a.zarr"), str(batch_size), str(shuffle), str(cache))
    assert done.returncode == 0, done.stderr
    seen, peak, bound = map(int, done.stdout.split())
    assert seen == samples
    assert bound < array.nbytes
    assert peak <= bound + 32 * MIB
