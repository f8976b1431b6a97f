"""Iteration over the rows of a 2-dimensional array in blocks."""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from exzarr import telemetry
from exzarr._nodes.array import Array
from exzarr._typing import AnyArray
from exzarr.stores.local.store import LocalStore

__all__ = ["Vectors", "vector_blocks"]

Vectors = Array | AnyArray
"""Shape (vectors, dimensions)."""

LEAST_NBYTES = 1024 * 1024
"""Smaller chunks are read several at a time and not mapped, because one call per chunk would cost too much."""

BLOCK_NBYTES = 16 * 1024 * 1024
"""Largest size of a block, unless a chunk is larger."""


def vector_blocks(
    vectors: Vectors, *, most: int | None = None, mapped: bool = True, workers: int | None = None
) -> Iterator[tuple[int, AnyArray]]:
    """Yield blocks of neighbouring rows with all columns, each with the number of its first row.

    Parameters
    ----------
    vectors
        A Zarr array, of which few chunks are in memory at a time, or a NumPy array, which gives views.
    most
        Largest number of rows in a block. Default: 16 MiB of rows.
    mapped
        Map raw chunks (no compressor, no filter) in a local folder into memory and do not read them. The block is
        then the kernel's copy of the file, and it may be read-only. This applies only if no telemetry hook is
        registered. No other program may truncate a mapped file, because that would end the process (SIGBUS). exzarr
        never truncates files, it replaces them.
    workers
        Threads that read, as for `Array.chunk_stream`.
    """
    if most is None:
        most = max(1, BLOCK_NBYTES // max(1, vectors.dtype.itemsize * vectors.shape[1]))
    if isinstance(vectors, np.ndarray):
        whole: Iterator[tuple[int, AnyArray]] = iter([(0, vectors)])
    elif not _large_chunks_of_whole_rows(vectors):
        whole = _chunk_rows(vectors, most)
    elif mapped and _mappable(vectors):
        whole = _mapped(vectors)
    else:
        whole = _streamed(vectors, workers)
    for first, rows in whole:
        for start in range(0, len(rows), most):
            yield first + start, rows[start : start + most]


def _large_chunks_of_whole_rows(array: Array) -> bool:
    source = array.chunk_source
    return array.chunks[1] >= array.shape[1] and source.nbytes >= LEAST_NBYTES


def _streamed(array: Array, workers: int | None) -> Iterator[tuple[int, AnyArray]]:
    with array.chunk_stream(workers=workers) as stream:
        for chunk in stream:
            yield chunk.region[0].start, chunk.data


def _chunk_rows(array: Array, most: int) -> Iterator[tuple[int, AnyArray]]:
    """Yield whole rows of chunks, for small chunks and for chunks that have only a part of the columns."""
    height = array.chunks[0]
    step = height * max(1, most // height)
    for start in range(0, array.shape[0], step):
        yield start, array[start : start + step]


def _mappable(array: Array) -> bool:
    source = array.chunk_source
    return (
        isinstance(array.store, LocalStore)
        and source.pipeline is not None  # a regular grid without shards
        and source.inner_pipeline.raw
        and not telemetry.hooks()
    )


def _mapped(array: Array) -> Iterator[tuple[int, AnyArray]]:
    source, height, folder = array.chunk_source, array.chunks[0], Path(array.store.path)  # type: ignore[attr-defined]
    for number, start in enumerate(range(0, array.shape[0], height)):
        rows = _map(folder / source.key((number, 0)), array.chunks, array.dtype)
        stop = min(start + height, array.shape[0])
        # For missing or damaged chunks, an ordinary read returns the fill value or raises the error.
        yield start, array[start:stop] if rows is None else rows[: stop - start, : array.shape[1]]


def _map(path: Path, shape: tuple[int, ...], dtype: np.dtype[Any]) -> AnyArray | None:
    """Map the file as an array; return None if it is missing or has another size."""
    try:
        with path.open("rb") as file:
            memory = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except (OSError, ValueError):  # ValueError: an empty file
        return None
    if len(memory) != dtype.itemsize * shape[0] * shape[1]:
        return None
    return np.ndarray(shape, dtype, memory)  # the array owns the mapping and releases it
