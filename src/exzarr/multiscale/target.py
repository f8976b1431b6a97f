"""Where the levels of a new pyramid are stored.

A new group is built aside, and appears when it is complete. In an existing group, and if the build can be resumed, the
level arrays are created in place, and the metadata that makes the group a pyramid is stored last.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Literal

from exzarr._format.metadata import ArrayMetadata, GroupMetadata
from exzarr._format.multiscales.parse import kind_of
from exzarr._nodes import hierarchy, node_creation
from exzarr._nodes.array import Array
from exzarr._nodes.attributes import as_stored
from exzarr._nodes.group import Group
from exzarr._nodes.hierarchy import Location
from exzarr._nodes.new_nodes import new_array, new_group
from exzarr.errors import ArgumentError, NodeExistsError, NodeTypeError, StoreError
from exzarr.multiscale.record import BuildRecord

__all__ = ["Target", "found_group", "relative_path", "target_arrays"]

Attributes = Callable[[Mapping[str, Any]], dict[str, Any]]
"""Returns the attributes of the pyramid, from those the group has."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where and how a pyramid is stored.

    Attributes
    ----------
    location
        The group's location.
    zarr_format
        The group's format.
    overwrite
        Replace what exists.
    existing
        The group, if it exists.
    """

    location: Location
    zarr_format: Literal[2, 3]
    overwrite: bool
    existing: GroupMetadata | None


def found_group(location: Location) -> GroupMetadata | None:
    """Return the metadata of the group at `location`, or None if there is no node."""
    meta = hierarchy.find(location.direct)
    if isinstance(meta, ArrayMetadata):
        raise NodeTypeError(f"{location} is an array: a pyramid is a group, so give another path")
    return meta


def relative_path(source: Any, location: Location) -> str | None:
    """Return the path of the array `source` relative to the group at `location`; None if it is not below it."""
    if not isinstance(source, Array):
        return None
    ours, theirs = location.store.local_path(location.path), source.store.local_path(source.path)
    if ours is not None and theirs is not None:
        above, below = ours.rstrip("/"), theirs.rstrip("/")
    elif location.store == source.store:
        above, below = location.path, source.path
    else:
        return None
    if not above:
        return below or None
    return below[len(above) + 1 :] if below.startswith(f"{above}/") else None


@contextmanager
def target_arrays(
    target: Target,
    metas: Mapping[str, ArrayMetadata],
    attributes: Attributes,
    record: BuildRecord | None,
    *,
    beside: bool,
) -> Iterator[dict[str, Array]]:
    """Yield the arrays to fill, by their paths. When the block ends, the group becomes the pyramid.

    `beside` is True if the source is an array of the group, which is not replaced.

    Raises
    ------
    NodeExistsError
        The group is a pyramid already, or has an array at one of the paths, and `overwrite` is false.
    """
    in_place = beside or record is not None or (target.existing is not None and not target.overwrite)
    if in_place:
        with _in_place(target, metas, attributes, record) as arrays:
            yield arrays
        return
    start = GroupMetadata(target.zarr_format)
    hierarchy.check_new(target.location, target.zarr_format)
    with node_creation.built(target.location, start, overwrite=target.overwrite) as place:
        if place.store.traits.documents_first:
            hierarchy.save(place, start)
        arrays = {}
        for path, meta in metas.items():
            hierarchy.save(place.child(path), meta)
            arrays[path] = Array(place.child(path), meta)
        yield arrays
        hierarchy.save(place, GroupMetadata(target.zarr_format, as_stored(attributes({}))))


@contextmanager
def _in_place(
    target: Target, metas: Mapping[str, ArrayMetadata], attributes: Attributes, record: BuildRecord | None
) -> Iterator[dict[str, Array]]:
    location, existing = target.location, target.existing
    resumed = record is not None and record.started
    taken = existing is not None and kind_of(existing.attributes) is not None
    if taken and not target.overwrite and not resumed:
        raise NodeExistsError(
            f"{location} is a pyramid or a collection of images already; overwrite=True replaces its levels"
        )
    created: list[Location] = []
    if existing is None:
        new_group(location, target.zarr_format)
        created.append(location)
    try:
        arrays = {}
        for path, meta in metas.items():
            found = None
            if resumed and record is not None:
                found = _resumed(location.child(path), meta, record)
            if found is None:
                found = new_array(location.child(path), meta, overwrite=target.overwrite)
                created.append(location.child(path))
            arrays[path] = found
        yield arrays
        group = Group(location, hierarchy.load_group(location.direct, target.zarr_format))
        group.attrs.update(attributes(group.attrs.asdict()))
    except BaseException:
        if record is None:
            _remove(created)
        raise


def _resumed(location: Location, meta: ArrayMetadata, record: BuildRecord) -> Array | None:
    """Return the array of an interrupted build; None if the build was interrupted before it created the array.

    Raise ArgumentError if the array is missing, but the record says that a part of it is written.
    """
    found = hierarchy.find(location.direct)
    if found is None and not record.empty:
        raise ArgumentError(
            f"the checkpoint {record.path!r} says that a part of {location} is written, and there is no such array: "
            "remove the checkpoint to begin again"
        )
    if found is None:
        return None
    if not isinstance(found, ArrayMetadata) or hierarchy.documents(found) != hierarchy.documents(meta):
        raise ArgumentError(
            f"{location} is not the array that the checkpoint {record.path!r} belongs to: its metadata differs from "
            "what the arguments describe"
        )
    return Array(location, found)


def _remove(created: Sequence[Location]) -> None:
    for location in reversed(created):
        with suppress(StoreError):  # the first error is raised instead
            hierarchy.delete(location)
