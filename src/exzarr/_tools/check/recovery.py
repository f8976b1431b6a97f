"""Finish or undo the unfinished write of a process that died, as recorded in its write intent.

- Chunks that belong to no array are moved into quarantine: chunks beyond the end of an array that was growing or
  shrinking, and chunks of a node without a document.
- Arrays that grew together, and are ahead of the group's document, get the shape in the group's document. An ingestion
  resumes from there.
- Consolidated metadata is updated to match the stored nodes.

Recovery uses the current state of the store, so later commits of other processes are not lost.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from exzarr._engine.source import open_source
from exzarr._format.metadata import ArrayMetadata, GroupMetadata
from exzarr._format.nodes import consolidated_node
from exzarr._format.write_intents import Intent
from exzarr._nodes import consolidation, hierarchy, transactions
from exzarr._nodes.hierarchy import DOCUMENTS, Location, normalize_path
from exzarr._nodes.stored import chunk_index
from exzarr._tools.check.consolidated import inspect_consolidated, node_of
from exzarr._tools.check.entries import QUARANTINE
from exzarr._tools.check.nodes import looks_like_chunk
from exzarr._tools.check.quarantine import quarantine_key, set_aside
from exzarr._tools.check.stored_intents import folders_above, is_unfinished
from exzarr._tools.check.values import fingerprint_of
from exzarr.errors import InvalidKeyError
from exzarr.stores.base import KEEP, NewValue, Store, ValueReader

__all__ = ["finish"]


def finish(store: Store, intent: Intent, stamp: str) -> str:
    """Finish or undo the write that `intent` records. Return a description, or "". `stamp` names the quarantine."""
    did = []
    if isinstance(intent.meta, GroupMetadata):
        reset = sum(_reset_shape(store, intent, path) for path in intent.arrays())
        if reset:
            did.append(f"reset {reset} arrays to the shape in the group's document")
    moved = sum(_move_outside(store, intent, path, stamp) for path in intent.arrays())
    moved += _move_orphans(store, intent, stamp)
    if moved:
        did.append(f"moved {moved} chunks to quarantine {stamp}")
    if sum(_update_consolidated(store, node) for node in intent.nodes):
        did.append("updated consolidated metadata")
    return "; ".join(did)


# -- arrays that grow together ----------------------------------------------------------


def _reset_shape(store: Store, intent: Intent, path: str) -> bool:
    """Reset the array at `path` to the shape in its group's document, if the array is ahead of it."""
    group, below = Location(store, intent.path), path[len(intent.path) :].lstrip("/")
    meant = intent.array_at(path)
    done = False

    def change(_: ValueReader | None) -> NewValue:  # under the group's lock, like an ingestion
        nonlocal done
        found, now = hierarchy.find(group, 3), hierarchy.find(group.child(below), 3)
        recorded = _recorded(found, below)
        if recorded is None or meant is None or not isinstance(now, ArrayMetadata):
            return KEEP
        if now.shape == meant.shape != recorded.shape:
            transactions.change(group.child(below), now, partial(_with_shape, recorded.shape), record=False)
            done = True
        return KEEP

    store.update(group.key(DOCUMENTS[0]), change)
    return done


def _recorded(group: Any, below: str) -> ArrayMetadata | None:
    """Return the metadata of the array `below` in the group's document."""
    if not isinstance(group, GroupMetadata) or group.consolidated is None:
        return None
    found = consolidated_node(group.consolidated, below)
    return found if isinstance(found, ArrayMetadata) else None


def _with_shape(shape: tuple[int, ...], meta: ArrayMetadata) -> ArrayMetadata:
    return meta.with_(shape=shape)


# -- chunks ------------------------------------------------------------------------------


def _move_outside(store: Store, intent: Intent, path: str, stamp: str) -> int:
    """Move chunks of the intent that are outside the array at `path`. Return their number."""
    location = Location(store, path)
    found = hierarchy.find(location)
    if not isinstance(found, ArrayMetadata):
        return 0
    moved = 0

    def change(_: ValueReader | None) -> NewValue:  # under the document's lock, so the array cannot grow
        nonlocal moved
        now = hierarchy.find(location, found.zarr_format)
        if not isinstance(now, ArrayMetadata):
            return KEEP
        source = open_source(store, path, now)
        counts = now.chunk_grid.chunk_counts
        for key in store.list(path):
            index = chunk_index(source, key)
            if index is None or all(map(int.__lt__, index, counts)) or not intent.has_chunk(path, index):
                continue
            moved += _move(store, key, quarantine_key(path, key, stamp))
        return KEEP

    store.update(location.key(hierarchy.locked_document(found)[0]), change)
    return moved


def _move_orphans(store: Store, intent: Intent, stamp: str) -> int:
    """Move the documents and chunks of a node that was being created or removed, and of nodes below it.

    Return their number. Other files may belong to other software and are kept.
    """
    if intent.meta is None or not is_unfinished(store, intent):
        return 0
    keys = [key for key in store.list(intent.path) if QUARANTINE not in key and _is_zarr_key(key)]
    return sum(_move(store, key, quarantine_key(intent.path, key, stamp)) for key in keys)


def _is_zarr_key(key: str) -> bool:
    name = key.rpartition("/")[2]
    return name in DOCUMENTS or looks_like_chunk(name)


def _move(store: Store, key: str, target: str) -> bool:
    value = store.open_value(key)
    if value is None:
        return False
    try:
        fingerprint = fingerprint_of(value)
    finally:
        value.close()
    return set_aside(store, key, target, fingerprint)


# -- consolidated metadata ----------------------------------------------------------------


def _update_consolidated(store: Store, node: str) -> bool:
    """Update the consolidated metadata above `node` to match the stored documents of it and of the nodes below it."""
    try:
        normalize_path(node)
    except InvalidKeyError:  # the content of a file is not trusted
        return False
    done = False
    for path in folders_above(node):
        group = hierarchy.find(Location(store, path))
        if isinstance(group, GroupMetadata):
            done |= _update_group(store, path, group, node)
    return done


def _update_group(store: Store, path: str, group: GroupMetadata, node: str) -> bool:
    location = Location(store, path)
    below = [location.key(found) for found, _ in hierarchy.nodes_below(location)]
    stale = [node_of(finding) for finding in inspect_consolidated(store, path, group.zarr_format, below)]
    done = False
    for one in stale:
        if node and one != node and not one.startswith(f"{node}/"):
            continue
        find: Callable[[Any], Any] = partial(hierarchy.find, Location(store, one))
        meta = find(group.zarr_format)
        if meta is None:
            consolidation.forget(store, one, find)
        else:
            consolidation.record(store, one, meta, partial(find, group.zarr_format))
        done = True
    return done
