"""The attribute ``_FillValue``, in which xarray keeps the mark of missing data of Zarr v3 arrays.

In Zarr v2 xarray takes the array's fill value for it. In v3, where the fill value is only what was
never written, it looks at this attribute, and wants floating-point numbers as base64 of their
eight bytes (``xarray.backends.zarr.FillValueCoder``).
"""

from __future__ import annotations

import base64
import struct
from typing import Any

import numpy as np

__all__ = ["FILL_ATTRIBUTE", "as_attribute", "from_attribute"]

FILL_ATTRIBUTE = "_FillValue"


def as_attribute(value: Any, dtype: np.dtype[Any]) -> Any:
    """`value`, a fill value of `dtype`, as the attribute holds it; None for data types that have no such mark."""
    if dtype.kind in "iu":
        return int(value)
    if dtype.kind == "f" and dtype.itemsize <= 8:
        return base64.standard_b64encode(struct.pack("<d", float(value))).decode("ascii")
    return None


def from_attribute(attribute: Any, dtype: np.dtype[Any]) -> Any:
    """The scalar of `dtype` that the attribute stands for; None where it is no such mark."""
    try:
        if dtype.kind in "iu" and type(attribute) is int:
            return dtype.type(attribute)
        if dtype.kind == "f" and dtype.itemsize <= 8 and isinstance(attribute, str):
            return dtype.type(struct.unpack("<d", base64.b64decode(attribute, validate=True))[0])
    except (ValueError, OverflowError, struct.error):
        pass
    return None
