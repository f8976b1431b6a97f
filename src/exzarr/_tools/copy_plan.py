"""Which nodes a copy comes to, and how each is done. Reads metadata, writes nothing."""

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
from exzarr._tools.recipe import KEEP, Recipe, apply
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
        Where it is and where it goes.
    meta, target_meta
        Its metadata here and there.
    same_bytes
        Whether an array's chunks are moved as they are.
    notes
        What is different about the copy.
    consolidated_v2
        The consolidated metadata that a v2 group will have beside its own documents.
    left_out
        Of the topmost node: what the copy leaves out, because ``on_error="skip"``.
    foreign
        Of the topmost node: keys that are no part of the hierarchy, and are not copied.
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
        """Whether what is not stored would read as something else in the copy, and so has to be stored."""
        return self.is_array and not _same_fill(self.array_meta, self.target_array_meta)

    @property
    def nbytes(self) -> int:
        """Bytes of an array's elements in memory; 0 for a group."""
        if not isinstance(self.meta, ArrayMetadata):
            return 0
        return math.prod(self.meta.shape) * self.meta.data_type.dtype.itemsize


def _same_fill(one: ArrayMetadata, other: ArrayMetadata) -> bool:
    a, b = [fill_values.default(m.data_type) if m.fill_value is None else m.fill_value for m in (one, other)]
    if isinstance(b, np.generic):
        try:
            a = np.asarray(a).astype(b.dtype)[()]
        except (TypeError, ValueError):  # strings that become numbers: "" is as good as 0
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
    """The nodes to copy, each group before what lies below it.

    With `keep_keys`, v2 arrays that become v3 keep their v2 chunk keys. Whatever can't be copied is an error, or is left
    out, as `on_error` says: see `exzarr._nodes.survey`.
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
    """What becomes of the name of a node that is converted. ArgumentError where the other format cannot have it."""
    name, zarr_format = plan.source.path.rpartition("/")[2], plan.target_meta.zarr_format
    if plan.meta.zarr_format == zarr_format:
        return ()
    if node_names.hides_document(name, zarr_format):
        raise ArgumentError(
            f"node {plan.source.path!r}: in Zarr v{zarr_format} a group's own document is called {name!r}; "
            "give the node another name first (Group.move)"
        )
    why = node_names.reserved(name, zarr_format)
    return () if why is None else (f"the name was kept, but other software may refuse it: {why}",)


def _require_names(recipe: Recipe, arrays: list[ArrayMetadata]) -> None:
    """ArgumentError where sizes are given for a dimension that no array has."""
    known = {name for meta in arrays for name in meta.dimension_names or () if name is not None}
    for what, sizes in (("chunks", recipe.chunks), ("shards", recipe.shards)):
        for name in sizes if isinstance(sizes, Mapping) else ():
            if name not in known:
                there = ", ".join(map(repr, sorted(known))) or "none: dimensions have no names here"
                raise ArgumentError(
                    f"{what}: there is no dimension {name!r}"
                    + (did_you_mean(str(name), known) or f"; dimensions: {there}")
                )


@dataclass(frozen=True, slots=True)
class Walked:
    """A node and all below it, each group before its members.

    Attributes
    ----------
    nodes
        Their places and metadata.
    notes
        What restricts the walk: empty where the store has listed everything.
    obstacles
        What could not be walked.
    foreign
        Keys that are no part of the hierarchy.
    """

    nodes: list[tuple[Location, Metadata]]
    notes: tuple[str, ...] = ()
    obstacles: Sequence[Obstacle] = ()
    foreign: Sequence[str] = ()


def walk(location: Location) -> Walked:
    """The node at `location` and all below it, as they are stored.

    Where the store cannot list, the names come from consolidated metadata, and the documents from the store.

    Raises
    ------
    NodeNotFoundError
        There is no node.
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
    """What consolidated metadata names, with the documents that are stored."""
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
            f"consolidated metadata of {location} names {path!r}, and there is no array or group at {node}: "
            "consolidate it again where the store can be written, or give the nodes that there are one by one"
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
        zarr_format = meta.zarr_format if recipe.zarr_format is KEEP else recipe.zarr_format
        return NodePlan(source, target, meta, translate_group(meta, zarr_format))
    try:
        translation = apply(recipe, meta)
    except ExzarrError as error:
        if isinstance(error, ArgumentError | MetadataError):
            raise type(error)(f"array {source.path or '/'!r}: {error}") from error
        raise
    made = translation.metadata
    if made.zarr_format == 3 and meta.zarr_format == 2 and not keep_keys:
        # New keys cost nothing here, and the default ones are what v3 software expects.
        from exzarr._format.chunk_keys import ChunkKeyEncoding

        made = made.with_(chunk_key_encoding=ChunkKeyEncoding())
    return NodePlan(source, target, meta, made, translation.same_bytes, translation.notes)


def _with_consolidated(plans: list[NodePlan]) -> list[NodePlan]:
    """The plans, with new consolidated metadata for each group whose source has some."""
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
    """A note on keys that are no part of the hierarchy; none where there are no such keys."""
    if not foreign:
        return []
    named = ", ".join(repr(key) for key in foreign[:MOST_NAMED])
    more = f" and {len(foreign) - MOST_NAMED} more" if len(foreign) > MOST_NAMED else ""
    return [f"not copied, because no node has them: {named}{more}"]


def place_of(location: Location) -> str:
    """Where a node is, for people: a plain path, where it is a folder."""
    folder = location.store.local_path(location.path)
    return str(location) if folder is None else folder.rstrip("/") or "/"


def refuse_overlap(source: Location, target: Location) -> None:
    """ArgumentError where a copy would be written into its own source, or over what holds it."""
    here, there = _place(source), _place(target)
    if here is None or there is None:
        if source.store != target.store:
            return
        here, there = ("", *source.path.split("/")), ("", *target.path.split("/"))
        here, there = tuple(p for p in here if p), tuple(p for p in there if p)
    shorter = min(len(here), len(there))
    if here[:shorter] == there[:shorter]:
        raise ArgumentError(
            f"cannot copy {source} to {target}: one lies within the other; copy to another place"
        )


def _place(location: Location) -> tuple[str, ...] | None:
    """The parts of a local node's path, without links; None for other stores."""
    folder = location.store.local_path(location.path)
    return None if folder is None else Path(os.path.realpath(folder)).parts
