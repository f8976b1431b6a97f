"""Changing an array's shape: by resizing it, or by appending to it.

Chunks are dealt with first and the metadata document is written last. Two writers at once are not
kept apart here: whoever does that holds a lock around the calls of `Array.resize` and `.append`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import product
from typing import Any

import numpy as np

from exzarr import config, hierarchy
from exzarr.creation.layout import parse_shape
from exzarr.engine import indexing
from exzarr.engine.plan import make_plan
from exzarr.engine.source import ChunkSource
from exzarr.engine.write import write
from exzarr.errors import ArgumentError
from exzarr.format.metadata import ArrayMetadata
from exzarr.hierarchy import Location
from exzarr.nodes.indexers import as_values
from exzarr.nodes.stored import chunk_index
from exzarr.stores.watched import watched

__all__ = ["append", "resize"]

FEW = 100
"""Up to this many keys are deleted without looking which of them are stored."""


def resize(
    location: Location, source: ChunkSource, meta: ArrayMetadata, shape: int | Sequence[int]
) -> ArrayMetadata:
    """Give the array that `meta` describes, and `source` reads, another shape; returns its new metadata.

    When it shrinks, chunks that lie wholly outside are deleted, and in chunks at the new edge what lies
    outside becomes the fill value: when it grows again, old data does not come back.
    """
    lengths = parse_shape(shape)
    if len(lengths) != meta.ndim:
        raise ArgumentError(
            f"the array has {meta.ndim} dimensions, the new shape {lengths} has {len(lengths)}: "
            "resize keeps the number of dimensions"
        )
    if lengths == meta.shape:
        return meta
    resized = meta.with_(shape=lengths)
    if any(new < old for new, old in zip(lengths, meta.shape, strict=True)):
        kept = tuple([min(new, old) for new, old in zip(lengths, meta.shape, strict=True)])
        _delete_outside(source, kept)
        _clear_edges(source, kept)
    hierarchy.save(location, resized)
    return resized


def append(
    location: Location,
    meta: ArrayMetadata,
    data: Any,
    axis: int,
    rebind: Callable[[ArrayMetadata], ChunkSource],
) -> ArrayMetadata:
    """Add `data` at the end of dimension `axis`; returns the new metadata.

    `rebind` gives the source for metadata that is not stored yet: all chunks are there before the
    document that makes them part of the array.
    """
    axis = _axis(axis, meta.ndim)
    values = as_values(data, meta.data_type.dtype)
    others = [(n, m) for d, (n, m) in enumerate(zip(values.shape, meta.shape, strict=False)) if d != axis]
    if values.ndim != meta.ndim or any(n != m for n, m in others):
        wanted = ", ".join("any" if d == axis else str(n) for d, n in enumerate(meta.shape))
        raise ArgumentError(
            f"cannot append data of shape {values.shape} along dimension {axis} of an array of shape {meta.shape}: "
            f"it must have the shape ({wanted})"
        )
    start = meta.shape[axis]
    shape = (*meta.shape[:axis], start + values.shape[axis], *meta.shape[axis + 1 :])
    if shape == meta.shape:
        return meta
    grown = meta.with_(shape=shape)
    region = tuple([slice(start, n) if d == axis else slice(0, n) for d, n in enumerate(shape)])
    _write(rebind(grown), region, values)
    hierarchy.save(location, grown)
    return grown


def _axis(axis: int, ndim: int) -> int:
    if not ndim:
        raise ArgumentError("a 0-dimensional array cannot be appended to")
    if not -ndim <= axis < ndim:
        raise ArgumentError(f"axis {axis} does not exist: the array has {ndim} dimensions")
    return axis % ndim


# -- what lies outside -----------------------------------------------------------------


def _delete_outside(source: ChunkSource, shape: tuple[int, ...]) -> None:
    """Delete the chunks that hold nothing of the array once it has `shape`."""
    store = watched(source.store)
    old = source.grid.chunk_counts
    new = tuple([dim.count(n) for dim, n in zip(source.dims, shape, strict=True)])
    if math.prod(old) - math.prod(new) <= FEW:
        keys = [source.key(index) for index in _outside(old, new)]
    else:
        keys = [key for key in store.list(source.path) if _is_outside(source, key, new)]
    for key in keys:
        store.delete(key)


def _outside(old: tuple[int, ...], new: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    """The indexes of a grid of `old` chunks per dimension that one of `new` does not have, each once."""
    for d in range(len(old)):
        inside = [range(n) for n in new[:d]]
        yield from product(*inside, range(new[d], old[d]), *[range(n) for n in old[d + 1 :]])


def _is_outside(source: ChunkSource, key: str, counts: tuple[int, ...]) -> bool:
    index = chunk_index(source, key)
    return index is not None and any(i >= n for i, n in zip(index, counts, strict=True))


def _clear_edges(source: ChunkSource, shape: tuple[int, ...]) -> None:
    """In chunks that reach past `shape`, write the fill value there."""
    ends = [
        min(old, dim.offset(last) + dim.size(last)) if (last := dim.count(n) - 1) >= 0 else 0
        for dim, n, old in zip(source.dims, shape, source.shape, strict=True)
    ]
    fill = np.empty((), source.dtype)
    fill[()] = source.fill
    # Chunks that come to nothing but the fill value go, and absent ones stay absent.
    with config.override(write_empty_chunks=False):
        for d, (n, end) in enumerate(zip(shape, ends, strict=True)):
            if n < end:
                region = tuple([slice(n, end) if axis == d else slice(0, e) for axis, e in enumerate(ends)])
                extent = [part.stop - part.start for part in region]
                _write(source, region, np.broadcast_to(fill, extent))


def _write(source: ChunkSource, region: tuple[slice, ...], values: Any) -> None:
    selection = indexing.basic(region, source.shape)
    write(source, make_plan(selection, source.dims, source.shape), selection.to_work(values))
