"""What a writer that died had not finished, finished or undone: the repair of a left-over file that says what it was.

Chunks that are part of no array (past the end of one that was to grow, or had shrunk; of a node whose document is
not there) are moved into quarantine. Documents of arrays that were to grow together, and are ahead of the group's, get
back the shape that the group's says: there the ingestion goes on. Consolidated metadata is brought in step with
what is stored now, whoever wrote it. So nothing that anybody committed since is lost.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
from exzarr.stores.base import KEEP, Buffer, Store, ValueReader

__all__ = ["finish"]


def finish(store: Store, intent: Intent, stamp: str) -> str:
    """Do what is left to do about `intent`; says what that was, or nothing. `stamp` names the quarantine."""
    did = []
    if isinstance(intent.meta, GroupMetadata):
        back = sum(_set_back(store, intent, path) for path in intent.arrays())
        if back:
            did.append(f"{back} arrays have the shape again that the group's document says")
    moved = sum(_move_outside(store, intent, path, stamp) for path in intent.arrays())
    moved += _move_orphans(store, intent, stamp)
    if moved:
        did.append(f"{moved} chunks that it left are in quarantine, {stamp}")
    if sum(_bring_in_step(store, node) for node in intent.nodes):
        did.append("consolidated metadata is brought in step")
    return "; ".join(did)


# -- arrays that were to grow together --------------------------------------------------


def _set_back(store: Store, intent: Intent, path: str) -> bool:
    """Give the array at `path` the shape that its group says, where its document got ahead of that."""
    group, below = Location(store, intent.path), path[len(intent.path) :].lstrip("/")
    meant = intent.array_at(path)
    done = False

    def change(_: ValueReader | None) -> Sequence[Buffer]:  # under the group's lock, as who ingests
        nonlocal done
        found, now = hierarchy.find(group, 3), hierarchy.find(group.child(below), 3)
        told = _told(found, below)
        if told is None or meant is None or not isinstance(now, ArrayMetadata):
            return KEEP
        if now.shape == meant.shape != told.shape:
            transactions.change(group.child(below), now, partial(_with_shape, told.shape), record=False)
            done = True
        return KEEP

    store.update(group.key(DOCUMENTS[0]), change)
    return done


def _told(group: Any, below: str) -> ArrayMetadata | None:
    """What the group's document says of the array `below` it."""
    if not isinstance(group, GroupMetadata) or group.consolidated is None:
        return None
    found = consolidated_node(group.consolidated, below)
    return found if isinstance(found, ArrayMetadata) else None


def _with_shape(shape: tuple[int, ...], meta: ArrayMetadata) -> ArrayMetadata:
    return meta.with_(shape=shape)


# -- chunks ------------------------------------------------------------------------------


def _move_outside(store: Store, intent: Intent, path: str, stamp: str) -> int:
    """Move the chunks of the array at `path` that the intent has, and the array has not; how many these were."""
    location = Location(store, path)
    found = hierarchy.find(location)
    if not isinstance(found, ArrayMetadata):
        return 0
    moved = 0

    def change(_: ValueReader | None) -> Sequence[Buffer]:  # so nobody is making it grow
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
    """Move documents and chunks where a node was being made or removed, those of nodes below, too; how many there were.

    What else lies there was there before, or is somebody's.
    """
    if intent.meta is None or not is_unfinished(store, intent):
        return 0
    keys = [key for key in store.list(intent.path) if QUARANTINE not in key and _is_ours(key)]
    return sum(_move(store, key, quarantine_key(intent.path, key, stamp)) for key in keys)


def _is_ours(key: str) -> bool:
    name = key.rpartition("/")[2]
    return name in DOCUMENTS or looks_like_chunk(name)


def _move(store: Store, key: str, target: str) -> bool:
    value = store.open_value(key)
    if value is None:
        return False
    try:
        mark = fingerprint_of(value)
    finally:
        value.close()
    return set_aside(store, key, target, mark)


# -- consolidated metadata ----------------------------------------------------------------


def _bring_in_step(store: Store, node: str) -> bool:
    """Have the consolidated metadata above `node` say what is stored of it, and of what lies below it."""
    try:
        normalize_path(node)
    except InvalidKeyError:  # a file may say anything
        return False
    done = False
    for path in folders_above(node):
        group = hierarchy.find(Location(store, path))
        if isinstance(group, GroupMetadata):
            done |= _bring_one_in_step(store, path, group, node)
    return done


def _bring_one_in_step(store: Store, path: str, group: GroupMetadata, node: str) -> bool:
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
