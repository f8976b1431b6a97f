"""`LabelIndex`: the labels along one dimension, and the positions of labels among them.

The rules are those of xarray's ``sel`` (https://docs.xarray.dev/en/stable/user-guide/indexing.html), which uses pandas.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import numpy as np

from exzarr._labels.times import (
    Period,
    Times,
    as_nanoseconds,
    parse_period,
    show_time,
    timedelta_nanoseconds,
)
from exzarr._typing import AnyArray, IntArray
from exzarr.errors import LabelError

__all__ = ["Found", "LabelIndex", "Method", "Query"]

Method = Literal["nearest", "pad", "ffill", "backfill", "bfill"]
Found = int | slice | IntArray
"""A position, a slice of positions with step 1 or more, or an array of positions."""

_INT = np.iinfo(np.int64)


@dataclass(frozen=True, slots=True)
class Query:
    """How labels that are not in the coordinate are treated; see `Array.sel`."""

    method: Method | None = None
    tolerance: Any = None

    def __post_init__(self) -> None:
        if self.method not in (None, "nearest", "pad", "ffill", "backfill", "bfill"):
            raise LabelError(
                f"method is 'nearest', 'pad' ('ffill'), 'backfill' ('bfill') or None, not {self.method!r}"
            )
        if self.tolerance is not None and self.method is None:
            raise LabelError("tolerance is for a method: pass method='nearest'")


class LabelIndex:
    """Labels along one dimension: numbers, texts, or times.

    Parameters
    ----------
    values
        Array of one dimension with the labels.
    times
        The labels as times; `values` are then not used.
    """

    __slots__ = ("_order", "_times", "_unique", "_values")

    def __init__(self, values: AnyArray, times: Times | None = None) -> None:
        self._times = times
        self._values = _comparable(values) if times is None else times.values
        steps = self._values[1:], self._values[:-1]
        ascending = bool((steps[0] >= steps[1]).all())
        self._order = 1 if ascending else -1 if bool((steps[0] <= steps[1]).all()) else 0
        same = steps[0] == steps[1] if self._order else None
        self._unique = len(np.unique(self._values)) == len(self) if same is None else not same.any()

    def __len__(self) -> int:
        return len(self._values)

    # -- positions ----------------------------------------------------------------------

    def find(self, label: Any, query: Query) -> Found:
        """Return the positions of a label, of a slice from label to label, or of a list of labels.

        Raises
        ------
        LabelError
            There is no such label, or the labels are of another kind.
        """
        if isinstance(label, slice):
            if query.method is not None:
                raise LabelError("method is for single labels: a slice selects what lies between its labels")
            return self._slice(label)
        if isinstance(label, (list, tuple, np.ndarray)) and np.ndim(label):
            return self._several(label, query)
        if isinstance(label, np.ndarray):
            label = label[()]
        if query.method is not None:
            return int(self._with_method([self._exact(label)], query, [label])[0])
        if self._times is not None and isinstance(label, str):
            period = parse_period(label)
            if period.resolution > self._times.resolution:
                return self._within(period, label)
        return self._equal(self._exact(label), label)

    def _slice(self, label: slice) -> slice:
        """Return the positions from one label to another, both included."""
        step = label.step
        if step is not None and (not isinstance(step, int) or step < 1):
            raise LabelError(f"the step of a slice of labels is a positive number of positions, not {step!r}")
        start = 0 if label.start is None else self._edge(label.start, "left")
        stop = len(self) if label.stop is None else self._edge(label.stop, "right")
        if start > stop:
            order = {1: "ascend", -1: "descend"}.get(self._order, "are not sorted")
            raise LabelError(
                f"{label.start!r} comes after {label.stop!r}: the labels {order} ({self._shown()}). Swap the ends of the "
                "slice"
            )
        return slice(start, stop, step)

    def _edge(self, label: Any, side: Literal["left", "right"]) -> int:
        """Return the position before or after all equal labels."""
        value = self._exact(label)
        if self._times is not None and isinstance(label, str):
            period = parse_period(label)
            value = period.first if (side == "left") == (self._order >= 0) else period.last
        if self._order:
            return self._search(value, side)
        found = self._equal(value, label)
        if isinstance(found, np.ndarray) and found[-1] - found[0] == len(found) - 1:
            return int(found[0]) if side == "left" else int(found[-1]) + 1
        if not isinstance(found, int):
            raise LabelError(
                f"the label {label!r} is not unique, and the labels are not sorted: {self._advice()}"
            )
        return found if side == "left" else found + 1

    def _several(self, labels: Any, query: Query) -> IntArray:
        array = np.asarray(labels)
        if array.ndim != 1:
            raise LabelError(
                f"labels of {array.ndim} dimensions select points, which is left to xarray; pass a list"
            )
        if array.dtype == np.bool_:
            if len(array) != len(self):
                raise LabelError(f"a mask of {len(array)} booleans does not fit {len(self)} labels")
            return np.flatnonzero(array)
        if not self._unique:
            raise LabelError(
                "several labels at once require that each label exists once, and some exist repeatedly"
            )
        values = [self._exact(label) for label in labels]
        if query.method is not None:
            return self._with_method(values, query, labels)
        found = [self._equal(value, label) for value, label in zip(values, labels, strict=True)]
        return np.array(found, np.int64)

    def _equal(self, value: Any, label: Any) -> Found:
        if not self._order:
            found = np.flatnonzero(self._values == self._in_unit(value, "left"))
            if not len(found) or not self._is_exact(value):
                raise self._missing(value, label)
            return int(found[0]) if len(found) == 1 else found
        start, stop = self._search(value, "left"), self._search(value, "right")
        if start >= stop:
            raise self._missing(value, label)
        return start if stop - start == 1 else slice(start, stop)

    def _within(self, period: Period, label: str) -> slice:
        if not self._order:
            raise LabelError(f"{label!r} names a period, and the labels are not sorted: {self._advice()}")
        first, last = (period.first, period.last) if self._order > 0 else (period.last, period.first)
        start, stop = self._search(first, "left"), self._search(last, "right")
        if stop == 0 or start == len(self):
            raise self._missing(period.first, label)
        return slice(start, max(start, stop))

    def _search(self, value: Any, side: Literal["left", "right"]) -> int:
        """Return the position at which `value` belongs, before or after the labels that are equal to it."""
        values = self._values
        if self._order > 0:
            return int(np.searchsorted(values, self._in_unit(value, side), side=side))
        other: Literal["left", "right"] = "right" if side == "left" else "left"
        return len(values) - int(np.searchsorted(values[::-1], self._in_unit(value, other), side=other))

    def _with_method(self, values: list[Any], query: Query, labels: Any) -> IntArray:
        if self._values.dtype.kind not in "iuf":
            raise LabelError(f"method={query.method!r} is for numbers and times, and the labels are texts")
        if not self._order or not self._unique:
            raise LabelError(
                f"method={query.method!r} requires labels that are sorted and unique: {self._advice()}"
            )
        if not len(self):
            raise LabelError("the coordinate has no labels")
        unit = 1 if self._times is None else self._times.unit
        ascending = self._values[:: self._order]

        def at_position(i: int) -> Any:
            return ascending[i].item() * unit

        def distance(value: Any, i: int) -> Any:
            return abs(at_position(i) - value)

        limit = self._limit(query)
        found = []
        for value, label in zip(values, labels, strict=True):
            before = int(np.searchsorted(ascending, self._in_unit(value, "right"), side="right")) - 1
            exact = before >= 0 and at_position(before) == value
            after = before if exact else before + 1
            at = self._choose(query.method, before, after, partial(distance, value))
            if not 0 <= at < len(self) or (limit is not None and distance(value, at) > limit):
                raise self._missing(value, label)
            found.append(at if self._order > 0 else len(self) - 1 - at)
        return np.array(found, np.int64)

    def _choose(self, method: Method | None, before: int, after: int, distance: Callable[[int], Any]) -> int:
        """Return one of two positions of ascending labels. pandas' "pad" takes the previous position."""
        if method == "nearest":
            if before < 0 or after >= len(self):
                return max(before, 0) if after >= len(self) else after
            return before if distance(before) < distance(after) else after
        previous = method in ("pad", "ffill")
        return before if previous == (self._order > 0) else after

    def _limit(self, query: Query) -> Any:
        if query.tolerance is None:
            return None
        if self._times is not None:
            return timedelta_nanoseconds(query.tolerance)
        if isinstance(query.tolerance, (bool, str)) or not np.isreal(query.tolerance):
            raise LabelError(f"the tolerance of numbers is a number, not {query.tolerance!r}")
        return query.tolerance

    # -- labels -------------------------------------------------------------------------

    def _exact(self, label: Any) -> Any:
        """Return a label as a value that compares with the coordinate's. Times are nanoseconds."""
        if self._times is not None:
            return parse_period(label).first if isinstance(label, str) else as_nanoseconds(label)
        kind = self._values.dtype.kind
        if kind == "U":
            if isinstance(label, str):
                return str(label)
            raise LabelError(f"{label!r} is not a text, and the labels are texts: {self._shown()}")
        if isinstance(label, (bool, np.bool_)) or not isinstance(
            label, (int, float, np.integer, np.floating)
        ):
            raise LabelError(f"{label!r} is not a number, and the labels are numbers: {self._shown()}")
        if np.isnan(label):
            raise LabelError("nan is not a label")
        # As in xarray: 0.1 means the float32 that is nearest to it if the coordinate has float32.
        return self._values.dtype.type(label).item() if kind == "f" else label

    def _is_exact(self, value: Any) -> bool:
        return self._times is None or value % self._times.unit == 0

    def _in_unit(self, value: Any, side: str) -> Any:
        """Return a value for `searchsorted`; a time is rounded so that the comparison stays right."""
        if self._times is None:
            return value
        units = -(-value // self._times.unit) if side == "left" else value // self._times.unit
        return min(max(units, _INT.min), _INT.max)

    def _missing(self, value: Any, label: Any) -> LabelError:
        near = ""
        if self._order and len(self):
            at = self._search(value, "left")
            around = [self._show(i) for i in (at - 1, at) if 0 <= i < len(self)]
            near = f"; labels near it: {', '.join(around)}"
            if self._values.dtype.kind != "U":
                near += ". method='nearest' takes the nearest"
        elif len(self):
            near = "; " + self._shown()
        return LabelError(f"there is no label {label!r}{near}")

    def _shown(self) -> str:
        """Return the first and last labels as text."""
        n = len(self)
        if not n:
            return "there are none"
        if n <= 6:
            return ", ".join(map(self._show, range(n)))
        return f"{self._show(0)}, {self._show(1)}, ..., {self._show(n - 1)} ({n})"

    def _show(self, position: int) -> str:
        value = self._values[position].item()
        return repr(value) if self._times is None else repr(show_time(value * self._times.unit))

    def _advice(self) -> str:
        return "use isel, or xarray, or sort the array along this dimension"


def _comparable(values: AnyArray) -> AnyArray:
    """Return labels in a data type that NumPy compares and searches: numbers, or texts of fixed length."""
    kind = values.dtype.kind
    if kind in "iuf" or kind == "U":
        return values
    if kind == "S":
        return np.char.decode(values, "utf-8")
    if kind in "OT" and all(isinstance(value, str) for value in values.tolist()):
        return np.array(values.tolist(), np.str_)
    raise LabelError(
        f"labels are numbers, texts or times, and this coordinate has the data type {values.dtype}"
    )
