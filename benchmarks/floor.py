"""Lower bound for reading raw chunks in Python: the same work without any library.

The floor reads the same files with as many threads as there are cores. Each thread takes a row of chunks along the last
dimension. It opens each file, reads it with one `preadv` into a buffer, and closes it. Then it copies the whole
row of chunks into the result with one NumPy assignment. Paths and regions are computed in advance. The floor reads no
metadata, and checks only the number of bytes.

These variants are slower:

- one copy per chunk or per two chunks, by up to a third, because the cube's rows are written in shorter pieces;
- `preadv` directly into the result through ctypes, with a vector entry for each of a chunk's edge² rows, by a factor
  of 1.3 to 2, because the kernel handles each entry;
- more threads;
- larger pieces of work per thread.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from benchmarks.data import AnyArray, Layout

LABEL = "floor"
Row = tuple[list[str], tuple[slice, ...]]


def cores() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # macOS and Windows
        return os.cpu_count() or 1


def reader(path: Path, layout: Layout) -> Callable[[], AnyArray]:
    """Return a function that reads the raw array of that layout at `path`."""
    if layout.codec != "raw" or layout.shards is not None:
        raise ValueError(f"the floor cannot read {layout.name}: use a layout of raw chunks without shards")
    counts = [n // c for n, c in zip(layout.shape, layout.chunks, strict=True)]
    rows: list[Row] = []
    for index in itertools.product(*[range(n) for n in counts[:-1]]):
        region = tuple([slice(i * c, i * c + c) for i, c in zip(index, layout.chunks, strict=False)])
        folder = path.joinpath("c", *map(str, index))
        rows.append(([str(folder / str(last)) for last in range(counts[-1])], region))
    scratches = [np.empty((counts[-1], *layout.chunks), "float32") for _ in range(cores())]
    pool = ThreadPoolExecutor(cores())

    def read() -> AnyArray:
        out = np.empty(layout.shape, "float32")
        remaining = iter(rows)  # shared: each thread takes the next row when it is done
        futures = [pool.submit(_read_rows, remaining, layout, out, scratch) for scratch in scratches[1:]]
        _read_rows(remaining, layout, out, scratches[0])
        for future in futures:
            future.result()
        return out

    return read


def _read_rows(rows: Iterator[Row], layout: Layout, out: AnyArray, scratch: AnyArray) -> None:
    *across, along = layout.chunks
    buffers = [[memoryview(chunk).cast("B")] for chunk in scratch]
    size = scratch[0].nbytes
    moved = np.moveaxis(scratch, 0, -2)
    open_, preadv, close, flags = os.open, os.preadv, os.close, os.O_RDONLY | os.O_CLOEXEC
    for paths, region in rows:
        for path, buffer in zip(paths, buffers, strict=True):
            descriptor = open_(path, flags)
            if preadv(descriptor, buffer, 0) != size:
                raise OSError(f"short read of {path}")
            close(descriptor)
        out[region].reshape(*across, len(scratch), along)[...] = moved
