"""Consolidated metadata in use: found through it, kept in step with what is written through it.

A group that was opened with consolidated metadata hands its `ConsolidatedRoot` to every node
found below it. Whoever then changes such a node - creates, resizes, sets attributes, deletes -
tells the root, which changes its own copy and the stored one. So consolidated metadata is
never trusted over a node that was written through it.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence

from exzarr.errors import MetadataError
from exzarr.format import consolidated as formats
from exzarr.format import json_text, v2, v3
from exzarr.format.consolidated import Consolidated
from exzarr.format.metadata import ArrayMetadata, GroupMetadata
from exzarr.format.nodes import consolidate, consolidated_node
from exzarr.stores.base import Store

__all__ = ["ConsolidatedRoot", "open_root"]

Metadata = ArrayMetadata | GroupMetadata


class ConsolidatedRoot:
    """The consolidated metadata of one group, shared by all nodes that were found through it."""

    __slots__ = ("_consolidated", "_lock", "_path", "_store", "_zarr_format")

    def __init__(self, store: Store, path: str, consolidated: Consolidated) -> None:
        self._store = store
        self._path = path
        self._consolidated = consolidated
        self._zarr_format = consolidated.zarr_format
        self._lock = threading.Lock()

    def _relative(self, path: str) -> str | None:
        """`path` as seen from the group; None where it is not below it."""
        if path == self._path:
            return ""
        head = f"{self._path}/" if self._path else ""
        return path[len(head) :] if path.startswith(head) else None

    def find(self, path: str) -> tuple[bool, Metadata | None]:
        """(whether the consolidated metadata decides, the node at `path` in the store or None)."""
        relative = self._relative(path)
        if not relative:
            return False, None  # the group's own document is always read
        return True, consolidated_node(self._consolidated, relative)

    def children(self, path: str) -> Sequence[str] | None:
        """Names of the nodes right below `path`, sorted; None where it is not below the group."""
        relative = self._relative(path)
        return None if relative is None else sorted(self._consolidated.children(relative))

    def record(self, path: str, meta: Metadata) -> None:
        """The node at `path` was written: change the copy here and the stored one."""
        relative = self._relative(path)
        if relative is None or meta.zarr_format != self._zarr_format:
            return
        if not relative and self._zarr_format == 3:
            return  # the group's own document holds the consolidated metadata, and was just written
        with self._lock:
            self._consolidated.documents.update(consolidate({relative: meta}, self._zarr_format).documents)
            self._store_again()

    def forget(self, path: str) -> None:
        """The node at `path` was removed, with all below it."""
        relative = self._relative(path)
        if not relative:
            return
        with self._lock:
            documents = self._consolidated.documents
            gone = [p for p in documents if p == relative or p.startswith(f"{relative}/")]
            for p in gone:
                del documents[p]
            if gone:
                self._store_again()

    def _store_again(self) -> None:
        write(self._store, self._path, self._consolidated, only_if_there=True)


def open_root(store: Store, path: str, meta: GroupMetadata) -> ConsolidatedRoot | None:
    """The consolidated metadata of the group at `path`; None where it has none."""
    if meta.zarr_format == 3:
        found = meta.consolidated
    else:
        key = f"{path}/{v2.ZMETADATA}" if path else v2.ZMETADATA
        document = store.get(key)
        if document is None:
            return None
        try:
            found = formats.from_v2(json_text.decode(document, key))
        except MetadataError as error:
            raise type(error)(f"{key}: {error}; open with use_consolidated=False to do without") from error
    return None if found is None else ConsolidatedRoot(store, path, found)


def write(store: Store, path: str, consolidated: Consolidated, *, only_if_there: bool = False) -> None:
    """Store the consolidated metadata of the group at `path`."""
    head = f"{path}/" if path else ""
    if consolidated.zarr_format == 2:
        key = head + v2.ZMETADATA
        if not only_if_there or store.exists(key):
            store.put(key, json_text.encode(formats.to_v2(consolidated)))
        return
    key = head + v3.DOCUMENT
    document = store.get(key)
    group = None if document is None else v3.loads(document, key)
    # The group's own document is read anew: its attributes may have changed meanwhile.
    if isinstance(group, GroupMetadata) and (group.consolidated is not None or not only_if_there):
        store.put(key, v3.dumps(group.with_(consolidated=consolidated)))
