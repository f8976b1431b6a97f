"""Nodes in a store: their metadata documents found, read, written, listed and removed.

The only module that knows which keys hold metadata documents. v3:
https://zarr-specs.readthedocs.io/en/latest/v3/core/index.html#metadata, v2:
https://zarr-specs.readthedocs.io/en/latest/v2/v2.0.html#storage
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from exzarr import consolidation
from exzarr.consolidation import ConsolidatedRoot
from exzarr.errors import (
    ArgumentError,
    InvalidKeyError,
    MetadataError,
    NodeExistsError,
    NodeNotFoundError,
    NodeTypeError,
    ReadOnlyError,
    StoreError,
)
from exzarr.format import v2, v3
from exzarr.format.metadata import ArrayMetadata, GroupMetadata
from exzarr.stores.base import Store, check_key
from exzarr.stores.watched import watched

__all__ = [
    "DOCUMENTS",
    "Location",
    "Metadata",
    "ZarrFormat",
    "child_names",
    "children",
    "copy",
    "delete",
    "documents",
    "find",
    "load",
    "load_array",
    "load_group",
    "make_room",
    "nodes_below",
    "normalize_path",
    "same",
    "save",
]

DOCUMENTS = (v3.DOCUMENT, v2.ZARRAY, v2.ZGROUP, v2.ZATTRS, v2.ZMETADATA)
"""Names of all metadata documents."""

Metadata = ArrayMetadata | GroupMetadata
ZarrFormat = Literal[2, 3]


def normalize_path(path: str) -> str:
    """A node's path without slashes at its ends; InvalidKeyError where it could leave the store."""
    if not isinstance(path, str):
        raise InvalidKeyError(f"a path is a string, not {path!r}")
    path = path.strip("/")
    if path:
        check_key(path)
        for part in path.split("/"):
            if part in DOCUMENTS:
                raise InvalidKeyError(f"{part!r} in path {path!r} is the name of a metadata document")
            if part.startswith("__"):
                raise InvalidKeyError(f"{part!r} in path {path!r}: names that start with '__' are reserved")
    return path


@dataclass(frozen=True, slots=True)
class Location:
    """Where a node is.

    Attributes
    ----------
    store, path
        The store, and the path in it without leading or trailing slash; ``""`` is the root.
    root
        The consolidated metadata through which the node was found; None where it was not.
    """

    store: Store
    path: str
    root: ConsolidatedRoot | None = field(default=None, compare=False)

    def key(self, name: str) -> str:
        return f"{self.path}/{name}" if self.path else name

    def child(self, path: str) -> Location:
        """The node at `path` below this one."""
        path = normalize_path(path)
        return Location(self.store, self.key(path) if path else self.path, self.root)

    @property
    def parent(self) -> Location | None:
        if not self.path:
            return None
        return Location(self.store, self.path.rpartition("/")[0], self.root)

    @property
    def direct(self) -> Location:
        """The same place, seen without consolidated metadata: what the store says now."""
        return self if self.root is None else Location(self.store, self.path)

    def __str__(self) -> str:
        return f"{str(self.store).rstrip('/')}/{self.path}" if self.path else str(self.store)


# -- reading ---------------------------------------------------------------------------


def find(location: Location, zarr_format: ZarrFormat | None = None) -> Metadata | None:
    """The metadata of the node at `location`; None where there is none.

    Where both versions lie side by side, v3 is taken.
    """
    if location.root is not None and location.root.decides(location.path):
        return location.root.find(location.path)
    store = watched(location.store)
    if zarr_format != 2:
        key = location.key(v3.DOCUMENT)
        document = store.get(key)
        if document is not None:
            return v3.loads(document, key)
    if zarr_format == 3:
        return None
    for kind, name in (("array", v2.ZARRAY), ("group", v2.ZGROUP)):
        document = store.get(location.key(name))
        if document is not None:
            zattrs = store.get(location.key(v2.ZATTRS))
            return v2.loads(document, zattrs, kind=kind, where=location.path)  # type: ignore[arg-type]
    return None


def load(location: Location, zarr_format: ZarrFormat | None = None) -> Metadata:
    """Like `find`; NodeNotFoundError where there is no node."""
    found = find(location, zarr_format)
    if found is None:
        raise not_found(location, zarr_format)
    if (
        zarr_format is not None and found.zarr_format != zarr_format
    ):  # only consolidated metadata gives another
        raise NodeNotFoundError(
            f"the node at {location} has Zarr format {found.zarr_format}, not {zarr_format}"
        )
    return found


def not_found(location: Location, zarr_format: ZarrFormat | None = None) -> NodeNotFoundError:
    """The error for a place where there is no node: it says what was looked for, and what may help."""
    looked = {3: "zarr.json", 2: ".zarray and .zgroup", None: "zarr.json, .zarray and .zgroup"}[zarr_format]
    text = f"there is no array or group at {location} (looked for {looked}"
    if location.root is not None and location.root.decides(location.path):
        return NodeNotFoundError(
            f"{text} in the consolidated metadata of {location.root}). If the node was written since: "
            "open the group with use_consolidated=False, or consolidate the metadata again"
        )
    return NodeNotFoundError(text + ")")


def load_array(location: Location, zarr_format: ZarrFormat | None = None) -> ArrayMetadata:
    """The metadata of the array at `location`."""
    found = load(location, zarr_format)
    if not isinstance(found, ArrayMetadata):
        raise NodeTypeError(f"there is a group at {location}, not an array: use open_group or open")
    return found


def load_group(location: Location, zarr_format: ZarrFormat | None = None) -> GroupMetadata:
    """The metadata of the group at `location`."""
    found = load(location, zarr_format)
    if not isinstance(found, GroupMetadata):
        raise NodeTypeError(f"there is an array at {location}, not a group: use open_array or open")
    return found


def children(location: Location) -> Iterator[tuple[str, Location]]:
    """Name and place of whatever may be a node right below a group, sorted. One listing at most."""
    names = None if location.root is None else location.root.children(location.path)
    if names is None:
        _, names = watched(location.store).list_dir(location.path)
    for name in names:
        try:
            normalize_path(name)
        except InvalidKeyError:  # reserved, or not a name at all
            continue
        yield name, Location(location.store, location.key(name), location.root)


def child_names(location: Location) -> Iterator[str]:
    """The names alone."""
    return (name for name, _ in children(location))


def nodes_below(location: Location) -> Iterator[tuple[str, Metadata]]:
    """Path relative to the group at `location`, and metadata, of every node below it; parents first."""
    for name, child in children(location):
        found = find(child)
        if found is None:
            continue
        yield name, found
        if isinstance(found, GroupMetadata):
            for path, meta in nodes_below(child):
                yield f"{name}/{path}", meta


# -- writing ---------------------------------------------------------------------------


def documents(meta: Metadata) -> dict[str, bytes]:
    """The documents of a node by name, in the order in which to store them."""
    if meta.zarr_format == 3:
        return {v3.DOCUMENT: v3.dumps(meta)}
    # .zarray or .zgroup last: the node is there only when all of it is.
    made = v2.array_documents(meta) if isinstance(meta, ArrayMetadata) else v2.group_documents(meta)
    return {name: made[name] for name in sorted(made, key=lambda name: name != v2.ZATTRS)}


def save(location: Location, meta: Metadata) -> None:
    """Write the documents of a node, and bring the consolidated metadata it was found through in step."""
    store = watched(location.store)
    for name, document in documents(meta).items():
        store.put(location.key(name), document)
    _record(location, meta)


def _record(location: Location, meta: Metadata) -> None:
    consolidation.record(location.store, location.path, meta)
    if location.root is not None:
        location.root.note(location.path, meta)


def delete(location: Location) -> None:
    """Remove a node with everything below it. The documents go first: what is half removed is no node."""
    store = watched(location.store)
    for name in DOCUMENTS:
        store.delete(location.key(name))
    store.delete_prefix(location.path)
    consolidation.forget(location.store, location.path)
    if location.root is not None:
        location.root.note(location.path, None)


def copy(source: Location, dest: Location, *, overwrite: bool = False) -> None:
    """Copy a node with everything below it inside one store, key by key.

    Metadata documents come last, the topmost after all others: the copy is there when all of it is.
    """
    found = load(source.direct)
    if _within(source.path, dest.path) or _within(dest.path, source.path):
        raise ArgumentError(f"cannot copy {source.path or '/'!r} to {dest.path!r}: one lies inside the other")
    make_room(dest, found.zarr_format, overwrite=overwrite)
    store = watched(source.store)
    keys = [key[len(source.path) + 1 :] for key in store.list(source.path)]
    metadata = [key for key in keys if key.rpartition("/")[2] in DOCUMENTS]
    values = sorted(set(keys).difference(metadata))
    for key in (*values, *sorted(metadata, key=lambda key: -key.count("/"))):
        value = store.get(source.key(key))
        if value is not None:  # else somebody deleted it since it was listed
            watched(dest.store).put(dest.key(key), value)
    _record(dest, found)
    if isinstance(found, GroupMetadata):
        for path, meta in nodes_below(dest.direct):
            _record(dest.child(path), meta)


def _within(path: str, group: str) -> bool:
    return not group or path == group or path.startswith(f"{group}/")


def make_room(location: Location, zarr_format: ZarrFormat, *, overwrite: bool) -> None:
    """Prepare `location` for a new node. With `overwrite`, what is there is deleted.

    NodeExistsError where there is a node and it may not be overwritten, where a parent is an array,
    or where overwriting would delete a folder that holds something else; parents that are
    missing are made groups. What consolidated metadata says does not count here: it may be stale.
    """
    store, direct = location.store, location.direct
    if store.read_only:
        raise ReadOnlyError(f"cannot create {location}: the store is read-only")
    try:
        found = find(direct)
    except MetadataError as error:
        if not overwrite:
            raise NodeExistsError(
                f"something is at {location} already, and cannot be read: {error}"
            ) from error
        found = GroupMetadata(zarr_format)  # whatever it is
    if found is not None and not overwrite:
        kind = "an array" if isinstance(found, ArrayMetadata) else "a group"
        raise NodeExistsError(f"there is {kind} at {location} already; overwrite=True replaces it")
    missing = _missing_parents(location)
    if overwrite:
        if found is None:
            _refuse_foreign(direct)
        delete(location)
    for place in reversed(missing):
        save(place, GroupMetadata(zarr_format))


def _missing_parents(location: Location) -> list[Location]:
    """The places above `location` that are no groups yet, nearest first."""
    missing: list[Location] = []
    parent = location.parent
    while parent is not None:
        found = find(parent.direct)
        if isinstance(found, ArrayMetadata):
            raise NodeExistsError(
                f"cannot create {location}: {parent} is an array, and arrays have no children"
            )
        if found is not None:
            break
        missing.append(parent)
        parent = parent.parent
    return missing


def _refuse_foreign(location: Location) -> None:
    """NodeExistsError where there is content that is not Zarr's: overwriting must not empty a home folder."""
    keys, prefixes = watched(location.store).list_dir(location.path)
    # Groups without a document, and what a deletion that was interrupted left: chunks, nodes.
    ours = any(name in DOCUMENTS for name in keys) or any(
        _looks_like_chunk(name) for name in (*keys, *prefixes)
    )
    if not (keys or prefixes) or ours or any(_is_node(location, name) for name in prefixes):
        return
    raise NodeExistsError(
        f"{location} is no Zarr node, but holds {(*keys, *prefixes)[0]!r}: it is not deleted. Choose another path, "
        "or empty it yourself"
    )


def _looks_like_chunk(name: str) -> bool:
    return name == "c" or name.removeprefix("c").replace(".", "").isdigit()


def _is_node(group: Location, name: str) -> bool:
    try:
        return find(group.child(name)) is not None
    except StoreError:  # a name that no node has
        return False
    except MetadataError:
        return True


def same(one: Metadata, other: Metadata) -> bool:
    """Whether two nodes' documents say the same of the nodes themselves."""
    if one is other:
        return True
    if type(one) is not type(other) or one.zarr_format != other.zarr_format:
        return False
    return documents(_plain(one)) == documents(_plain(other))


def _plain(meta: Metadata) -> Metadata:
    return meta if isinstance(meta, ArrayMetadata) else meta.with_(consolidated=None)
