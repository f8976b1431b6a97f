"""Convert Python objects and pandas columns to NumPy arrays with a matching data type."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np

from exzarr._format.data_type import BYTES
from exzarr._format.named import shorten
from exzarr._nodes.conversions import LossError, is_integer
from exzarr._typing import AnyArray

__all__ = ["byte_strings", "infer", "is_pandas", "numbers_of", "of_objects", "plain", "text_of", "times_of"]


BYTES_LIKE = (bytes, bytearray, memoryview, np.void)
FILL = (
    "Zarr has no missing values: fill them (fillna in pandas) with a value that does not occur, or store in a second "
    "array which are missing"
)


# -- pandas ---------------------------------------------------------------------------


def is_pandas(value: Any) -> bool:
    """Return whether `value` is a pandas Series, Index or DataFrame."""
    return type(value).__module__.partition(".")[0] == "pandas" and hasattr(value, "to_numpy")


def plain(value: Any) -> Any:
    """Convert a pandas column to NumPy without loss; refuse masked values; return others unchanged."""
    if isinstance(value, np.ma.MaskedArray):
        if np.ma.is_masked(value):
            raise TypeError(
                f"{int(np.ma.getmaskarray(value).sum())} elements are masked. {FILL}: values.filled(...)"
            )
        return np.ma.getdata(value)
    if not is_pandas(value):
        return value
    dtype = getattr(value, "dtype", None)
    if dtype is None or isinstance(dtype, np.dtype):
        return value.to_numpy()
    number = getattr(dtype, "numpy_dtype", None)  # of nullable numeric types
    if isinstance(number, np.dtype) and number.kind in "biufc":
        missing = int(value.isna().sum())
        if missing and number.kind in "biu":
            raise TypeError(f"{missing} of {len(value)} elements of {dtype} are missing. {FILL}")
        return value.to_numpy(number, na_value=np.nan) if missing else value.to_numpy(number)
    if getattr(dtype, "tz", None) is not None:
        raise TypeError(
            f"{dtype} has a time zone, and Zarr's times have none: convert to UTC and drop it "
            "(series.dt.tz_convert('UTC').dt.tz_localize(None)), and write the zone into an attribute"
        )
    return value.to_numpy(object) if getattr(dtype, "name", "") != "category" else _categories(value)


def _categories(value: Any) -> Any:
    """Return the category of each row of a categorical column."""
    categories = getattr(value, "cat", value).categories
    codes = np.asarray(getattr(value, "cat", value).codes)
    if (codes < 0).any():
        raise TypeError(f"{int((codes < 0).sum())} of {len(codes)} elements are missing. {FILL}")
    return np.asarray(plain(categories))[codes]


# -- objects --------------------------------------------------------------------------


def infer(values: AnyArray) -> AnyArray:
    """Convert an array of objects to the data type of its elements; byte strings remain objects.

    Raises TypeError if elements are of several kinds, missing, or of a type that Zarr does not have.
    """
    kinds = {*map(type, values.flat)}
    if values.size and all(issubclass(kind, str) for kind in kinds):
        return values.astype(np.dtypes.StringDType())
    if values.size and all(issubclass(kind, BYTES_LIKE) for kind in kinds):
        return byte_strings(values).astype(BYTES)
    missing = [place for place, item in np.ndenumerate(values) if _is_missing(item)]
    if missing and not kinds <= {float, int}:
        raise TypeError(
            f"{len(missing)} of {values.size} objects are missing (None, NaN or NA), the first at {_place(missing[0])}. {FILL}; "
            "of numbers, dtype='f8' makes them NaN"
        )
    natural = _natural(values) if not any(issubclass(kind, (str, *BYTES_LIKE)) for kind in kinds) else values
    if natural.dtype.kind == "O":
        names = ", ".join(sorted({kind.__name__ for kind in kinds})) or "no objects"
        raise TypeError(
            f"an array of objects ({names}) does not say what its elements are: give dtype=str for text, "
            "dtype=bytes for byte strings or another dtype, and convert what does not fit"
        )
    return natural


def byte_strings(values: AnyArray) -> AnyArray:
    """Convert an array of bytes-like objects to an array of bytes objects."""
    if {*map(type, values.flat)} <= {bytes}:
        return values
    made = np.empty(values.shape, object)
    for place, item in np.ndenumerate(values):
        if not isinstance(item, BYTES_LIKE):
            hint = "encode text first: text.encode()" if isinstance(item, str) else FILL
            raise TypeError(f"{_described(item, place)} is not a byte string. {hint}")
        made[place] = bytes(item)
    return made


def text_of(values: AnyArray) -> AnyArray:
    """Convert an array of strings (or UTF-8 bytes) to a NumPy string array."""
    made = np.empty(values.shape, np.dtypes.StringDType())
    for place, item in np.ndenumerate(values):
        if isinstance(item, str):
            made[place] = item
        elif isinstance(item, bytes):
            made[place] = item.decode()
        else:
            raise TypeError(
                f"{_described(item, place)} is not text. {FILL if _is_missing(item) else 'Convert it: str(...)'}"
            )
    return made


def times_of(values: AnyArray) -> AnyArray:
    """Convert dates, times and durations, in a unit that is fine enough for all. None becomes NaT."""
    made = np.empty(values.shape, object)
    for place, item in np.ndenumerate(values):
        if getattr(item, "tzinfo", None) is not None:
            raise TypeError(
                f"{item!r} has a time zone, and Zarr's times have none: convert to UTC and drop it"
            )
        convert = getattr(item, "to_numpy", None)  # pandas objects, which have nanoseconds
        made[place] = None if _is_missing(item) else convert() if convert else item
    durations = any(isinstance(item, (np.timedelta64, dt.timedelta)) for item in made.flat)
    return np.array(made.tolist(), "m8" if durations else "M8")


def numbers_of(values: AnyArray, dtype: np.dtype[Any]) -> AnyArray:
    """Convert an array of objects to numbers of NumPy's choice or of `dtype`. Missing floats become NaN."""
    missing = [place for place, item in np.ndenumerate(values) if _is_missing(item)]
    real = dtype.kind in "fc" or not is_integer(dtype)
    if missing and not real:
        raise TypeError(f"{_described(values[missing[0]], missing[0])} is not a number of {dtype}. {FILL}")
    if missing:
        values = values.copy()
        for place in missing:
            values[place] = np.nan
    natural = _natural(values)
    if natural.dtype.kind != "O":
        return natural
    if real:
        return values.astype(
            max(dtype, np.dtype("c16" if dtype.kind == "c" else "f8"), key=lambda d: d.itemsize)
        )
    made = values.astype(dtype)
    for place, item in np.ndenumerate(values):
        if made[place] != item:
            raise LossError(f"{_described(item, place)} is not a number of {dtype}")
    return made


def of_objects(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return a structured data type with the same fields, all of them objects."""
    if dtype.subdtype is not None:
        base, shape = dtype.subdtype
        return np.dtype((of_objects(base), shape))
    if dtype.names is None:
        return np.dtype("O")
    return np.dtype([(name, of_objects(dtype[name])) for name in dtype.names])


def _natural(values: AnyArray) -> AnyArray:
    """Let NumPy choose the data type of the objects; return `values` if that would change their shape."""
    found = np.asarray(values.tolist())
    return found if found.shape == values.shape else values


def _is_missing(item: Any) -> bool:
    """Return whether `item` is None, NaN, NaT or pandas' NA."""
    if item is None or type(item).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(item, (float, np.floating, np.datetime64, np.timedelta64)) and bool(item != item)


def _described(item: Any, place: tuple[int, ...]) -> str:
    what = "None" if item is None else f"{shorten(item)} of type {type(item).__name__}"
    return f"{what}{f' at {_place(place)}' if place else ''}"


def _place(place: tuple[int, ...]) -> str:
    return str(place[0] if len(place) == 1 else place)
