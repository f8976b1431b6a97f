"""The attribute ``_FillValue``, which marks missing data for xarray in Zarr v3 arrays.

In Zarr v2, xarray uses the array's fill value as this marker. In v3, the fill value only describes elements that were
never written, and xarray uses this attribute. It stores floating-point numbers as base64 of their eight bytes
(``xarray.backends.zarr.FillValueCoder``).
"""

from __future__ import annotations

import base64
import struct
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from exzarr._format.metadata import ArrayMetadata

__all__ = [
    "CONVERTED",
    "FILL_ATTRIBUTE",
    "as_attribute",
    "converted",
    "from_attribute",
    "missing_marks",
    "was",
]

FILL_ATTRIBUTE = "_FillValue"

CONVERTED = "exzarr_converted"
"""A member of the documents of converted arrays, used to convert them back. Other software ignores it."""


def converted(attribute: str) -> dict[str, Any]:
    """Return the member `CONVERTED` for a document.

    `attribute` is ``"absent"`` if the v3 array had no ``_FillValue``, so that its fill value does not mark missing data. It
    is ``"kept"`` if the v2 array had an attribute of that name in addition to its fill value.
    """
    return {CONVERTED: {"must_understand": False, FILL_ATTRIBUTE: attribute}}


def was(extra: dict[str, Any], attribute: str) -> bool:
    """Return True if the unknown members of a document contain this value of `CONVERTED`."""
    return bool(extra.get(CONVERTED) == converted(attribute)[CONVERTED])


def as_attribute(value: Any, dtype: np.dtype[Any]) -> Any:
    """Return a fill value in the form of the attribute; None for data types without such a marker."""
    if dtype.kind in "iu":
        return int(value)
    if dtype.kind == "f" and dtype.itemsize <= 8:
        return base64.standard_b64encode(struct.pack("<d", float(value))).decode("ascii")
    return None


def from_attribute(attribute: Any, dtype: np.dtype[Any]) -> Any:
    """Return the scalar of `dtype` that the attribute encodes; None if it is not such a marker."""
    try:
        if dtype.kind in "iu" and type(attribute) is int:
            return dtype.type(attribute)
        if dtype.kind == "f" and dtype.itemsize <= 8 and isinstance(attribute, str):
            return dtype.type(struct.unpack("<d", base64.b64decode(attribute, validate=True))[0])
    except (ValueError, OverflowError, struct.error):
        pass
    return None


def missing_marks(meta: ArrayMetadata, dtype: np.dtype[Any]) -> list[Any]:
    """Return the numbers that mark missing values in an array, by the conventions of CF and xarray.

    NaN is not included. The marks are the attributes ``_FillValue`` and ``missing_value``, and in Zarr v2 a fill value that is not 0.
    """
    if dtype.kind not in "iuf":
        return []
    found = [from_attribute(meta.attributes.get(FILL_ATTRIBUTE), dtype)]
    for name in (FILL_ATTRIBUTE, "missing_value"):
        given = meta.attributes.get(name)
        found += given if isinstance(given, list) else [given]
    if meta.zarr_format == 2 and meta.fill_value:
        found.append(meta.fill_value)
    marks = []
    for mark in found:
        try:
            value = None if mark is None or isinstance(mark, (str, bool)) else dtype.type(mark)
        except (TypeError, ValueError, OverflowError):
            continue
        if value is not None and value == value:
            marks.append(value)
    return marks
