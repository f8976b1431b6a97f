"""Conversions to `DataType`.

`parse_v3` and `parse_v2` convert data types in documents. `from_numpy` converts the argument ``dtype=``.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from exzarr._format.data_type import MAX_DEPTH, ML_BITS, DataType, is_ml
from exzarr._format.dtypes_v2 import parse_v2
from exzarr._format.dtypes_v3 import extended, parse_v3, v2_json, v3_json
from exzarr._format.extensions import DATA_TYPES
from exzarr.errors import ArgumentError, MetadataError, UnsupportedError

__all__ = ["DataType", "from_numpy", "parse_v2", "parse_v3"]


def from_numpy(dtype_like: Any, zarr_format: int = 3) -> DataType:
    """Return the Zarr data type for a user's ``dtype=``.

    Parameters
    ----------
    dtype_like
        Anything that NumPy accepts (``"f4"``, ``np.float32``, ``">i2"``, ``"datetime64[ns]"``, a structured
        dtype), a v3 name (``"float32"``, ``"bfloat16"``, ``"string"``, ``"r16"``, or that of another package)
        or its JSON object, a `DataTypeExtension`, or a `DataType`. Bare ``str`` and ``bytes`` are strings and byte strings of any length; ``"S5"`` and
        ``"U5"`` have a fixed length.
    zarr_format
        3: the dtype is made native (v3 keeps the byte order in a codec) and fields are packed.
        2: the byte order does not change.

    Raises
    ------
    ArgumentError
        `dtype_like` is not a data type, or Zarr has no name for it.
    UnsupportedError
        A required library is missing.
    """
    if isinstance(dtype_like, DataType):
        return _convert(dtype_like, zarr_format)
    if hasattr(dtype_like, "fill_from_json") and not isinstance(dtype_like, type):
        return _convert(extended(dtype_like), zarr_format)
    if dtype_like is str:
        return _from_json("string", zarr_format)
    if dtype_like is bytes:
        return _from_json("variable_length_bytes", zarr_format)
    if isinstance(dtype_like, dict):
        return _from_json(dtype_like, zarr_format)
    if isinstance(dtype_like, str) and (dtype_like in _V3_FIRST or _is_raw(dtype_like)):
        return _from_json(_V3_FIRST.get(dtype_like, dtype_like), zarr_format)
    try:
        dtype = _numpy_dtype(dtype_like)
    except ArgumentError:
        if isinstance(dtype_like, str) and DATA_TYPES.find(dtype_like) is not None:
            return _from_json(dtype_like, zarr_format)
        raise
    return _from_dtype(dtype, zarr_format)


# Names that NumPy does not know, or uses for another type ("bytes" is "S0").
_V3_FIRST: dict[str, str] = {
    "string": "string",
    "str": "string",
    "variable_length_utf8": "string",
    "bytes": "variable_length_bytes",
    "variable_length_bytes": "variable_length_bytes",
    **{name: name for name in ML_BITS},
}


def _is_raw(text: str) -> bool:
    return text[:1] == "r" and text[1:].isascii() and text[1:].isdigit()


def _from_json(json: Any, zarr_format: int) -> DataType:
    try:
        return _convert(parse_v3(json), zarr_format)
    except UnsupportedError:
        raise
    except MetadataError as error:
        raise ArgumentError(f"dtype={json!r}: {error}") from error


def _convert(data_type: DataType, zarr_format: int) -> DataType:
    """Return `data_type` in the form of an array of `zarr_format`."""
    if zarr_format == 2:
        if data_type.v2 is None:
            raise ArgumentError(f"data type {data_type.name} cannot be stored in Zarr format 2")
        return data_type
    if data_type.v3 is None:
        raise ArgumentError(f"data type {data_type.name} cannot be stored in Zarr format 3")
    native = _packed(data_type.dtype, True, 0)
    if native == data_type.dtype:
        return data_type
    return DataType(native, data_type.v3, data_type.kind, data_type.v2)


def _numpy_dtype(dtype_like: Any) -> np.dtype[Any]:
    if dtype_like is None:
        raise ArgumentError("dtype must be a data type, got None")  # for NumPy, None means float64
    if isinstance(dtype_like, list):
        # A v2 document has a list of lists, NumPy requires a list of tuples.
        dtype_like = [tuple(item) if isinstance(item, list) else item for item in dtype_like]
    try:
        dtype: np.dtype[Any] = np.dtype(dtype_like)
    except (TypeError, ValueError, RecursionError) as error:
        raise ArgumentError(f"dtype={dtype_like!r} is not a data type: {error}") from error
    return dtype


def _from_dtype(dtype: np.dtype[Any], zarr_format: int) -> DataType:
    if dtype.kind == "T" or (dtype.kind == "U" and dtype.itemsize == 0):
        return _from_json("string", zarr_format)
    if dtype.kind == "S" and dtype.itemsize == 0:
        return _from_json("variable_length_bytes", zarr_format)
    of_objects = dtype.metadata.get("vlen") if dtype.kind == "O" and dtype.metadata else None
    if of_objects in (str, bytes):  # marked by exzarr or h5py
        return _from_json("string" if of_objects is str else "variable_length_bytes", zarr_format)
    if dtype.hasobject:
        raise ArgumentError(
            f"dtype {dtype} does not define the type of its objects; use dtype=str for strings or "
            "dtype=bytes for byte strings"
        )
    if dtype.itemsize == 0:
        raise ArgumentError(f"dtype {dtype} has no size; use a type with a size, such as 'V4'")
    if dtype.subdtype is not None:
        raise ArgumentError(
            f"dtype {dtype} is a subarray type; append its shape {dtype.shape} to the array's shape"
        )
    dtype = _packed(dtype, zarr_format == 3, 0)
    v3 = v3_json(dtype)
    if zarr_format == 3 and v3 is None:
        raise ArgumentError(f"dtype {dtype} has no name in Zarr format 3")
    return DataType(dtype, v3, "fixed", v2_json(dtype))


def _packed(dtype: np.dtype[Any], native: bool, depth: int) -> np.dtype[Any]:
    """Return `dtype` without padding and titles, which Zarr cannot store; with `native`, in native byte order."""
    if dtype.names is None:
        if dtype.subdtype is not None:
            base, shape = dtype.subdtype
            return np.dtype((_packed(base, native, depth), shape))
        # The dtypes of ml_dtypes exist only in native byte order.
        return dtype if not native or dtype.isnative or is_ml(dtype) else dtype.newbyteorder("=")
    if depth >= MAX_DEPTH:
        raise ArgumentError(f"dtype: fields are nested more than {MAX_DEPTH} levels deep")
    return np.dtype([(label, _packed(dtype[label], native, depth + 1)) for label in dtype.names])
