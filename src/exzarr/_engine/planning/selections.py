"""Normalized selections: the results of all ways of indexing (see `planning.indexing`).

`GridSelection`
    One *axis* (`SliceIndex`, `IntegerIndex` or `Ranges`) per dimension of the array. The result is their product.
`PointSelection`
    Some dimensions are indexed together, point by point, the others by `SliceIndex`.

The engine moves data in the layout of a *work array*, which has every dimension and positive steps. A selection
describes the work array, and the views between it and the user's array.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from exzarr._typing import AnyArray, IntArray

__all__ = [
    "Axis",
    "GridSelection",
    "IntArray",
    "IntegerIndex",
    "PointSelection",
    "Ranges",
    "Selection",
    "SliceIndex",
    "SliceIndexes",
]


class SliceIndex:
    """`count` evenly spaced positions: ``start, start + step, …``, with `step` ≥ 1.

    `at` is the position of the first element along the axis of the work array.
    """

    __slots__ = ("at", "count", "start", "step")

    def __init__(self, start: int, step: int, count: int, at: int = 0) -> None:
        self.start = start
        self.step = step
        self.count = count
        self.at = at

    def __repr__(self) -> str:
        return f"SliceIndex(start={self.start}, step={self.step}, count={self.count}, at={self.at})"


class IntegerIndex:
    """Positions in any order, repeats allowed: the integer arrays of ``oindex``.

    `at` has the position of each element along the axis of the work array. None means the given order.
    """

    __slots__ = ("at", "count", "positions")

    def __init__(self, positions: IntArray, at: IntArray | None = None) -> None:
        self.positions = positions
        self.at = at
        self.count = len(positions)

    def __repr__(self) -> str:
        return f"IntegerIndex({self.positions!r})"


class SliceIndexes:
    """Several slice indexes of one dimension, in any order. Each has its own `at`."""

    __slots__ = ("count", "spans")

    def __init__(self, spans: Sequence[SliceIndex]) -> None:
        self.spans = spans
        self.count = sum([span.count for span in spans])

    def __repr__(self) -> str:
        return f"SliceIndexes({self.spans!r})"


class Ranges:
    """Many ranges of positions, in any order, which may overlap and share chunks.

    `starts`, `counts` and `at` are arrays with one element per range: its first position, its length (not 0), and its
    place along the axis of the work array. A plan visits each chunk once, whatever the number of ranges in it.
    """

    __slots__ = ("at", "count", "counts", "starts")

    def __init__(self, starts: IntArray, counts: IntArray, at: IntArray) -> None:
        self.starts = starts
        self.counts = counts
        self.at = at
        self.count = int(counts.sum())

    def __repr__(self) -> str:
        return f"Ranges({len(self.starts)} of {self.count} positions)"


Axis = SliceIndex | IntegerIndex | SliceIndexes | Ranges


@dataclass(frozen=True, slots=True)
class GridSelection:
    """Product of one axis per dimension.

    Attributes
    ----------
    axes
        One per dimension of the array.
    result_shape
        Shape of the user's array.
    view
        Index that makes the work array's view of an array of `result_shape`. It drops dimensions of ``None``, restores
        dimensions of integers, and flips dimensions with a negative step. None if the two arrays are the same.
    scalar
        The result is a scalar, not an array.
    """

    axes: tuple[Axis, ...]
    result_shape: tuple[int, ...]
    view: tuple[Any, ...] | None = None
    scalar: bool = False

    @property
    def work_shape(self) -> tuple[int, ...]:
        return tuple([axis.count for axis in self.axes])

    def to_work(self, array: AnyArray) -> AnyArray:
        """Return a view of `array`, of `result_shape`, in the layout of the work array."""
        return array if self.view is None else array[self.view]


@dataclass(frozen=True, slots=True)
class PointSelection:
    """Points over some dimensions, and slice indexes over the others.

    The first dimension of the work array is the points. The others are the slice indexes, in order.

    Attributes
    ----------
    point_dims, points
        The dimensions that are indexed together, and an array of positions for each, one per point.
    span_dims, spans
        The other dimensions and their slice indexes.
    point_shape
        Shape of the points before they were flattened.
    position
        Position of `point_shape` among the result's dimensions.
    flips
        For each of `spans`, True if the user's step was negative.
    new
        The result's dimensions that ``None`` added.
    """

    point_dims: tuple[int, ...]
    points: tuple[IntArray, ...]
    span_dims: tuple[int, ...]
    spans: tuple[SliceIndex, ...]
    point_shape: tuple[int, ...]
    position: int
    flips: tuple[bool, ...]
    scalar: bool = False
    new: tuple[int, ...] = ()

    @property
    def work_shape(self) -> tuple[int, ...]:
        return (math.prod(self.point_shape), *[span.count for span in self.spans])

    @property
    def result_shape(self) -> tuple[int, ...]:
        counts = [span.count for span in self.spans]
        shape = [*counts[: self.position], *self.point_shape, *counts[self.position :]]
        for at in self.new:
            shape.insert(at, 1)
        return tuple(shape)

    def to_work(self, array: AnyArray) -> AnyArray:
        """Return `array`, of `result_shape`, in the layout of the work array; a copy if it cannot be a view."""
        n = len(self.point_shape)
        array = array.squeeze(self.new)
        moved = np.moveaxis(array, range(self.position, self.position + n), range(n))
        return moved.reshape(self.work_shape)[self._flip]

    def from_work(self, work: AnyArray) -> AnyArray:
        """Return the user's view of a work array."""
        shaped = work[self._flip].reshape(self.point_shape + work.shape[1:])
        n = len(self.point_shape)
        return np.expand_dims(
            np.moveaxis(shaped, range(n), range(self.position, self.position + n)), self.new
        )

    @property
    def _flip(self) -> tuple[slice, ...]:
        return (slice(None), *[slice(None, None, -1 if flip else None) for flip in self.flips])


Selection = GridSelection | PointSelection
