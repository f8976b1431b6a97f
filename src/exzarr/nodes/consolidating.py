"""Writing consolidated metadata: the documents of all nodes below a group, put into the group's own."""

from __future__ import annotations

from exzarr import consolidation, hierarchy
from exzarr.consolidation import ConsolidatedRoot
from exzarr.errors import ReadOnlyError
from exzarr.format.consolidated import Consolidated
from exzarr.format.metadata import GroupMetadata
from exzarr.format.nodes import consolidate as join
from exzarr.hierarchy import Location, Metadata

__all__ = ["consolidate"]


def consolidate(location: Location) -> tuple[Location, GroupMetadata]:
    """Consolidate the metadata of the group at `location`.

    Every document is read anew. Nodes of the other version of the format are left out: what
    reads consolidated metadata would not find them. Returns the location with the new
    consolidated metadata, and the group's own metadata.

    Raises NodeNotFoundError or NodeTypeError where there is no group.
    """
    if location.store.read_only:
        raise ReadOnlyError(f"cannot consolidate the metadata of {location}: the store is read-only")
    direct = location.direct
    group = hierarchy.load_group(direct)
    consolidated = join({}, group.zarr_format)

    def gathered(_: object) -> Consolidated:
        nonlocal group, consolidated
        # While the group's lock is held: who writes a node now records it here afterwards.
        group = hierarchy.load_group(direct, group.zarr_format)
        nodes: dict[str, Metadata] = {
            path: meta
            for path, meta in hierarchy.nodes_below(direct)
            if meta.zarr_format == group.zarr_format
        }
        if group.zarr_format == 2:
            nodes = {"": group, **nodes}
        consolidated = join(nodes, group.zarr_format)
        return consolidated

    consolidation.rewrite(location.store, location.path, group.zarr_format, gathered)
    root = ConsolidatedRoot(location.store, location.path, consolidated)
    return Location(location.store, location.path, root), group
