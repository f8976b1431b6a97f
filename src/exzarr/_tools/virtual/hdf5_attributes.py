"""Convert attributes of HDF5 objects to JSON, and report those that JSON cannot express."""

from __future__ import annotations

from collections.abc import Callable, Collection
from types import ModuleType
from typing import Any

from exzarr._tools.virtual.model import DAMAGE, UnreferencedError
from exzarr._tools.virtual.values import json_value
from exzarr.errors import ExzarrError

__all__ = ["NETCDF", "attribute", "attributes_of"]

NETCDF = frozenset({"_Netcdf4Dimid", "_Netcdf4Coordinates", "_nc3_strict", "_NCProperties"})
"""Internal attributes of the netCDF library."""
_SCALE = frozenset({"CLASS", "NAME", "REFERENCE_LIST"})
"""Attributes that make a data set a dimension scale."""
_DIMENSIONS = "_ARRAY_DIMENSIONS"


def attributes_of(
    h5py: ModuleType, item: Any, left_out: Callable[[str, str], None], hidden: Collection[str] = ()
) -> dict[str, Any]:
    """Return the attributes of a group or data set, without those that define its dimensions.

    `left_out` gets the name of each attribute that JSON cannot express, and the reason.
    """
    try:
        names = [*item.attrs]
    except DAMAGE as error:
        if isinstance(error, ExzarrError):  # the store failed
            raise
        left_out("*", f"the attributes cannot be listed: {error}")
        return {}
    structure = {*NETCDF, *hidden, "DIMENSION_LIST"}
    if "CLASS" in names and attribute(item, "CLASS") == b"DIMENSION_SCALE":
        structure |= _SCALE
    found: dict[str, Any] = {}
    for name in names:
        if name in structure:
            continue
        if name == _DIMENSIONS:
            left_out(name, "Zarr stores the dimension names in this attribute")
            continue
        try:
            name.encode()
            found[name] = _json(h5py, item.attrs[name])
        except UnicodeEncodeError:
            left_out(name.encode(errors="surrogateescape").decode("latin-1"), "its name is not UTF-8")
        except UnreferencedError as error:
            left_out(name, str(error))
        except DAMAGE as error:
            if isinstance(error, ExzarrError):  # the store failed
                raise
            left_out(name, f"it cannot be read: {error}")
    return found


def attribute(item: Any, name: str) -> Any:
    """Return the attribute `name`; None if it is missing or cannot be read."""
    try:
        return item.attrs.get(name)
    except DAMAGE as error:
        if isinstance(error, ExzarrError):  # the store failed
            raise
        return None


def _json(h5py: ModuleType, value: Any) -> Any:
    if isinstance(value, h5py.Empty):
        return "" if value.dtype.kind in "SO" else []
    if isinstance(value, (h5py.Reference, h5py.RegionReference)):
        raise UnreferencedError("it refers to an object or a region of the file")
    return json_value(value)
