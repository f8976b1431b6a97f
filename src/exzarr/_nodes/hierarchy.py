"""Find, read, write, list and remove the metadata documents of nodes in a store.

This is the only module that knows which keys hold metadata documents. v3:
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
from exzarr.stores.base import KEEP, Buffer, NewValue, Store, ValueReader, check_key
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
    "exists",
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
    "plain",
    "readable",
    "recorded",
    "reloaded",
    "same",
    "save",
    "unfinished",
]

DOCUMENTS = (v3.DOCUMENT, v2.ZARRAY, v2.ZGROUP, v2.ZATTRS, v2.ZMETADATA)
"""Names of all metadata documents."""

MOST_SIMILAR = 10_000
"""Maximum number of names that are compared with a missing one, for suggestions."""

Metadata = ArrayMetadata | GroupMetadata
M = TypeVar("M", ArrayMetadata, GroupMetadata)
ZarrFormat = Literal[2, 3]


def normalize_path(path: str) -> str:
    """Remove leading, trailing and repeated slashes from a node's path, as in the v2 specification.

    Raises InvalidKeyError if the path could leave the store, or belongs to the quarantine.
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
    """Return whether an entry of this name in a group may be a node."""
    try:
        return bool(name) and normalize_path(name) == name
    except InvalidKeyError:  # the quarantine, or an invalid name
        return False


def check_new(location: Location, zarr_format: ZarrFormat) -> None:
    """Raise InvalidKeyError if creating the node at `location` would create a node with a reserved name.

    Existing nodes with such names may be overwritten, and new nodes may be created below them.
    """
    parts = location.path.split("/") if location.path else []
    for n, name in enumerate(parts, 1):
        why = node_names.reserved(name, zarr_format)
        if why is None or name in node_names.NAMES_OF_XARRAY:
            continue
        place = Location(location.store, "/".join(parts[:n]))
        if not exists(place):
            raise InvalidKeyError(
                f"cannot create {location}: {name!r} cannot be the name of a new node: {why}. Choose another name"
            )


@dataclass(frozen=True, slots=True)
class Location:
    """The place of a node: a store and a path.

    Attributes
    ----------
    store, path
        The store, and the path in it without leading or trailing slash; ``""`` is the root.
    root
        The consolidated metadata through which the node was found, or None.
    """

    store: Store
    path: str
    root: ConsolidatedRoot | None = field(default=None, compare=False)

    def key(self, name: str) -> str:
        return f"{self.path}/{name}" if self.path else name

    def child(self, path: str) -> Location:
        """Return the location of `path` below this one."""
        path = normalize_path(path)
        return Location(self.store, self.key(path) if path else self.path, self.root)

    @property
    def parent(self) -> Location | None:
        if not self.path:
            return None
        return Location(self.store, self.path.rpartition("/")[0], self.root)

    @property
    def direct(self) -> Location:
        """The same location without consolidated metadata: nodes are read from the store."""
        return self if self.root is None else Location(self.store, self.path)

    def __str__(self) -> str:
        return f"{str(self.store).rstrip('/')}/{self.path}" if self.path else str(self.store)


# -- reading ---------------------------------------------------------------------------


def find(location: Location, zarr_format: ZarrFormat | None = None) -> Metadata | None:
    """Read the metadata of the node at `location`. Return None if there is no node.

    If the node has documents of both formats, v3 is used.
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


def exists(location: Location) -> bool:
    """Return whether there is a node at `location`. A node whose document cannot be read exists."""
    try:
        return find(location) is not None
    except MetadataError:
        return True


def readable(location: Location) -> Metadata | None:
    """Return the metadata of the node at `location`, or None if there is none or it cannot be read."""
    try:
        return find(location)
    except MetadataError:
        return None


def load(location: Location, zarr_format: ZarrFormat | None = None) -> Metadata:
    """Read the metadata like `find`, but raise NodeNotFoundError if there is no node."""
    found = find(location, zarr_format)
    if found is None:
        raise not_found(location, zarr_format)
    if (
        zarr_format is not None and found.zarr_format != zarr_format
    ):  # only consolidated metadata returns another format
        raise NodeNotFoundError(
            f"the node at {location} has Zarr format {found.zarr_format}, not {zarr_format}"
        )
    return found


def reloaded(location: Location, known: M, key: str, document: Buffer) -> M:
    """Parse the `document` at `key`. Raise NodeTypeError if it is not of the kind of `known`."""
    found: Metadata
    if known.zarr_format == 3:
        found = v3.loads(document, key)
    else:
        kind: Literal["array", "group"] = "array" if isinstance(known, ArrayMetadata) else "group"
        found = v2.loads(
            document, location.store.get(location.key(v2.ZATTRS)), kind=kind, where=location.path
        )
    if not isinstance(found, type(known)):
        raise NodeTypeError(f"the node at {location} is of another kind now: open it again")
    return found


def not_found(location: Location, zarr_format: ZarrFormat | None = None) -> NodeNotFoundError:
    """Return the error for a missing node. It names the documents that were looked for, and gives advice."""
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
    """Return the name of a missing node and the names beside it, if listing them sends no request."""
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
    if store.traits.concurrency and location.root is None:
        return None
    above, _, name = path.rpartition("/")
    try:
        return name, [*islice(child_names(Location(store, above, location.root)), MOST_SIMILAR)]
    except ExzarrError:
        return None


def load_array(location: Location, zarr_format: ZarrFormat | None = None) -> ArrayMetadata:
    """Read the metadata of the array at `location`."""
    found = load(location, zarr_format)
    if not isinstance(found, ArrayMetadata):
        raise NodeTypeError(f"there is a group at {location}, not an array: use open_group or open")
    return found


def load_group(location: Location, zarr_format: ZarrFormat | None = None) -> GroupMetadata:
    """Read the metadata of the group at `location`."""
    found = load(location, zarr_format)
    if not isinstance(found, GroupMetadata):
        raise NodeTypeError(f"there is an array at {location}, not a group: use open_array or open")
    return found


def children(location: Location) -> Iterator[tuple[str, Location]]:
    """Iterate over names and locations of possible children, sorted. Sends one listing at most."""
    names = None if location.root is None else location.root.children(location.path)
    if names is None:
        _, names = instrument(location.store).list_dir(location.path)
    for name in names:
        if is_node_name(name):
            yield name, Location(location.store, location.key(name), location.root)


def child_names(location: Location) -> Iterator[str]:
    """Iterate over the names of `children`."""
    return (name for name, _ in children(location))


def nodes_below(location: Location) -> Iterator[tuple[str, Metadata]]:
    """Iterate over all nodes below the group at `location`: relative path and metadata, parents first."""
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
    """Return the documents of a node by name, in the order in which to store them."""
    if meta.zarr_format == 3:
        return {v3.DOCUMENT: v3.dumps(meta)}
    # .zarray or .zgroup last: the node exists only when it is complete.
    made = v2.array_documents(meta) if isinstance(meta, ArrayMetadata) else v2.group_documents(meta)
    return {name: made[name] for name in sorted(made, key=lambda name: name != v2.ZATTRS)}


def document_name(meta: Metadata) -> str:
    """Return the name of the document that defines a node."""
    if meta.zarr_format == 3:
        return v3.DOCUMENT
    return v2.ZARRAY if isinstance(meta, ArrayMetadata) else v2.ZGROUP


def locked_document(meta: Metadata) -> tuple[str, bytes]:
    """Return name and content of the document that defines a node and whose lock protects it."""
    return [*documents(meta).items()][-1]


@contextmanager
def unfinished(location: Location, meta: Metadata) -> Iterator[None]:
    """Keep the node's document as a write intent while the node is created or removed in several steps.

    A killed writer leaves no node, and `check` knows from the intent which node it would be, or was.
    """
    remove_intent = location.store.maintenance(location.path).announce_intent(locked_document(meta)[1])
    try:
        yield
    finally:
        remove_intent()


def save(location: Location, meta: Metadata) -> None:
    """Write the documents of a node, replacing existing ones, and update consolidated metadata."""
    store = instrument(location.store)
    with ExitStack() as intents:
        intents.enter_context(consolidation.announced(location.store, location.path, meta.zarr_format))
        if meta.zarr_format == 2:
            intents.enter_context(unfinished(location, meta))
        for name, document in documents(meta).items():
            store.put(location.key(name), document)
        recorded(location, meta)


def recorded(location: Location, meta: Metadata) -> None:
    """Update the consolidated metadata above a node, after its documents were written."""
    consolidation.record(location.store, location.path, meta, lambda: find(location.direct, meta.zarr_format))
    if location.root is not None:
        location.root.note(location.path, meta)


def delete(location: Location) -> None:
    """Remove a node with everything below it, after waiting for changes of its documents in progress.

    A folder is removed in one step, after the node's entries in consolidated metadata. In other stores the documents are
    removed first, so that a partially removed node is no node; then its entries in consolidated metadata; the chunks
    last. A node is therefore complete as long as it can be found. If the node is a link to a folder, the link is
    removed.
    """
    store = instrument(location.store)
    with consolidation.announced(location.store, location.path, 3, 2):
        folder = store.local_path(location.path) if location.path else None
        if folder is not None and not Path(folder).is_mount():
            with suppress(StoreError):  # on a full disk, the second call below succeeds
                consolidation.forget(location.store, location.path, lambda _: None)
            keys = () if Path(folder).is_symlink() else tuple(map(location.key, DOCUMENTS[:3]))
            _locked(store, keys, partial(store.delete_prefix, location.path))
            forget(location)  # a concurrent change may have recorded the node again
        else:
            listed(store, location.path)  # raises if the store cannot list, before anything is deleted
            found = readable(location.direct)
            with nullcontext() if found is None else unfinished(location, found):
                for name in DOCUMENTS:
                    store.update(location.key(name), lambda _: None)
                forget(location)
                store.delete_prefix(location.path)
    if location.root is not None:
        location.root.note(location.path, None)


def locked(location: Location, do: Callable[[], None]) -> None:
    """Call `do` under the locks of the documents of the node at `location`. `do` may not update them."""
    _locked(instrument(location.store), tuple(map(location.key, DOCUMENTS[:3])), do)


def forget(location: Location) -> None:
    """Remove `location` and everything below it from consolidated metadata, unless it exists now."""
    consolidation.forget(location.store, location.path, lambda version: find(location.direct, version))


def _locked(store: Store, keys: Sequence[str], do: Callable[[], None]) -> None:
    """Call `do` under the locks of `keys`."""
    if not keys:
        do()
        return

    def change(_: ValueReader | None) -> NewValue:
        _locked(store, keys[1:], do)
        return KEEP

    store.update(keys[0], change)


def same(one: Metadata, other: Metadata) -> bool:
    """Return whether two nodes have equal documents, apart from leases and consolidated metadata."""
    if one is other:
        return True
    if type(one) is not type(other) or one.zarr_format != other.zarr_format:
        return False
    return documents(plain(one)) == documents(plain(other))


def plain(meta: Metadata) -> Metadata:
    """Return the metadata without leases and consolidated metadata."""
    meta = without_appends(meta)
    return meta if isinstance(meta, ArrayMetadata) else meta.with_(consolidated=None)
