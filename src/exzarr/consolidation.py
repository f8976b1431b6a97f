"""Consolidated metadata in use: read through it, kept in step with what is written.

A group that was opened with consolidated metadata hands its `ConsolidatedRoot` to every node
found below it: they are found there, and not in the store. Whoever changes a node - creates,
resizes, sets attributes, deletes - calls `record` or `forget`, which change the consolidated
metadata of every group above it in the same store, whether the node was found through it or not.
So consolidated metadata is never staler than the last write by exzarr to the same store.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from typing import Any

from exzarr.errors import MetadataError
from exzarr.format import consolidated as formats
from exzarr.format import json_text, v2, v3
from exzarr.format.consolidated import Consolidated
from exzarr.format.metadata import ArrayMetadata, GroupMetadata
from exzarr.format.nodes import consolidate, consolidated_node
from exzarr.stores.base import Store
from exzarr.stores.watched import watched

__all__ = ["ConsolidatedRoot", "forget", "read_v2", "record", "write"]

Metadata = ArrayMetadata | GroupMetadata
Documents = dict[str, dict[str, Any]]


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
        self._consolidated = Consolidated(old.zarr_format, _changed(old.documents, relative, meta), old.extra)


def record(store: Store, path: str, meta: Metadata) -> None:
    """The node at `path` was written: bring the consolidated metadata above it in step."""
    for group in _groups_above(path):
        _change(store, group, path, meta, meta.zarr_format)
    if meta.zarr_format == 2 and isinstance(meta, GroupMetadata):
        _change(store, path, path, meta, 2)  # in v2, a group's own documents are among them


def forget(store: Store, path: str) -> None:
    """The node at `path` was removed, with all below it."""
    for group in _groups_above(path):
        _change(store, group, path, None, 3)
        _change(store, group, path, None, 2)


def read_v2(store: Store, path: str) -> ConsolidatedRoot | None:
    """What the ``.zmetadata`` of the group at `path` says; None where there is none."""
    key = _join(path, v2.ZMETADATA)
    document = watched(store).get(key)
    if document is None:
        return None
    try:
        return ConsolidatedRoot(store, path, formats.from_v2(json_text.decode(document, key)))
    except MetadataError as error:
        raise type(error)(f"{key}: {error}; open with use_consolidated=False to do without") from error


def write(store: Store, path: str, consolidated: Consolidated) -> None:
    """Store the consolidated metadata of the group at `path`."""
    store = watched(store)
    if consolidated.zarr_format == 2:
        store.put(_join(path, v2.ZMETADATA), json_text.encode(formats.to_v2(consolidated)))
        return
    key = _join(path, v3.DOCUMENT)
    document = store.get(key)
    group = None if document is None else v3.loads(document, key)
    # The group's own document is read anew: its attributes may have changed meanwhile.
    if isinstance(group, GroupMetadata):
        store.put(key, v3.dumps(group.with_(consolidated=consolidated)))


def _change(store: Store, group: str, path: str, meta: Metadata | None, zarr_format: int) -> None:
    """Change what the consolidated metadata of `group` says of `path`, where there is any."""
    store, relative = watched(store), _relative(path, group)
    key = _join(group, v3.DOCUMENT if zarr_format == 3 else v2.ZMETADATA)
    with _lock:
        document = store.get(key)
        # Most groups have none: they are not worth parsing.
        if document is None or (zarr_format == 3 and b'"consolidated_metadata"' not in bytes(document)):
            return
        if zarr_format == 3:
            found = v3.loads(document, key)
            old = found.consolidated if isinstance(found, GroupMetadata) else None
        else:
            old = formats.from_v2(json_text.decode(document, key))
        if old is None or (meta is None and not [*_gone(old.documents, relative or "")]):
            return
        changed = _changed(old.documents, relative or "", meta)
        write(store, group, Consolidated(old.zarr_format, changed, old.extra))


def _changed(documents: Documents, relative: str, meta: Metadata | None) -> Documents:
    """`documents` with another node at `relative`, or without it and what lies below it."""
    if meta is not None:
        return documents | consolidate({relative: meta}, meta.zarr_format).documents
    gone = {*_gone(documents, relative)}
    return {path: document for path, document in documents.items() if path not in gone}


def _gone(documents: Documents, relative: str) -> Iterator[str]:
    return (path for path in documents if path == relative or path.startswith(f"{relative}/"))


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


_lock = threading.Lock()
"""One change at a time in this process: what is stored is read, changed and written."""


def _after_fork() -> None:
    global _lock
    _lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
