"""Plan of a selection of single points."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
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
    single,
    slice_projections,
)
from exzarr._engine.planning.selections import SliceIndex
from exzarr._typing import IntArray

__all__ = ["PointPlan"]


class PointPlan:
    """Product of points, grouped by chunk, and the projections of the other dimensions."""

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
        points: Sequence[IntArray],
        at: IntArray | None,
        span_dims: tuple[int, ...],
        spans: Sequence[SliceIndex],
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
            n *= chunk_count(span, self.dims[d], self.extents[d])
        return n

    def _grouped(self) -> tuple[Any, Any, Any]:
        """Return (order of the points by chunk, bounds of each chunk's points, coordinates of the chunks)."""
        if self._groups is None:
            coords = [self.dims[d].indices_of(p) for d, p in zip(self.point_dims, self.points, strict=True)]
            if not len(coords[0]):
                self._groups = (np.zeros(0, np.int64), [0], [])
                return self._groups
            # The last key of lexsort is the primary one. The result is stable, with chunks in C order.
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
        combinations = self._span_product()
        label: list[Any] = [None] * len(self.dims)
        for group, coords in enumerate(chunks):
            chosen = order[bounds[group] : bounds[group + 1]]
            local = []
            for d, coord, points in zip(self.point_dims, coords, self.points, strict=True):
                label[d] = labels[d](coord)
                local.append(points[chosen] - self.dims[d].offset(coord))
            at = chosen if self.at is None else self.at[chosen]
            for combination in combinations():
                for d, part in zip(self.span_dims, combination, strict=True):
                    label[d] = labels[d](part[0])
                yield (
                    join(tuple(label)),
                    (*local, *[part[1] for part in combination]),
                    (at, *[part[2] for part in combination]),
                    False,
                )[: 4 if covers else 3]

    def _span_product(self) -> Callable[[], Iterator[tuple[Part, ...]]]:
        """Return a function that iterates over the product of the slice projections, for one group of points."""
        at = [
            (span, self.dims[d], self.extents[d]) for d, span in zip(self.span_dims, self.spans, strict=True)
        ]
        if any(is_long(span, dim) for span, dim, _ in at):
            return partial(_each, at)
        parts = [[*slice_projections(*where)] for where in at]
        return lambda: product(*parts)

    def runs(
        self, labels: Sequence[Callable[[int], Any]], join: Callable[[Any], Any], most: int
    ) -> Iterator[Run]:
        return single(self.walk(labels, join))

    def within(self, item: Item, dims: Sequence[Dimension], extents: Sequence[int]) -> PointPlan:
        n = len(self.point_dims)
        spans = [
            SliceIndex(chunk.start, chunk.step, work.stop - work.start, work.start)
            for chunk, work in zip(item[1][n:], item[2][1:], strict=True)
        ]
        return PointPlan(
            self.point_dims, item[1][:n], item[2][0], self.span_dims, spans, dims, extents, self.work_shape
        )

    def over(self, dims: Sequence[Dimension]) -> PointPlan:
        return PointPlan(
            self.point_dims,
            self.points,
            self.at,
            self.span_dims,
            self.spans,
            dims,
            self.extents,
            self.work_shape,
        )

    def only(self, chunk: Sequence[int]) -> PointPlan:
        inside = np.ones(self.work_shape[:1] if self.at is None else len(self.at), bool)
        for d, points in zip(self.point_dims, self.points, strict=True):
            low = self.dims[d].offset(chunk[d])
            inside &= (points >= low) & (points < low + self.dims[d].size(chunk[d]))
        at = np.flatnonzero(inside) if self.at is None else self.at[inside]
        chosen = [points[inside] for points in self.points]
        spans: list[Any] = [
            clip(span, self.dims[d], chunk[d]) for d, span in zip(self.span_dims, self.spans, strict=True)
        ]
        return PointPlan(
            self.point_dims, chosen, at, self.span_dims, spans, self.dims, self.extents, self.work_shape
        )


def _each(spans: Sequence[tuple[SliceIndex, Dimension, int]]) -> Iterator[tuple[Part, ...]]:
    """Iterate over the product of the slice projections without keeping them."""
    if not spans:
        yield ()
        return
    for part in slice_projections(*spans[0]):
        for rest in _each(spans[1:]):
            yield part, *rest
