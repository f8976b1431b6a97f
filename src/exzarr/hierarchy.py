"""Nodes in a store: their metadata documents found, read, written, listed and removed.

The only module that knows which keys hold metadata documents. v3:
https://zarr-specs.readthedocs.io/en/latest/v3/core/index.html#metadata, v2:
https://zarr-specs.readthedocs.io/en/latest/v2/v2.0.html#storage
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from exzarr.consolidation import ConsolidatedRoot
from exzarr.errors import (
    InvalidKeyError,
    MetadataError,
    NodeExistsError,
    NodeNotFoundError,
    NodeTypeError,
    ReadOnlyError,
)
from exzarr.format import v2, v3
from exzarr.format.metadata import ArrayMetadata, GroupMetadata
from exzarr.stores.base import Store, check_key

__all__ = [
    "Location",
    "Metadata",
    "ZarrFormat",
    "child_names",
    "delete",
    "find",
    "load_array",
    "load_group",
    "make_room",
    "normalize_path",
    "save",
]

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
            if part == "zarr.json" or part in (v2.ZARRAY, v2.ZGROUP, v2.ZATTRS, v2.ZMETADATA):
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

    def __str__(self) -> str:
        return f"{str(self.store).rstrip('/')}/{self.path}" if self.path else str(self.store)


# -- reading ---------------------------------------------------------------------------


def find(location: Location, zarr_format: ZarrFormat | None = None) -> Metadata | None:
    """The metadata of the node at `location`; None where there is none.

    Where both versions lie side by side, v3 is taken.
    """
    if location.root is not None:
        known, found = location.root.find(location.path)
        if known:
            return found
    store = location.store
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
        looked = {3: "zarr.json", 2: ".zarray and .zgroup", None: "zarr.json, .zarray and .zgroup"}[zarr_format]
        raise NodeNotFoundError(f"there is no array or group at {location} (looked for {looked})")
    return found


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


def child_names(location: Location) -> Iterator[str]:
    """Names of whatever may be a node right below a group, sorted. One listing."""
    if location.root is not None:
        names = location.root.children(location.path)
        if names is not None:
            yield from names
            return
    _, prefixes = location.store.list_dir(location.path)
    for name in prefixes:
        if not name.startswith("__"):
            yield name


# -- writing ---------------------------------------------------------------------------


def save(location: Location, meta: Metadata) -> None:
    """Write the documents of a node, and bring the consolidated metadata it was found through in step."""
    store = location.store
    if meta.zarr_format == 3:
        store.put(location.key(v3.DOCUMENT), v3.dumps(meta))
    else:
        is_array = isinstance(meta, ArrayMetadata)
        documents = v2.array_documents(meta) if is_array else v2.group_documents(meta)  # type: ignore[arg-type]
        # .zarray or .zgroup last: the node is there only when all of it is.
        for name in sorted(documents, key=lambda name: name != v2.ZATTRS):
            store.put(location.key(name), documents[name])
    if location.root is not None:
        location.root.record(location.path, meta)


def delete(location: Location) -> None:
    """Remove a node with everything below it. The documents go first: what is half removed is no node."""
    for name in (v3.DOCUMENT, v2.ZARRAY, v2.ZGROUP, v2.ZATTRS, v2.ZMETADATA):
        location.store.delete(location.key(name))
    location.store.delete_prefix(location.path)
    if location.root is not None:
        location.root.forget(location.path)


def make_room(location: Location, zarr_format: ZarrFormat, *, overwrite: bool) -> None:
    """Prepare `location` for a new node.

    NodeExistsError where there is one and it may not be overwritten, or where a parent is an
    array; parents that are missing are made groups.
    """
    if location.store.read_only:
        raise ReadOnlyError(f"cannot create {location}: the store is read-only")
    if overwrite:
        delete(location)
    else:
        try:
            found = find(location)
        except MetadataError as error:
            raise NodeExistsError(f"something is at {location} already, and cannot be read: {error}") from error
        if found is not None:
            kind = "an array" if isinstance(found, ArrayMetadata) else "a group"
            raise NodeExistsError(f"there is {kind} at {location} already; overwrite=True replaces it")
    missing: list[Location] = []
    parent = location.parent
    while parent is not None:
        found = find(parent)
        if isinstance(found, ArrayMetadata):
            raise NodeExistsError(f"cannot create {location}: {parent} is an array, and arrays have no children")
        if found is not None:
            break
        missing.append(parent)
        parent = parent.parent
    for place in reversed(missing):
        save(place, GroupMetadata(zarr_format))


def same(one: Metadata, other: Metadata) -> bool:
    """Whether two nodes' documents say the same."""
    if one is other:
        return True
    if type(one) is not type(other) or one.zarr_format != other.zarr_format:
        return False
    if one.zarr_format == 3:
        return v3.dumps(one) == v3.dumps(other)
    if isinstance(one, ArrayMetadata) and isinstance(other, ArrayMetadata):
        return v2.array_documents(one) == v2.array_documents(other)
    assert isinstance(one, GroupMetadata) and isinstance(other, GroupMetadata)
    return v2.group_documents(one) == v2.group_documents(other)
