"""Operands of predicates: checked against the data type of an array."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

import numpy as np

from exzarr.errors import ArgumentError, UnsupportedError

__all__ = ["check_dtype", "fitting"]

_OFFSET: Final = re.compile(r"(.+[T ].+?)(?:Z|([+-])(\d\d):?(\d\d))")


def check_dtype(dtype: np.dtype[Any]) -> None:
    """Raise UnsupportedError unless values of `dtype` have an order: booleans, integers, floats, times and durations."""
    if dtype.kind not in "biufmM" or dtype.itemsize > 8:
        raise UnsupportedError(
            f"predicates do not apply to data type {dtype}: they apply to booleans, integers, floats of up to 64 bits, "
            "datetime64 and timedelta64. Read the array and compare with NumPy: a[...], or chunk by chunk with "
            "a.chunk_stream()"
        )


def fitting(operand: Any, dtype: np.dtype[Any]) -> Any:
    """Return an operand that NumPy compares with values of `dtype`. Raise ArgumentError if there is none.

    Numbers are returned as they are: NumPy converts Python's numbers to the array's data type, and compares NumPy's numbers
    in the common data type. Times are returned in the array's unit.
    """
    if isinstance(operand, np.ndarray) and not operand.ndim:
        operand = operand[()]
    if dtype.kind in "mM":
        return _time(operand, dtype)
    if not isinstance(operand, (bool, int, float, np.bool_, np.integer, np.floating)):
        raise ArgumentError(f"{operand!r} cannot be compared with values of data type {dtype}: use a number")
    try:
        with np.errstate(all="ignore"):
            _ = np.zeros(1, dtype) < operand
    except (OverflowError, TypeError) as error:
        raise ArgumentError(
            f"{operand!r} cannot be compared with values of data type {dtype}: {error}"
        ) from error
    return operand


def _time(operand: Any, dtype: np.dtype[Any]) -> Any:
    kinds = (np.datetime64, datetime, date, str) if dtype.kind == "M" else (np.timedelta64, timedelta)
    if not isinstance(operand, kinds):
        wanted = (
            "a datetime64, a datetime or a string such as '2024-03-01'"
            if dtype.kind == "M"
            else "a timedelta64 or a timedelta"
        )
        raise ArgumentError(f"{operand!r} cannot be compared with values of data type {dtype}: use {wanted}")
    if isinstance(operand, datetime) and operand.tzinfo is not None:
        operand = operand.astimezone(UTC).replace(tzinfo=None)
    try:
        given = _datetime(operand) if dtype.kind == "M" else np.timedelta64(operand)
        found = given.astype(dtype.newbyteorder("="))
        exact = bool(np.isnat(given) or found.astype(given.dtype) == given)
    except (ValueError, TypeError, OverflowError) as error:
        raise ArgumentError(
            f"{operand!r} cannot be compared with values of data type {dtype}: {error}"
        ) from error
    if not exact:
        raise ArgumentError(
            f"{operand!r} is finer than the unit of data type {dtype}, or out of its range: round it to that unit"
        )
    return found


def _datetime(operand: Any) -> np.datetime64:
    """Return a time in UTC. NumPy deprecates texts with an offset, such as ``2024-03-01T12:00+01:00``."""
    offset = _OFFSET.fullmatch(operand) if isinstance(operand, str) else None
    if offset is None:
        return np.datetime64(operand)
    text, sign, hours, minutes = offset.groups()
    minutes_east = int(f"{sign or '+'}1") * (int(hours or 0) * 60 + int(minutes or 0))
    return np.datetime64(text) - np.timedelta64(minutes_east, "m")
