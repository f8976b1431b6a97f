"""Plan of a selection that is the product of one axis per dimension."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import product
from typing import Any

import numpy as np

from exzarr._engine.planning.projections import (
    Dimension,
    Item,
    Part,
    Run,
    chunk_count,
    clip,
    is_long,
    merge,
    project_axis,
    single,
)
from exzarr._engine.planning.selections import Axis, IntegerIndex, Ranges, SliceIndex, SliceIndexes

__all__ = ["GridPlan", "grid_within"]

_WHOLE = (Ellipsis,)
"""Index of a whole 0-dimensional work array. The index ``()`` would give a scalar."""


class GridPlan:
    """Product of the projections of each dimension, in C order of the chunk index."""

    __slots__ = ("axes", "crossed", "dims", "extents", "rows", "sliced", "work_shape")
    permutation: tuple[int, ...] | None = None

    def __init__(
        self,
        axes: Sequence[Axis],
        dims: Sequence[Dimension],
        extents: Sequence[int],
        work_shape: tuple[int, ...],
    ) -> None:
        self.axes = axes
        self.dims = dims
        self.extents = extents
        self.work_shape = work_shape
        # NumPy would pair two index arrays; `_cross` makes their product.
        picks = 0
        rows = True
        for at, axis in enumerate(axes):
            if not isinstance(axis, SliceIndex):
                picks += type(axis) in (IntegerIndex, Ranges)
                rows = rows and at == 0
            elif at:
                size = dims[at].size(0) if axis.count else -1
                rows = rows and axis.start == 0 and axis.step == 1 and axis.count == size == work_shape[at]
        self.crossed = picks > 1
        self.sliced = not picks
        self.rows = rows

    @property
    def chunks(self) -> int:
        n = 1
        for axis, dim, extent in zip(self.axes, self.dims, self.extents, strict=True):
            n *= chunk_count(axis, dim, extent)
        return n

    def walk(
        self, labels: Sequence[Callable[[int], Any]], join: Callable[[Any], Any], *, covers: bool = False
    ) -> Iterator[Item]:
        if not self.axes:
            return iter([(join(()), (), _WHOLE, True)[: 4 if covers else 3]])
        # Python iterates over the dimensions up to the last long one, one projection at a time.
        # The dimensions after it are short enough to be lists, and their product is made in C.
        dims = range(len(self.axes))
        first = 1 + max((d for d in dims if is_long(self.axes[d], self.dims[d])), default=-1)
        listed = [[*self._parts(d)] for d in dims[first:]]
        tails = [
            [[label(part[0]) for part in parts] for label, parts in zip(labels[first:], listed, strict=True)],
            *[[[part[field] for part in parts] for parts in listed] for field in (1, 2, 3)],
        ]
        return self._product((), first, labels, tails, join, covers)

    def runs(
        self, labels: Sequence[Callable[[int], Any]], join: Callable[[Any], Any], most: int
    ) -> Iterator[Run]:
        last = len(self.axes) - 1
        single_file = most <= 1 or self.rows or not self.sliced or last < 1
        # With several slice indexes, neighbors in the array may not be neighbors in the result.
        if single_file or type(self.axes[last]) is SliceIndexes or is_long(self.axes[last], self.dims[last]):
            return single(self.walk(labels, join))
        ends = [*merge(self._parts(last), self.dims[last], labels[last], most)]
        heads = GridPlan(self.axes[:last], self.dims[:last], self.extents[:last], self.work_shape[:last])
        return _runs(heads.walk(labels[:last], join), ends)

    def _product(
        self,
        head: tuple[Part, ...],
        first: int,
        labels: Sequence[Callable[[int], Any]],
        tails: Sequence[Sequence[Any]],
        join: Callable[[Any], Any],
        covers: bool,
    ) -> Iterator[Item]:
        if len(head) == first:
            heads = [[(label(part[0]),) for label, part in zip(labels, head, strict=False)]]
            heads += [[(part[field],) for part in head] for field in (1, 2, 3)]
            chunk_index: Iterator[Any] = product(*heads[1], *tails[1])
            work_index: Iterator[Any] = product(*heads[2], *tails[2])
            if self.crossed:
                chunk_index, work_index = map(_cross, chunk_index), map(_cross, work_index)
            key = map(join, product(*heads[0], *tails[0]))
            if covers:
                return zip(
                    key, chunk_index, work_index, map(all, product(*heads[3], *tails[3])), strict=False
                )
            return zip(key, chunk_index, work_index, strict=False)
        return self._nested(head, first, labels, tails, join, covers)

    def _nested(self, head: tuple[Part, ...], first: int, *rest: Any) -> Iterator[Item]:
        for part in self._parts(len(head)):
            yield from self._product((*head, part), first, *rest)

    def _parts(self, d: int) -> Iterator[Part]:
        return project_axis(self.axes[d], self.dims[d], self.extents[d])

    def within(self, item: Item, dims: Sequence[Dimension], extents: Sequence[int]) -> GridPlan:
        return grid_within(item, dims, extents, self.work_shape)

    def over(self, dims: Sequence[Dimension]) -> GridPlan:
        return GridPlan(self.axes, dims, self.extents, self.work_shape)

    def only(self, chunk: Sequence[int]) -> GridPlan:
        axes = [*map(clip, self.axes, self.dims, chunk)]
        return GridPlan(axes, self.dims, self.extents, self.work_shape)


def grid_within(
    item: Item, dims: Sequence[Dimension], extents: Sequence[int], work_shape: tuple[int, ...]
) -> GridPlan:
    """Return the plan of one item, of which each dimension has its own index, over a finer grid in its chunk."""
    axes: list[Axis] = []
    for chunk, work in zip(item[1], item[2], strict=False):
        if type(chunk) is slice:
            axes.append(SliceIndex(chunk.start, chunk.step, work.stop - work.start, work.start))
        else:
            axes.append(IntegerIndex(chunk.reshape(-1), work.reshape(-1)))
    return GridPlan(axes, dims, extents, work_shape)


def _runs(heads: Iterator[Item], ends: Sequence[Run]) -> Iterator[Run]:
    for head, chunk_index, work_index in heads:
        for tails, chunk_last, work_last in ends:
            yield [head + tail for tail in tails], (*chunk_index, chunk_last), (*work_index, work_last)


def _cross(index: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return an index that takes the product of its parts, some of which are arrays."""
    return np.ix_(*[np.arange(i.start, i.stop, i.step or 1) if type(i) is slice else i for i in index])
