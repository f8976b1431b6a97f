"""Peak memory of a map, in a process of its own: workers + prefetch chunks, and 32 MiB.

512 MiB are mapped; 2 GiB under `make soak`.
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
]

MIB = 1 << 20
TOTAL = (2048 if SOAK else 512) * MIB

MEASURE = """
import operator, sys
from pathlib import Path
import numpy as np
import exzarr

def status(name):
    text = Path("/proc/self/status").read_text()
    return 1024 * next(int(line.split()[1]) for line in text.splitlines() if line.startswith(name))

def reset_peak():
    Path("/proc/self/clear_refs").write_text("5")  # reset the peak
    return status("VmRSS:")

def with_peak(data):
    # In a worker process: its own peak since its first chunk.
    import __main__
    if not hasattr(__main__, "before"):
        __main__.before = reset_peak()
    data += 0
    return data, status("VmHWM:") - __main__.before

path, how, executor = sys.argv[1:]
options = {"executor": executor, "workers": 2, "prefetch": 2}
array = exzarr.open_array(path)
list(array.parallel_chunk_map(np.sum, where=[(0, 0)], executor=executor, workers=2))  # everything is imported
before = reset_peak()
worker = 0
if how == "reduce":
    total = array.parallel_chunk_map(lambda data: int(data.sum()), reduce=operator.add, **options)
elif how == "results":
    total = 0
    for data in array.parallel_chunk_map(lambda data: data, **options):
        total += int(data.sum())
elif how == "peaks":
    total = 0
    for data, peak in array.parallel_chunk_map(with_peak, **options):
        total += int(data.sum())
        worker = max(worker, peak)
else:
    out = exzarr.create_array(path + ".out", shape=array.shape, dtype=array.dtype, chunks=tuple(map(int, how.split(","))))
    array.parallel_chunk_map(lambda data: data, out=out, **options)
    total = -1
print(status("VmHWM:") - before, worker, total)
"""

CHUNKS = (256, 4096)  # 8 MiB
PIECES = {"chunks": (64, 1024), "shards": (256, 4096)}


@pytest.mark.parametrize(
    ("layout", "how", "executor"),
    [
        ({"chunks": CHUNKS}, "reduce", "threads"),
        ({"chunks": CHUNKS}, "results", "threads"),
        ({"chunks": CHUNKS, "compressors": None}, "results", "threads"),
        (PIECES, "results", "threads"),
        ({"chunks": CHUNKS}, "256,4096", "threads"),
        ({"chunks": CHUNKS}, "300,4000", "threads"),
        ({"chunks": CHUNKS}, "peaks", "processes"),
        ({"chunks": CHUNKS}, "300,4000", "processes"),
    ],
)
def test_peak_memory_of_a_map(
    layout: dict[str, Any], how: str, executor: str, tmp_path: Path, run_python: Callable[..., Any]
) -> None:
    rows = TOTAL // 8 // 8192
    array = exzarr.create_array(tmp_path / "a.zarr", shape=(rows, 8192), dtype="i8", **layout)
    step = 1024
    for start in range(0, rows, step):
        numbers = np.arange(start, start + step)
        array[start : start + step] = np.broadcast_to(numbers[:, None], (step, 8192))
    done = run_python(MEASURE, str(tmp_path / "a.zarr"), how, executor)
    assert done.returncode == 0, done.stderr
    peak, worker, total = map(int, done.stdout.split())
    if total >= 0:
        assert total == 8192 * (rows * (rows - 1) // 2)
    chunk = 8 * CHUNKS[0] * CHUNKS[1]
    # If results share chunks of `out`, two threads each update one: stored, decoded, encoded, in transit.
    patched = 2 * 4 * 8 * 300 * 4000 if how == "300,4000" else 0
    assert peak <= (2 + 2) * chunk + patched + 32 * MIB
    # A worker has one chunk and its result.
    assert worker <= 2 * chunk + 32 * MIB
