"""Projections of one dimension of a selection onto chunks.

`planning.plan` combines the dimensions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any, Protocol

import numpy as np

from exzarr._engine.planning.selections import Axis, IntegerIndex, Ranges, SliceIndex, SliceIndexes
from exzarr._typing import IntArray

__all__ = [
    "LAZY",
    "Dimension",
    "Item",
    "Part",
    "Run",
    "project_axis",
    "chunk_count",
    "clip",
    "is_long",
    "merge",
    "integer_projections",
    "range_projections",
    "single",
    "slice_projections",
]

Item = tuple[Any, ...]
Part = tuple[int, Any, Any, bool]
"""Projection along one dimension: (chunk coordinate, index in the chunk, index in the work array, covers)."""

Run = tuple[list[Any], Any, Any]
"""(labels, chunk index, work index) of neighboring chunks."""

LAZY = 1024
"""Projections of a dimension onto more chunks than this are made lazily."""


class Dimension(Protocol):
    """One dimension of a chunk grid (`_format.chunk_grids`)."""

    @property
    def uniform(self) -> int | None: ...
    def offset(self, i: int) -> int: ...
    def size(self, i: int) -> int: ...
    def index_of(self, position: int) -> int: ...
    def indices_of(self, positions: IntArray) -> IntArray: ...
    def count(self, extent: int) -> int: ...


def project_axis(axis: Axis, dim: Dimension, extent: int) -> Iterator[Part]:
    """Iterate over the projections of any axis."""
    if type(axis) is IntegerIndex:
        return integer_projections(axis, dim, extent)
    if type(axis) is Ranges:
        return range_projections(axis, dim, extent)
    if type(axis) is SliceIndexes:
        return chain.from_iterable([slice_projections(span, dim, extent) for span in axis.spans])
    return slice_projections(axis, dim, extent)  # type: ignore[arg-type]


def slice_projections(span: SliceIndex, dim: Dimension, extent: int) -> Iterator[Part]:
    start, step, count, at = span.start, span.step, span.count, span.at
    done = 0
    while done < count:
        position = start + done * step
        coord = dim.index_of(position)
        low = dim.offset(coord)
        high = low + dim.size(coord)
        until = (high - 1 - start) // step + 1
        if until > count:
            until = count
        n = until - done
        first = position - low
        yield (
            coord,
            slice(first, first + (n - 1) * step + 1, step),
            slice(at + done, at + until),
            n == (high if high < extent else extent) - low,
        )
        done = until


def integer_projections(picks: IntegerIndex, dim: Dimension, extent: int) -> Iterator[Part]:
    if not picks.count:
        return
    positions = picks.positions
    coords = dim.indices_of(positions)
    at = picks.at
    if (coords[1:] < coords[:-1]).any():
        order = np.argsort(coords, kind="stable")
        coords, positions = coords[order], positions[order]
        at = order if at is None else at[order]
    elif at is None:
        at = np.arange(len(positions))
    starts = (np.flatnonzero(coords[1:] != coords[:-1]) + 1).tolist()
    bounds = [0, *starts, len(positions)]
    # Convert to Python numbers together: single accesses to the arrays would cost more than all other steps.
    firsts = zip(
        coords[bounds[:-1]].tolist(), positions[bounds[:-1]].tolist(), at[bounds[:-1]].tolist(), strict=True
    )
    offset, size = dim.offset, dim.size
    for begin, end, (coord, here, there) in zip(bounds, bounds[1:], firsts, strict=False):
        low = offset(coord)
        if end - begin == 1:  # a slice moves one row much faster than an index array
            here -= low
            covers = not here and (size(coord) == 1 or extent - low == 1)
            yield coord, slice(here, here + 1, 1), slice(there, there + 1), covers
        else:
            yield coord, positions[begin:end] - low, at[begin:end], False


def range_projections(ranges: Ranges, dim: Dimension, extent: int) -> Iterator[Part]:
    """Iterate over the projections of many ranges, each chunk once.

    A chunk that holds one part of one range gets a slice. A chunk that several ranges share gets index arrays, which
    exist only while the caller uses them.
    """
    if not ranges.count:
        return
    coords, owners = _chunks_of(ranges, dim)
    changes = (np.flatnonzero(coords[1:] != coords[:-1]) + 1).tolist()
    bounds = [0, *changes, len(coords)]
    firsts = zip(coords[bounds[:-1]].tolist(), owners[bounds[:-1]].tolist(), strict=True)
    for begin, end, (coord, owner) in zip(bounds, bounds[1:], firsts, strict=False):
        low = dim.offset(coord)
        high = low + dim.size(coord)
        if end - begin == 1:
            start, there = int(ranges.starts[owner]), int(ranges.at[owner])
            first, until = max(start, low), min(start + int(ranges.counts[owner]), high)
            there += first - start
            covers = until - first == min(high, extent) - low
            yield coord, slice(first - low, until - low, 1), slice(there, there + until - first), covers
            continue
        part = _inside(ranges, owners[begin:end], low, high)
        yield coord, _positions(part.starts - low, part.counts), _positions(part.at, part.counts), False


def _chunks_of(ranges: Ranges, dim: Dimension) -> tuple[IntArray, IntArray]:
    """Return the chunk of each part of each range, sorted, and the number of the range."""
    first = dim.indices_of(ranges.starts)
    many = dim.indices_of(ranges.starts + ranges.counts - 1) - first + 1
    owners = np.repeat(np.arange(len(first)), many)
    coords = _positions(first, many)
    order = np.argsort(coords, kind="stable")
    return coords[order], owners[order]


def _inside(ranges: Ranges, owners: IntArray, low: int, high: int) -> Ranges:
    """Return the parts of some ranges that are between two positions."""
    starts = ranges.starts[owners]
    first = np.maximum(starts, low)
    until = np.minimum(starts + ranges.counts[owners], high)
    return Ranges(first, until - first, ranges.at[owners] + first - starts)


def _positions(starts: IntArray, counts: IntArray) -> IntArray:
    """Return the positions of ranges, one range after the other."""
    ends = np.cumsum(counts)
    return np.arange(ends[-1]) + np.repeat(starts + counts - ends, counts)


def clip(axis: Axis, dim: Dimension, coord: int) -> Axis:
    """Return the part of an axis in one chunk."""
    low = dim.offset(coord)
    high = low + dim.size(coord)
    if isinstance(axis, SliceIndexes):
        return SliceIndexes(
            [clipped for span in axis.spans if (clipped := clip_slice(span, low, high)).count]
        )
    if isinstance(axis, SliceIndex):
        return clip_slice(axis, low, high)
    if isinstance(axis, Ranges):
        return _inside(
            axis, np.flatnonzero((axis.starts < high) & (axis.starts + axis.counts > low)), low, high
        )
    inside = np.flatnonzero((axis.positions >= low) & (axis.positions < high))
    return IntegerIndex(axis.positions[inside], inside if axis.at is None else axis.at[inside])


def clip_slice(span: SliceIndex, low: int, high: int) -> SliceIndex:
    first = max(0, -((span.start - low) // span.step))
    until = min(span.count, -((span.start - high) // span.step))
    return SliceIndex(span.start + first * span.step, span.step, max(0, until - first), span.at + first)


def chunk_count(axis: Axis, dim: Dimension, extent: int) -> int:
    """Return the number of chunks that an axis selects from."""
    if not axis.count:
        return 0
    if type(axis) is SliceIndex:
        first, last = dim.index_of(axis.start), dim.index_of(axis.start + (axis.count - 1) * axis.step)
        if axis.step == 1 or last - first < 2:
            return last - first + 1
        if dim.uniform is None and last - first <= LAZY:
            return sum(1 for _ in slice_projections(axis, dim, extent))
        # A step shorter than a chunk skips no chunk. A longer step takes at most one element of each.
        return min(last - first + 1, axis.count)
    if type(axis) is SliceIndexes:
        return sum([chunk_count(span, dim, extent) for span in axis.spans])
    if type(axis) is Ranges:
        return len(np.unique(_chunks_of(axis, dim)[0]))
    return len(np.unique(dim.indices_of(axis.positions)))  # type: ignore[union-attr]


def is_long(axis: Axis, dim: Dimension) -> bool:
    if axis.count <= LAZY or type(axis) is SliceIndexes:
        return False
    if type(axis) is SliceIndex:
        last = axis.start + (axis.count - 1) * axis.step
        return dim.index_of(last) - dim.index_of(axis.start) > LAZY
    return True


def merge(parts: Iterator[Part], dim: Dimension, label: Callable[[int], Any], most: int) -> Iterator[Run]:
    """Iterate over projections of the last dimension, with whole neighbors together."""
    tails: list[Any] = []
    size = start = stop = 0
    for coord, chunk, work, _ in parts:
        whole = type(chunk) is slice and chunk.step == 1 and chunk.stop - chunk.start == dim.size(coord)
        if tails and not (whole and size == dim.size(coord) and len(tails) < most):
            yield tails, slice(0, size, 1), slice(start, stop)
            tails = []
        if not whole:
            yield [label(coord)], chunk, work
            continue
        if not tails:
            size, start = dim.size(coord), work.start
        tails.append(label(coord))
        stop = work.stop
    if tails:
        yield tails, slice(0, size, 1), slice(start, stop)


def single(items: Iterator[Item]) -> Iterator[Run]:
    for label, chunk_index, work_index in items:
        yield [label], chunk_index, work_index
