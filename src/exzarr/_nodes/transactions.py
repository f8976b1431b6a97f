"""Changing what a node's metadata says, with nobody else changing it in between.

`change` is the one way: read the documents anew, change, write, all of it under the lock of the node's
document (`Store.update`). What belongs to the change (chunks that are written) is done before the document is
put, and after it is announced: in a folder, it is there under its temporary name by then. Whoever is killed
before it is put has changed nothing, and left behind what he meant to do; whoever reads sees the old node or
the new one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import TypeVar

from exzarr._format import v2
from exzarr._format.metadata import ArrayMetadata, GroupMetadata
from exzarr._nodes import consolidation, hierarchy
from exzarr._nodes.hierarchy import Location, Metadata
from exzarr.errors import StoreError
from exzarr.stores.base import KEEP, Buffer, ValueReader, announce, whole_value
from exzarr.stores.instrument import instrument

__all__ = ["change", "check_same_shape"]

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
    """Replace a node's metadata by what `make` makes of it; returns that.

    Parameters
    ----------
    location
        Where the node is.
    known
        What was known of it so far: says whether it is an array or a group, and of which version.
    make
        Gets the metadata as it is stored now, and returns what is to be stored (the same object, where
        nothing is). What it raises is raised, and the documents stay as they are. It may be called more than
        once, where other software changes the documents without a lock.
    first
        Gets the metadata as it is stored, and as it will be, and does what has to be done before: writes
        chunks, say, to the place that it gets as well (whose store may be another than the node's own). What is
        said of `make` goes for it, too. It is not called where nothing changes.
    creates
        `first` may store chunks where there are none: all that the metadata will have and has not.
    record
        False leaves consolidated metadata as it is: the caller, who has it locked, brings it in step.

    Raises
    ------
    NodeNotFoundError, NodeTypeError
        The node is gone, or something else is in its place.
    LockTimeoutError
        Somebody else is changing it for longer than the setting ``lock_timeout``.

    Locks are not reentrant: `make` may not change the same node.
    """
    if first is not None and not location.store.exclusive_update:
        from exzarr._nodes.leases import change_with_lease

        return change_with_lease(location, known, make, first, creates=creates, record=record)
    found: M = known
    changed: M = known
    begun: M | None = None
    key = location.key(hierarchy.document_name(known))
    store = instrument(location.store)
    noted = ExitStack()
    said = False

    def update(value: ValueReader | None) -> Sequence[Buffer] | None:
        nonlocal found, changed, said, begun
        if value is None:
            raise hierarchy.not_found(location, known.zarr_format)
        found = hierarchy.reloaded(location, known, key, whole_value(value))
        changed = make(found)
        if changed is found:
            return KEEP
        if record and not said:
            said = True
            noted.enter_context(consolidation.noted(location.store, location.path, known.zarr_format))
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
        # Attributes are a document of their own, which is changed under the lock of the other.
        if changed.attributes != found.attributes:
            store.put(location.key(v2.ZATTRS), documents[v2.ZATTRS])
        return KEEP if new[0] == hierarchy.documents(found)[hierarchy.document_name(known)] else new

    with noted:
        store.update(key, update)
        if record and changed is not found:
            hierarchy.recorded(location, changed)
    return changed


def check_same_shape(location: Location, begun: Metadata, now: Metadata) -> None:
    """StoreError where an array's shape is not what it was when one began to write what lies past it."""
    if not isinstance(begun, ArrayMetadata) or not isinstance(now, ArrayMetadata) or begun.shape == now.shape:
        return
    axis = next((d for d, (n, m) in enumerate(zip(begun.shape, now.shape, strict=False)) if n != m), 0)
    raise StoreError(
        f"somebody else changed the shape of {location} from {begun.shape} to {now.shape} while this process "
        f"appended to it, and took no lock: what lies past {begun.shape[axis]} along dimension {axis} may be "
        "theirs or ours. Append from one process at a time there"
    )
