"""Survey everything below a group, including the parts that a tool cannot process.

A hierarchy may contain documents that cannot be read, nodes below a folder without a document, links that are not
followed, and folders that cannot be listed. `hierarchy.nodes_below` does not return some of these. A tool that must
account for everything uses `survey`.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

from exzarr._format.metadata import ArrayMetadata, GroupMetadata
from exzarr._nodes import hierarchy
from exzarr._nodes.hierarchy import DOCUMENTS, Location, Metadata, ZarrFormat
from exzarr.errors import (
    ArgumentError,
    ExzarrError,
    InvalidKeyError,
    LeftOutWarning,
    ListingUnsupportedError,
    MetadataError,
    StoreError,
)
from exzarr.stores.instrument import instrument
from exzarr.stores.listing import listed
from exzarr.stores.local.hidden import hidden

__all__ = [
    "MOST_NAMED",
    "Obstacle",
    "OnError",
    "Survey",
    "check_on_error",
    "hidden_obstacles",
    "members",
    "seen",
    "settle",
    "strays",
    "survey",
    "warn_of",
]

OnError = Literal["raise", "skip"]
"""Treatment of an `Obstacle`: ``"raise"`` stops before any change; ``"skip"`` leaves it out and reports it."""

MOST_NAMED = 20
"""Maximum number of obstacles that a message names."""

_CHUNK = re.compile(r"(?:^|/)(?:c(?:[/.]\d+)*|\d+(?:[/.]\d+)*)$")


@dataclass(frozen=True, slots=True)
class Obstacle:
    """An entry of a hierarchy that a tool cannot process.

    Attributes
    ----------
    path
        Its path, from the root of the store.
    error
        The reason.
    """

    path: str
    error: ExzarrError

    def __str__(self) -> str:
        return f"{self.path or '/'}: {self.error}"


@dataclass(slots=True)
class Survey:
    """The nodes below a group by relative path, parents first, and the obstacles.

    `foreign` are keys and prefixes that belong to no node.
    """

    nodes: list[tuple[str, Metadata]] = field(default_factory=list)
    obstacles: list[Obstacle] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)


Member = tuple[str, Location, Metadata | Obstacle | None]
"""Name and location of a direct child of a group: a node, an obstacle, or (None) a prefix that is neither."""


def survey(location: Location, zarr_format: ZarrFormat | None = None, *, data: bool = False) -> Survey:
    """Find everything below the group at `location`, as it is stored.

    Parameters
    ----------
    location
        The group.
    zarr_format
        Consider only documents of this format, as consolidated metadata does. A node of the other format is then an
        obstacle. Chunks without a document, such as those of an array that is being deleted, are not.
    data
        Look for obstacles among the chunks, too.

    Raises
    ------
    StoreError
        The group itself cannot be listed.
    ListingUnsupportedError
        The store cannot list.
    """
    found = Survey()
    if data:
        found.obstacles += hidden_obstacles(location)
    pending: list[tuple[str, Location]] = [("", location.direct)]
    while pending:
        prefix, group = pending.pop()
        below = []
        try:
            for name, place, member in members(group, zarr_format, foreign=found.foreign):
                if isinstance(member, Obstacle):
                    found.obstacles.append(member)
                elif member is not None:
                    found.nodes.append((prefix + name, member))
                    if isinstance(member, GroupMetadata):
                        below.append((f"{prefix}{name}/", place))
        except StoreError as error:
            if not prefix or isinstance(error, ListingUnsupportedError):
                raise
            found.obstacles.append(Obstacle(group.path, error))
        pending += reversed(below)
    found.nodes.sort(key=lambda node: node[0].split("/"))
    seen: dict[str, Obstacle] = {}
    for obstacle in found.obstacles:
        seen.setdefault(obstacle.path, obstacle)
    found.obstacles = [*seen.values()]
    return found


def members(
    group: Location, zarr_format: ZarrFormat | None = None, *, foreign: list[str] | None = None
) -> Iterator[Member]:
    """Iterate over the direct children of a group, sorted by name. Keys of no node are added to `foreign`."""
    store = instrument(group.store)
    keys, names = store.list_dir(group.path)
    if foreign is not None:
        foreign += [group.key(name) for name in keys if name not in DOCUMENTS]
    skipped = {obstacle.path: obstacle for obstacle in hidden_obstacles(group, deep=False)}
    for name in names:
        place = Location(group.store, group.key(name))
        if place.path not in skipped:
            member = _member(place, name, zarr_format)
            if member is None and foreign is not None:
                foreign.append(f"{place.path}/")
            yield name, place, member
    for path, obstacle in skipped.items():
        yield path.rpartition("/")[2], Location(group.store, path), obstacle


def seen(group: Location) -> Iterator[Member]:
    """Iterate over the children that a reader sees: those in consolidated metadata, else `members`."""
    if group.root is None:
        yield from members(group)
        return
    for name, place in hierarchy.children(group):
        try:
            yield name, place, hierarchy.find(place)
        except MetadataError as error:
            yield name, place, Obstacle(place.path, error)


def _member(place: Location, name: str, zarr_format: ZarrFormat | None) -> Metadata | Obstacle | None:
    if not hierarchy.is_node_name(name):
        error = InvalidKeyError(f"{name!r} in {place.store} can't be the name of a node")
        return Obstacle(place.path, error) if _first_below(place) == "document" else None
    try:
        found = hierarchy.find(place, zarr_format)
        if found is not None:
            return found
        if zarr_format is not None:
            other = hierarchy.find(place)
            if other is not None:
                return Obstacle(
                    place.path,
                    MetadataError(
                        f"the node at {place} has Zarr format {other.zarr_format}, the group above it {zarr_format}: "
                        "exzarr.convert makes them the same"
                    ),
                )
        below = _first_below(place)
    except ListingUnsupportedError:
        raise
    except (MetadataError, StoreError) as error:
        return Obstacle(place.path, error)
    if below == "document":
        return Obstacle(
            place.path,
            MetadataError(
                f"there is no metadata document at {place}, and there are nodes below it: exzarr.create_group makes it a group"
            ),
        )
    if below == "chunk" and zarr_format is None:
        return Obstacle(
            place.path,
            MetadataError(
                f"there are chunks at {place}, and no metadata document to read them by: restore it, or delete them"
            ),
        )
    return None


def _first_below(place: Location) -> Literal["document", "chunk", "other", "nothing"]:
    """Classify the keys below a location without a document: a document, else a chunk, else another key."""
    found: Literal["chunk", "other", "nothing"] = "nothing"
    skip = len(place.path) + 1
    for key in instrument(place.store).list(place.path):
        if key.rpartition("/")[2] in DOCUMENTS[:3]:
            return "document"
        if found != "chunk":
            found = "chunk" if _CHUNK.search(key[skip:]) else "other"
    return found


def hidden_obstacles(place: Location, *, deep: bool = True) -> list[Obstacle]:
    """Return entries below `place` that the store does not list (`exzarr.stores.local.hidden`)."""
    names = place.store.maintenance(place.path).odd_names() if deep else ()
    odd = [(place.key(name), "its name can't be a key") for name in names]
    return [
        Obstacle(key, StoreError(f"{key!r} in {place.store} cannot be processed: {why}"))
        for key, why in (*hidden(place.store, place.path, deep=deep), *odd)
    ]


def strays(location: Location, meta: ArrayMetadata) -> Iterator[str]:
    """Iterate over keys below an array that are neither its documents nor its chunks. No reader uses them.

    There are none if the store cannot list.
    """
    try:
        keys = listed(instrument(location.store), location.path)
    except ListingUnsupportedError:
        return
    skip = len(location.path) + 1 if location.path else 0
    decode, counts = meta.chunk_key_encoding.decode, meta.chunk_grid.chunk_counts
    for key in keys:
        name = key[skip:]
        if name in DOCUMENTS:
            continue
        index = decode(name, meta.ndim)
        if index is None or not all(i < n for i, n in zip(index, counts, strict=True)):
            yield key


# -- obstacles -------------------------------------------------------------------------


def check_on_error(on_error: str) -> None:
    """Raise ArgumentError unless `on_error` is a value of this option."""
    if on_error not in get_args(OnError):
        raise ArgumentError(f"on_error is 'raise' or 'skip', not {on_error!r}")


def settle(obstacles: Sequence[Obstacle], on_error: OnError) -> tuple[str, ...]:
    """Describe the obstacles, or (``"raise"``) raise the error of the first one, which names the others."""
    check_on_error(on_error)
    if obstacles and on_error == "raise":
        first, *others = obstacles
        named = ", ".join(repr(other.path) for other in others[:MOST_NAMED])
        more = f" (as well as {len(others)} other{'s' if len(others) > 1 else ''}: {named})" if others else ""
        text = f"{first.error}{more}. Nothing was done: on_error='skip' leaves it out and reports it"
        kind = type(first.error)
        raise kind(text) from first.error
    return tuple([str(obstacle) for obstacle in obstacles])


def warn_of(left_out: Sequence[str]) -> None:
    """Issue a LeftOutWarning that names the obstacles, for functions that return no report."""
    if left_out:
        named = "; ".join(left_out[:MOST_NAMED])
        more = f"; and {len(left_out) - MOST_NAMED} more" if len(left_out) > MOST_NAMED else ""
        warnings.warn(f"left out: {named}{more}", LeftOutWarning, stacklevel=4)
