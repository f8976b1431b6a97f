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

__all__ = ["CONVERTED", "FILL_ATTRIBUTE", "as_attribute", "converted", "from_attribute", "was"]

FILL_ATTRIBUTE = "_FillValue"

CONVERTED = "exzarr_converted"
"""A member of the documents of converted arrays, which says how to convert them back. Other software ignores it."""


def converted(attribute: str) -> dict[str, Any]:
    """The value of `CONVERTED`: ``"absent"`` where the v3 array had no ``_FillValue`` and its fill value marks nothing,
    ``"kept"`` where the v2 array had an attribute of that name beside its fill value.
    """
    return {CONVERTED: {"must_understand": False, FILL_ATTRIBUTE: attribute}}


def was(extra: dict[str, Any], attribute: str) -> bool:
    """Whether the unknown members of a document say so."""
    return bool(extra.get(CONVERTED) == converted(attribute)[CONVERTED])


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
