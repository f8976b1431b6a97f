"""The chunk grid of a stream: iterate over chunks without listing them.

If the array has shards, a chunk is an inner chunk, as in `Array.chunks` and `Array.cdata_shape`. Chunks are represented by
entries: plain tuples that C-level iterators build.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import repeat
from types import EllipsisType
from typing import Any

import numpy as np

from exzarr._engine.planning.grid_plan import GridPlan
from exzarr._engine.planning.projections import Dimension
from exzarr._engine.planning.selections import SliceIndex
from exzarr._engine.source import ChunkSource
from exzarr._format.chunk_grids import RegularDimension
from exzarr._typing import IntArray
from exzarr.errors import SelectionError

__all__ = ["Entry", "Region", "StreamGrid", "as_region", "chunk_indices"]

Region = tuple[slice, ...]
"""One slice with step 1 for each dimension, in array coordinates."""

Index = tuple[int, ...]

Entry = tuple[str, Index, Region, Region, Index | None]
"""``(key, index, within, region, local)`` of one chunk: its store key, its chunk index, the wanted part of the chunk, the
region of the array that this part covers, and the chunk's index in its shard (None if there are no shards)."""


class StreamGrid:
    """The chunk grid of an array.

    Attributes
    ----------
    dims, shape
        Dimensions of the grid, and shape of the array in elements.
    counts
        Number of chunks along each dimension.
    sharded
        True if chunks are inner chunks of shards. Otherwise `local` of an entry is None.
    """

    __slots__ = ("_locals", "_source", "counts", "dims", "sharded", "shape")

    def __init__(self, source: ChunkSource) -> None:
        self._source = source
        self.shape = source.shape
        self.sharded = source.sharded
        self.dims: Sequence[Dimension] = source.dims
        if source.sharded:
            # Shards consist of whole inner chunks, so inner chunks form a regular grid for any grid of shards.
            self.dims = [RegularDimension(size) for size in source.inner_pipeline.spec.shape]
        self.counts = tuple([dim.count(n) for dim, n in zip(self.dims, self.shape, strict=True)])

    # -- one chunk -------------------------------------------------------------------

    def region(self, index: Sequence[int]) -> Region:
        """Return the region of the array that a chunk covers."""
        bounds = zip(self.dims, index, self.shape, strict=True)
        return tuple([slice(dim.offset(i), min(dim.offset(i) + dim.size(i), n)) for dim, i, n in bounds])

    def key(self, index: Sequence[int]) -> str:
        """Return the store key of a chunk, or of its shard."""
        source = self._source
        if not self.sharded:
            return source.key(tuple(index))
        corner = [dim.offset(i) for dim, i in zip(self.dims, index, strict=True)]
        return source.key(tuple([dim.index_of(at) for dim, at in zip(source.dims, corner, strict=True)]))

    # -- many chunks -------------------------------------------------------------------

    def count(self, region: Region) -> int:
        """Return the number of chunks that a region touches."""
        return self._plan(region).chunks

    def sizes(self, region: Region | None = None) -> IntArray:
        """Return the number of elements of each chunk inside the array, or inside `region`, with the grid's shape."""
        found = np.ones((), np.int64)
        for d, (dim, count, length) in enumerate(zip(self.dims, self.counts, self.shape, strict=True)):
            part = slice(0, length) if region is None else region[d]
            ends = [dim.offset(i) + dim.size(i) for i in range(count)]
            starts = np.array([dim.offset(i) for i in range(count)], np.int64)
            inside = np.minimum(np.array(ends, np.int64), part.stop) - np.maximum(starts, part.start)
            found = np.multiply.outer(found, np.maximum(0, inside))
        return found

    def walk(self, region: Region) -> Iterator[Entry]:
        """Yield the chunks that `region` touches, in C order of their index."""
        source, plan = self._source, self._plan(region)
        if not self.shape:
            local = () if self.sharded else None
            return iter([(source.key(()), (), (), (), local)])
        indexes = plan.walk([int] * len(self.dims), tuple)
        if not self.sharded:
            keys = plan.walk(source.labels, source.join)
            return _entries(keys, indexes, repeat(None))
        labels, places = zip(*map(_in_shard, source.dims, self.dims, source.labels), strict=True)
        return _entries(plan.walk(labels, source.join), indexes, map(_first, plan.walk(places, tuple)))

    def walk_shards(self, region: Region) -> Iterator[Entry]:
        """Yield the chunks that `region` touches, shard by shard."""
        source = self._source
        outer = GridPlan(_spans(region), source.dims, self.shape, self.shape)
        for _, _, place in outer.walk(source.labels, source.join):
            yield from self.walk(place if self.shape else ())

    def pick(self, region: Region, indices: IntArray) -> Iterator[Entry]:
        """Yield the chunks at `indices`, cropped to `region`, in the order of `indices`."""
        source = self._source
        for index in map(tuple, indices.tolist()):
            within, place, local = [], [], []
            for d, (dim, i, wanted) in enumerate(zip(self.dims, index, region, strict=True)):
                low = dim.offset(i)
                start, stop = max(low, wanted.start), min(low + dim.size(i), wanted.stop)
                if start >= stop:
                    break
                within.append(slice(start - low, stop - low, 1))
                place.append(slice(start, stop))
                if self.sharded:
                    shard = source.dims[d]
                    local.append((low - shard.offset(shard.index_of(low))) // dim.size(i))
            else:
                yield (
                    self.key(index),
                    index,
                    tuple(within),
                    tuple(place),
                    tuple(local) if self.sharded else None,
                )

    def touched(self, region: Region, indices: IntArray) -> IntArray:
        """Return those of `indices` whose chunks have elements in `region`."""
        keep = np.ones(len(indices), bool)
        for d, (dim, wanted) in enumerate(zip(self.dims, region, strict=True)):
            if wanted.start >= wanted.stop:
                return indices[:0]
            low, high = dim.index_of(wanted.start), dim.index_of(wanted.stop - 1)
            keep &= (indices[:, d] >= low) & (indices[:, d] <= high)
        return indices[keep]

    def by_shard(self, indices: IntArray) -> IntArray:
        """Sort `indices` by shard: in C order of shards, and in C order within each shard."""
        if not self.sharded or not len(indices):
            return indices
        corners = [dim.uniform * indices[:, d] for d, dim in enumerate(self.dims) if dim.uniform]
        shards = [dim.indices_of(at) for dim, at in zip(self._source.dims, corners, strict=True)]
        order = np.lexsort((*[indices[:, d] for d in reversed(range(len(self.dims)))], *reversed(shards)))
        return indices[order]

    def _plan(self, region: Region) -> GridPlan:
        return GridPlan(_spans(region), self.dims, self.shape, self.shape)


def _spans(region: Region) -> list[SliceIndex]:
    # The position in the work array equals the position in the array (`at`).
    return [SliceIndex(part.start, 1, max(0, part.stop - part.start), part.start) for part in region]


def _entries(keys: Iterator[Any], indexes: Iterator[Any], locals_: Iterator[Any]) -> Iterator[Entry]:
    for (key, within, region), (index, _, _), local in zip(keys, indexes, locals_, strict=False):
        yield key, index, within, region, local


def _first(item: Any) -> Any:
    return item[0]


def _in_shard(
    shard: Dimension, inner: Dimension, label: Callable[[int], str]
) -> tuple[Callable[[int], str], Callable[[int], int]]:
    """Return two functions of an inner chunk's coordinate in one dimension: part of the shard's key, and index in the shard."""
    size = inner.size(0)
    whole = shard.uniform
    if whole is not None:
        each = whole // size
        return lambda i: label(i // each), lambda i: i % each
    return (
        lambda i: label(shard.index_of(i * size)),
        lambda i: i - shard.offset(shard.index_of(i * size)) // size,
    )


def as_region(region: Any, shape: tuple[int, ...]) -> Region:
    """Convert a user's region to one slice per dimension; None means the whole array.

    Raise SelectionError unless it is a tuple of slices with step 1.
    """
    parts = () if region is None else region if isinstance(region, tuple) else (region,)
    dots = [at for at, part in enumerate(parts) if isinstance(part, EllipsisType)]
    if dots:
        fill = (slice(None),) * (len(shape) + 1 - len(parts))
        parts = parts[: dots[0]] + fill + parts[dots[0] + 1 :]
    if len(parts) > len(shape):
        raise SelectionError(f"a region of {len(parts)} slices, for an array of {len(shape)} dimensions")
    found: list[slice] = []
    for dim, (part, length) in enumerate(
        zip((*parts, *[slice(None)] * (len(shape) - len(parts))), shape, strict=True)
    ):
        if not isinstance(part, slice):
            raise SelectionError(
                f"a region must be a tuple of slices, but dimension {dim} has {part!r}; for one index i use slice(i, i + 1)"
            )
        try:
            start, stop, step = part.indices(length)
        except TypeError as error:
            raise SelectionError(f"{part!r} for dimension {dim}: {error}") from None
        if step != 1:
            raise SelectionError(f"slices of a region have step 1, not {step} (dimension {dim})")
        found.append(slice(start, max(start, stop)))
    return tuple(found)


def chunk_indices(where: Any, counts: tuple[int, ...]) -> IntArray:
    """Convert a user's chunk indices to an array of shape (n, dimensions), in C order without duplicates.

    A boolean array of the grid's shape selects the chunks where it is true. Raise SelectionError if an index is not in
    the grid.
    """
    array = np.asarray(where)
    if array.dtype == np.bool_:
        if array.shape != counts:
            raise SelectionError(f"a mask of chunks has the grid's shape {counts}, not {array.shape}")
        return np.argwhere(array).astype(np.int64)
    if not array.size and len(counts):
        return np.empty((0, len(counts)), np.int64)
    if array.dtype.kind not in "iu" and array.size:
        raise SelectionError(f"chunk indices are integers, not {array.dtype}")
    if array.ndim == 1 and len(counts) == 1:
        array = array[:, None]
    if array.ndim != 2 or array.shape[1] != len(counts):
        raise SelectionError(
            f"chunk indices are an array of shape (n, {len(counts)}), one row for each, not {array.shape}; "
            "for one chunk use [index]"
        )
    if not counts:
        return np.empty((min(1, len(array)), 0), np.int64)
    array = array.astype(np.int64)
    wrong = ((array < 0) | (array >= np.array(counts))).any(axis=1)
    if wrong.any():
        bad = tuple(array[wrong][0].tolist())
        raise SelectionError(f"there is no chunk {bad}: the grid has {counts} chunks")
    return np.unique(array, axis=0)
