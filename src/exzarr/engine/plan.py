"""A selection × a chunk grid → the flat chunk plan.

A plan is walked, never stored: `walk` yields one tuple for each chunk it touches,

``(label, chunk_index, work_index[, covers])``

made by C-level iterators (`zip`, `map`, `itertools.product`), so that a chunk costs no
Python object beyond the tuples. `chunk_index` and `work_index` are NumPy indexes such that
``work[work_index] = chunk[chunk_index]`` moves the data (and the reverse writes it).
`label` is made from the chunk's coordinates by the caller, who gives a function for each
dimension and one that joins what they return: to a store key, or to an inner chunk's number
in its shard. `covers` tells whether every element that the chunk has inside the array is selected.

Small chunks are not worth a NumPy assignment each. `runs` yields neighbours along the last
dimension together, ``(labels, chunk_index, work_index)``: their data lies side by side in the
work array and can be moved by one assignment.

A shard is planned by the same rules, once more, with its inner chunks as the grid (`within`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import product
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from exzarr.engine.indexing import Axis, GridSelection, Picks, Selection, Span

__all__ = ["Dimension", "GridPlan", "Plan", "PointPlan", "make_plan"]

Item = tuple[Any, ...]
Part = tuple[int, Any, Any, bool]
"""(chunk coordinate, index in the chunk, index in the work array, covers) along one dimension."""

Run = tuple[list[Any], Any, Any]
"""(labels, chunk index, work index) of neighbouring chunks."""

LAZY = 1024
"""Dimensions that touch more chunks than this are walked lazily, part by part."""

_WHOLE = (Ellipsis,)
"""All of a 0-dimensional work array, as an array: ``()`` would make it a scalar."""


class Dimension(Protocol):
    """One dimension of a chunk grid (`format.chunk_grids`)."""

    def offset(self, i: int) -> int: ...
    def size(self, i: int) -> int: ...
    def index_of(self, position: int) -> int: ...
    def indices_of(self, positions: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]: ...
    def count(self, extent: int) -> int: ...


class Plan(Protocol):
    """What the engine asks of a plan."""

    work_shape: tuple[int, ...]
    permutation: tuple[int, ...] | None
    """Transpose a chunk by this before indexing it; None: as it is."""
    sliced: bool
    """All indexes are slices."""
    rows: bool
    """Along every dimension but the first, each chunk is taken whole and fills the work array."""

    @property
    def chunks(self) -> int:
        """How many chunks the plan touches."""
        ...

    def walk(
        self, labels: Sequence[Callable[[int], Any]], join: Callable[[Any], Any], *, covers: bool = False
    ) -> Iterator[Item]: ...

    def runs(
        self, labels: Sequence[Callable[[int], Any]], join: Callable[[Any], Any], most: int
    ) -> Iterator[Run]:
        """Like `walk`, with up to `most` neighbours in one item.

        Joined labels must be such that the label of a chunk is that of its first coordinates
        *plus* that of its last. Where an item has more than one label, each of its chunks is
        taken whole along the last dimension.
        """
        ...

    def within(self, item: Item, dims: Sequence[Dimension], extents: Sequence[int]) -> Plan:
        """The plan of one item of this plan over a finer grid inside its chunk."""
        ...


def make_plan(selection: Selection, dims: Sequence[Dimension], extents: Sequence[int]) -> Plan:
    """The plan of `selection` over a grid of `dims` whose array has the shape `extents`."""
    if isinstance(selection, GridSelection):
        return GridPlan(selection.axes, dims, extents, selection.work_shape)
    return PointPlan(
        selection.point_dims,
        selection.points,
        None,
        selection.span_dims,
        selection.spans,
        dims,
        extents,
        selection.work_shape,
    )


class GridPlan:
    """The product of the parts of each dimension, in C order of the chunk index."""

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
        # Two index arrays side by side would be paired by NumPy; `cross` keeps them apart.
        picks = 0
        rows = True
        for at, axis in enumerate(axes):
            if not isinstance(axis, Span):
                picks += 1
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
            n *= _count(axis, dim, extent)
        return n

    def walk(
        self, labels: Sequence[Callable[[int], Any]], join: Callable[[Any], Any], *, covers: bool = False
    ) -> Iterator[Item]:
        if not self.axes:
            return iter([(join(()), (), _WHOLE, True)[: 4 if covers else 3]])
        # The dimensions up to the last long one are walked in Python, one part at a time;
        # those after it are short enough to be listed, and their product is made in C.
        dims = range(len(self.axes))
        first = 1 + max((d for d in dims if _long(self.axes[d], self.dims[d])), default=-1)
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
        if most <= 1 or self.rows or not self.sliced or last < 1 or _long(self.axes[last], self.dims[last]):
            return _single(self.walk(labels, join))
        ends = [*_merge(self._parts(last), self.dims[last], labels[last], most)]
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
                return zip(key, chunk_index, work_index, map(all, product(*heads[3], *tails[3])), strict=False)
            return zip(key, chunk_index, work_index, strict=False)
        return self._nested(head, first, labels, tails, join, covers)

    def _nested(self, head: tuple[Part, ...], first: int, *rest: Any) -> Iterator[Item]:
        for part in self._parts(len(head)):
            yield from self._product((*head, part), first, *rest)

    def _parts(self, d: int) -> Iterator[Part]:
        axis = self.axes[d]
        if type(axis) is Picks:
            return _pick_parts(axis, self.dims[d], self.extents[d])
        return _span_parts(axis, self.dims[d], self.extents[d])  # type: ignore[arg-type]

    def within(self, item: Item, dims: Sequence[Dimension], extents: Sequence[int]) -> GridPlan:
        axes: list[Axis] = []
        for chunk, work in zip(item[1], item[2], strict=False):
            if type(chunk) is slice:
                axes.append(Span(chunk.start, chunk.step, work.stop - work.start, work.start))
            else:
                axes.append(Picks(chunk.reshape(-1), work.reshape(-1)))
        return GridPlan(axes, dims, extents, self.work_shape)


class PointPlan:
    """Points, gathered by the chunk they fall in, × the parts of the other dimensions."""

    __slots__ = (
        "_groups",
        "at",
        "dims",
        "extents",
        "permutation",
        "point_dims",
        "points",
        "span_dims",
        "spans",
        "work_shape",
    )
    rows = False
    sliced = False

    def __init__(
        self,
        point_dims: tuple[int, ...],
        points: Sequence[npt.NDArray[np.int64]],
        at: npt.NDArray[np.int64] | None,
        span_dims: tuple[int, ...],
        spans: Sequence[Span],
        dims: Sequence[Dimension],
        extents: Sequence[int],
        work_shape: tuple[int, ...],
    ) -> None:
        self.point_dims = point_dims
        self.points = points
        self.at = at
        self.span_dims = span_dims
        self.spans = spans
        self.dims = dims
        self.extents = extents
        self.work_shape = work_shape
        order = (*point_dims, *span_dims)
        self.permutation = None if order == tuple(range(len(order))) else order
        self._groups: tuple[Any, Any, Any] | None = None

    @property
    def chunks(self) -> int:
        n = len(self._grouped()[1]) - 1
        for d, span in zip(self.span_dims, self.spans, strict=True):
            n *= _count(span, self.dims[d], self.extents[d])
        return n

    def _grouped(self) -> tuple[Any, Any, Any]:
        """(order, bounds, coordinates): points sorted by chunk, where each chunk's begin, and the chunks."""
        if self._groups is None:
            coords = [self.dims[d].indices_of(p) for d, p in zip(self.point_dims, self.points, strict=True)]
            if not len(coords[0]):
                self._groups = (np.zeros(0, np.int64), [0], [])
                return self._groups
            # lexsort sorts by the last key first, so that chunks come in C order; it is stable.
            order = np.lexsort(coords[::-1]) if len(coords) > 1 else np.argsort(coords[0], kind="stable")
            stacked = np.stack(coords, axis=1)[order]
            starts = np.flatnonzero((stacked[1:] != stacked[:-1]).any(axis=1)) + 1
            bounds = [0, *starts.tolist(), len(order)]
            self._groups = (order, bounds, stacked[bounds[:-1]].tolist())
        return self._groups

    def walk(
        self, labels: Sequence[Callable[[int], Any]], join: Callable[[Any], Any], *, covers: bool = False
    ) -> Iterator[Item]:
        order, bounds, chunks = self._grouped()
        parts = [
            [*_span_parts(span, self.dims[d], self.extents[d])]
            for d, span in zip(self.span_dims, self.spans, strict=True)
        ]
        label: list[Any] = [None] * len(self.dims)
        for group, coords in enumerate(chunks):
            chosen = order[bounds[group] : bounds[group + 1]]
            local = []
            for d, coord, points in zip(self.point_dims, coords, self.points, strict=True):
                label[d] = labels[d](coord)
                local.append(points[chosen] - self.dims[d].offset(coord))
            at = chosen if self.at is None else self.at[chosen]
            for combination in product(*parts):
                for d, part in zip(self.span_dims, combination, strict=True):
                    label[d] = labels[d](part[0])
                yield (
                    join(tuple(label)),
                    (*local, *[part[1] for part in combination]),
                    (at, *[part[2] for part in combination]),
                    False,
                )[: 4 if covers else 3]

    def runs(
        self, labels: Sequence[Callable[[int], Any]], join: Callable[[Any], Any], most: int
    ) -> Iterator[Run]:
        return _single(self.walk(labels, join))

    def within(self, item: Item, dims: Sequence[Dimension], extents: Sequence[int]) -> PointPlan:
        n = len(self.point_dims)
        spans = [
            Span(chunk.start, chunk.step, work.stop - work.start, work.start)
            for chunk, work in zip(item[1][n:], item[2][1:], strict=True)
        ]
        return PointPlan(
            self.point_dims, item[1][:n], item[2][0], self.span_dims, spans, dims, extents, self.work_shape
        )


def _single(items: Iterator[Item]) -> Iterator[Run]:
    for label, chunk_index, work_index in items:
        yield [label], chunk_index, work_index


def _runs(heads: Iterator[Item], ends: Sequence[Run]) -> Iterator[Run]:
    for head, chunk_index, work_index in heads:
        for tails, chunk_last, work_last in ends:
            yield [head + tail for tail in tails], (*chunk_index, chunk_last), (*work_index, work_last)


def _merge(parts: Iterator[Part], dim: Dimension, label: Callable[[int], Any], most: int) -> Iterator[Run]:
    """Parts of the last dimension, whole neighbours together."""
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


def _span_parts(span: Span, dim: Dimension, extent: int) -> Iterator[Part]:
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


def _pick_parts(picks: Picks, dim: Dimension, extent: int) -> Iterator[Part]:
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
    # As Python numbers: taking them out of the arrays one by one would cost more than all the rest.
    firsts = zip(coords[bounds[:-1]].tolist(), positions[bounds[:-1]].tolist(), at[bounds[:-1]].tolist(), strict=True)
    offset, size = dim.offset, dim.size
    for begin, end, (coord, here, there) in zip(bounds, bounds[1:], firsts, strict=False):
        low = offset(coord)
        if end - begin == 1:  # a slice moves one row at a fraction of what an index array costs
            here -= low
            covers = not here and (size(coord) == 1 or extent - low == 1)
            yield coord, slice(here, here + 1, 1), slice(there, there + 1), covers
        else:
            yield coord, positions[begin:end] - low, at[begin:end], False


def _count(axis: Axis, dim: Dimension, extent: int) -> int:
    """How many chunks an axis touches."""
    if not axis.count:
        return 0
    if type(axis) is Span:
        first, last = dim.index_of(axis.start), dim.index_of(axis.start + (axis.count - 1) * axis.step)
        if axis.step == 1 or last - first < 2:
            return last - first + 1
        return sum(1 for _ in _span_parts(axis, dim, extent))
    return len(np.unique(dim.indices_of(axis.positions)))  # type: ignore[union-attr]


def _long(axis: Axis, dim: Dimension) -> bool:
    if axis.count <= LAZY:
        return False
    if type(axis) is Span:
        last = axis.start + (axis.count - 1) * axis.step
        return dim.index_of(last) - dim.index_of(axis.start) > LAZY
    return True


def _cross(index: tuple[Any, ...]) -> tuple[Any, ...]:
    """An index that takes the product of its parts, where some of them are arrays."""
    return np.ix_(*[np.arange(i.start, i.stop, i.step or 1) if type(i) is slice else i for i in index])
