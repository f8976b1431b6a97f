"""Change a node's metadata atomically.

`change` is the only way: it reads the documents again, changes them and writes them, all under the lock of the node's
document (`Store.update`). Chunks that belong to the change are written before the document is put, and after it is
announced: in a folder, it is then stored under its temporary name. A writer that is killed before the put has changed
nothing, and leaves its write intent. Readers see the old node or the new one.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import TypeVar

from exzarr._format import v2
from exzarr._format.metadata import ArrayMetadata, GroupMetadata
from exzarr._nodes import consolidation, hierarchy
from exzarr._nodes.hierarchy import Location
from exzarr._nodes.resize import check_same_shape
from exzarr.stores.base import KEEP, NewValue, ValueReader, announce, whole_value
from exzarr.stores.instrument import instrument

__all__ = ["change"]

M = TypeVar("M", ArrayMetadata, GroupMetadata)


def change(
    location: Location,
    known: M,
    make: Callable[[M], M],
    *,
    first: Callable[[M, M, Location], object] | None = None,
    creates: bool = True,
    record: bool = True,
) -> M:
    """Replace a node's metadata by the result of `make`, and return it.

    Parameters
    ----------
    location
        The node.
    known
        Its metadata as last read, which determines the kind of node and the format.
    make
        Receives the stored metadata and returns the new one, or the same object to change nothing. If it raises,
        the documents remain unchanged. It may be called more than once, if other software changes the documents
        without a lock.
    first
        Receives the stored metadata, the new metadata, and a location to write chunks to (whose store may differ from
        the node's own). It runs before the document is put, and not at all if nothing changes. Exceptions and repeated
        calls are as for `make`.
    creates
        True if `first` may store new chunks: all that the new metadata adds.
    record
        False does not update consolidated metadata: the caller, which holds its lock, does so.

    Raises
    ------
    NodeNotFoundError, NodeTypeError
        The node was deleted, or replaced by a node of the other kind.
    LockTimeoutError
        Another writer holds the lock for longer than the setting ``lock_timeout``.

    Locks are not reentrant: `make` may not change the same node.
    """
    if first is not None and not location.store.traits.exclusive_update:
        from exzarr._nodes.leases import change_with_lease

        return change_with_lease(location, known, make, first, creates=creates, record=record)
    found: M = known
    changed: M = known
    begun: M | None = None
    key = location.key(hierarchy.document_name(known))
    store = instrument(location.store)
    intents = ExitStack()
    intent_stored = False

    def update(value: ValueReader | None) -> NewValue:
        nonlocal found, changed, intent_stored, begun
        if value is None:
            raise hierarchy.not_found(location, known.zarr_format)
        found = hierarchy.reloaded(location, known, key, whole_value(value))
        changed = make(found)
        if changed is found:
            return KEEP
        if record and not intent_stored:
            intent_stored = True
            intents.enter_context(consolidation.announced(location.store, location.path, known.zarr_format))
        documents = hierarchy.documents(changed)
        new = [documents[hierarchy.document_name(known)]]
        if first is not None:
            if begun is not None and creates:
                check_same_shape(location, begun, found)
            begun = found
            announce(value, new)
            first(found, changed, location)
        if known.zarr_format == 3:
            return new
        # v2 attributes are a separate document, which is changed under the lock of this one.
        if changed.attributes != found.attributes:
            store.put(location.key(v2.ZATTRS), documents[v2.ZATTRS])
        return KEEP if new[0] == hierarchy.documents(found)[hierarchy.document_name(known)] else new

    with intents:
        store.update(key, update)
        if record and changed is not found:
            hierarchy.recorded(location, changed)
    return changed
