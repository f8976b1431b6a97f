"""Data types in v2 documents: NumPy's array protocol type strings, and lists of fields.

https://zarr-specs.readthedocs.io/en/latest/v2/v2.0.html#data-type-encoding
"""

from __future__ import annotations

from typing import Any

import numpy as np

from exzarr._format.data_type import BYTES, MAX_DEPTH, MAX_ITEMSIZE, ML_BITS, DataType, ml_dtype
from exzarr._format.dtypes_v3 import DATETIME_UNITS, v3_json
from exzarr._format.named import is_int, shorten
from exzarr.errors import MetadataError, UnsupportedError

__all__ = ["parse_v2"]

# The type letters and the sizes that NumPy has for them (None: any size).
_SIZES: dict[str, tuple[int, ...] | None] = {
    "b": (1,),
    "i": (1, 2, 4, 8),
    "u": (1, 2, 4, 8),
    "f": (2, 4, 8, 16),
    "c": (8, 16, 32),
    "m": (8,),
    "M": (8,),
    "S": None,
    "U": None,
    "V": None,
}

_KNOWN: dict[str, DataType] = {}


def parse_v2(json: Any, *, object_codec: str | None = None) -> DataType:
    """Return the data type in a v2 document.

    Parameters
    ----------
    json
        The member ``dtype``.
    object_codec
        For ``|O``, the id of the filter that encodes Python objects. ``vlen-utf8`` means strings,
        ``vlen-bytes`` byte strings, any other id objects.

    Raises
    ------
    MetadataError
        `json` is not a data type.
    UnsupportedError
        exzarr, or NumPy on this machine, does not have the data type.
    """
    if type(json) is str:
        known = _KNOWN.get(json)
        if known is not None:
            return known
        if json == "|O":
            return _object(object_codec)
    dtype = _dtype(json, 0)
    made = DataType(dtype, v3_json(dtype), "fixed", json)
    if type(json) is str and len(_KNOWN) < 1000:
        _KNOWN[json] = made
    return made


def _object(object_codec: str | None) -> DataType:
    if object_codec == "vlen-utf8":
        return DataType(np.dtypes.StringDType(), "string", "string", "|O")
    if object_codec == "vlen-bytes":
        return DataType(BYTES, "variable_length_bytes", "bytes", "|O")
    if object_codec is None:
        raise MetadataError(
            "dtype '|O' requires a filter that encodes objects, such as vlen-utf8, but the document has none"
        )
    return DataType(np.dtype("O"), None, "object", "|O")


def _dtype(json: Any, depth: int) -> np.dtype[Any]:
    if type(json) is str:
        return _simple(json)
    if not isinstance(json, list) or not json:
        raise MetadataError(f"dtype must be a string or a list of fields, not {shorten(json)}")
    if depth >= MAX_DEPTH:
        raise MetadataError(f"dtype: fields are nested more than {MAX_DEPTH} levels deep")
    fields: list[tuple[Any, ...]] = []
    total = 0
    for item in json:
        if not isinstance(item, list) or not 2 <= len(item) <= 3 or type(item[0]) is not str:
            raise MetadataError(
                f"dtype: a field must be [name, dtype] or [name, dtype, shape], not {shorten(item)}"
            )
        of_field = _dtype(item[1], depth + 1)
        shape = item[2] if len(item) == 3 else []
        if not isinstance(shape, list) or len(shape) > 32 or not all(map(is_int, shape)):
            raise MetadataError(f"dtype: the shape {shorten(shape)} of field {shorten(item[0])} is invalid")
        size = of_field.itemsize
        for length in shape:
            size *= length
        total += size
        if total > MAX_ITEMSIZE:
            raise MetadataError(f"dtype: one element has more than {MAX_ITEMSIZE} bytes")
        fields.append((item[0], of_field, tuple(shape)) if shape else (item[0], of_field))
    try:
        return np.dtype(fields)
    except (ValueError, TypeError) as error:  # repeated names, or shapes that NumPy rejects
        raise MetadataError(f"dtype {shorten(json)}: {error}") from error


def _simple(text: str) -> np.dtype[Any]:
    if text in ML_BITS:  # TensorStore's names in v2
        return ml_dtype(text)
    order, letter, rest = text[:1], text[1:2], text[2:]
    if order not in ("<", ">", "|") or letter not in _SIZES:
        if text[1:] == "O":
            raise UnsupportedError("dtype: Python objects inside structured types are not supported")
        raise MetadataError(
            f"dtype {shorten(text)} is not a type string, such as '<f4', '|u1', '>M8[ns]' or '|S10'"
        )
    digits, bracket, unit = rest.partition("[")
    sizes = _SIZES[letter]
    size = int(digits) if 0 < len(digits) <= 10 and digits.isascii() and digits.isdigit() else 0
    limit = MAX_ITEMSIZE // 4 if letter == "U" else MAX_ITEMSIZE
    if not 0 < size <= limit or (sizes is not None and size not in sizes):
        raise MetadataError(f"dtype {shorten(text)}: {letter!r} has no size {shorten(digits)}")
    if order == "|" and size > 1 and letter not in "SV":
        raise MetadataError(f"dtype {shorten(text)}: the byte order ('<' or '>') is missing")
    if bracket and (letter not in "mM" or not _is_unit(unit)):
        raise MetadataError(f"dtype {shorten(text)}: {shorten(bracket + unit)} is not a unit of time")
    try:
        return np.dtype(text)
    except TypeError as error:
        raise UnsupportedError(
            f"dtype {text!r}: NumPy does not support it on this machine ({error})"
        ) from error


def _is_unit(text: str) -> bool:
    """Return True if `text` is a valid unit after the opening bracket, such as ``ns]`` or ``10ns]``."""
    if not text.endswith("]"):
        return False
    letters = text[:-1].lstrip("0123456789")
    digits = text[: len(text) - 1 - len(letters)]
    if digits and (len(digits) > 10 or not 0 < int(digits) < 2**31):
        return False
    return letters in DATETIME_UNITS and letters.isascii() and not (digits and letters == "generic")
