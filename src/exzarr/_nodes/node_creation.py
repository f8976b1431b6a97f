"""Create nodes, so that exactly one of several concurrent creators succeeds.

Missing parents become groups. A node that replaces another is built at a staging place and moved into place when it is
complete, since its data may come from the old node, and its creation may fail.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from exzarr._format import v3
from exzarr._format.metadata import ArrayMetadata, GroupMetadata
from exzarr._nodes import consolidation, hierarchy
from exzarr._nodes.hierarchy import DOCUMENTS, Location, Metadata, ZarrFormat
from exzarr._nodes.spooling import Spool
from exzarr.errors import ArgumentError, MetadataError, NodeExistsError, ReadOnlyError, StoreError
from exzarr.stores.base import KEEP, NewValue, Store, ValueReader, whole_value
from exzarr.stores.instrument import instrument
from exzarr.stores.staging import StagingArea

__all__ = ["built", "copy", "create", "filled", "found_or_made", "make_parents", "require_room", "save_new"]

T = TypeVar("T")


def create(location: Location, meta: Metadata, *, overwrite: bool = False) -> None:
    """Store a new node; with `overwrite`, replace an existing one.

    Raises the errors of `require_room`, and NodeExistsError if another writer creates a node there first.
    """
    missing = require_room(location, overwrite=overwrite)
    if not _claim(location, meta, missing, overwrite=overwrite):
        with _swapped_in(location, meta, _staging_area(location, replacing=True), overwrite=True) as place:
            hierarchy.save(place, meta)


def found_or_made(find: Callable[[], T | None], make: Callable[[], T]) -> T:
    """Return the result of `find`, or else of `make`; if another writer creates a node first, return that node.

    `find` raises an error if the existing node does not match.
    """
    found = find()
    if found is not None:
        return found
    try:
        return make()
    except NodeExistsError:
        found = find()
        if found is None:  # for example, the path is below an array
            raise
        return found


@contextmanager
def filled(location: Location, meta: ArrayMetadata, *, overwrite: bool = False) -> Iterator[Location]:
    """Yield a location for the chunks of a new array, which is moved to `location` when the block ends.

    An existing node at `location` remains until then, and is kept if the block fails. Raises the errors of `create`.
    """
    missing = require_room(location, overwrite=overwrite)
    replacing = overwrite and _holds_something(location)
    area = location.store.staging_area(location.path, replacing=replacing)
    if area is None and not replacing and _claim(location, meta, missing, overwrite=overwrite):
        with _removed_on_failure(location):
            yield location
        return
    area = area or Spool(location)
    with _swapped_in(location, meta, area, overwrite=overwrite) as place:
        yield place
        hierarchy.save(place, meta)


def _claim(location: Location, meta: Metadata, missing: list[Location], *, overwrite: bool) -> bool:
    """Store a new node at an empty place. Return False if there is content and `overwrite` is true."""
    if overwrite and _holds_something(location):
        return False
    _make_parents(location, missing, meta.zarr_format)
    if save_new(location, meta):
        return True
    if overwrite:
        return False
    raise _made_by_another(location)


def _made_by_another(location: Location) -> NodeExistsError:
    return NodeExistsError(
        f"cannot create {location}: another thread or process created a node there at the same time. Open that "
        "one; mode='a', require_array and require_group do so if it matches"
    )


def save_new(location: Location, meta: Metadata) -> bool:
    """Save a node like `hierarchy.save` if its document does not exist; else return False and store nothing.

    Of several concurrent callers, one gets True, and the stored documents are all its own.
    """
    store = instrument(location.store)
    *before, (name, document) = hierarchy.documents(meta).items()
    key = location.key(name)
    with ExitStack() as intents:
        intents.enter_context(consolidation.announced(location.store, location.path, meta.zarr_format))
        if before:
            intents.enter_context(hierarchy.unfinished(location, meta))
            made = _save_both(store, key, document, location.key(before[0][0]), before[0][1])
        else:
            made = store.put_if_absent(key, document)
        if made:
            hierarchy.recorded(location, meta)
    return made


def _save_both(store: Store, key: str, document: bytes, zattrs: str, attributes: bytes) -> bool:
    """Store both documents of a v2 node under the lock of the attributes, so that one writer stores both."""
    made = False

    def change(value: ValueReader | None) -> NewValue:
        nonlocal made
        made = made or store.put_if_absent(key, document)
        same = value is not None and whole_value(value) == attributes
        return KEEP if same or not made else [attributes]

    store.put_if_absent(zattrs, attributes)
    store.update(zattrs, change)
    return made


def make_parents(location: Location, zarr_format: ZarrFormat) -> None:
    """Create the missing groups above `location`. Raise NodeExistsError if there is an array above it."""
    _make_parents(location, _missing_parents(location), zarr_format)


def _make_parents(location: Location, missing: list[Location], zarr_format: ZarrFormat) -> None:
    """Create the missing parents of `location` as groups. Raise NodeExistsError if one has become an array."""
    for place in reversed(missing):
        if not save_new(place, GroupMetadata(zarr_format)) and isinstance(
            hierarchy.find(place.direct), ArrayMetadata
        ):  # another writer has created it
            raise _inside_array(location, place)


def _holds_something(location: Location) -> bool:
    keys, prefixes = instrument(location.store).list_dir(location.path)
    return bool(keys or prefixes)


def require_room(location: Location, *, overwrite: bool) -> list[Location]:
    """Check that a node may be created at `location`, and return the missing parents, nearest first.

    Consolidated metadata is not used, since it may be out of date.

    Raises
    ------
    NodeExistsError
        A node exists and may not be overwritten, a parent is an array, or overwriting would delete a folder with
        content that is not Zarr's.
    """
    store, direct = location.store, location.direct
    if store.read_only:
        raise ReadOnlyError(f"cannot create {location}: the store is read-only")
    try:
        found = hierarchy.find(direct)
    except MetadataError as error:
        if not overwrite:
            raise NodeExistsError(
                f"{location} has content that cannot be read: {error}; overwrite=True replaces it"
            ) from error
        found = GroupMetadata(3)  # a placeholder for the unreadable node
    if found is not None and not overwrite:
        kind = "an array" if isinstance(found, ArrayMetadata) else "a group"
        raise NodeExistsError(f"there is {kind} at {location} already; overwrite=True replaces it")
    missing = _missing_parents(location)
    if overwrite and found is None:
        _refuse_foreign(direct)
    return missing


@contextmanager
def built(location: Location, meta: Metadata, *, overwrite: bool = False) -> Iterator[Location]:
    """Yield a location to build a hierarchy at, which is moved to `location` when the block ends.

    `meta` is the metadata of its topmost node. The yielded location has the node's path. It is a staging place if the
    store can move many values in one step, or if there is a node to replace, which remains until then. Otherwise it is
    `location` itself, and the caller must write the topmost document last. If the block fails, everything that it built
    is removed.

    Raises the errors of `require_room`, and NodeExistsError if another writer creates a node there first.
    """
    missing = require_room(location, overwrite=overwrite)
    replacing = overwrite and _holds_something(location)
    area = location.store.staging_area(location.path, replacing=replacing)
    if area is not None or replacing:
        with _swapped_in(location, meta, area or Spool(location), overwrite=overwrite) as place:
            yield place
        return
    _make_parents(location, missing, meta.zarr_format)
    with (
        _removed_on_failure(location),
        hierarchy.unfinished(location, meta),
        consolidation.announced(location.store, location.path, meta.zarr_format),
    ):
        yield location
        _record_all(location)


def _staging_area(location: Location, *, replacing: bool) -> StagingArea:
    return location.store.staging_area(location.path, replacing=replacing) or Spool(location)


@contextmanager
def _removed_on_failure(location: Location) -> Iterator[None]:
    try:
        yield
    except BaseException:
        with suppress(StoreError):  # raise the first error instead
            hierarchy.delete(location)
        raise


@contextmanager
def _swapped_in(
    location: Location, meta: Metadata, area: StagingArea, *, overwrite: bool
) -> Iterator[Location]:
    """Yield the staging place. When the block ends, its content replaces the node at `location`."""
    try:
        yield Location(area.store, location.path)
        _swap_in(location, meta, area, overwrite)
    finally:
        area.discard()


def _swap_in(location: Location, meta: Metadata, area: StagingArea, overwrite: bool) -> None:
    done = False

    def swap_in() -> None:
        nonlocal done
        done = area.swap_in(replace=overwrite)

    missing = require_room(location, overwrite=overwrite)
    with ExitStack() as intents:
        intents.enter_context(consolidation.announced(location.store, location.path, 3, 2))
        _make_parents(location, missing, meta.zarr_format)
        if area.in_steps:
            intents.enter_context(hierarchy.unfinished(location, meta))
        try:
            if overwrite:
                # No reader may use the old consolidated metadata with the new chunks.
                with suppress(StoreError):
                    consolidation.forget(location.store, location.path, lambda _: None)
                hierarchy.locked(location, swap_in)
            else:
                swap_in()
            if not done:
                raise _made_by_another(location)
        finally:
            if overwrite:
                hierarchy.forget(location)
            _record_all(location)


def _record_all(location: Location) -> None:
    """Record a node and all nodes below it in the consolidated metadata above it."""
    if not location.path:
        return
    if location.root is not None:
        location.root.note(location.path, None)
    found = hierarchy.readable(location.direct)
    if found is None:
        return
    hierarchy.recorded(location, found)
    if isinstance(found, GroupMetadata):
        for place, meta in _readable_below(location):
            hierarchy.recorded(place, meta)


def _readable_below(location: Location) -> Iterator[tuple[Location, Metadata]]:
    """Iterate over the readable nodes below a group; consolidated metadata cannot contain the others."""
    for name, _ in hierarchy.children(location.direct):
        place = Location(location.store, location.key(name), location.root)
        found = hierarchy.readable(place.direct)
        if found is not None:
            yield place, found
            if isinstance(found, GroupMetadata):
                yield from _readable_below(place)


def _missing_parents(location: Location) -> list[Location]:
    """Return the locations above `location` that are no groups yet, nearest first."""
    missing: list[Location] = []
    parent = location.parent
    while parent is not None:
        found = _find_parent(parent)
        if isinstance(found, ArrayMetadata):
            raise _inside_array(location, parent)
        if found is not None:
            break
        missing.append(parent)
        parent = parent.parent
    if parent is None:
        _check_surroundings(location)
    return missing


def _find_parent(parent: Location) -> Metadata | None:
    """Read the metadata of `parent`. In a batch, an unchanged document of a group is not parsed again."""
    batch = consolidation.batch_of(parent.store, parent.path)
    if batch is None:
        return hierarchy.find(parent.direct)
    key = parent.key(v3.DOCUMENT)
    stored = instrument(parent.store).fetch(key, (0, 0))
    version = None if stored is None else stored.version
    if batch.is_known_group(key, version):
        return GroupMetadata(3)
    found = hierarchy.find(parent.direct)
    if isinstance(found, GroupMetadata) and found.zarr_format == 3:
        batch.note_group(key, version)
    return found


def _check_surroundings(location: Location) -> None:
    """Check the nodes around the store itself, for paths such as ``create_array("array.zarr/new")``.

    Places that cannot be read (a bucket with restricted access) count as no node.

    Raises
    ------
    NodeExistsError
        The store is inside an array.
    InvalidKeyError
        The store is inside a group, at a name that a new node must not have.
    """
    store, names = location.store, list[str]()
    while (parent := store.parent()) is not None:
        folder = store.local_path("")
        # A file, such as a zip archive, is no child of the group in whose folder it is.
        names = [] if folder is None else [Path(folder).name, *names]
        place, found = Location(parent, ""), None
        with suppress(StoreError, MetadataError):
            found = hierarchy.find(place)
        if isinstance(found, ArrayMetadata):
            raise _inside_array(location, place)
        if found is not None:
            if names:
                hierarchy.check_new(Location(parent, "/".join(names)), found.zarr_format)
            return
        store = parent


def _inside_array(location: Location, array: Location) -> NodeExistsError:
    return NodeExistsError(
        f"cannot create {location}: {array} is an array, and arrays have no children. Choose a path outside of it"
    )


def _refuse_foreign(location: Location) -> None:
    """Raise NodeExistsError for content that is not Zarr's: overwriting must not empty a home folder."""
    keys, prefixes = instrument(location.store).list_dir(location.path)
    # Also accept groups without a document, and leftovers of an interrupted deletion: chunks, nodes.
    ours = any(name in DOCUMENTS for name in keys) or any(
        _looks_like_chunk(name) for name in (*keys, *prefixes)
    )
    if not (keys or prefixes) or ours or any(_is_node(location, name) for name in prefixes):
        return
    if next(instrument(location.store).list(location.path), None) is None:  # only empty folders
        return
    raise NodeExistsError(
        f"{location} is no Zarr node, but holds {(*keys, *prefixes)[0]!r}: it is not deleted. Choose another path, "
        "or empty it yourself"
    )


def _looks_like_chunk(name: str) -> bool:
    return name == "c" or name.removeprefix("c").replace(".", "").isdigit()


def _is_node(group: Location, name: str) -> bool:
    try:
        return hierarchy.exists(group.child(name))
    except StoreError:  # not a valid name of a node
        return False


def copy(source: Location, dest: Location, *, overwrite: bool = False) -> None:
    """Copy a node with everything below it within one store, key by key.

    Metadata documents are written last, the topmost after all others: the copy exists only when it is complete.
    """
    found = hierarchy.load(source.direct)
    if _within(source.path, dest.path) or _within(dest.path, source.path):
        raise ArgumentError(f"cannot copy {source.path or '/'!r} to {dest.path!r}: one is inside the other")
    hierarchy.check_new(dest, found.zarr_format)
    store = instrument(source.store)
    keys = [key[len(source.path) + 1 :] for key in store.list(source.path)]
    with built(dest, found, overwrite=overwrite) as place:
        put = instrument(place.store).put
        metadata = [key for key in keys if key.rpartition("/")[2] in DOCUMENTS]
        values = sorted(set(keys).difference(metadata))
        for key in (*values, *sorted(metadata, key=lambda key: -key.count("/"))):
            value = store.get(source.key(key))
            if value is not None:  # else it was deleted after the listing
                put(place.key(key), value)


def _within(path: str, group: str) -> bool:
    return not group or path == group or path.startswith(f"{group}/")
