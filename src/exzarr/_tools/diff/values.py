"""Decide which elements of two NumPy arrays differ, and by how much."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from exzarr._format.data_type import is_ml
from exzarr._typing import AnyArray
from exzarr.errors import ArgumentError

__all__ = ["Compared", "Tolerance", "compare", "incomparable"]

EXACT = 2**53
"""float64 represents all integers up to this one."""


@dataclass(frozen=True, slots=True)
class Tolerance:
    """When two numbers count as equal: ``|left - right| <= atol + rtol * |right|``, as in `numpy.isclose`.

    Raises
    ------
    ArgumentError
        A tolerance is negative or not a number.
    """

    rtol: float = 0.0
    atol: float = 0.0
    equal_nan: bool = True

    def __post_init__(self) -> None:
        for name, value in (("rtol", self.rtol), ("atol", self.atol)):
            if not isinstance(value, int | float | np.number) or isinstance(value, bool) or not value >= 0:
                raise ArgumentError(f"{name} must be a number that is not negative, not {value!r}")
        if not isinstance(self.equal_nan, bool):
            raise ArgumentError(f"equal_nan is True or False, not {self.equal_nan!r}")

    def __bool__(self) -> bool:
        """Return True if unequal numbers can count as equal."""
        return bool(self.rtol or self.atol)


@dataclass(frozen=True, slots=True)
class Compared:
    """The result for two arrays of one dimension.

    Attributes
    ----------
    different
        Boolean array: True where the elements differ.
    absolute, relative
        Largest ``|left - right|`` and ``|left - right| / |right|`` of all pairs of numbers; None without numbers. Pairs
        with a NaN are excluded.
    """

    different: AnyArray
    absolute: int | float | None = None
    relative: float | None = None


def incomparable(left: np.dtype[Any], right: np.dtype[Any]) -> str | None:
    """Return why elements of two data types cannot be compared; None if they can."""
    here, there = _category(left), _category(right)
    if here != there:
        return f"{here} cannot be compared with {there}"
    if left.subdtype is not None and right.subdtype is not None:
        if left.shape != right.shape:
            return f"the shapes {left.shape} and {right.shape} of the elements differ"
        return incomparable(left.base, right.base)
    if left.names is not None and right.names is not None:
        if left.names != right.names:
            return f"the fields {', '.join(left.names)} and {', '.join(right.names)} differ"
        found = ((name, incomparable(left[name], right[name])) for name in left.names)
        return next((f"field {name!r}: {why}" for name, why in found if why is not None), None)
    if here == "raw bytes" and left.itemsize != right.itemsize:
        return f"elements of {left.itemsize} bytes cannot be compared with elements of {right.itemsize} bytes"
    if here in ("times", "durations"):
        try:
            np.promote_types(left, right)
        except TypeError:
            return f"the units of {left} and {right} cannot be converted"
    return None


def _category(dtype: np.dtype[Any]) -> str:
    if dtype.subdtype is not None:
        return "arrays"
    if dtype.names is not None:
        return "structures"
    if dtype.kind in "biufc" or is_ml(dtype):
        return "numbers"
    if dtype.kind == "O" and dtype.metadata is not None and dtype.metadata["vlen"] is bytes:
        return "byte strings"
    return {
        "M": "times",
        "m": "durations",
        "U": "text",
        "T": "text",
        "S": "byte strings",
        "V": "raw bytes",
    }.get(dtype.kind, "objects")


def compare(left: AnyArray, right: AnyArray, tolerance: Tolerance) -> Compared:
    """Compare two arrays of one dimension with data types that are not `incomparable`."""
    if left.dtype.names is not None:
        found = [compare(left[name], right[name], tolerance) for name in left.dtype.names]
        different = np.zeros(len(left), bool)
        for one in found:
            different |= one.different
        return Compared(different, _largest(found, "absolute"), _largest(found, "relative"))
    if left.ndim > 1:  # a field that is an array
        one = compare(left.reshape(-1), right.reshape(-1), tolerance)
        return Compared(
            np.asarray(one.different.reshape(len(left), -1).any(axis=1)), one.absolute, one.relative
        )
    return _COMPARE[_category(left.dtype)](left, right, tolerance)


def _largest(found: list[Compared], name: str) -> Any:
    known = [value for one in found if (value := getattr(one, name)) is not None]
    return max(known, default=None)


# -- numbers -------------------------------------------------------------------------------


def _numbers(left: AnyArray, right: AnyArray, tolerance: Tolerance) -> Compared:
    left, right = _without_ml(left), _without_ml(right)
    kinds = left.dtype.kind + right.dtype.kind
    if kinds == "bb":
        return Compared(np.asarray(left != right))
    if "c" in kinds:
        return _inexact(left.astype("c16"), right.astype("c16"), tolerance)
    if "f" in kinds:
        if any(_beyond_float(one) for one in (left, right)):
            return _one_by_one(left, right, tolerance)
        return _inexact(left.astype("f8"), right.astype("f8"), tolerance)
    return _integers(left, right, tolerance)


def _without_ml(values: AnyArray) -> AnyArray:
    if not is_ml(values.dtype):
        return values
    return values.astype("i1" if "int" in values.dtype.name else "f8")


def _beyond_float(values: AnyArray) -> bool:
    """Return True if `values` has integers that float64 may not represent."""
    if values.dtype.kind not in "iu" or values.dtype.itemsize < 8 or not values.size:
        return False
    return int(values.max()) > EXACT or int(values.min()) < -EXACT


def _inexact(left: AnyArray, right: AnyArray, tolerance: Tolerance) -> Compared:
    with np.errstate(all="ignore"):
        same = left == right
        distance = np.abs(left - right)
        distance[same] = 0  # the difference of two infinities is NaN
        size = np.abs(right)
        relative = distance / size
        relative[same] = 0  # 0 / 0 is NaN
        if tolerance:
            same |= np.isfinite(right) & (distance <= tolerance.atol + tolerance.rtol * size)
        if tolerance.equal_nan:
            same |= np.isnan(left) & np.isnan(right)
        return Compared(
            ~same,
            float(np.fmax.reduce(distance, initial=0.0)),
            float(np.fmax.reduce(relative, initial=0.0)),
        )


def _integers(left: AnyArray, right: AnyArray, tolerance: Tolerance) -> Compared:
    wide = [one.dtype.kind == "u" and one.dtype.itemsize == 8 for one in (left, right)]
    if any(wide):
        if any(one.dtype.kind == "i" and one.size and int(one.min()) < 0 for one in (left, right)):
            return _one_by_one(left, right, tolerance)  # the distance may be 2**64 or more
        left, right = left.astype("u8"), right.astype("u8")
        size = right
    else:
        left, right = left.astype("i8"), right.astype("i8")
        size = np.where(right < 0, -right.view("u8"), right.view("u8"))
    # Modular arithmetic: the distance of two 64-bit integers fits 64 bits without a sign.
    forward = left.view("u8") - right.view("u8")
    distance = np.where(left > right, forward, -forward)
    different = left != right
    with np.errstate(all="ignore"):
        relative = distance / size
        relative[~different] = 0
        if tolerance:
            different &= ~(distance <= tolerance.atol + tolerance.rtol * size.astype("f8"))
    return Compared(different, int(distance.max(initial=0)), float(np.fmax.reduce(relative, initial=0.0)))


def _one_by_one(left: AnyArray, right: AnyArray, tolerance: Tolerance) -> Compared:
    """Compare as Python numbers, which are exact for integers of any size next to floats."""
    different = np.zeros(len(left), bool)
    absolute: int | float = 0
    relative = 0.0
    for i, (x, y) in enumerate(zip(left.tolist(), right.tolist(), strict=True)):
        if x == y:
            continue
        if x != x or y != y:  # one NaN: the other side is an integer
            different[i] = True
            continue
        distance = abs(_exact(x) - _exact(y))
        size = abs(y)
        absolute = max(absolute, distance)
        if size != float("inf"):
            relative = max(relative, distance / size if size else float("inf"))
        near = size != float("inf") and distance <= tolerance.atol + tolerance.rtol * size
        different[i] = not near
    return Compared(different, absolute, relative)


def _exact(number: Any) -> Any:
    return int(number) if isinstance(number, float) and number.is_integer() else number


# -- other elements ------------------------------------------------------------------------


def _times(left: AnyArray, right: AnyArray, tolerance: Tolerance) -> Compared:
    common = np.promote_types(left.dtype, right.dtype)
    here, there = left.astype(common), right.astype(common)
    # A conversion to a finer unit can overflow. Such a time is outside of the other type's range: it differs.
    different = (here != there) | _changed(here, left) | _changed(there, right)
    if tolerance.equal_nan:
        different &= ~(np.isnat(left) & np.isnat(right))
    return Compared(different)


def _changed(converted: AnyArray, given: AnyArray) -> AnyArray:
    changed: AnyArray = converted.astype(given.dtype) != given
    return changed & ~np.isnat(given)


def _text(left: AnyArray, right: AnyArray, _: Tolerance) -> Compared:
    if left.dtype.kind != right.dtype.kind:
        text = np.dtypes.StringDType()
        left, right = left.astype(text), right.astype(text)
    return Compared(np.asarray(left != right))


def _bytes(left: AnyArray, right: AnyArray, _: Tolerance) -> Compared:
    if left.dtype.kind != right.dtype.kind:
        left, right = left.astype(object), right.astype(object)
    return Compared(np.asarray(left != right, bool))


def _raw(left: AnyArray, right: AnyArray, _: Tolerance) -> Compared:
    shape = len(left), left.dtype.itemsize
    here, there = [np.ascontiguousarray(one).view("u1").reshape(shape) for one in (left, right)]
    return Compared(np.asarray((here != there).any(axis=1)))


def _objects(left: AnyArray, right: AnyArray, tolerance: Tolerance) -> Compared:
    pairs = zip(left.tolist(), right.tolist(), strict=True)
    return Compared(np.array([not _same_object(x, y, tolerance.equal_nan) for x, y in pairs], bool))


def _same_object(x: Any, y: Any, equal_nan: bool) -> bool:
    if isinstance(x, np.ndarray) and isinstance(y, np.ndarray):
        inexact = x.dtype.kind in "fcmM" and y.dtype.kind in "fcmM"
        return bool(np.array_equal(x, y, equal_nan=equal_nan and inexact))
    if isinstance(x, list | tuple) and isinstance(y, list | tuple):
        return len(x) == len(y) and all(_same_object(a, b, equal_nan) for a, b in zip(x, y, strict=True))
    if isinstance(x, dict) and isinstance(y, dict):
        return x.keys() == y.keys() and all(_same_object(x[key], y[key], equal_nan) for key in x)
    if isinstance(x, float) and isinstance(y, float) and x != x and y != y:
        return equal_nan
    return type(x) is type(y) and bool(x == y)


_COMPARE: dict[str, Callable[[AnyArray, AnyArray, Tolerance], Compared]] = {
    "numbers": _numbers,
    "times": _times,
    "durations": _times,
    "text": _text,
    "byte strings": _bytes,
    "raw bytes": _raw,
    "objects": _objects,
}
