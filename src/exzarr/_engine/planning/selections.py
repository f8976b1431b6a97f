"""Selections as plain numbers: what every way of indexing comes to (see `engine.indexing`).

`GridSelection`
    one *axis* (`SliceIndex` or `IntegerIndex`) per dimension of the array; the result is their product.
`PointSelection`
    some dimensions are indexed together, point by point; the others by `SliceIndex`.

Both describe a *work array*, the layout in which the engine moves data (every dimension
kept, steps positive), and how the work array and the user's array view one another.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = [
    "Axis",
    "GridSelection",
    "IntArray",
    "IntegerIndex",
    "PointSelection",
    "Selection",
    "SliceIndex",
    "SliceIndexes",
]

AnyArray = npt.NDArray[Any]
IntArray = npt.NDArray[np.int64]


class SliceIndex:
    """Evenly spaced positions: ``start, start + step, …``, `count` of them, `step` ≥ 1.

    `at` is where the first of them lies along the axis of the work array.
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

    `at` says where each lies along the axis of the work array; None: in their own order.
    """

    __slots__ = ("at", "count", "positions")

    def __init__(self, positions: IntArray, at: IntArray | None = None) -> None:
        self.positions = positions
        self.at = at
        self.count = len(positions)

    def __repr__(self) -> str:
        return f"IntegerIndex({self.positions!r})"


class SliceIndexes:
    """Several spans of one dimension, in any order; each lies where its own `at` says."""

    __slots__ = ("count", "spans")

    def __init__(self, spans: Sequence[SliceIndex]) -> None:
        self.spans = spans
        self.count = sum([span.count for span in spans])

    def __repr__(self) -> str:
        return f"SliceIndexes({self.spans!r})"


Axis = SliceIndex | IntegerIndex | SliceIndexes


@dataclass(frozen=True, slots=True)
class GridSelection:
    """The product of one axis per dimension.

    Attributes
    ----------
    axes
        One per dimension of the array.
    result_shape
        Shape of what the user gets or gives.
    view
        An index that makes the work array's view of an array of `result_shape`
        (drops what ``None`` added, restores what integers dropped, flips what has a
        negative step); None where the two are the same.
    scalar
        The user gets a scalar, not an array.
    """

    axes: tuple[Axis, ...]
    result_shape: tuple[int, ...]
    view: tuple[Any, ...] | None = None
    scalar: bool = False

    @property
    def work_shape(self) -> tuple[int, ...]:
        return tuple([axis.count for axis in self.axes])

    def to_work(self, array: AnyArray) -> AnyArray:
        """`array`, of `result_shape`, seen in the work layout. Always a view."""
        return array if self.view is None else array[self.view]


@dataclass(frozen=True, slots=True)
class PointSelection:
    """Points over some dimensions, spans over the others.

    The work array has the points as its first dimension, then the spans, in order.

    Attributes
    ----------
    point_dims, points
        The dimensions that are indexed together, and for each the positions, one per point.
    span_dims, spans
        The other dimensions.
    point_shape
        What the points' shape was before they were laid in a row.
    position
        Where `point_shape` stands among the result's dimensions.
    flips
        For each of `spans`, whether the user's step was negative.
    new
        Which of the result's dimensions ``None`` added.
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
        """`array`, of `result_shape`, in the work layout: a copy where it cannot be a view."""
        n = len(self.point_shape)
        array = array.squeeze(self.new)
        moved = np.moveaxis(array, range(self.position, self.position + n), range(n))
        return moved.reshape(self.work_shape)[self._flip]

    def from_work(self, work: AnyArray) -> AnyArray:
        """The user's array for a work array: a view."""
        shaped = work[self._flip].reshape(self.point_shape + work.shape[1:])
        n = len(self.point_shape)
        return np.expand_dims(
            np.moveaxis(shaped, range(n), range(self.position, self.position + n)), self.new
        )

    @property
    def _flip(self) -> tuple[slice, ...]:
        return (slice(None), *[slice(None, None, -1 if flip else None) for flip in self.flips])


Selection = GridSelection | PointSelection
