"""Lossless conversions between NumPy's data types. A conversion that would lose a value raises LossError."""

from __future__ import annotations

from typing import Any

import numpy as np

from exzarr._format.data_type import is_ml
from exzarr._format.fill_numbers import int_range
from exzarr._typing import AnyArray

__all__ = ["LossError", "check_numbers", "exact_number", "into", "is_integer", "is_number", "number_in"]

BOOL, INT, FLOAT, COMPLEX = range(4)
_LOST = {
    BOOL: "only True and False would be left of them",
    INT: "their fractions would be cut off",
    FLOAT: "their imaginary parts would be dropped",
}


class LossError(ValueError):
    """A conversion that would lose values, which ``casting="unsafe"`` permits."""


def is_number(dtype: np.dtype[Any]) -> bool:
    """Return whether elements are booleans or numbers, including those of ``ml_dtypes``."""
    return dtype.kind in "biufc" or is_ml(dtype)


def is_integer(dtype: np.dtype[Any]) -> bool:
    """Return whether elements are integers or booleans."""
    return _rank(dtype) <= INT


def _rank(dtype: np.dtype[Any]) -> int:
    kind = ("i" if "int" in dtype.name else "f") if is_ml(dtype) else dtype.kind
    return {"b": BOOL, "i": INT, "u": INT, "f": FLOAT, "c": COMPLEX}[kind]


# -- numbers --------------------------------------------------------------------------


def check_numbers(values: AnyArray, dtype: np.dtype[Any]) -> None:
    """Raise LossError if some of `values` do not fit `dtype`. Floats may be rounded to its precision."""
    given, wanted = _rank(values.dtype), _rank(dtype)
    if (given, wanted) == (INT, BOOL):
        if values.size:
            _check_range(values, dtype)
        return
    if given > wanted:
        raise LossError(f"values of {values.dtype} do not convert to {dtype}: {_LOST[wanted]}")
    if given == BOOL or not values.size:
        return
    if is_ml(dtype):
        _check_small(values, dtype)
    elif np.can_cast(values.dtype, dtype, "safe"):
        return
    elif wanted == INT:
        _check_range(values, dtype)
    else:
        for part in (values.real, values.imag) if given == COMPLEX else (values,):
            _check_finite(part, dtype)


def exact_number(value: AnyArray, dtype: np.dtype[Any]) -> AnyArray:
    """Convert one number (a 0-dimensional array) of any kind, if `dtype` represents it exactly."""
    given, wanted = _rank(value.dtype), _rank(dtype)
    if given <= wanted:
        check_numbers(value, dtype)
        return value
    number: Any = value[()] if given == INT or not is_ml(value.dtype) else float(value)
    if given == COMPLEX:
        if number.imag != 0:
            raise LossError(f"{number} is not a real number")
        return exact_number(np.asarray(number.real), dtype)
    if wanted == BOOL:
        if number not in (0, 1):
            raise LossError(f"{number} is neither True nor False")
        return np.asarray(bool(number))
    if number != number:
        raise LossError("NaN is not an integer")
    if not np.isfinite(number) or number != np.trunc(number):
        raise LossError(f"{number} is not an integer")
    whole = np.asarray(int(number), object)
    _check_range(whole, dtype)
    return whole.astype(dtype)


def number_in(text: AnyArray, dtype: np.dtype[Any]) -> int | float | complex:
    """Parse one text as a number, as NumPy does on assignment. Raise ValueError if it is no number."""
    parse = {INT: int, FLOAT: float, COMPLEX: complex}.get(_rank(dtype))
    if parse is None:
        raise LossError(f"text does not convert to {dtype}")
    word: Any = text[()]
    number: int | float | complex = parse(word.decode() if isinstance(word, bytes) else str(word))
    return number


def _check_range(values: AnyArray, dtype: np.dtype[Any]) -> None:
    if is_ml(values.dtype):
        values = values.astype(np.int8)
    low, high = (0, 1) if dtype.kind == "b" else int_range(dtype)
    least, most = int(values.min()), int(values.max())
    if least < low or most > high:
        wrong = least if least < low else most
        raise LossError(f"{wrong} is out of range: {dtype} holds integers from {low} to {high}")


def _check_finite(values: AnyArray, dtype: np.dtype[Any]) -> None:
    """Raise LossError if a finite value would become infinite."""
    ends = values.min(), values.max()
    # Rounding keeps the order, so checking the extremes is enough; NaN and infinity are excluded.
    if not np.isfinite(ends).all():
        finite = np.isfinite(values)
        if not finite.any():
            return
        ends = values.min(where=finite, initial=np.inf), values.max(where=finite, initial=-np.inf)
    with np.errstate(over="ignore"):
        for end in ends:
            if not np.isfinite(np.asarray(end).astype(dtype)):
                raise LossError(f"{end} is out of range: it would be infinite as {dtype}")


def _check_small(values: AnyArray, dtype: np.dtype[Any]) -> None:
    """Check types of a few bits, some of which lack NaN, infinity, negative numbers or zero."""
    if _rank(dtype) == INT:
        _check_range(values, dtype)
        return
    wide = values.astype(np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        got = values.astype(dtype).astype(np.float64)
        # No type has steps wider than a power of two: a larger difference means saturation.
        near = np.abs(got - wide) <= np.maximum(np.abs(got), np.abs(wide)) / 2
    near |= (np.abs(wide) < 1) & (np.abs(got) < 1)
    same = (got == wide) | (np.isnan(got) & np.isnan(wide))
    fits = same | (near & np.isfinite(got) & np.isfinite(wide))
    if not fits.all():
        raise LossError(f"{wide[~fits][0]} is out of range for {dtype}")


# -- text, bytes, times ---------------------------------------------------------------


def into(values: AnyArray, dtype: np.dtype[Any]) -> AnyArray:
    """Convert `values` to `dtype`, where at least one of the two types is not numeric."""
    kind, given = dtype.kind, values.dtype
    if given.names is None and dtype.names is None:
        if kind in "mM" and not is_ml(given):
            return _times(values, dtype)
        if kind in "TUS" and not is_ml(given):
            return _text(values, dtype)
        if kind == "V" and given.kind in "SV" and not is_number(dtype) and not is_ml(given):
            return _raw(values, dtype)
    raise LossError(f"values of {given} do not convert to {dtype}")


def _times(values: AnyArray, dtype: np.dtype[Any]) -> AnyArray:
    """Convert dates, durations, counts and ISO texts. No value may be rounded, or overflow its unit."""
    given = values.dtype
    if given.kind in "iu":
        _check_range(values, np.dtype(np.int64)) if values.size else None
        return values.astype(np.int64).astype(dtype)
    if given.kind in "TU" and dtype.kind == "M":
        return (
            _times(np.array(values.tolist(), "M8"), dtype) if values.size else np.empty(values.shape, dtype)
        )
    if given.kind != dtype.kind:
        raise LossError(f"values of {given} do not convert to {dtype}")
    try:
        made = values.astype(dtype)
        back = made.astype(given)
    except OverflowError as error:  # NumPy 2.5 raises; earlier versions wrap around
        raise LossError(f"some values of {given} cannot be stored exactly as {dtype}: {error}") from error
    # A rounded or overflowed value does not convert back to itself.
    wrong = (back != values) & ~(np.isnat(made) & np.isnat(values))
    if wrong.any():
        raise LossError(f"{values[wrong][0]} cannot be stored exactly as {dtype}")
    return made


def _text(values: AnyArray, dtype: np.dtype[Any]) -> AnyArray:
    given = values.dtype
    if given.kind not in "TUS":
        if given.kind == "V":
            raise LossError(f"values of {given} do not convert to {dtype}")
        values = values.astype(np.dtypes.StringDType())
    room = {"T": None, "U": dtype.itemsize // 4, "S": dtype.itemsize}[dtype.kind]
    if room is not None and values.size:
        lengths = np.strings.str_len(values)
        if lengths.max() > room:
            text = values[lengths > room][0]
            raise LossError(f"{str(text)[:40]!r} is longer than the {room} characters that {dtype} holds")
    return values.astype(dtype)


def _raw(values: AnyArray, dtype: np.dtype[Any]) -> AnyArray:
    room = dtype.itemsize
    longest = values.dtype.itemsize
    if values.dtype.kind == "S" and values.size:
        longest = int(np.strings.str_len(values).max())
    if longest > room:
        raise LossError(f"values of {longest} bytes do not fit {dtype}")
    return values.astype(dtype)
