"""The attribute ``_FillValue`` of Zarr v3 arrays.

xarray stores floats as the base64 of their eight little-endian bytes, because JSON has no NaN.
"""

from __future__ import annotations

import base64
import binascii
import struct
from typing import Any

import numpy as np

from exzarr.errors import MetadataError

__all__ = ["decode_fill_value"]


def decode_fill_value(value: Any, dtype: np.dtype[Any], where: str) -> Any:
    """Return the fill value that the attribute `value` encodes, for an array of `dtype`.

    Numbers and the strings ``"NaN"``, ``"Infinity"`` and ``"-Infinity"``, which other software writes, are accepted too.

    Raises
    ------
    MetadataError
        `value` encodes no value of this type. `where` names the array.
    """
    try:
        return _decoded(value, dtype.kind)
    except (TypeError, ValueError, struct.error, binascii.Error) as error:
        raise MetadataError(
            f"array {where!r}: the attribute _FillValue, {value!r}, is no value of the data type {dtype}: {error}"
        ) from error


def _decoded(value: Any, kind: str) -> Any:
    match kind:
        case "f":
            return _float(value)
        case "c":
            real, imaginary = value
            return complex(_float(real), _float(imaginary))
        case "b":
            return bool(value)
        case "i" | "u":
            return int(value)
        case "S":
            return base64.standard_b64decode(value)
        case "U" | "T" | "O":
            return str(value)
        case _:  # native times, structures: as stored
            return value


def _float(value: Any) -> float:
    if isinstance(value, str) and value not in ("NaN", "Infinity", "-Infinity"):
        (number,) = struct.unpack("<d", base64.standard_b64decode(value))
        return float(number)
    return float(value)
