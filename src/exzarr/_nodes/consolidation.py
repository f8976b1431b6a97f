"""Consolidated metadata in use: read through it, kept in step with what is written.

A group that was opened with consolidated metadata hands its `ConsolidatedRoot` to every node
found below it: they are found there, and not in the store. Whoever changes a node - creates,
resizes, sets attributes, deletes - calls `record` or `forget`, which change the consolidated
metadata of every group above it in the same store, whether the node was found through it or not.
So consolidated metadata is never staler than the last write by exzarr to the same store.

Each such change rewrites the document. A `batch` collects what is recorded until it ends, and rewrites it once. What
is forgotten is never collected: no reader may find old metadata with new chunks.
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
from exzarr.stores.base import KEEP, Buffer, Store, ValueReader, whole_value
from exzarr.stores.instrument import instrument

__all__ = [
    "ConsolidatedRoot",
    "batch",
    "batch_of",
    "forget",
    "noted",
    "read_v2",
    "record",
    "rewrite",
    "write",
]

Metadata = ArrayMetadata | GroupMetadata
Documents = dict[str, dict[str, Any]]
Changes = dict[str, Callable[[], "Metadata | None"]]
"""Paths of nodes that were changed, and how to read each again."""


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
        """Whether a node at `path` would be found here. The group's own document never is."""
        return bool(_relative(path, self._path))

    def find(self, path: str) -> Metadata | None:
        """The node at `path`, of which `decides` is true."""
        relative = _relative(path, self._path) or ""
        return consolidated_node(self._consolidated, relative, below=False)

    def own(self) -> GroupMetadata | None:
        """The group's own metadata, where it is kept here (v2)."""
        found = consolidated_node(self._consolidated, "", below=False)
        return found if isinstance(found, GroupMetadata) else None

    def children(self, path: str) -> Sequence[str] | None:
        """Names of the nodes right below `path`, sorted; None where it is not below the group."""
        relative = _relative(path, self._path)
        return None if relative is None else sorted(self._consolidated.children(relative))

    def note(self, path: str, meta: Metadata | None) -> None:
        """The node at `path` was written, or removed with all below it (None)."""
        relative = _relative(path, self._path)
        old = self._consolidated
        if relative is None or (meta is not None and meta.zarr_format != old.zarr_format):
            return
        # Replaced as a whole: other threads may be reading the old one.
        self._consolidated = replace(old, documents=_changed(old.documents, relative, meta))


def record(store: Store, path: str, meta: Metadata, find: Callable[[], Metadata | None]) -> None:
    """The node at `path` was written: bring the consolidated metadata above it in step.

    `find` reads the node again. Of two who write it one after the other, either may come here first: both
    record what is stored by then.
    """
    groups = _groups_above(path)
    if meta.zarr_format == 2 and isinstance(meta, GroupMetadata):
        groups.append(path)  # in v2, a group's own documents are among them
    batch = batch_of(store, path)
    if batch is not None and batch.collect(groups, path, find, meta.zarr_format):
        return
    for group in groups:
        _change(store, group, {path: find}, meta.zarr_format)


class Batch:
    """The changes below one group that its consolidated metadata, and those above, are yet to be told of."""

    def __init__(self, store: Store, path: str) -> None:
        self.store = store
        self.path = path
        self._process = os.getpid()
        self._lock = threading.Lock()
        self._ended = False
        self._changes: dict[tuple[str, int], Changes] = {}
        self._groups: dict[str, Hashable] = {}

    def covers(self, store: Store, path: str) -> bool:
        """Whether changes of the node at `path` belong to it. Not in a forked child, which does not end it."""
        return _relative(path, self.path) is not None and self.store == store and self._process == os.getpid()

    def collect(
        self, groups: Sequence[str], path: str, find: Callable[[], Metadata | None], zarr_format: int
    ) -> bool:
        """Keep a change until the end; False where that has come."""
        with self._lock:
            if not self._ended:
                for group in groups:
                    changes = self._changes.setdefault((group, zarr_format), {})
                    changes.pop(path, None)  # the last one counts, after what was changed before it
                    changes[path] = find
            return not self._ended

    def end(self) -> None:
        """Bring consolidated metadata in step, each document once."""
        with self._lock:
            self._ended = True
        for (group, zarr_format), changes in self._changes.items():
            _change(self.store, group, changes, zarr_format)

    def is_known_group(self, key: str, version: Hashable) -> bool:
        """Whether the document at `key` was that of a group when it had this version."""
        return version is not None and self._groups.get(key) == version

    def note_group(self, key: str, version: Hashable) -> None:
        self._groups[key] = version


_batches: list[Batch] = []
"""Those that have begun and not ended, in this process."""


@contextmanager
def batch(store: Store, path: str) -> Iterator[None]:
    """Until the block ends, collect the changes of the nodes below the group at `path`; then record all of them.

    All threads of this process take part. A note tells a check why consolidated metadata is behind meanwhile.
    """
    parent, _, name = path.rpartition("/")
    take_away = instrument(store).announce_intent(parent, write_intents.about_nodes(name))
    begun = Batch(store, path)
    _batches.append(begun)
    try:
        yield
    finally:
        _batches.remove(begun)
        try:
            begun.end()
        finally:
            take_away()


def batch_of(store: Store, path: str) -> Batch | None:
    """The batch that changes of the node at `path` belong to; None where there is none."""
    return next((one for one in _batches if one.covers(store, path)), None)


@contextmanager
def noted(store: Store, path: str, *versions: Literal[2, 3]) -> Iterator[None]:
    """Around a change of the node at `path`, and what is recorded of it: a note of it, where there is anything to record.

    The note lies in the folder above, which is there before the node is, and after. Whoever is killed leaves it, and
    a check knows why consolidated metadata is behind.
    """
    if batch_of(store, path) is not None:  # which has left one
        yield
        return
    needed = any(_is_consolidated(store, group, v) for group in _groups_above(path) for v in versions) or (
        2 in versions and _is_consolidated(store, path, 2)
    )
    if not needed:
        yield
        return
    parent, _, name = path.rpartition("/")
    take_away = instrument(store).announce_intent(parent, write_intents.about_nodes(name))
    try:
        yield
    finally:
        take_away()


def forget(store: Store, path: str, find: Callable[[Literal[2, 3]], Metadata | None]) -> None:
    """The node at `path` was removed, with all below it. `find` sees whether somebody has made another."""
    versions: tuple[Literal[2, 3], ...] = (3, 2)
    for group in _groups_above(path):
        for version in versions:
            _change(store, group, {path: partial(find, version)}, version, alone=True)


def read_v2(store: Store, path: str) -> ConsolidatedRoot | None:
    """What the ``.zmetadata`` of the group at `path` says; None where there is none."""
    key = _join(path, v2.ZMETADATA)
    document = instrument(store).get(key)
    if document is None:
        return None
    try:
        return ConsolidatedRoot(store, path, formats.from_v2(json_text.decode(document, key)))
    except MetadataError as error:
        raise type(error)(f"{key}: {error}; open with use_consolidated=False to do without") from error


def write(store: Store, path: str, consolidated: Consolidated) -> None:
    """Store the consolidated metadata of the group at `path`."""
    rewrite(store, path, consolidated.zarr_format, lambda _: consolidated)


def rewrite(
    store: Store,
    path: str,
    zarr_format: int,
    make: Callable[[Callable[[], Consolidated | None]], Consolidated | None],
) -> None:
    """Replace the consolidated metadata of the group at `path` by what `make` makes, with nobody else at it.

    `make` gets a function that gives what there is, if there is any: whoever replaces all of it does not
    mind if it can't be read. None from `make` leaves everything as it is.
    """
    key = _join(path, v3.DOCUMENT if zarr_format == 3 else v2.ZMETADATA)

    def change(value: ValueReader | None) -> Sequence[Buffer] | None:
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
    """Change what the consolidated metadata of `group` says of some paths, where there is any.

    With `alone`, what it says of nodes below these paths goes.
    """
    # Before the look: another process may be consolidating, and have read the nodes as they were.
    busy = instrument(store).being_updated(_join(group, v3.DOCUMENT if zarr_format == 3 else v2.ZMETADATA))
    if not busy and not _is_consolidated(store, group, zarr_format):
        return  # as most groups are not: they are neither worth parsing nor locking

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
    """Whether the group at `group` has consolidated metadata, by a quick look at its document."""
    document = instrument(store).get(_join(group, v3.DOCUMENT if zarr_format == 3 else v2.ZMETADATA))
    if document is None or zarr_format == 2:
        return document is not None
    whole = bytes(document).rstrip()
    return b'"consolidated_metadata"' in whole or whole[-1:] != b"}"  # one that was cut short may have some


def _changed(documents: Documents, relative: str, meta: Metadata | None) -> Documents:
    """`documents` with another node at `relative`, or without it and what lies below it."""
    if meta is not None:
        return documents | consolidate({relative: meta}, meta.zarr_format).documents
    below = f"{relative}/"
    return {k: document for k, document in documents.items() if k != relative and not k.startswith(below)}


def _relative(path: str, group: str) -> str | None:
    """`path` as seen from `group`, ``""`` for the group itself; None where it is not below it."""
    if path == group:
        return ""
    head = f"{group}/" if group else ""
    return path[len(head) :] if path.startswith(head) else None


def _groups_above(path: str) -> list[str]:
    """The paths of all groups above `path`, the root of the store first."""
    parts = path.split("/") if path else []
    return ["/".join(parts[:n]) for n in range(len(parts))]


def _join(path: str, name: str) -> str:
    return f"{path}/{name}" if path else name
