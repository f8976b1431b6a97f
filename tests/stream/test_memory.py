"""Peak memory of streams over large arrays, in a separate process: the window, and 32 MiB."""

from __future__ import annotations

import itertools
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from exzarr.stores.local.store import LocalStore
from tests.breadth import SOAK
from tests.engine.tools import make

pytestmark = [
    pytest.mark.slow,
    pytest.mark.cover,
    pytest.mark.skipif(
        sys.platform != "linux" or not Path("/proc/self/clear_refs").exists(),
        reason="peak memory is read from /proc",
    ),
]

MIB = 1 << 20
LENGTH = 8192 if SOAK else 2048
"""Of the first dimension; the others make 256 KiB: 2 GiB, or 512 MiB."""

WORKERS, PREFETCH = 2, 6

MEASURE = """
import sys
from pathlib import Path
import numpy as np
from exzarr.stores.local.store import LocalStore
from tests.engine.tools import open_array

def status(name):
    text = Path("/proc/self/status").read_text()
    return 1024 * next(int(line.split()[1]) for line in text.splitlines() if line.startswith(name))

array = open_array(LocalStore(sys.argv[1]))
WORK
Path("/proc/self/clear_refs").write_text("5")  # reset the peak
before = status("VmRSS:")
work(slice(None))
print(status("VmHWM:") - before)
"""

CHUNKS = """
workers, prefetch = int(sys.argv[2]), eval(sys.argv[3])
def work(rows):
    total = n = 0
    for chunk in array.chunk_stream((rows,), workers=workers, prefetch=prefetch):
        total, n = total + int(chunk.data[0, 0, 0]), n + chunk.data.size
    assert n == np.prod(array.shape[1:]) * len(range(array.shape[0])[rows])
work(slice(0, 1))
"""

SLICES = """
def work(rows):
    total = 0
    for item in array.slice_stream(0, rows.start, rows.stop, workers=2, prefetch=1):
        total += int(item.data[0, 0])
work(slice(0, 1))
"""

OPTIONS: dict[str, dict[str, Any]] = {
    "raw": {"chunks": (64, 64, 64), "compressors": None},
    "zstd": {"chunks": (64, 64, 64), "compressors": "zstd"},
    "blosc": {"chunks": (64, 64, 64), "compressors": {"id": "blosc", "cname": "lz4"}},
    "large": {"chunks": (64, 256, 256), "compressors": None},
    "large zstd": {"chunks": (32, 256, 256), "compressors": "zstd"},
    "small": {"chunks": (16, 16, 16), "compressors": None},
    "shards": {"chunks": (32, 32, 32), "shards": (128, 128, 128), "compressors": "zstd"},
    "raw shards": {"chunks": (16, 64, 64), "shards": (256, 256, 256), "compressors": None},
}


def large(path: Path, **options: Any) -> Any:
    """Return an array whose first chunk (shard) is stored under all other keys as well."""
    store = LocalStore(path)
    array = make((LENGTH, 256, 256), "i4", store=store, **options)
    unit = array.shards or array.chunks
    first = tuple([slice(0, size) for size in unit])
    # Data that hardly compresses takes as much memory encoded as decoded.
    array[first] = np.random.default_rng(0).integers(1, 1 << 30, unit, dtype="i4")
    stored = path / "c/0/0/0"
    counts = [-(-n // size) for n, size in zip(array.shape, unit, strict=True)]
    for index in itertools.product(*map(range, counts)):
        key = path.joinpath("c", *map(str, index))
        if key != stored:
            key.parent.mkdir(parents=True, exist_ok=True)
            try:
                key.hardlink_to(stored)
            except OSError:  # the limit on the number of names of a file
                stored = Path(shutil.copy(stored, key))
    return array


@pytest.mark.parametrize(
    ("name", "prefetch"), [*[(name, PREFETCH) for name in OPTIONS], ("small", None), ("shards", None)]
)
def test_peak_memory_of_a_chunk_stream(
    name: str, prefetch: int | None, tmp_path: Path, run_python: Callable[..., Any]
) -> None:
    array = large(tmp_path / "a.zarr", **OPTIONS[name])
    chunk = 4 * int(np.prod(array.chunks))
    done = run_python(MEASURE.replace("WORK", CHUNKS), str(tmp_path / "a.zarr"), str(WORKERS), repr(prefetch))
    assert done.returncode == 0, done.stderr
    window = 8 * MIB if prefetch is None else (WORKERS + prefetch) * chunk
    assert int(done.stdout) <= window + 32 * MIB


@pytest.mark.parametrize("name", ["raw", "zstd", "shards"])
def test_peak_memory_of_a_slice_stream(name: str, tmp_path: Path, run_python: Callable[..., Any]) -> None:
    array = large(tmp_path / "a.zarr", **OPTIONS[name])
    slab = 4 * array.chunks[0] * 256 * 256
    done = run_python(MEASURE.replace("WORK", SLICES), str(tmp_path / "a.zarr"))
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) <= 2 * slab + 32 * MIB


WRITING = """
pending = int(sys.argv[2])
unit = array.chunks
blocks = [array.shape[0] // unit[0], array.shape[1] // unit[1], array.shape[2] // unit[2]]
def items(rows):
    for n, index in enumerate(np.ndindex(*blocks)):
        if n >= rows.stop:
            return
        yield index, np.full(unit, n + 1, array.dtype)
def work(rows):
    rows = slice(0, rows.stop or np.prod(blocks))
    report = array.write_stream(items(rows), workers=2, max_pending=pending)
    assert report.written == rows.stop
work(slice(0, 1))
"""


@pytest.mark.parametrize(
    "options",
    [
        {"chunks": (64, 64, 64), "compressors": "zstd"},
        {"chunks": (32, 64, 64), "shards": (32, 256, 256), "compressors": "zstd"},
    ],
    ids=["chunks", "shards"],
)
def test_peak_memory_of_a_write_stream(
    options: dict[str, Any], tmp_path: Path, run_python: Callable[..., Any]
) -> None:
    array = make((LENGTH, 256, 256), "i4", store=LocalStore(tmp_path / "a.zarr"), **options)
    pending = 32
    done = run_python(MEASURE.replace("WORK", WRITING), str(tmp_path / "a.zarr"), str(pending))
    assert done.returncode == 0, done.stderr
    chunk = 4 * int(np.prod(array.chunks))
    unit = 4 * int(np.prod(array.shards or array.chunks))
    assert int(done.stdout) <= pending * chunk + 2 * unit + 32 * MIB
