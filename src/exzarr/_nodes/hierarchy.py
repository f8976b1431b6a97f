"""Nodes in a store: their metadata documents found, read, written, listed and removed.

The only module that knows which keys hold metadata documents. v3:
https://zarr-specs.readthedocs.io/en/latest/v3/core/index.html#metadata, v2:
https://zarr-specs.readthedocs.io/en/latest/v2/v2.0.html#storage
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Literal, TypeVar

from exzarr._format import node_names, v2, v3
from exzarr._format.appends import without_appends
from exzarr._format.metadata import ArrayMetadata, GroupMetadata
from exzarr._format.node_names import QUARANTINE
from exzarr._nodes import consolidation
from exzarr._nodes.consolidation import ConsolidatedRoot
from exzarr._spelling import did_you_mean
from exzarr.errors import (
    ExzarrError,
    InvalidKeyError,
    MetadataError,
    NodeNotFoundError,
    NodeTypeError,
    StoreError,
)
from exzarr.stores.base import KEEP, Buffer, Store, ValueReader, check_key
from exzarr.stores.foreign import foreign_name
from exzarr.stores.instrument import instrument
from exzarr.stores.listing import listed
from exzarr.stores.local.store import LocalStore

__all__ = [
    "DOCUMENTS",
    "Location",
    "Metadata",
    "ZarrFormat",
    "check_new",
    "child_names",
    "children",
    "delete",
    "document_name",
    "documents",
    "find",
    "forget",
    "is_node_name",
    "load",
    "load_array",
    "load_group",
    "locked",
    "locked_document",
    "nodes_below",
    "normalize_path",
    "recorded",
    "reloaded",
    "same",
    "save",
    "unfinished",
]

DOCUMENTS = (v3.DOCUMENT, v2.ZARRAY, v2.ZGROUP, v2.ZATTRS, v2.ZMETADATA)
"""Names of all metadata documents."""

MOST_SIMILAR = 10_000
"""Names that are compared with one that leads nowhere."""

Metadata = ArrayMetadata | GroupMetadata
M = TypeVar("M", ArrayMetadata, GroupMetadata)
ZarrFormat = Literal[2, 3]


def normalize_path(path: str) -> str:
    """A node's path without slashes at its ends; repeated slashes count as one, as in the v2 specification.

    InvalidKeyError where it could leave the store, or is the place of quarantined chunks.
    """
    if not isinstance(path, str):
        raise InvalidKeyError(f"a path is a string, not {path!r}")
    path = path.strip("/")
    while "//" in path:
        path = path.replace("//", "/")
    if path:
        check_key(path)
        if QUARANTINE in path.split("/"):
            raise InvalidKeyError(f"{QUARANTINE!r} in path {path!r} holds damaged chunks, and no nodes")
    return path


def is_node_name(name: str) -> bool:
    """Whether something of this name in a group may be a node."""
    try:
        return bool(name) and normalize_path(name) == name
    except InvalidKeyError:  # quarantined chunks, or no name at all
        return False


def check_new(location: Location, zarr_format: ZarrFormat) -> None:
    """InvalidKeyError where creating the node at `location` would give a node a name that is reserved.

    Existing nodes keep their names: they may be overwritten, and new nodes may be created below them.
    """
    parts = location.path.split("/") if location.path else []
    for n, name in enumerate(parts, 1):
        why = node_names.reserved(name, zarr_format)
        if why is None:
            continue
        place = Location(location.store, "/".join(parts[:n]))
        try:
            exists = find(place) is not None
        except MetadataError:
            exists = True
        if not exists:
            raise InvalidKeyError(
                f"cannot create {location}: {name!r} cannot be the name of a new node: {why}. Choose another name"
            )


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
    store = instrument(location.store)
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


def reloaded(location: Location, known: M, key: str, document: Buffer) -> M:
    """The metadata of a node out of its `document`, which is at `key`. NodeTypeError where it is not of the kind that was `known`."""
    found: Metadata
    if known.zarr_format == 3:
        found = v3.loads(document, key)
    else:
        kind: Literal["array", "group"] = "array" if isinstance(known, ArrayMetadata) else "group"
        found = v2.loads(
            document, location.store.get(location.key(v2.ZATTRS)), kind=kind, where=location.path
        )
    if not isinstance(found, type(known)):
        raise NodeTypeError(f"what is at {location} is of another kind now: open it again")
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
    kind = (
        None if isinstance(location.store, LocalStore) else foreign_name(location.path or location.store.url)
    )
    if kind is not None:
        return NodeNotFoundError(f"{text}). By its name it is {kind}")
    near = _similar(location)
    return NodeNotFoundError(f"{text}){did_you_mean(*near) if near else ''}")


def _similar(location: Location) -> tuple[str, list[str]] | None:
    """The last part of a path that leads to no node, and the names beside it, where they cost no request."""
    store, path = location.store, location.path
    if not path:
        if not isinstance(store, LocalStore) or Path(store.path).exists():
            return None
        above, name = os.path.split(store.path)
        try:
            with os.scandir(above) as entries:
                return name, [entry.name for entry in islice(entries, MOST_SIMILAR)]
        except OSError:
            return None
    if store.concurrency and location.root is None:
        return None
    above, _, name = path.rpartition("/")
    try:
        return name, [*islice(child_names(Location(store, above, location.root)), MOST_SIMILAR)]
    except ExzarrError:
        return None


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
        _, names = instrument(location.store).list_dir(location.path)
    for name in names:
        if is_node_name(name):
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


def document_name(meta: Metadata) -> str:
    """The name of the document that makes a node what it is."""
    if meta.zarr_format == 3:
        return v3.DOCUMENT
    return v2.ZARRAY if isinstance(meta, ArrayMetadata) else v2.ZGROUP


def locked_document(meta: Metadata) -> tuple[str, bytes]:
    """Name and content of the document that makes a node what it is, and under whose lock it is changed."""
    return [*documents(meta).items()][-1]


@contextmanager
def unfinished(location: Location, meta: Metadata) -> Iterator[None]:
    """Around whatever makes a node in several steps, or removes it: until the end its document lies there as a note.

    What whoever is killed leaves there is no node, and a check knows what it was to be, or had been.
    """
    take_away = instrument(location.store).announce_intent(location.path, locked_document(meta)[1])
    try:
        yield
    finally:
        take_away()


def save(location: Location, meta: Metadata) -> None:
    """Write the documents of a node, whatever is there, and bring consolidated metadata in step."""
    store = instrument(location.store)
    with ExitStack() as noted:
        noted.enter_context(consolidation.noted(location.store, location.path, meta.zarr_format))
        if meta.zarr_format == 2:
            noted.enter_context(unfinished(location, meta))
        for name, document in documents(meta).items():
            store.put(location.key(name), document)
        recorded(location, meta)


def recorded(location: Location, meta: Metadata) -> None:
    """The documents of a node were written: bring the consolidated metadata above it in step."""
    consolidation.record(location.store, location.path, meta, lambda: find(location.direct, meta.zarr_format))
    if location.root is not None:
        location.root.note(location.path, meta)


def delete(location: Location) -> None:
    """Remove a node with everything below it. Whoever is changing one of its documents just now is waited for.

    Where it is a folder, that goes at once, after what consolidated metadata says of it. Elsewhere the documents go
    first: what is half removed is no node. Then what consolidated metadata says, and the chunks last: while it is
    found, it is whole. Of a node that is a link to a folder, the link goes.
    """
    store = instrument(location.store)
    with consolidation.noted(location.store, location.path, 3, 2):
        folder = store.local_path(location.path) if location.path else None
        if folder is not None and not Path(folder).is_mount():
            with suppress(StoreError):  # on a full disk there is room for that afterwards
                consolidation.forget(location.store, location.path, lambda _: None)
            keys = () if Path(folder).is_symlink() else tuple(map(location.key, DOCUMENTS[:3]))
            _locked(store, keys, partial(store.delete_prefix, location.path))
            forget(location)  # who changed it meanwhile has recorded that
        else:
            listed(store, location.path)  # an error where it cannot list, before anything is deleted
            found = _readable(location.direct)
            with nullcontext() if found is None else unfinished(location, found):
                for name in DOCUMENTS:
                    store.update(location.key(name), lambda _: None)
                forget(location)
                store.delete_prefix(location.path)
    if location.root is not None:
        location.root.note(location.path, None)


def locked(location: Location, do: Callable[[], None]) -> None:
    """Do something while nobody else changes the documents of the node at `location`. `do` may not update them."""
    _locked(instrument(location.store), tuple(map(location.key, DOCUMENTS[:3])), do)


def forget(location: Location) -> None:
    """Remove what consolidated metadata says of `location` and below it, other than the node that is there now."""
    consolidation.forget(location.store, location.path, lambda version: find(location.direct, version))


def _locked(store: Store, keys: Sequence[str], do: Callable[[], None]) -> None:
    """Do something while all of `keys` that there are are locked."""
    if not keys:
        do()
        return

    def change(_: ValueReader | None) -> Sequence[Buffer]:
        _locked(store, keys[1:], do)
        return KEEP

    store.update(keys[0], change)


def _readable(location: Location) -> Metadata | None:
    """What is at `location`, if it is a node that can be read."""
    try:
        return find(location)
    except MetadataError:
        return None


def same(one: Metadata, other: Metadata) -> bool:
    """Whether two nodes' documents say the same of the nodes themselves."""
    if one is other:
        return True
    if type(one) is not type(other) or one.zarr_format != other.zarr_format:
        return False
    return documents(_plain(one)) == documents(_plain(other))


def _plain(meta: Metadata) -> Metadata:
    meta = without_appends(meta)
    return meta if isinstance(meta, ArrayMetadata) else meta.with_(consolidated=None)
