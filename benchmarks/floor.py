"""What reading raw chunks costs with no library at all: the least that any reader in Python can take.

The same files and as many threads as there are cores. Each thread opens a file, reads it with one
`preadv` into a buffer that stays in the processor's cache, closes it, and copies the buffer into its
place; the paths and places are known beforehand, and no metadata is looked at, no size but the file's
checked. (A chunk's place in a C-ordered cube is edge² separate rows. `preadv` straight into those, with
one vector entry a row, was tried through ctypes: the kernel takes 1.3 to 2 times as long as the copy.)
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
Part = tuple[str, tuple[slice, ...]]


def cores() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # macOS and Windows
        return os.cpu_count() or 1


def reader(path: Path, layout: Layout) -> Callable[[], AnyArray]:
    """A function that reads the raw array of that layout at `path`."""
    if layout.codec != "raw" or layout.shards is not None:
        raise ValueError(f"the floor is for raw chunks, not {layout.name}")
    counts = [n // c for n, c in zip(layout.shape, layout.chunks, strict=True)]
    parts: list[Part] = []
    for index in itertools.product(*[range(n) for n in counts]):
        place = tuple([slice(i * c, i * c + c) for i, c in zip(index, layout.chunks, strict=True)])
        parts.append((str(path.joinpath("c", *map(str, index))), place))
    others = cores() - 1
    pool = ThreadPoolExecutor(max(others, 1))

    def read() -> AnyArray:
        out = np.empty(layout.shape, "float32")
        remaining = iter(parts)  # shared: whoever is done takes the next
        futures = [pool.submit(_read_parts, remaining, layout, out) for _ in range(others)]
        _read_parts(remaining, layout, out)
        for future in futures:
            future.result()
        return out

    return read


def _read_parts(parts: Iterator[Part], layout: Layout, out: AnyArray) -> None:
    scratch = np.empty(layout.chunks, "float32")
    buffers = [memoryview(scratch).cast("B")]
    size = scratch.nbytes
    open_, preadv, close, flags = os.open, os.preadv, os.close, os.O_RDONLY | os.O_CLOEXEC
    for path, place in parts:
        descriptor = open_(path, flags)
        if preadv(descriptor, buffers, 0) != size:
            raise OSError(f"short read of {path}")
        close(descriptor)
        out[place] = scratch
