"""Plan a sync: pair the nodes of source and target. Planning reads metadata and changes nothing."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from exzarr._engine.remote.requests import asked
from exzarr._format import json_text, v2, v3
from exzarr._format.chunk_grids import ChunkGrid
from exzarr._format.metadata import ArrayMetadata, GroupMetadata
from exzarr._nodes import hierarchy
from exzarr._nodes.hierarchy import Location, Metadata
from exzarr._nodes.survey import MOST_NAMED, Obstacle, OnError, settle, strays, survey
from exzarr._tools.copy_plan import foreign_note, is_consolidated, walk
from exzarr._tools.sync.report import Action
from exzarr.errors import ListingUnsupportedError, MetadataError, NodeExistsError
from exzarr.stores.instrument import instrument

__all__ = ["Pair", "SyncPlan", "plan_sync"]


@dataclass(frozen=True, slots=True)
class Pair:
    """A node of the source, and its place in the target.

    Attributes
    ----------
    path
        Path relative to the top nodes.
    source, target
        The two locations.
    meta
        Metadata in the source, without leases and consolidated metadata.
    stored
        Metadata in the target, or None if there is no readable node.
    action
        What is known from the metadata. The chunks of an ``"equal"`` array may still differ.
    differs
        Members of the metadata document that differ.
    inside
        Path of the node that is replaced together with all nodes below it, this one among them; else None.
    """

    path: str
    source: Location
    target: Location
    meta: Metadata
    stored: Metadata | None
    action: Action
    differs: tuple[str, ...] = ()
    inside: str | None = None


@dataclass(frozen=True, slots=True)
class SyncPlan:
    """What a sync does.

    Attributes
    ----------
    pairs
        The nodes of the source, parents first.
    extra
        Paths of the nodes that only the target has, parents first.
    unused
        Keys of no node and no chunk that disappear because a node above them is replaced, relative to the target.
    lost
        Those of them that disappear because a node above them is replaced.
    kept
        Metadata of the extra nodes that can be read.
    consolidated
        Paths of the groups whose metadata has to be consolidated in the target.
    left_out, notes
        Nodes that are skipped; restrictions.
    """

    pairs: Sequence[Pair]
    extra: Sequence[str]
    unused: Sequence[str]
    lost: Collection[str]
    kept: Mapping[str, Metadata]
    consolidated: Sequence[str]
    left_out: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def topmost_extra(self) -> list[str]:
        """The extra nodes that have to be deleted. Those below them disappear with them."""
        rest = [path for path in self.extra if path not in self.lost]
        return [path for path in rest if not _is_below_any(path, rest)]


@dataclass(slots=True)
class _Target:
    """The nodes that the target has, by relative path; the others cannot be read."""

    nodes: dict[str, Metadata] = field(default_factory=dict)
    unreadable: dict[str, Obstacle] = field(default_factory=dict)
    foreign: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def plan_sync(source: Location, target: Location, *, delete: bool, on_error: OnError) -> SyncPlan:
    """Return the plan of a sync.

    Raises
    ------
    NodeNotFoundError
        There is no node at `source`.
    NodeExistsError
        With ``on_error="raise"``: a node can only be replaced together with nodes or unused keys that the source does not
        have, and `delete` is false.
    """
    walked = walk(source)
    here = {_relative(place, source): (place.direct, meta) for place, meta in walked.nodes}
    skipped = [_relative(Location(source.store, one.path), source) for one in walked.obstacles]
    there = _survey(target, here)
    pairs = [_pair(path, *here[path], target, there.nodes.get(path)) for path in here]
    replaced = [pair.path for pair in pairs if pair.action == "replaced"]
    replaced = [path for path in replaced if not _is_below_any(path, replaced)]
    extra = [
        path
        for path in sorted({*there.nodes, *_deletable(there)}, key=_parents_first)
        if path not in here and not _is_at_or_below_any(path, skipped)
    ]
    unused = _unused_below(replaced, target, there)
    conflicts = _conflicts(target, here, there, replaced, [*extra, *unused], delete=delete)
    obstacles = [*walked.obstacles, *conflicts]
    left_out = settle(obstacles, on_error)
    gone = [_relative(Location(target.store, one.path), target) for one in conflicts]
    pairs = [_inside(pair, replaced) for pair in pairs if not _is_at_or_below_any(pair.path, gone)]
    lost = [path for path in extra if _is_below_any(path, replaced) and not _is_below_any(path, gone)]
    return SyncPlan(
        pairs,
        [path for path in extra if not _is_at_or_below_any(path, gone)],
        [key for key in unused if not _is_at_or_below_any(key, gone)],
        frozenset(lost),
        {path: there.nodes[path] for path in extra if path in there.nodes},
        [pair.path for pair in pairs if _wants_consolidated(pair, here[pair.path][1])],
        left_out,
        (*walked.notes, *foreign_note(walked.foreign), *there.notes),
    )


def _survey(target: Location, paths: Iterable[str]) -> _Target:
    """Find the nodes of the target: all that it lists, and those at `paths`, even below groups without a document."""
    found = _Target()
    store = instrument(target.store)
    try:
        keys, prefixes = store.list_dir(target.path)
        if not keys and not prefixes:
            return found
        top = hierarchy.find(target.direct)
        if isinstance(top, ArrayMetadata):
            found.nodes[""] = top
        else:
            seen = survey(target.direct, data=True)
            found.nodes |= dict(seen.nodes) if top is None else {"": top, **dict(seen.nodes)}
            found.unreadable = {
                _relative(Location(target.store, one.path), target): one for one in seen.obstacles
            }
            found.foreign = seen.foreign
    except ListingUnsupportedError:
        found.notes.append(
            "the target cannot list: nodes and chunks that only the target has were not looked for"
        )
    except MetadataError as error:
        found.unreadable[""] = Obstacle(target.path, error)

    def ask(path: str) -> tuple[str, Metadata | None]:
        return path, hierarchy.readable(target.direct.child(path) if path else target.direct)

    for path, meta in asked(target.store, ask, iter([path for path in paths if path not in found.nodes])):
        if meta is not None:
            found.nodes[path] = meta
    return found


def _deletable(there: _Target) -> list[str]:
    """Return the paths that have no readable node, but the rest of one."""
    return [path for path, one in there.unreadable.items() if isinstance(one.error, MetadataError)]


def _unused_below(replaced: Sequence[str], target: Location, there: _Target) -> list[str]:
    """Return the keys of no node and no chunk below the replaced nodes, relative to the target."""
    found = [*there.foreign]
    for path, meta in there.nodes.items():
        if isinstance(meta, ArrayMetadata) and _is_at_or_below_any(path, replaced):
            found += strays(target.child(path) if path else target, meta)
    keys = sorted({key[len(target.key("")) :] for key in found})
    return [key for key in keys if _is_below_any(key, replaced)]


def _conflicts(
    target: Location,
    here: Mapping[str, tuple[Location, Metadata]],
    there: _Target,
    replaced: Sequence[str],
    extra: Sequence[str],
    *,
    delete: bool,
) -> list[Obstacle]:
    """Return what keeps nodes of the target from being changed."""
    found = [
        one
        for path, one in there.unreadable.items()
        if not isinstance(one.error, MetadataError)
        and (delete or any(path == name or name.startswith(f"{path}/") for name in here))
    ]
    if delete:
        return found
    reasons = dict.fromkeys(replaced, "has another kind, format or encoding in the source")
    for path, (_, meta) in here.items():
        if isinstance(meta, ArrayMetadata) and path not in there.nodes:
            reasons[path] = "is an array in the source, and none in the target"
    below: dict[str, list[str]] = {}
    for name in extra:
        for path in _above(name):
            if path in reasons and (path in there.nodes or name in there.nodes):
                below.setdefault(path, []).append(name)
    for path, names in below.items():
        place = target.child(path) if path else target
        text = (
            f"the node at {place} {reasons[path]}, but there are nodes or unused keys below it that only the target has: "
            f"{', '.join(map(repr, names[:MOST_NAMED]))}. delete=True deletes them"
        )
        found.append(Obstacle(place.path, NodeExistsError(text)))
    return found


def _pair(path: str, source: Location, meta: Metadata, target: Location, stored: Metadata | None) -> Pair:
    meta = hierarchy.plain(meta)
    place = target.child(path) if path else target
    if stored is None:
        return Pair(path, source, place, meta, None, "created")
    if not _compatible(meta, stored):
        return Pair(path, source, place, meta, stored, "replaced", _differences(meta, stored))
    differs = () if hierarchy.same(meta, stored) else _differences(meta, stored)
    return Pair(path, source, place, meta, stored, "changed" if differs else "equal", differs)


def _inside(pair: Pair, replaced: Sequence[str]) -> Pair:
    top = next((path for path in replaced if path == pair.path or _is_below(pair.path, path)), None)
    if top is None:
        return pair
    return Pair(
        pair.path, pair.source, pair.target, pair.meta, pair.stored, "replaced", pair.differs, inside=top
    )


def _compatible(meta: Metadata, stored: Metadata) -> bool:
    """Return True if the target can be changed in place: chunks with equal keys have the same place and encoding."""
    if meta.zarr_format != stored.zarr_format or type(meta) is not type(stored):
        return False
    if not isinstance(meta, ArrayMetadata) or not isinstance(stored, ArrayMetadata):
        return True
    return all(
        getattr(meta, name) == getattr(stored, name)
        for name in ("data_type", "codecs", "order", "filters", "compressor", "chunk_key_encoding")
    ) and _same_chunks(meta.chunk_grid, stored.chunk_grid)


def _same_chunks(one: ChunkGrid, other: ChunkGrid) -> bool:
    """Return True if all chunks that both grids have are the same elements."""
    if one.name != other.name or len(one.shape) != len(other.shape):
        return False
    for a, b, m, n in zip(one.dims, other.dims, one.chunk_counts, other.chunk_counts, strict=True):
        if a != b and any(a.size(i) != b.size(i) for i in range(min(m, n))):
            return False
        if a.uniform != b.uniform:
            return False
    return True


def _differences(meta: Metadata, stored: Metadata) -> tuple[str, ...]:
    """Return the names of the members of the metadata documents that differ."""
    if meta.zarr_format != stored.zarr_format:
        return ("zarr_format",)
    if type(meta) is not type(stored):
        return ("node_type",)
    one, other = _members(meta), _members(stored)
    return tuple(
        [
            name
            for name in sorted({*one, *other})
            if json_text.encode(one.get(name)) != json_text.encode(other.get(name))
        ]
    )


def _members(meta: Metadata) -> dict[str, object]:
    made = hierarchy.documents(hierarchy.plain(meta))
    found = {name: json_text.decode(text, name) for name, text in made.items()}
    if meta.zarr_format == 3:
        return found[v3.DOCUMENT]
    return {**found[hierarchy.document_name(meta)], "attributes": found.get(v2.ZATTRS)}


def _wants_consolidated(pair: Pair, source_meta: Metadata) -> bool:
    """Return True if the metadata of a group is consolidated in the source or in the target."""
    if not isinstance(pair.meta, GroupMetadata):
        return False
    if is_consolidated(pair.source, source_meta):
        return True
    return isinstance(pair.stored, GroupMetadata) and is_consolidated(pair.target, pair.stored)


# -- paths -----------------------------------------------------------------------------


def _relative(place: Location, top: Location) -> str:
    return place.path[len(top.path) :].lstrip("/")


def _parents_first(path: str) -> list[str]:
    return path.split("/")


def _above(path: str) -> Iterator[str]:
    """Yield the paths of the groups that a path is in."""
    while path:
        path = path.rpartition("/")[0]
        yield path


def _is_below(path: str, group: str) -> bool:
    return path != group and (not group or path.startswith(f"{group}/"))


def _is_below_any(path: str, groups: Iterable[str]) -> bool:
    return any(_is_below(path, group) for group in groups)


def _is_at_or_below_any(path: str, groups: Iterable[str]) -> bool:
    return any(path == group or _is_below(path, group) for group in groups)
