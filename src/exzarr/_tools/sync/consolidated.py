"""Bring consolidated metadata of the target up to date: in the synced groups, and in the groups above them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from exzarr._format.metadata import GroupMetadata
from exzarr._format.nodes import consolidate as joined
from exzarr._nodes import consolidation, hierarchy
from exzarr._nodes.consolidate import consolidate
from exzarr._nodes.hierarchy import Location, Metadata, ZarrFormat

__all__ = ["is_current", "update_above", "update_group"]


def is_current(group: Location, meta: GroupMetadata, nodes: Mapping[str, Metadata]) -> bool:
    """Return True if the consolidated metadata of `group` has exactly the `nodes` below it, by relative path."""
    present = {path: node for path, node in nodes.items() if path and node.zarr_format == meta.zarr_format}
    if meta.zarr_format == 3:
        stored = hierarchy.readable(group.direct)
        found = stored.consolidated if isinstance(stored, GroupMetadata) else None
    else:
        root = consolidation.read_v2(group.store, group.path)
        found = None if root is None else root.consolidated
        present[""] = meta
    return found is not None and found.documents == joined(present, meta.zarr_format).documents


def update_group(group: Location, meta: GroupMetadata, nodes: Mapping[str, Metadata]) -> tuple[str, ...]:
    """Consolidate the metadata of `group` unless it is current. Return the nodes that were left out."""
    if is_current(group, meta, nodes):
        return ()
    _, _, left_out = consolidate(group, on_error="skip")
    return left_out


def update_above(top: Location, nodes: Mapping[str, Metadata]) -> None:
    """Record the synced nodes in the consolidated metadata of the groups above the top node."""
    formats: tuple[ZarrFormat, ...] = (3, 2) if top.path else ()
    for zarr_format in formats:
        places = [
            top.child(path).direct if path else top.direct
            for path, meta in nodes.items()
            if meta.zarr_format == zarr_format
        ]
        if places:
            changes: dict[str, Callable[[], Metadata | None]] = {
                place.path: partial(hierarchy.find, place, zarr_format) for place in places
            }
            consolidation.record_all(top.store, top.path, changes, zarr_format)
