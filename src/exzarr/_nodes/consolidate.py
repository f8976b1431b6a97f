"""Write consolidated metadata: copy the documents of all nodes below a group into the group's own document."""

from __future__ import annotations

from exzarr._format.consolidated import Consolidated
from exzarr._format.metadata import GroupMetadata
from exzarr._format.nodes import consolidate as join
from exzarr._nodes import consolidation, hierarchy
from exzarr._nodes.consolidation import ConsolidatedRoot
from exzarr._nodes.hierarchy import Location, Metadata
from exzarr._nodes.survey import OnError, check_on_error, settle, survey
from exzarr.errors import ReadOnlyError

__all__ = ["consolidate"]


def consolidate(
    location: Location, on_error: OnError = "raise"
) -> tuple[Location, GroupMetadata, tuple[str, ...]]:
    """Consolidate the metadata of the group at `location`.

    Every document is read again.

    Returns
    -------
    tuple
        The location with the new consolidated metadata, the group's own metadata, and descriptions of the nodes that
        were left out.

    Raises
    ------
    NodeNotFoundError, NodeTypeError
        There is no group at `location`.
    MetadataError, StoreError
        With ``on_error="raise"``: a node cannot be read, or has the other Zarr format.
    """
    check_on_error(on_error)
    if location.store.read_only:
        raise ReadOnlyError(f"cannot consolidate the metadata of {location}: the store is read-only")
    direct = location.direct
    group = hierarchy.load_group(direct)
    consolidated = join({}, group.zarr_format)
    left_out: tuple[str, ...] = ()

    def gathered(_: object) -> Consolidated:
        nonlocal group, consolidated, left_out
        # The group's lock is held: a concurrent writer of a node records it here afterwards.
        group = hierarchy.load_group(direct, group.zarr_format)
        below = survey(direct, group.zarr_format)
        left_out = settle(below.obstacles, on_error)
        nodes: dict[str, Metadata] = dict(below.nodes)
        if group.zarr_format == 2:
            nodes = {"": group, **nodes}
        consolidated = join(nodes, group.zarr_format)
        return consolidated

    consolidation.rewrite(location.store, location.path, group.zarr_format, gathered)
    root = ConsolidatedRoot(location.store, location.path, consolidated)
    return Location(location.store, location.path, root), group, left_out
