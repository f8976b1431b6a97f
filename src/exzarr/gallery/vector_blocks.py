"""The rows of a 2-dimensional array in order, a block of them at a time."""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from exzarr import telemetry
from exzarr.array import Array
from exzarr.stores.local import LocalStore

__all__ = ["Vectors", "vector_blocks"]

AnyArray = npt.NDArray[Any]
Vectors = Array | AnyArray
"""Shape (vectors, dimensions)."""

LEAST_NBYTES = 1024 * 1024
"""Chunks smaller than this are read several at a time, and not mapped: a call for each would cost too much."""

BLOCK_NBYTES = 16 * 1024 * 1024
"""A block is not larger than this, unless a chunk is."""


def vector_blocks(
    vectors: Vectors, *, most: int | None = None, mapped: bool = True, workers: int | None = None
) -> Iterator[tuple[int, AnyArray]]:
    """The number of a block's first row, and the block: all columns of neighbouring rows.

    Parameters
    ----------
    vectors
        A Zarr array, of which a few chunks are in memory at a time; or a NumPy array, of which views come.
    most
        Rows of a block. Default: 16 MiB of them.
    mapped
        Chunks that are stored as they lie in memory (no compressor, no filter) in a local folder are not read
        but mapped, if nobody listens to telemetry: the block *is* the kernel's copy of the file. Blocks may be
        read-only. A mapped file must not be cut short by somebody else: that would end the process (SIGBUS).
        exzarr never does, it replaces files.
    workers
        Threads that read, as for `Array.chunk_stream`.
    """
    if most is None:
        most = max(1, BLOCK_NBYTES // max(1, vectors.dtype.itemsize * vectors.shape[1]))
    if isinstance(vectors, np.ndarray):
        whole: Iterator[tuple[int, AnyArray]] = iter([(0, vectors)])
    elif not _large_chunks_of_whole_rows(vectors):
        whole = _bands(vectors, most)
    elif mapped and _mappable(vectors):
        whole = _mapped(vectors)
    else:
        whole = _streamed(vectors, workers)
    for first, rows in whole:
        for start in range(0, len(rows), most):
            yield first + start, rows[start : start + most]


def _large_chunks_of_whole_rows(array: Array) -> bool:
    source = array._bound
    return array.chunks[1] >= array.shape[1] and source.nbytes >= LEAST_NBYTES


def _streamed(array: Array, workers: int | None) -> Iterator[tuple[int, AnyArray]]:
    with array.chunk_stream(workers=workers) as stream:
        for chunk in stream:
            yield chunk.region[0].start, chunk.data


def _bands(array: Array, most: int) -> Iterator[tuple[int, AnyArray]]:
    """Small chunks, and chunks with a part of the columns: whole rows of chunks, read by as many threads as pay."""
    height = array.chunks[0]
    step = height * max(1, most // height)
    for start in range(0, array.shape[0], step):
        yield start, array[start : start + step]


def _mappable(array: Array) -> bool:
    source = array._bound
    return (
        isinstance(array.store, LocalStore)
        and source.pipeline is not None  # a regular grid without shards
        and source.unit.raw
        and not telemetry.hooks()
    )


def _mapped(array: Array) -> Iterator[tuple[int, AnyArray]]:
    source, height, folder = array._bound, array.chunks[0], Path(array.store.path)  # type: ignore[attr-defined]
    for number, start in enumerate(range(0, array.shape[0], height)):
        rows = _map(folder / source.key((number, 0)), array.chunks, array.dtype)
        stop = min(start + height, array.shape[0])
        # What is not there, or damaged, is the engine's to judge.
        yield start, array[start:stop] if rows is None else rows[: stop - start, : array.shape[1]]


def _map(path: Path, shape: tuple[int, ...], dtype: np.dtype[Any]) -> AnyArray | None:
    """The file as an array; None where it is not one of this size."""
    try:
        with path.open("rb") as file:
            memory = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except (OSError, ValueError):  # ValueError: an empty file
        return None
    if len(memory) != dtype.itemsize * shape[0] * shape[1]:
        return None
    return np.ndarray(shape, dtype, memory)  # which keeps the mapping, and lets go of it
