"""Peak memory of a whole read, in a new process: the result, two chunks per worker, and 16 MiB."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from exzarr.stores.local.store import LocalStore
from tests.engine.tools import make

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        sys.platform != "linux" or not Path("/proc/self/clear_refs").exists(),
        reason="peak memory is read from /proc",
    ),
]

MIB = 1 << 20

MEASURE = """
import sys
from pathlib import Path
import numpy as np
from exzarr import config
from exzarr.stores.local.store import LocalStore
from tests.engine.tools import open_array

def status(name):
    text = Path("/proc/self/status").read_text()
    return 1024 * next(int(line.split()[1]) for line in text.splitlines() if line.startswith(name))

config.set(workers=2)
array = open_array(LocalStore(sys.argv[1]))
array[:2, :2, :2]  # import everything
result = np.empty(array.shape, array.dtype)
result[...] = 1
Path("/proc/self/clear_refs").write_text("5")  # reset the peak
before = status("VmRSS:")
if sys.argv[2] == "out":
    array.get(out=result)
    print(status("VmHWM:") - before)
else:
    del result
    before = status("VmRSS:")
    result = array[...]
    print(status("VmHWM:") - before - result.nbytes)
assert result.sum() == np.load(sys.argv[3])
"""

OPTIONS: dict[str, dict[str, Any]] = {
    "raw": {"chunks": (64, 64, 64), "compressors": None},
    "raw bands": {"chunks": (8, 256, 256), "compressors": None},
    "zstd": {"chunks": (64, 64, 64), "compressors": "zstd"},
    "zstd bands": {"chunks": (8, 256, 256), "compressors": "zstd"},
    "gzip": {"chunks": (64, 64, 64), "compressors": {"name": "gzip", "configuration": {"level": 1}}},
    "blosc": {"chunks": (128, 128, 128), "compressors": {"id": "blosc", "cname": "lz4"}},
    "large": {"chunks": (128, 128, 128), "compressors": "zstd"},
    "transposed": {"chunks": (64, 64, 64), "compressors": "zstd", "order": "F"},
    "rectilinear": {"chunks": ([100, 156], [128, 128], [56, 200]), "compressors": "zstd"},
    "shards": {"chunks": (32, 32, 32), "shards": (128, 128, 128), "compressors": "zstd"},
    "raw shards": {"chunks": (32, 32, 32), "shards": (256, 256, 256), "compressors": None},
}


@pytest.fixture(scope="module")
def cube() -> np.ndarray:
    """64 MiB of data that hardly compress, so that encoded chunks are as large as decoded ones."""
    return np.random.default_rng(0).integers(0, 1 << 30, (256, 256, 256), dtype="i4")


@pytest.mark.parametrize(
    ("name", "how"),
    [*[(name, "new") for name in OPTIONS], *[(name, "out") for name in ("raw", "zstd", "shards")]],
)
def test_peak_memory_of_a_whole_read(
    name: str, how: str, cube: np.ndarray, tmp_path: Path, run_python: Callable[..., Any]
) -> None:
    array = make(cube.shape, "i4", store=LocalStore(tmp_path / "a.zarr"), **OPTIONS[name])
    array[...] = cube
    np.save(tmp_path / "sum.npy", cube.sum())
    # Return freed memory to the system immediately: memory that glibc caches is not in use.
    pinned = {"MALLOC_MMAP_THRESHOLD_": str(128 * 1024)}
    done = run_python(MEASURE, str(tmp_path / "a.zarr"), how, str(tmp_path / "sum.npy"), **pinned)
    assert done.returncode == 0, done.stderr
    chunk = 4 * int(
        np.prod(array.metadata.chunk_grid.max_chunk_shape if name == "rectilinear" else array.chunks)
    )
    assert int(done.stdout) <= 2 * 2 * chunk + 16 * MIB
