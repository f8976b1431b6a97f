"""Sizes and numbers of an array's chunks and shards, from its metadata."""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from exzarr._format.metadata import ArrayMetadata

__all__ = ["chunk_counts", "chunk_shape", "inner_chunks", "read_sizes", "shard_shape", "write_sizes"]

Shape = tuple[int, ...]
Sizes = tuple[Shape, ...]
"""The length of every chunk, one tuple per dimension."""


def inner_chunks(meta: ArrayMetadata) -> Shape | None:
    """Return the shape of the inner chunks, or None if the array has no shards that can be read in part."""
    if len(meta.codecs) != 1 or meta.codecs[0].name != "sharding_indexed":
        return None
    shape = meta.codecs[0].configuration.get("chunk_shape")
    if not isinstance(shape, list | tuple) or len(shape) != meta.ndim:
        return None  # creating the codec raises the error
    return tuple(shape) if all(type(n) is int and n > 0 for n in shape) else None


def chunk_shape(meta: ArrayMetadata) -> Shape:
    """Return the shape of the chunks (inner chunks, if the array has shards).

    Raises ArgumentError for a rectilinear grid, whose chunks have no common shape.
    """
    return inner_chunks(meta) or meta.chunk_grid.chunk_shape


def shard_shape(meta: ArrayMetadata) -> Shape | None:
    """Return the shape of the shards, or None if the array has none."""
    return None if inner_chunks(meta) is None else meta.chunk_grid.chunk_shape


def chunk_counts(meta: ArrayMetadata) -> Shape:
    """Return the number of chunks along each dimension (inner chunks, if the array has shards)."""
    inner = inner_chunks(meta)
    if inner is None:
        return meta.chunk_grid.chunk_counts
    return tuple([-(-n // c) for n, c in zip(meta.shape, inner, strict=True)])


def write_sizes(meta: ArrayMetadata) -> Sizes:
    """Return the length of every stored chunk (shard, if the array has shards), cropped to the array."""
    grid = meta.chunk_grid
    return tuple(
        [
            tuple([min(d.size(i), n - d.offset(i)) for i in range(c)])
            for d, n, c in zip(grid.dims, grid.shape, grid.chunk_counts, strict=True)
        ]
    )


def read_sizes(meta: ArrayMetadata) -> Sizes:
    """Return the length of every chunk (inner chunk, if the array has shards), cropped to the array."""
    inner = inner_chunks(meta)
    if inner is None:
        return write_sizes(meta)
    return tuple(
        [
            tuple([min(at + size, end) - at for start, end in shards for at in range(start, end, size)])
            for shards, size in zip(_extents(write_sizes(meta)), inner, strict=True)
        ]
    )


def _extents(sizes: Sizes) -> list[list[tuple[int, int]]]:
    """Return start and end of each length, one list per dimension."""
    ends = [[*accumulate(lengths)] for lengths in sizes]
    return [[*zip([0, *stops], stops, strict=False)] for stops in ends]
