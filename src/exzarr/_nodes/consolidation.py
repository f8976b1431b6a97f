"""Read nodes through consolidated metadata, and update it after every write.

A group that was opened with consolidated metadata passes its `ConsolidatedRoot` to every node below it. These nodes
are found there instead of in the store. Every function that creates, resizes or deletes a node, or sets its
attributes, calls `record` or `forget`. They change the consolidated metadata of every group above the node in the same
store, even if the node was not found through it. Consolidated metadata therefore includes all writes by exzarr to the
same store.

Each change rewrites the document. A `batch` collects the calls of `record` until it ends, and rewrites each document
once. Calls of `forget` are never collected: no reader may find old metadata with new chunks.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any, Literal

from exzarr._format import consolidated as formats, json_text, v2, v3, write_intents
from exzarr._format.consolidated import Consolidated
from exzarr._format.metadata import ArrayMetadata, GroupMetadata
from exzarr._format.nodes import consolidate, consolidated_node, without_consolidated
from exzarr.errors import MetadataError
from exzarr.stores.base import KEEP, NewValue, Store, ValueReader, whole_value
from exzarr.stores.instrument import instrument

__all__ = [
    "ConsolidatedRoot",
    "announced",
    "batch",
    "batch_of",
    "forget",
    "read_v2",
    "record",
    "record_all",
    "rewrite",
    "write",
]

Metadata = ArrayMetadata | GroupMetadata
Documents = dict[str, dict[str, Any]]
Changes = dict[str, Callable[[], "Metadata | None"]]
"""Paths of changed nodes, and functions that read each of them again."""


class ConsolidatedRoot:
    """The consolidated metadata of one group, shared by all nodes that were found through it."""

    __slots__ = ("_consolidated", "_path", "_store")

    def __init__(self, store: Store, path: str, consolidated: Consolidated) -> None:
        self._store = store
        self._path = path
        self._consolidated = consolidated

    def __str__(self) -> str:
        return f"{str(self._store).rstrip('/')}/{self._path}"

    def decides(self, path: str) -> bool:
        """Return whether a node at `path` would be found here. The group's own document never is."""
        return bool(_relative(path, self._path))

    def find(self, path: str) -> Metadata | None:
        """Return the metadata of the node at `path`, for which `decides` must be true."""
        relative = _relative(path, self._path) or ""
        return consolidated_node(self._consolidated, relative, below=False)

    @property
    def consolidated(self) -> Consolidated:
        """All documents."""
        return self._consolidated

    def own(self) -> GroupMetadata | None:
        """Return the group's own metadata, which v2 includes in consolidated metadata."""
        found = consolidated_node(self._consolidated, "", below=False)
        return found if isinstance(found, GroupMetadata) else None

    def children(self, path: str) -> Sequence[str] | None:
        """Return the sorted names of the children of `path`, or None if `path` is not below the group."""
        relative = _relative(path, self._path)
        return None if relative is None else sorted(self._consolidated.children(relative))

    def note(self, path: str, meta: Metadata | None) -> None:
        """Record that the node at `path` was written, or (None) removed with all nodes below it."""
        relative = _relative(path, self._path)
        old = self._consolidated
        if relative is None or (meta is not None and meta.zarr_format != old.zarr_format):
            return
        # Replace it as a whole: other threads may be reading the old one.
        self._consolidated = replace(old, documents=_changed(old.documents, relative, meta))


def record(store: Store, path: str, meta: Metadata, find: Callable[[], Metadata | None]) -> None:
    """Update the consolidated metadata above the node at `path`, after the node was written.

    `find` reads the node again. After two consecutive writes, either writer may call this function first: both
    record the documents that are stored at that moment.
    """
    groups = _groups_above(path)
    if meta.zarr_format == 2 and isinstance(meta, GroupMetadata):
        groups.append(path)  # in v2, a group's own documents are among them
    batch = batch_of(store, path)
    if batch is not None and batch.collect(groups, path, find, meta.zarr_format):
        return
    for group in groups:
        _change(store, group, {path: find}, meta.zarr_format)


def record_all(store: Store, path: str, changes: Changes, zarr_format: int) -> None:
    """Record nodes at or below `path` in the consolidated metadata of the groups above `path`, each document once."""
    for group in _groups_above(path):
        _change(store, group, changes, zarr_format)


class Batch:
    """Changes below one group that are not yet recorded in consolidated metadata."""

    def __init__(self, store: Store, path: str) -> None:
        self.store = store
        self.path = path
        self._process = os.getpid()
        self._lock = threading.Lock()
        self._ended = False
        self._changes: dict[tuple[str, int], Changes] = {}
        self._groups: dict[str, Hashable] = {}

    def covers(self, store: Store, path: str) -> bool:
        """Return whether the batch includes changes of the node at `path`. A forked child takes no part."""
        return _relative(path, self.path) is not None and self.store == store and self._process == os.getpid()

    def collect(
        self, groups: Sequence[str], path: str, find: Callable[[], Metadata | None], zarr_format: int
    ) -> bool:
        """Keep a change until the batch ends. Return False if it has ended."""
        with self._lock:
            if not self._ended:
                for group in groups:
                    changes = self._changes.setdefault((group, zarr_format), {})
                    changes.pop(path, None)  # the last one counts, after what was changed before it
                    changes[path] = find
            return not self._ended

    def end(self) -> None:
        """Update consolidated metadata, each document once."""
        with self._lock:
            self._ended = True
        for (group, zarr_format), changes in self._changes.items():
            _change(self.store, group, changes, zarr_format)

    def is_known_group(self, key: str, version: Hashable) -> bool:
        """Return whether the document at `key`, in this version, is known to be a group's."""
        return version is not None and self._groups.get(key) == version

    def note_group(self, key: str, version: Hashable) -> None:
        self._groups[key] = version


_batches: list[Batch] = []
"""Batches in progress in this process."""


@contextmanager
def batch(store: Store, path: str) -> Iterator[None]:
    """Collect the changes of the nodes below the group at `path`, and record all of them when the block ends.

    The batch includes the changes of all threads of this process. A write intent explains to `check` why consolidated
    metadata lacks these changes until then.
    """
    parent, _, name = path.rpartition("/")
    remove_intent = store.maintenance(parent).announce_intent(write_intents.about_nodes(name))
    begun = Batch(store, path)
    _batches.append(begun)
    try:
        yield
    finally:
        _batches.remove(begun)
        try:
            begun.end()
        finally:
            remove_intent()


def batch_of(store: Store, path: str) -> Batch | None:
    """Return the batch that changes of the node at `path` belong to, or None."""
    return next((one for one in _batches if one.covers(store, path)), None)


@contextmanager
def announced(store: Store, path: str, *versions: Literal[2, 3]) -> Iterator[None]:
    """Keep a write intent during a change of the node at `path`, if consolidated metadata has to be updated.

    The intent is stored in the folder above, which exists before and after the node does. A killed writer leaves it
    behind, and `check` can explain why consolidated metadata lacks the change.
    """
    if batch_of(store, path) is not None:  # the batch has stored an intent
        yield
        return
    needed = any(_is_consolidated(store, group, v) for group in _groups_above(path) for v in versions) or (
        2 in versions and _is_consolidated(store, path, 2)
    )
    if not needed:
        yield
        return
    parent, _, name = path.rpartition("/")
    remove_intent = store.maintenance(parent).announce_intent(write_intents.about_nodes(name))
    try:
        yield
    finally:
        remove_intent()


def forget(store: Store, path: str, find: Callable[[Literal[2, 3]], Metadata | None]) -> None:
    """Remove the node at `path` and all nodes below it from consolidated metadata.

    `find` reads the node that another writer may have created there since.
    """
    versions: tuple[Literal[2, 3], ...] = (3, 2)
    for group in _groups_above(path):
        for version in versions:
            _change(store, group, {path: partial(find, version)}, version, alone=True)


def read_v2(store: Store, path: str) -> ConsolidatedRoot | None:
    """Read the ``.zmetadata`` of the group at `path`. Return None if there is none."""
    key = _join(path, v2.ZMETADATA)
    document = instrument(store).get(key)
    if document is None:
        return None
    try:
        return ConsolidatedRoot(store, path, formats.from_v2(json_text.decode(document, key)))
    except MetadataError as error:
        raise type(error)(f"{key}: {error}; open with use_consolidated=False to ignore it") from error


def write(store: Store, path: str, consolidated: Consolidated) -> None:
    """Store the consolidated metadata of the group at `path`."""
    rewrite(store, path, consolidated.zarr_format, lambda _: consolidated)


def rewrite(
    store: Store,
    path: str,
    zarr_format: int,
    make: Callable[[Callable[[], Consolidated | None]], Consolidated | None],
) -> None:
    """Replace the consolidated metadata of the group at `path` by the result of `make`, under its lock.

    `make` receives a function that reads the existing consolidated metadata. A caller that replaces all of it need not
    call this function, and then works on unreadable metadata, too. If `make` returns None, nothing is changed.
    """
    key = _join(path, v3.DOCUMENT if zarr_format == 3 else v2.ZMETADATA)

    def change(value: ValueReader | None) -> NewValue:
        document = None if value is None else whole_value(value)
        if zarr_format == 2:
            made = make(
                lambda: None if document is None else formats.from_v2(json_text.decode(document, key))
            )
            return KEEP if made is None else [json_text.encode(formats.to_v2(made))]
        group = None if document is None else v3.loads(document, key)
        if not isinstance(group, GroupMetadata):
            return KEEP
        made = make(lambda: group.consolidated)
        return KEEP if made is None else [v3.dumps(without_consolidated(group).with_(consolidated=made))]

    instrument(store).update(key, change)


def _change(store: Store, group: str, changes: Changes, zarr_format: int, *, alone: bool = False) -> None:
    """Update some paths in the consolidated metadata of `group`, if it has any.

    With `alone`, nodes below these paths are removed.
    """
    # Check this first: another process may be consolidating, and may have read the nodes before the change.
    busy = store.maintenance(group).is_updating(v3.DOCUMENT if zarr_format == 3 else v2.ZMETADATA)
    if not busy and not _is_consolidated(store, group, zarr_format):
        return  # most groups are not consolidated: do not parse or lock them

    def change(read: Callable[[], Consolidated | None]) -> Consolidated | None:
        old = read()
        if old is None:
            return None
        documents = {**old.documents}
        for path, find in changes.items():
            relative = _relative(path, group) or ""
            meta = find()
            if alone or meta is None:
                documents = _changed(documents, relative, None)
            if meta is not None:
                documents.update(consolidate({relative: meta}, meta.zarr_format).documents)
        return None if documents == old.documents else replace(old, documents=documents)

    rewrite(store, group, zarr_format, change)


def _is_consolidated(store: Store, group: str, zarr_format: int) -> bool:
    """Return whether the group at `group` has consolidated metadata, by a text search in its document."""
    document = instrument(store).get(_join(group, v3.DOCUMENT if zarr_format == 3 else v2.ZMETADATA))
    if document is None or zarr_format == 2:
        return document is not None
    whole = bytes(document).rstrip()
    return b'"consolidated_metadata"' in whole or whole[-1:] != b"}"  # a truncated document may have some


def _changed(documents: Documents, relative: str, meta: Metadata | None) -> Documents:
    """Return `documents` with another node at `relative`, or (None) without it and all nodes below it."""
    if meta is not None:
        return documents | consolidate({relative: meta}, meta.zarr_format).documents
    below = f"{relative}/"
    return {k: document for k, document in documents.items() if k != relative and not k.startswith(below)}


def _relative(path: str, group: str) -> str | None:
    """Return `path` relative to `group` (``""`` for the group itself), or None if it is not below the group."""
    if path == group:
        return ""
    head = f"{group}/" if group else ""
    return path[len(head) :] if path.startswith(head) else None


def _groups_above(path: str) -> list[str]:
    """Return the paths of all groups above `path`, the root of the store first."""
    parts = path.split("/") if path else []
    return ["/".join(parts[:n]) for n in range(len(parts))]


def _join(path: str, name: str) -> str:
    return f"{path}/{name}" if path else name
