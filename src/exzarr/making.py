"""New nodes: room for them, and one maker of each.

Parents that are missing are made groups, what may be overwritten is deleted, and of several who make a
node at one place one succeeds.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress

from exzarr import consolidation, hierarchy
from exzarr.errors import ArgumentError, MetadataError, NodeExistsError, ReadOnlyError, StoreError
from exzarr.format.metadata import ArrayMetadata, GroupMetadata
from exzarr.hierarchy import DOCUMENTS, Location, Metadata, ZarrFormat
from exzarr.stores import local_aside
from exzarr.stores.base import KEEP, Buffer, Store, ValueReader, whole_value
from exzarr.stores.instrument import instrument

__all__ = ["built", "copy", "create", "make_room", "require_room", "save_new"]


def create(location: Location, meta: Metadata, *, overwrite: bool = False) -> None:
    """Store a new node. With `overwrite`, what is there is deleted before.

    NodeExistsError as `make_room` says, and where somebody else made a node there meanwhile.
    """
    make_room(location, meta.zarr_format, overwrite=overwrite)
    if overwrite:
        hierarchy.save(location, meta)
    elif not save_new(location, meta):
        raise NodeExistsError(f"somebody else has just made a node at {location}; overwrite=True replaces it")


def save_new(location: Location, meta: Metadata) -> bool:
    """`hierarchy.save` where there is no such document yet; False, and no node made, where there is one.

    Of several who come at once, one gets True, and all that is stored is its own.
    """
    store = instrument(location.store)
    *before, (name, document) = hierarchy.documents(meta).items()
    key = location.key(name)
    with ExitStack() as noted:
        noted.enter_context(consolidation.noted(location.store, location.path, meta.zarr_format))
        if before:
            noted.enter_context(hierarchy.unfinished(location, meta))
            made = _save_both(store, key, document, location.key(before[0][0]), before[0][1])
        else:
            made = store.put_new(key, document)
        if made:
            hierarchy.recorded(location, meta)
    return made


def _save_both(store: Store, key: str, document: bytes, zattrs: str, attributes: bytes) -> bool:
    """Of v2's two documents, the attributes are the lock: else they might be those of one who came too late."""
    made = False

    def change(value: ValueReader | None) -> Sequence[Buffer] | None:
        nonlocal made
        made = made or store.put_new(key, document)
        same = value is not None and whole_value(value) == attributes
        return KEEP if same or not made else [attributes]

    store.put_new(zattrs, attributes)
    store.update(zattrs, change)
    return made


def make_room(location: Location, zarr_format: ZarrFormat, *, overwrite: bool) -> None:
    """Prepare `location` for a new node. With `overwrite`, what is there is deleted.

    NodeExistsError as `require_room` says; parents that are missing are made groups.
    """
    missing = require_room(location, overwrite=overwrite)
    if overwrite:
        hierarchy.delete(location)
    for place in reversed(missing):
        if not save_new(place, GroupMetadata(zarr_format)) and isinstance(
            hierarchy.find(place.direct), ArrayMetadata
        ):  # made by somebody else meanwhile
            raise _inside_array(location, place)


def require_room(location: Location, *, overwrite: bool) -> list[Location]:
    """That a new node may be made at `location`; the parents that it lacks, nearest first.

    NodeExistsError where there is a node and it may not be overwritten, where a parent is an array,
    or where overwriting would delete a folder that holds something else. What consolidated metadata says does
    not count here: it may be stale.
    """
    store, direct = location.store, location.direct
    if store.read_only:
        raise ReadOnlyError(f"cannot create {location}: the store is read-only")
    try:
        found = hierarchy.find(direct)
    except MetadataError as error:
        if not overwrite:
            raise NodeExistsError(
                f"something is at {location} already, and cannot be read: {error}"
            ) from error
        found = GroupMetadata(3)  # whatever it is
    if found is not None and not overwrite:
        kind = "an array" if isinstance(found, ArrayMetadata) else "a group"
        raise NodeExistsError(f"there is {kind} at {location} already; overwrite=True replaces it")
    missing = _missing_parents(location)
    if overwrite and found is None:
        _refuse_foreign(direct)
    return missing


@contextmanager
def built(location: Location, meta: Metadata, *, overwrite: bool = False) -> Iterator[Location]:
    """A place to build what is to be at `location`, where it is when the block ends; `meta` is of its topmost node.

    In a folder that is a place aside, and what is built appears at once. Elsewhere, and where there is something
    already, it is `location` itself, and the topmost document has to come last. Where the block fails, nothing is
    left but room. Raises what `make_room` does.
    """
    if local_aside.can_be_moved_in(location.store, location.path, overwrite=overwrite):
        require_room(location, overwrite=overwrite)
        aside = local_aside.make_aside(location.store, location.path)
        try:
            yield Location(aside, "")
            with ExitStack() as noted:
                noted.enter_context(consolidation.noted(location.store, location.path, meta.zarr_format))
                make_room(location, meta.zarr_format, overwrite=overwrite)
                if local_aside.is_filled(location.store, location.path):
                    noted.enter_context(hierarchy.unfinished(location, meta))
                if not local_aside.move_in(aside, location.store, location.path):
                    raise NodeExistsError(f"somebody else has just put something at {location}")
                _record_all(location)
        except BaseException:
            local_aside.remove(aside)
            raise
        return
    make_room(location, meta.zarr_format, overwrite=overwrite)
    try:
        with (
            hierarchy.unfinished(location, meta),
            consolidation.noted(location.store, location.path, meta.zarr_format),
        ):
            yield location
            _record_all(location)
    except BaseException:
        with suppress(StoreError):  # why it failed matters more
            hierarchy.delete(location)
        raise


def _record_all(location: Location) -> None:
    """Record a node, and all below it, in the consolidated metadata above it."""
    if not location.path:
        return
    found = hierarchy.load(location.direct)
    hierarchy.recorded(location, found)
    if isinstance(found, GroupMetadata):
        for place, meta in _readable_below(location):
            hierarchy.recorded(place, meta)


def _readable_below(location: Location) -> Iterator[tuple[Location, Metadata]]:
    """The nodes below a group, without those that can't be read: consolidated metadata can't have them."""
    for name, _ in hierarchy.children(location.direct):
        place = Location(location.store, location.key(name), location.root)
        try:
            found = hierarchy.find(place.direct)
        except MetadataError:
            continue
        if found is not None:
            yield place, found
            if isinstance(found, GroupMetadata):
                yield from _readable_below(place)


def _missing_parents(location: Location) -> list[Location]:
    """The places above `location` that are no groups yet, nearest first."""
    missing: list[Location] = []
    parent = location.parent
    while parent is not None:
        found = hierarchy.find(parent.direct)
        if isinstance(found, ArrayMetadata):
            raise _inside_array(location, parent)
        if found is not None:
            break
        missing.append(parent)
        parent = parent.parent
    return missing


def _inside_array(location: Location, array: Location) -> NodeExistsError:
    return NodeExistsError(f"cannot create {location}: {array} is an array, and arrays have no children")


def _refuse_foreign(location: Location) -> None:
    """NodeExistsError where there is content that is not Zarr's: overwriting must not empty a home folder."""
    keys, prefixes = instrument(location.store).list_dir(location.path)
    # Groups without a document, and what a deletion that was interrupted left: chunks, nodes.
    ours = any(name in DOCUMENTS for name in keys) or any(
        _looks_like_chunk(name) for name in (*keys, *prefixes)
    )
    if not (keys or prefixes) or ours or any(_is_node(location, name) for name in prefixes):
        return
    if (
        next(instrument(location.store).list(location.path), None) is None
    ):  # folders in which there is nothing
        return
    raise NodeExistsError(
        f"{location} is no Zarr node, but holds {(*keys, *prefixes)[0]!r}: it is not deleted. Choose another path, "
        "or empty it yourself"
    )


def _looks_like_chunk(name: str) -> bool:
    return name == "c" or name.removeprefix("c").replace(".", "").isdigit()


def _is_node(group: Location, name: str) -> bool:
    try:
        return hierarchy.find(group.child(name)) is not None
    except StoreError:  # a name that no node has
        return False
    except MetadataError:
        return True


def copy(source: Location, dest: Location, *, overwrite: bool = False) -> None:
    """Copy a node with everything below it inside one store, key by key.

    Metadata documents come last, the topmost after all others: the copy is there when all of it is.
    """
    found = hierarchy.load(source.direct)
    if _within(source.path, dest.path) or _within(dest.path, source.path):
        raise ArgumentError(f"cannot copy {source.path or '/'!r} to {dest.path!r}: one lies inside the other")
    hierarchy.check_new(dest, found.zarr_format)
    store = instrument(source.store)
    keys = [key[len(source.path) + 1 :] for key in store.list(source.path)]
    with built(dest, found, overwrite=overwrite) as place:
        put = instrument(place.store).put
        metadata = [key for key in keys if key.rpartition("/")[2] in DOCUMENTS]
        values = sorted(set(keys).difference(metadata))
        for key in (*values, *sorted(metadata, key=lambda key: -key.count("/"))):
            value = store.get(source.key(key))
            if value is not None:  # else somebody deleted it since it was listed
                put(place.key(key), value)


def _within(path: str, group: str) -> bool:
    return not group or path == group or path.startswith(f"{group}/")
