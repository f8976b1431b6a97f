"""Changing what a node's metadata says, with nobody else changing it in between.

`change` is the one way: read the documents anew, change, write, all of it under the lock of the node's
document (`Store.update`). Chunks that belong to the change are written by the function that makes it:
they are there before the document is. Whoever is killed before it is put has changed nothing; whoever
reads sees the old node or the new one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, TypeVar

from exzarr import hierarchy
from exzarr.errors import NodeTypeError
from exzarr.format import v2, v3
from exzarr.format.metadata import ArrayMetadata, GroupMetadata
from exzarr.hierarchy import Location, Metadata
from exzarr.stores.base import KEEP, Buffer, ValueReader, whole_value
from exzarr.stores.watched import watched

__all__ = ["change"]

M = TypeVar("M", ArrayMetadata, GroupMetadata)


def change(location: Location, known: M, make: Callable[[M], M], *, record: bool = True) -> M:
    """Replace a node's metadata by what `make` makes of it; returns that.

    Parameters
    ----------
    location
        Where the node is.
    known
        What was known of it so far: says whether it is an array or a group, and of which version.
    make
        Gets the metadata as it is stored now, and returns what is to be stored (the same object, where
        nothing is). It may write chunks. What it raises is raised, and the documents stay as they are. It
        may be called more than once, where other software changes the documents without a lock.
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
    found: M = known
    changed: M = known
    key = location.key(_locked_document(known))
    store = watched(location.store)

    def update(value: ValueReader | None) -> Sequence[Buffer] | None:
        nonlocal found, changed
        if value is None:
            raise hierarchy.not_found(location, known.zarr_format)
        found = _loaded(location, known, key, whole_value(value))
        changed = make(found)
        if changed is found:
            return KEEP
        documents = hierarchy.documents(changed)
        if known.zarr_format == 3:
            return [documents[v3.DOCUMENT]]
        # Attributes are a document of their own, which is changed under the lock of the other.
        if changed.attributes != found.attributes:
            store.put(location.key(v2.ZATTRS), documents[v2.ZATTRS])
        new = documents[_locked_document(known)]
        return KEEP if new == hierarchy.documents(found)[_locked_document(known)] else [new]

    store.update(key, update)
    if record and changed is not found:
        hierarchy.recorded(location, changed)
    return changed


def _locked_document(meta: Metadata) -> str:
    if meta.zarr_format == 3:
        return v3.DOCUMENT
    return v2.ZARRAY if isinstance(meta, ArrayMetadata) else v2.ZGROUP


def _loaded(location: Location, known: M, key: str, document: Buffer) -> M:
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
