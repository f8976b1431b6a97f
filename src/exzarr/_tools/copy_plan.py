"""Plan a copy: its nodes, and how each is copied. Planning reads metadata and writes nothing."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from exzarr._engine.remote.requests import asked
from exzarr._format import fill_values, node_names, v2
from exzarr._format.appends import without_appends
from exzarr._format.metadata import ArrayMetadata, GroupMetadata
from exzarr._format.nodes import consolidate
from exzarr._nodes import hierarchy
from exzarr._nodes.hierarchy import Location, Metadata
from exzarr._nodes.locating import FROM_CONSOLIDATED, through_consolidated
from exzarr._nodes.survey import (
    MOST_NAMED,
    Obstacle,
    OnError,
    check_on_error,
    hidden_obstacles,
    settle,
    strays,
    survey,
)
from exzarr._spelling import did_you_mean
from exzarr._tools.recipe import AS_SOURCE, Recipe, apply
from exzarr._tools.translate import translate_group
from exzarr.errors import (
    ArgumentError,
    ExzarrError,
    ListingUnsupportedError,
    MetadataError,
    NodeNotFoundError,
    StoreError,
)
from exzarr.stores.instrument import instrument

if TYPE_CHECKING:
    from exzarr._format.consolidated import Consolidated

__all__ = ["NodePlan", "is_consolidated", "place_of", "plan_copy", "refuse_overlap", "walk"]


@dataclass(frozen=True)
class NodePlan:
    """One node of a copy.

    Attributes
    ----------
    source, target
        Its locations in the source and in the copy.
    meta, target_meta
        Its metadata in the source and in the copy.
    same_bytes
        True if an array's chunks are moved unchanged.
    notes
        Differences between the source and the copy.
    consolidated_v2
        The consolidated metadata of a v2 group, which is a separate document.
    left_out
        For the root of the copy: the nodes that are skipped because of ``on_error="skip"``.
    foreign
        For the root of the copy: keys that belong to no node and are not copied.
    """

    source: Location
    target: Location
    meta: Metadata
    target_meta: Metadata
    same_bytes: bool = True
    notes: tuple[str, ...] = ()
    consolidated_v2: Consolidated | None = None
    left_out: tuple[str, ...] = ()
    foreign: tuple[str, ...] = ()

    @property
    def is_array(self) -> bool:
        return isinstance(self.meta, ArrayMetadata)

    @property
    def array_meta(self) -> ArrayMetadata:
        assert isinstance(self.meta, ArrayMetadata)
        return self.meta

    @property
    def target_array_meta(self) -> ArrayMetadata:
        assert isinstance(self.target_meta, ArrayMetadata)
        return self.target_meta

    @property
    def other_fill(self) -> bool:
        """True if the fill value changes, so that chunks that are not stored must be stored in the copy."""
        return self.is_array and not same_fill(self.array_meta, self.target_array_meta)

    @property
    def nbytes(self) -> int:
        """Bytes of an array's elements in memory; 0 for a group."""
        if not isinstance(self.meta, ArrayMetadata):
            return 0
        return math.prod(self.meta.shape) * self.meta.data_type.dtype.itemsize


def same_fill(one: ArrayMetadata, other: ArrayMetadata) -> bool:
    a, b = [fill_values.default(m.data_type) if m.fill_value is None else m.fill_value for m in (one, other)]
    if isinstance(b, np.generic):
        try:
            a = np.asarray(a).astype(b.dtype)[()]
        except (TypeError, ValueError):  # strings become numbers: "" is equivalent to 0
            return True
    return bool(a == b or (a != a and b != b))


def plan_copy(
    source: Location,
    target: Location,
    recipe: Recipe,
    *,
    keep_keys: bool = False,
    on_error: OnError = "raise",
) -> list[NodePlan]:
    """Return the plan for each node, groups before the nodes below them.

    With `keep_keys`, v2 arrays that become v3 keep their v2 chunk keys. `on_error` decides whether a node that cannot be
    copied raises an error or is skipped: see `exzarr._nodes.survey`.
    """
    check_on_error(on_error)
    walked = walk(source)
    _require_names(recipe, [meta for _, meta in walked.nodes if isinstance(meta, ArrayMetadata)])
    obstacles, foreign = [*walked.obstacles], [*walked.foreign]
    plans: list[NodePlan] = []
    for node, meta in walked.nodes:
        try:
            plan = _plan_node(node.direct, _target(node, source, target), meta, recipe, keep_keys)
            if node.path != source.path:
                plan = replace(plan, notes=(*_name_notes(plan), *plan.notes))
            if plan.is_array:
                foreign += strays(plan.source, plan.array_meta)
            plans.append(plan)
        except ExzarrError as error:
            if node.path == source.path:
                raise
            obstacles.append(Obstacle(node.path, error))
    plans[0] = replace(
        plans[0],
        notes=(*plans[0].notes, *walked.notes),
        left_out=settle(obstacles, on_error),
        foreign=tuple(foreign),
    )
    return _with_consolidated(plans)


def _name_notes(plan: NodePlan) -> tuple[str, ...]:
    """Return notes on the name of a converted node. Raise ArgumentError if the other format cannot have the name."""
    name, zarr_format = plan.source.path.rpartition("/")[2], plan.target_meta.zarr_format
    if plan.meta.zarr_format == zarr_format:
        return ()
    if node_names.hides_document(name, zarr_format):
        raise ArgumentError(
            f"node {plan.source.path!r}: in Zarr v{zarr_format}, {name!r} is the name of a group's own document; "
            "rename the node first (Group.move)"
        )
    why = node_names.reserved(name, zarr_format)
    return () if why is None else (f"the name was kept, but other software may reject it: {why}",)


def _require_names(recipe: Recipe, arrays: list[ArrayMetadata]) -> None:
    """Raise ArgumentError if sizes are given for a dimension that no array has."""
    known = {name for meta in arrays for name in meta.dimension_names or () if name is not None}
    for what, sizes in (("chunks", recipe.chunks), ("shards", recipe.shards)):
        for name in sizes if isinstance(sizes, Mapping) else ():
            if name not in known:
                there = ", ".join(map(repr, sorted(known))) or "none (the dimensions have no names)"
                raise ArgumentError(
                    f"{what}: there is no dimension {name!r}"
                    + (did_you_mean(str(name), known) or f"; dimensions: {there}")
                )


@dataclass(frozen=True, slots=True)
class Walked:
    """A node and all nodes below it, each group before its members.

    Attributes
    ----------
    nodes
        Locations and metadata.
    notes
        Restrictions of the walk; empty if the store has listed everything.
    obstacles
        Nodes that cannot be read, and links that are not followed.
    foreign
        Keys that belong to no node.
    """

    nodes: list[tuple[Location, Metadata]]
    notes: tuple[str, ...] = ()
    obstacles: Sequence[Obstacle] = ()
    foreign: Sequence[str] = ()


def walk(location: Location) -> Walked:
    """Read the documents of the node at `location` and of all nodes below it.

    If the store cannot list, the names come from consolidated metadata, and the documents from the store.

    Raises
    ------
    NodeNotFoundError
        There is no node at `location`.
    ListingUnsupportedError
        The store cannot list, and the group has no consolidated metadata.
    """
    found = hierarchy.load(location.direct)
    if not isinstance(found, GroupMetadata):
        return Walked([(location, found)], obstacles=hidden_obstacles(location.direct))
    try:
        seen = survey(location.direct, data=True)
        below = [(location.child(path), meta) for path, meta in seen.nodes]
        return Walked([(location, found), *below], obstacles=seen.obstacles, foreign=seen.foreign)
    except ListingUnsupportedError as error:
        return _walk_consolidated(through_consolidated(location, error), found)


def _walk_consolidated(location: Location, group: GroupMetadata) -> Walked:
    """Read the stored documents of the nodes that consolidated metadata names."""
    names = [path for path, _ in hierarchy.nodes_below(location)]

    def load(path: str) -> tuple[str, Metadata | Obstacle]:
        node = location.direct.child(path)
        try:
            meta = hierarchy.find(node)
        except (MetadataError, StoreError) as error:
            return path, Obstacle(node.path, error)
        if meta is not None:
            return path, meta
        missing = NodeNotFoundError(
            f"the consolidated metadata of {location} names {path!r}, but there is no array or group at {node}: "
            "consolidate the metadata again, or pass the existing nodes one by one"
        )
        return path, Obstacle(node.path, missing)

    loaded = dict(asked(location.store, load, iter(names)))
    found = [(location.child(path), loaded[path]) for path in names]
    return Walked(
        [(location, group), *[(place, meta) for place, meta in found if not isinstance(meta, Obstacle)]],
        (FROM_CONSOLIDATED,),
        [obstacle for _, obstacle in found if isinstance(obstacle, Obstacle)],
    )


def _target(node: Location, source: Location, target: Location) -> Location:
    below = node.path[len(source.path) :].lstrip("/")
    return target.child(below) if below else target


def _plan_node(
    source: Location, target: Location, meta: Metadata, recipe: Recipe, keep_keys: bool
) -> NodePlan:
    meta = without_appends(meta)
    if isinstance(meta, GroupMetadata):
        zarr_format = meta.zarr_format if recipe.zarr_format is AS_SOURCE else recipe.zarr_format
        return NodePlan(source, target, meta, translate_group(meta, zarr_format))
    try:
        translation = apply(recipe, meta)
    except ExzarrError as error:
        if isinstance(error, ArgumentError | MetadataError):
            raise type(error)(f"array {source.path or '/'!r}: {error}") from error
        raise
    made = translation.metadata
    if made.zarr_format == 3 and meta.zarr_format == 2 and not keep_keys:
        # The chunks are written anyway, and v3 software expects the default keys.
        from exzarr._format.chunk_keys import ChunkKeyEncoding

        made = made.with_(chunk_key_encoding=ChunkKeyEncoding())
    return NodePlan(source, target, meta, made, translation.same_bytes, translation.notes)


def _with_consolidated(plans: list[NodePlan]) -> list[NodePlan]:
    """Add new consolidated metadata to the plan of each group whose source has consolidated metadata."""
    made = []
    for plan in plans:
        if isinstance(plan.target_meta, GroupMetadata) and is_consolidated(plan.source, plan.meta):
            zarr_format = plan.target_meta.zarr_format
            head = plan.target.key("")
            below = {
                other.target.path[len(head) :]: other.target_meta
                for other in plans
                if other is not plan and other.target.path.startswith(head)
            }
            if zarr_format == 3:
                inline = consolidate(below, 3)
                plan = replace(plan, target_meta=plan.target_meta.with_(consolidated=inline))
            else:
                plan = replace(plan, consolidated_v2=consolidate({"": plan.target_meta, **below}, 2))
        made.append(plan)
    return made


def is_consolidated(location: Location, meta: Metadata) -> bool:
    if not isinstance(meta, GroupMetadata):
        return False
    if meta.zarr_format == 3:
        return meta.consolidated is not None
    return instrument(location.store).exists(location.key(v2.ZMETADATA))


def foreign_note(foreign: Sequence[str]) -> list[str]:
    """Return a note about keys that belong to no node, or no note if there are none."""
    if not foreign:
        return []
    named = ", ".join(repr(key) for key in foreign[:MOST_NAMED])
    more = f" and {len(foreign) - MOST_NAMED} more" if len(foreign) > MOST_NAMED else ""
    return [f"not copied, because they belong to no node: {named}{more}"]


def place_of(location: Location) -> str:
    """Return the location of a node for display: the path of a folder, or a URL."""
    folder = location.store.local_path(location.path)
    return str(location) if folder is None else folder.rstrip("/") or "/"


def refuse_overlap(source: Location, target: Location) -> None:
    """Raise ArgumentError if the source and the target of a copy overlap."""
    here, there = _place(source), _place(target)
    if here is None or there is None:
        if target.store != source.store:
            return
        here, there = ("", *source.path.split("/")), ("", *target.path.split("/"))
        here, there = tuple(p for p in here if p), tuple(p for p in there if p)
    shorter = min(len(here), len(there))
    if here[:shorter] == there[:shorter]:
        raise ArgumentError(
            f"cannot copy {source} to {target}: one is within the other; choose another destination"
        )


def _place(location: Location) -> tuple[str, ...] | None:
    """Return the parts of a local node's path with links resolved; None for other stores."""
    folder = location.store.local_path(location.path)
    return None if folder is None else Path(os.path.realpath(folder)).parts
