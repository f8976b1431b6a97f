"""Find the node that a user's store, path and mode refer to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from exzarr._format.metadata import ArrayMetadata, GroupMetadata
from exzarr._nodes import consolidation, hierarchy
from exzarr._nodes.consolidation import ConsolidatedRoot
from exzarr._nodes.hierarchy import Location, Metadata, ZarrFormat
from exzarr.errors import (
    ArgumentError,
    ListingUnsupportedError,
    MetadataError,
    NodeNotFoundError,
    NodeTypeError,
)
from exzarr.stores.memory import MemoryStore
from exzarr.stores.resolve import Mode, StoreLike, resolve_store

if TYPE_CHECKING:
    from exzarr.stores.url_options import StorageOptions

__all__ = [
    "FROM_CONSOLIDATED",
    "Mode",
    "StoreLike",
    "check_format",
    "find_node",
    "locate",
    "open_node",
    "through_consolidated",
]

FROM_CONSOLIDATED = (
    "the store cannot list: the nodes are those that consolidated metadata names, and others are not seen"
)
"""Remark of a tool that has found nodes by `through_consolidated`."""

Kind = Literal["array", "group"]


def locate(
    store: StoreLike | None,
    path: str | None,
    mode: Mode | None,
    storage_options: StorageOptions | None = None,
) -> tuple[Location, bool]:
    """Return the location of `store` and `path`, and whether it is read-only. Nothing is read.

    If `store` is None, a new store in memory is created. `storage_options` are for URLs.
    """
    resolved, base = resolve_store(
        MemoryStore() if store is None else store, mode=mode, storage_options=storage_options
    )
    location = Location(resolved, hierarchy.normalize_path(base))
    return location.child(path) if path else location, mode == "r" or resolved.read_only


def find_node(
    location: Location,
    zarr_format: ZarrFormat | None = None,
    *,
    kind: Kind | None = None,
    use_consolidated: bool | None = None,
) -> tuple[Location, Metadata] | None:
    """Find the node at `location`; return its location (with its consolidated metadata) and its metadata.

    Parameters
    ----------
    zarr_format
        Look for this format only. By default for v3, then for v2.
    kind
        The kind of node that the caller expects. It only decides which document is looked for first.
    use_consolidated
        None uses consolidated metadata if it exists, False ignores it, True requires it.

    Returns
    -------
    tuple or None
        None if there is no node. A group with consolidated metadata takes one read (in v2, after the one for v3).
    """
    check_format(zarr_format)
    if use_consolidated not in (None, True, False):
        raise ArgumentError(f"use_consolidated is True, False or None, not {use_consolidated!r}")
    store, path = location.store, location.path
    found: Metadata | None = None
    root: ConsolidatedRoot | None = None
    if zarr_format != 2:
        found = hierarchy.find(location, 3)
        if isinstance(found, GroupMetadata) and found.broken is not None and use_consolidated is not False:
            raise type(found.broken)(
                f"{location.key('zarr.json')}: {found.broken}; open with use_consolidated=False to ignore it"
            ) from found.broken
        if isinstance(found, GroupMetadata) and found.consolidated is not None:
            root = ConsolidatedRoot(store, path, found.consolidated)
    if found is None and zarr_format != 3:
        if kind != "array" and use_consolidated is not False:
            root = consolidation.read_v2(store, path)
            found = None if root is None else root.own()
        if found is None:
            found = hierarchy.find(location, 2)
    if found is None:
        return None
    if isinstance(found, ArrayMetadata) or use_consolidated is False:
        root = None
    elif use_consolidated and root is None:
        raise MetadataError(
            f"the group at {location} has no consolidated metadata: exzarr.consolidate_metadata writes it, "
            "and use_consolidated=None opens the group without it"
        )
    return Location(store, path, root), found


def open_node(
    location: Location,
    zarr_format: ZarrFormat | None = None,
    *,
    kind: Kind | None = None,
    use_consolidated: bool | None = None,
) -> tuple[Location, Metadata]:
    """Find a node like `find_node`; raise NodeNotFoundError or NodeTypeError if there is no such node."""
    found = find_node(location, zarr_format, kind=kind, use_consolidated=use_consolidated)
    if found is None:
        raise _not_found(location, zarr_format)
    check_kind(found[0], found[1], kind)
    return found


def through_consolidated(location: Location, error: ListingUnsupportedError) -> Location:
    """Return `location` with its consolidated metadata, or with that of a group above it.

    Tools call this function if the store cannot list, with the `error` that it raised. The function raises this error
    if there is no consolidated metadata.
    """
    if location.root is not None:
        return location
    parts = location.path.split("/") if location.path else []
    for n in range(len(parts), -1, -1):
        found = find_node(Location(location.store, "/".join(parts[:n])), kind="group")
        root = None if found is None else found[0].root
        if root is not None and (n == len(parts) or root.find(location.path) is not None):
            return Location(location.store, location.path, root)
    raise error


def check_kind(location: Location, meta: Metadata, kind: Kind | None) -> None:
    """Raise NodeTypeError if a node is not of the expected kind."""
    is_array = isinstance(meta, ArrayMetadata)
    if kind == "group" and is_array:
        raise NodeTypeError(f"there is an array at {location}, not a group: use open_array or open")
    if kind == "array" and not is_array:
        raise NodeTypeError(f"there is a group at {location}, not an array: use open_group or open")


def check_format(zarr_format: Any) -> None:
    """Raise ArgumentError unless `zarr_format` is 2, 3 or None."""
    if zarr_format not in (None, 2, 3):
        raise ArgumentError(f"zarr_format is 2, 3 or None (either), not {zarr_format!r}")


def _not_found(location: Location, zarr_format: ZarrFormat | None) -> NodeNotFoundError:
    error = hierarchy.not_found(location, zarr_format)
    if zarr_format is not None and hierarchy.find(location) is not None:
        other = 5 - zarr_format
        return NodeNotFoundError(f"{error}; the node there has Zarr format {other}")
    try:
        below = [name for name, child in hierarchy.children(location) if hierarchy.exists(child)]
    except ListingUnsupportedError:
        below = []
    if below:
        return NodeNotFoundError(f"{error}; below it there is {below[0]!r}")
    return (
        error if location.store.read_only else NodeNotFoundError(f"{error}; mode 'a' or 'w' would create one")
    )
