"""Convert attributes and fill values of files to JSON."""

from __future__ import annotations

from typing import Any

import numpy as np

from exzarr._creation.metadata import array_metadata
from exzarr._format import v2
from exzarr._tools.virtual.model import UnreferencedError, VirtualArray
from exzarr.errors import ExzarrError

__all__ = ["fill_json", "json_value"]


def fill_json(array: VirtualArray, value: Any) -> Any:
    """Return a fill value as JSON of a v2 document. Raise UnreferencedError if the array cannot have it."""
    if array.document["dtype"] == "|O":
        return value.decode("utf-8", "strict") if isinstance(value, bytes) else str(value)
    data_type = v2.parse_array({**array.document, "fill_value": None}).data_type
    try:
        metadata = array_metadata(
            shape=(), chunks=(), dtype=data_type.dtype, compressors=None, fill_value=value, zarr_format=2
        )
        return v2.array_json(metadata)[0]["fill_value"]
    except (ExzarrError, ValueError, TypeError, OverflowError) as error:
        raise UnreferencedError(f"{value!r} is not a fill value of {data_type.dtype}: {error}") from None


def json_value(value: Any) -> Any:
    """Return the value of an attribute as text, a number, or a list of these.

    Arrays of one element become that element, as in netCDF. Raise UnreferencedError with the reason if JSON cannot
    express the value.
    """
    if isinstance(value, (str, bytes)):
        return _text(value)
    array = np.asarray(value)
    if array.dtype.names:
        raise UnreferencedError(f"it is compound ({', '.join(array.dtype.names)}), which JSON cannot express")
    if array.dtype.kind == "V":
        raise UnreferencedError(f"it is opaque data of {array.dtype.itemsize} bytes")
    if array.dtype.kind in "SO":
        items = [_text(one) for one in array.ravel().tolist()]
        return items[0] if len(items) == 1 else _nested(items, array.shape)
    if array.dtype.kind == "f" and array.dtype.itemsize > 8:
        narrow = array.astype("f8")
        if not np.array_equal(narrow, array, equal_nan=True):
            raise UnreferencedError(f"JSON has no numbers of the precision of {array.dtype}")
        array = narrow
    if array.dtype.kind not in "biuf":
        raise UnreferencedError(f"JSON has no {array.dtype} numbers")
    return array.ravel()[0].item() if array.size == 1 else array.tolist()


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            raise UnreferencedError(f"its text {value[:40]!r} is not UTF-8") from None
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            raise UnreferencedError(f"its text {value[:40]!r} is not UTF-8") from None
        return value
    raise UnreferencedError("its elements are arrays of different lengths, or refer to other objects")


def _nested(items: list[Any], shape: tuple[int, ...]) -> list[Any]:
    made = np.empty(len(items), object)
    made[:] = items
    nested: list[Any] = made.reshape(shape).tolist()
    return nested
