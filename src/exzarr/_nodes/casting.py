"""Convert the user's values to an array's data type, or refuse conversions that lose values.

The rules are those of ``numpy.copyto(..., casting="same_kind")``, with two differences. First, NumPy checks only the
data types, and wraps integers that are out of range; exzarr also checks the values. Integers may therefore change sign
and size if all of them fit. A float that would become infinite, a text that would be truncated and a time that would be
rounded are refused. Second, a single number converts to any data type that represents it exactly.

Values are checked once per write, before anything is stored.
"""

from __future__ import annotations

from typing import Any, Literal, get_args

import numpy as np

from exzarr._format.data_type import DataType
from exzarr._nodes.conversions import LossError, check_numbers, exact_number, into, is_number, number_in
from exzarr._nodes.objects import byte_strings, numbers_of, of_objects, plain, text_of, times_of
from exzarr._typing import AnyArray
from exzarr.errors import ArgumentError

__all__ = ["Casting", "as_values", "check_casting", "check_kinds"]

Casting = Literal["no", "equiv", "safe", "same_kind", "unsafe"]

_ADVICE = (
    "Convert the values yourself (values.astype(...), numpy.rint(...)), or pass casting='unsafe', which converts as "
    "astype does: a.set(selection, values, casting='unsafe')"
)


def check_casting(casting: Any) -> None:
    """Raise ArgumentError unless `casting` is one of NumPy's rules."""
    if casting not in get_args(Casting):
        raise ArgumentError(f"casting is one of {', '.join(map(repr, get_args(Casting)))}, not {casting!r}")


def as_values(
    value: Any,
    data_type: DataType | np.dtype[Any],
    *,
    casting: Casting = "same_kind",
    one: bool = False,
    where: str = "an array",
) -> AnyArray:
    """Return `value` as an array of `data_type`, or of a data type that NumPy converts to it on assignment.

    Parameters
    ----------
    value
        An array, a scalar, nested sequences, or anything that NumPy converts to an array.
    data_type
        The data type of the Zarr array, or the NumPy data type of one of its fields.
    casting
        ``"same_kind"`` may round numbers to the precision of the data type, and allows no other change.
        ``"unsafe"`` allows all that ``astype`` does. ``"no"``, ``"equiv"``, ``"safe"``: as in NumPy.
    one
        The value is for a single element: a list is one element of an array of objects.
    where
        The array's name, for messages.

    Raises
    ------
    ArgumentError
        The values do not convert, or the conversion would lose values.
    """
    dtype = data_type.dtype if isinstance(data_type, DataType) else data_type
    if type(value) is np.ndarray and value.dtype == dtype and dtype.kind != "O":
        return value
    check_casting(casting)
    try:
        if dtype.kind == "O":
            found = _objects(value, one=one)
            return byte_strings(found) if getattr(data_type, "kind", None) == "bytes" else found
        return _converted(plain(value), dtype, casting)
    except (TypeError, ValueError, OverflowError) as error:
        raise ArgumentError(_cannot(where, data_type, error)) from error


def check_kinds(given: np.dtype[Any], data_type: DataType, casting: Casting, where: str = "an array") -> None:
    """Raise ArgumentError if values of the data type `given` never convert, before any of them is read."""
    check_casting(casting)
    if casting == "unsafe" or given.kind in "OT" or data_type.dtype.kind == "O":
        return
    try:
        _converted(np.empty(0, given), data_type.dtype, casting)
    except (TypeError, ValueError, OverflowError) as error:
        raise ArgumentError(_cannot(where, data_type, error)) from error


def _cannot(where: str, data_type: DataType | np.dtype[Any], error: Exception) -> str:
    name: Any = data_type
    if isinstance(data_type, DataType):
        name = data_type.name if data_type.variable_length else data_type.dtype
    advice = f". {_ADVICE}" if isinstance(error, LossError) else ""
    return f"cannot store this in {where} of {name}: {error}{advice}"


def _objects(value: Any, *, one: bool) -> AnyArray:
    if isinstance(value, np.ndarray):
        return np.asarray(value, dtype=object)
    one = one and isinstance(value, (list, tuple))
    if one or isinstance(value, (str, bytes, bytearray, memoryview, dict)) or not hasattr(value, "__len__"):
        holder: AnyArray = np.empty((), object)
        holder[()] = value
        return holder
    return np.asarray(value, dtype=object)


def _converted(value: Any, dtype: np.dtype[Any], casting: Casting) -> AnyArray:
    if dtype.names is not None and not isinstance(value, (np.ndarray, np.generic)):
        # Tuples become objects first, so that their members are converted by these rules.
        return _fields(np.asarray(value, of_objects(dtype)), dtype, casting)
    values: AnyArray = np.asarray(value)
    if values.dtype == dtype:
        return values
    if values.dtype.kind == "f" and dtype.kind in "iu" and not hasattr(value, "dtype"):
        # NumPy returns float64 for a mix of Python integers that exceed int64 and negative ones.
        numbers = np.asarray(value, object)
        if all(isinstance(number, (int, np.integer)) for number in numbers.flat):
            return numbers.astype(dtype)
    if casting == "unsafe":
        on_assignment = is_number(values.dtype) and is_number(dtype)
        return values if on_assignment else np.asarray(value, dtype=dtype)
    if values.dtype.kind == "O" or hasattr(values.dtype, "na_object"):
        return _from_objects(values.astype(object), dtype, casting)
    if dtype.names is not None and values.dtype.names is not None:
        return _fields(values, dtype, casting)
    if not values.ndim and values.dtype.kind in "TUS" and is_number(dtype):
        return _converted(number_in(values, dtype), dtype, casting)
    both_numbers = is_number(values.dtype) and is_number(dtype)
    if both_numbers and not values.ndim:
        return exact_number(values, dtype).astype(dtype)
    if both_numbers:
        check_numbers(values, dtype)
    if casting != "same_kind" and not np.can_cast(values.dtype, dtype, casting):
        raise LossError(f"casting={casting!r} does not allow {values.dtype} to become {dtype}")
    if both_numbers:
        # Arrays are converted chunk by chunk, on assignment; other values are already a new array.
        return values if isinstance(value, np.ndarray) else values.astype(dtype)
    return into(values, dtype)


def _fields(values: AnyArray, dtype: np.dtype[Any], casting: Casting) -> AnyArray:
    """Convert structured values field by field."""
    names = dtype.names or ()
    given = values.dtype.names or ()
    if given != names:
        raise TypeError(
            f"the values have the fields {', '.join(given)}, the array {', '.join(names)}: select or rename them, in this order"
        )
    made = np.empty(values.shape, dtype)
    for name in names:
        made[name] = _converted(values[name], dtype[name].base, casting)
    return made


def _from_objects(values: AnyArray, dtype: np.dtype[Any], casting: Casting) -> AnyArray:
    """Convert Python objects to NumPy's numbers, times or text first, then to `dtype`."""
    if not values.size:
        return np.empty(values.shape, dtype)
    if dtype.names is not None:
        return _fields(np.asarray(values.tolist(), of_objects(dtype)), dtype, casting)
    if is_number(dtype):
        found = numbers_of(values, dtype)
    else:
        found = times_of(values) if dtype.kind in "mM" else text_of(values)
    return found if found.dtype == dtype else _converted(found, dtype, casting)
