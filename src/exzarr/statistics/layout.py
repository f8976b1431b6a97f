"""The stored form: a group of arrays beside the array, and the attributes that announce it.

`docs/guides/statistics-layout.md` defines it.
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from typing import Any, Final

from exzarr._api.creating import create_group
from exzarr._api.opening import open_group
from exzarr._format.multiscales.zarr_convention import declared
from exzarr._nodes.array import Array
from exzarr._nodes.group import Group
from exzarr.errors import (
    ArgumentError,
    ChunkError,
    MetadataError,
    NodeExistsError,
    NodeNotFoundError,
    NodeTypeError,
)
from exzarr.statistics.table import Table

__all__ = ["announced", "announce", "load", "save"]

ATTRIBUTE: Final = "chunk_statistics"
VERSION: Final = "0.1"

CONVENTION = {
    "uuid": "7d0c2a5e-8a53-4d0e-9a1c-6f3f6c1b0b57",
    "name": "chunk-statistics",
    "description": "Minimum, maximum, sum and counts of the values of each chunk",
}


def _path_of(array: Array) -> str:
    """Return the path of the group with the statistics of an array."""
    if not array.path:
        raise ArgumentError(
            f"array {array.name!r} is the root of {array.store}, and nothing may be stored below an array: statistics "
            "are a group beside it. Store the array in a group"
        )
    return f"{array.path}.statistics"


def announced(array: Array) -> bool:
    """Return True if an array's attributes announce statistics that are its own, not those of an array it was copied from."""
    value = array.attrs.get(ATTRIBUTE)
    if not array.path or not isinstance(value, Mapping) or not isinstance(value.get("path"), str):
        return False
    return posixpath.normpath(posixpath.join(array.path, value["path"])) == _path_of(array)


def announce(array: Array) -> None:
    """Add the attributes that announce statistics, if they are missing."""
    if announced(array):
        return
    relative = f"../{posixpath.basename(_path_of(array))}"

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
    path = _path_of(array)
    arrays: dict[str, Array] | None = None
    try:
        group = _open(array, "r+")
        if not _ours(group, array):
            raise NodeExistsError(
                f"group {path!r} in {array.store} exists, and is not statistics of array {array.name!r}: move it"
            )
        arrays = _arrays(group)
    except NodeTypeError as error:
        raise NodeExistsError(f"{path!r} in {array.store} is an array: move it") from error
    except (MetadataError, NodeNotFoundError):
        pass
    if arrays is None or any(
        name not in arrays or not _fits(arrays[name], column) or arrays[name].shape != column.shape
        for name, column in table
    ):
        arrays = _create(array, table)
    for name, column in table:
        arrays[name][...] = column


def _open(array: Array, mode: Any) -> Group:
    return open_group(
        array.store,
        path=_path_of(array),
        mode=mode,
        zarr_format=array.zarr_format,
        use_consolidated=False,
    )


def _ours(group: Group, array: Array) -> bool:
    value = group.attrs.get(ATTRIBUTE)
    return isinstance(value, Mapping) and value.get("of") == f"../{array.basename}"


def _arrays(group: Group) -> dict[str, Array]:
    return dict(group.arrays())


def _fits(stored: Array, column: Any) -> bool:
    return bool(stored.ndim == column.ndim and stored.dtype.newbyteorder("=") == column.dtype)


def _create(array: Array, table: Table) -> dict[str, Array]:
    attributes = {
        "zarr_conventions": [CONVENTION],
        ATTRIBUTE: {"version": VERSION, "of": f"../{array.basename}"},
    }
    group = create_group(
        array.store,
        path=_path_of(array),
        zarr_format=array.zarr_format,
        overwrite=True,
        attributes=attributes,
    )
    return {
        name: group.create_array(name, shape=column.shape, dtype=column.dtype, fill_value=0)
        for name, column in table
    }
