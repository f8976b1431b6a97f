"""The stored form: a group of arrays beside the array, and the attributes that announce it.

`docs/guides/statistics-layout.md` defines it.
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote

from exzarr._api.creating import create_group
from exzarr._api.opening import open_group
from exzarr._format.multiscales.zarr_convention import declared
from exzarr._nodes.array import Array
from exzarr._nodes.group import Group
from exzarr._nodes.hierarchy import Location
from exzarr.errors import (
    ArgumentError,
    ChunkError,
    MetadataError,
    NodeExistsError,
    NodeNotFoundError,
    NodeTypeError,
)
from exzarr.statistics.table import Table

__all__ = ["announced", "announce", "check_place", "is_statistics", "load", "save"]

ATTRIBUTE: Final = "chunk_statistics"
VERSION: Final = "0.1"

CONVENTION = {
    "uuid": "7d0c2a5e-8a53-4d0e-9a1c-6f3f6c1b0b57",
    "name": "chunk-statistics",
    "description": "Minimum, maximum, sum and counts of the values of each chunk",
}


def _home(array: Array) -> Location | None:
    """Return where an array is, in a store that also has what is beside it. None if it is beside nothing.

    If the array was opened by its own path, it is the root of its store, and its group is in the store one level above.
    """
    if array.path:
        return array.location
    store = array.store.parent()
    if store is None:
        return None
    place = array.store.local_path("")
    name = posixpath.basename(unquote(array.store.url).rstrip("/")) if place is None else Path(place).name
    return Location(store, name)


def _group_of(array: Array) -> Location:
    """Return the location of the group with the statistics of an array."""
    home = _home(array)
    if home is None:
        raise _alone(array)
    return Location(home.store, f"{home.path}.statistics")


def _alone(array: Array) -> ArgumentError:
    return ArgumentError(
        f"array {array.name!r} is the root of {array.store}, and nothing may be stored below an array: statistics are a "
        "group beside it. Store the array in a group, and open it through the group"
    )


def announced(array: Array) -> bool:
    """Return True if an array's attributes announce statistics that are its own, not those of an array it was copied from."""
    value = array.attrs.get(ATTRIBUTE)
    if not isinstance(value, Mapping) or not isinstance(value.get("path"), str):
        return False
    home = _home(array)
    return home is not None and (
        posixpath.normpath(posixpath.join(home.path, value["path"])) == _group_of(array).path
    )


def check_place(array: Array) -> None:
    """Raise ArgumentError if the array was opened by its own path: nothing can be created beside it then."""
    if not array.path:
        raise _alone(array)


def announce(array: Array) -> None:
    """Add the attributes that announce statistics, if they are missing."""
    if announced(array):
        return
    relative = f"../{posixpath.basename(_group_of(array).path)}"

    def add(attributes: dict[str, Any]) -> None:
        attributes["zarr_conventions"] = declared(attributes, [CONVENTION])
        attributes[ATTRIBUTE] = {"version": VERSION, "path": relative}

    array.attrs.change(add)


def load(array: Array, empty: Table) -> Table:
    """Fill `empty` with the stored entries of an array. What is missing or damaged proves nothing, and is left out."""
    try:
        arrays = _arrays(_open(array, "r"))
        if all(name in arrays and _fits(arrays[name], column) for name, column in empty):
            empty.fit({name: arrays[name][...] for name, _ in empty})
    except (ChunkError, MetadataError, NodeNotFoundError, NodeTypeError):
        pass
    return empty


def save(array: Array, table: Table) -> None:
    """Store the entries of an array. A crash leaves entries whose digests do not fit: they prove nothing."""
    arrays = _existing(array)
    if arrays is None or any(
        name not in arrays or not _fits(arrays[name], column) or arrays[name].shape != column.shape
        for name, column in table
    ):
        arrays = _create(array, table)
    for name, column in table:
        arrays[name][...] = column


def _existing(array: Array) -> dict[str, Array] | None:
    """Return the arrays of the stored statistics; None if there are none, or if a document of the arrays is damaged."""
    place = _group_of(array)
    try:
        group = _open(array, "r+")
    except NodeTypeError as error:
        raise NodeExistsError(f"{place.path!r} in {place.store} is an array: move it") from error
    except MetadataError as error:
        raise NodeExistsError(
            f"the document of {place.path!r} in {place.store} cannot be read, so exzarr cannot tell whether the group holds "
            f"statistics: move it, or delete it. {error}"
        ) from error
    except NodeNotFoundError:
        return None
    if not _ours(group, array):
        raise NodeExistsError(
            f"group {place.path!r} in {place.store} exists, and is not statistics of array {array.name!r}: move it"
        )
    try:
        return _arrays(group)
    except MetadataError:
        return None


def _open(array: Array, mode: Any) -> Group:
    place = _group_of(array)
    return open_group(
        place.store,
        path=place.path,
        mode=mode,
        zarr_format=array.zarr_format,
        use_consolidated=False,
    )


def _ours(group: Group, array: Array) -> bool:
    value = group.attrs.get(ATTRIBUTE)
    return isinstance(value, Mapping) and value.get("of") == f"../{_name(array)}"


def _name(array: Array) -> str:
    return posixpath.basename(_group_of(array).path).removesuffix(".statistics")


def is_statistics(group: Group) -> bool:
    """Return True if a group holds statistics."""
    value = group.attrs.get(ATTRIBUTE)
    return isinstance(value, Mapping) and isinstance(value.get("of"), str)


def _arrays(group: Group) -> dict[str, Array]:
    return dict(group.arrays())


def _fits(stored: Array, column: Any) -> bool:
    return bool(stored.ndim == column.ndim and stored.dtype.newbyteorder("=") == column.dtype)


def _create(array: Array, table: Table) -> dict[str, Array]:
    attributes = {
        "zarr_conventions": [CONVENTION],
        ATTRIBUTE: {"version": VERSION, "of": f"../{_name(array)}"},
    }
    place = _group_of(array)
    group = create_group(
        place.store,
        path=place.path,
        zarr_format=array.zarr_format,
        overwrite=True,
        attributes=attributes,
    )
    return {
        name: group.create_array(name, shape=column.shape, dtype=column.dtype, fill_value=0)
        for name, column in table
    }
