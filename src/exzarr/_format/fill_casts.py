"""Conversion of a user's ``fill_value=`` to an element of the array's data type.

The conversion never changes the value: 300 for uint8 or 1.5 for int32 is an error. Only floats
are rounded to the precision of their type.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from exzarr._format.data_type import NAT, DataType, is_ml
from exzarr._format.fill_numbers import complex_of, float_of, int_range
from exzarr._format.named import is_utf8, shorten
from exzarr.errors import ArgumentError, MetadataError

__all__ = ["cast", "native_dtype"]


def cast(value: Any, data_type: DataType) -> Any:
    """Convert `value` to a scalar of `data_type`.

    Parameters
    ----------
    value
        Any scalar that the data type can hold. Floats may also be ``"NaN"``, ``"Infinity"`` or their
        bits (``"0x7fc00001"``); dates may be ISO strings or counts since 1970; structured values may
        be tuples, dicts by field, or 0 for all zeros.
    data_type
        The array's data type.

    Returns
    -------
    object
        A NumPy scalar, or a ``str``, ``bytes`` or object for types of variable length.

    Raises
    ------
    ArgumentError
        The data type cannot hold the value.
    """
    if isinstance(value, np.ndarray) and value.ndim == 0:
        value = value[()]
    kind = data_type.kind
    if kind == "object":
        return value
    if kind == "string":
        if isinstance(value, str) and is_utf8(value):
            return str(value)
        raise _misfit(value, "string", "a str")
    if kind == "bytes":
        if isinstance(value, bytes | bytearray | memoryview):
            return bytes(value)
        raise _misfit(value, "bytes", "bytes")
    return _fixed(value, data_type.dtype)


def _fixed(value: Any, dtype: np.dtype[Any]) -> Any:
    kind = dtype.kind
    if is_ml(dtype):
        kind = "i" if "int" in dtype.name else "f"
    if kind in "iu":
        return _int(value, dtype)
    if kind == "f":
        return _float(value, dtype)
    if kind == "b":
        number = _number(value, dtype)
        if number in (0, 1):
            return np.bool_(number)
        raise _misfit(value, "bool", "True or False")
    if kind == "c":
        return _complex(value, dtype)
    if kind in "mM":
        return _time(value, dtype)
    if kind == "U":
        if isinstance(value, str) and 4 * len(value) <= dtype.itemsize:
            return np.str_(value)
        raise _misfit(value, str(dtype), f"a str of at most {dtype.itemsize // 4} characters")
    if kind == "S":
        data = value.encode("ascii", "replace") if isinstance(value, str) and value.isascii() else value
        if isinstance(data, bytes | bytearray) and len(data) <= dtype.itemsize:
            return np.bytes_(data)
        raise _misfit(value, str(dtype), f"at most {dtype.itemsize} bytes")
    return _void(value, dtype)


def _number(value: Any, dtype: np.dtype[Any]) -> Any:
    """Convert `value` to a Python number; raise ArgumentError if it is not a number."""
    if isinstance(value, np.datetime64 | np.timedelta64):
        raise _misfit(value, dtype.name, "a number")  # item() of a date may be a count of nanoseconds
    # NumPy has no scalar classes for the floats and integers of ml_dtypes.
    number = value.item() if isinstance(value, np.generic) else value
    if isinstance(number, bool | int | float | complex):
        return number
    # Other numbers: Fraction, Decimal, and np.longdouble, whose item() returns itself.
    try:
        return int(number) if int(number) == number else float(number)
    except (TypeError, ValueError, OverflowError, ArithmeticError):
        raise _misfit(value, dtype.name, "a number") from None


def _int(value: Any, dtype: np.dtype[Any]) -> Any:
    number = _number(value, dtype)
    low, high = int_range(dtype)
    if isinstance(number, complex) and number.imag == 0:
        number = number.real
    integral = isinstance(number, int) or (isinstance(number, float) and number.is_integer())
    if integral and low <= number <= high:
        return dtype.type(int(number))
    raise _misfit(value, dtype.name, f"an integer from {low} to {high}")


def _float(value: Any, dtype: np.dtype[Any]) -> Any:
    if isinstance(value, str):
        try:
            return float_of(str(value), dtype, 3)
        except MetadataError as error:
            raise ArgumentError(str(error)) from None
    if isinstance(value, np.generic) and value.dtype == dtype:
        return value.astype(native_dtype(dtype))  # keeps all bits, also those of a NaN
    number = _number(value, dtype)
    if isinstance(number, complex):
        if number.imag != 0:
            raise _misfit(value, dtype.name, "a real number")
        number = number.real
    if dtype.itemsize > 8 and isinstance(value, np.longdouble):
        return value
    try:
        with np.errstate(over="ignore"):
            scalar = dtype.type(float(number))
    except OverflowError:
        raise _misfit(value, dtype.name, "a number that it can hold") from None
    if number != number or number - number != 0:  # NaN or infinity, which some types lack
        fits = str(float(scalar)) == str(float(number))
    else:
        fits = _close(float(scalar), float(number), dtype)
    if not fits:
        raise _misfit(value, dtype.name, "a number that it can hold")
    return scalar


def _close(got: float, wanted: float, dtype: np.dtype[Any]) -> bool:
    """Return True if `got` is `wanted` rounded, and not clipped to the type's range."""
    if got - got != 0:
        return False
    if not is_ml(dtype) or got == wanted:
        return True
    # Small types saturate instead of overflowing. No type has steps wider than a power of two.
    return abs(got - wanted) <= max(abs(got), abs(wanted)) / 2 or abs(wanted) < 1


def _complex(value: Any, dtype: np.dtype[Any]) -> Any:
    if isinstance(value, np.complexfloating) and value.dtype == dtype:
        return value.astype(native_dtype(dtype))
    if isinstance(value, list | tuple):
        try:
            return complex_of([float(v) if not isinstance(v, str) else v for v in value], dtype, 3)
        except (MetadataError, TypeError, ValueError, OverflowError) as error:
            raise _misfit(value, dtype.name, f"a complex number or a pair ({error})") from None
    number = _number(value, dtype)
    try:
        with np.errstate(over="ignore"):
            scalar = dtype.type(complex(number))
    except OverflowError:
        raise _misfit(value, dtype.name, "a number that it can hold") from None
    if not np.isfinite(scalar) and np.isfinite(complex(number)):
        raise _misfit(value, dtype.name, "a number that it can hold")
    return scalar


def _time(value: Any, dtype: np.dtype[Any]) -> Any:
    """Convert a date or duration, or a count of its units."""
    native = native_dtype(dtype)
    count: int | None = None
    # For NumPy, a duration is an integer.
    if isinstance(value, int) or (isinstance(value, np.integer) and value.dtype.kind in "iu"):
        count = int(value)
    elif isinstance(value, np.datetime64 | np.timedelta64):
        if value.dtype.kind == dtype.kind and np.isnat(value):
            count = NAT
    elif isinstance(value, str) and value == "NaT":
        count = NAT
    if count is not None and NAT <= count < 2**63:
        return np.array(count, np.int64).view(native)[()]
    wanted = "a date, a duration or a count that its unit can hold, or 'NaT'"
    if count is not None or value is None or np.datetime_data(dtype)[0] == "generic":
        raise _misfit(value, str(dtype), wanted)
    try:
        if isinstance(value, str):
            return np.array(value, native)[()]  # NumPy rejects values that are too fine for the unit
        given = np.array(value, f"{dtype.kind}8")
        scalar = given.astype(native)
        # NumPy truncates values that are too fine for the unit, and wraps distant ones. Converting back detects both.
        if given.shape == () and scalar.astype(given.dtype) == given:
            return scalar[()]
    except (TypeError, ValueError, OverflowError):
        pass
    raise _misfit(value, str(dtype), wanted)


def _void(value: Any, dtype: np.dtype[Any]) -> Any:
    if isinstance(value, int | np.integer) and value == 0:
        return np.zeros((), dtype)[()]
    if dtype.names is None and isinstance(value, bytes | bytearray):
        value = bytes(value).ljust(dtype.itemsize, b"\0")
    if isinstance(value, bytes | bytearray) and len(value) == dtype.itemsize:
        return np.frombuffer(bytes(value), dtype)[0] if dtype.names is not None else np.void(bytes(value))
    if dtype.names is None:
        if isinstance(value, np.void) and value.dtype.names is None and value.itemsize == dtype.itemsize:
            return value
        raise _misfit(value, str(dtype), f"at most {dtype.itemsize} bytes")
    return _struct(value, dtype, dtype.names)


def _struct(value: Any, dtype: np.dtype[Any], names: tuple[str, ...]) -> Any:
    if isinstance(value, np.void) and value.dtype.names is not None:
        parts = {label: value[label] for label in value.dtype.names}
    elif isinstance(value, Mapping):
        parts = dict(value)
    elif isinstance(value, tuple | list) and len(value) == len(names):
        parts = dict(zip(names, value, strict=True))
    else:
        raise _misfit(value, str(dtype), f"a tuple or dict with the fields {', '.join(names)}")
    if parts.keys() != set(names):
        raise _misfit(value, str(dtype), f"a value for each of the fields {', '.join(names)}")
    out = np.zeros((), dtype)
    for label in names:
        of_field = dtype[label]
        if of_field.subdtype is None:
            out[label] = _fixed(parts[label], of_field)
            continue
        base, shape = of_field.subdtype
        try:
            parts_array = np.broadcast_to(np.asarray(parts[label]), shape)
        except ValueError:
            raise _misfit(parts[label], str(of_field), f"an array of shape {shape}") from None
        out[label] = np.array([_fixed(v, base) for v in parts_array.flat], base).reshape(shape)
    return out[()]


def native_dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return `dtype` in this machine's byte order."""
    return dtype if dtype.isnative or is_ml(dtype) else dtype.newbyteorder("=")


def _misfit(value: Any, name: str, wanted: str) -> ArgumentError:
    return ArgumentError(
        f"fill_value={shorten(value)} does not fit data type {name}, which requires {wanted}"
    )
