"""The traits of a store: facts that the engine, streams and checks adapt to."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["StoreTraits"]


@dataclass(frozen=True, slots=True)
class StoreTraits:
    """Traits of a store (`Store.traits`).

    Attributes
    ----------
    read_only
        True if all writes raise ReadOnlyError.
    concurrency
        Preferred number of requests in flight. 0: the store has no latency, and concurrent requests gain nothing.
    picklable
        True if other processes can use a pickle of the store. False for a store in this process's memory.
    conditional_delete
        True if `Store.update` can delete a value on condition that it is unchanged. Otherwise a partial write that
        leaves a chunk empty stores a chunk of fill values instead of deleting it.
    exclusive_update
        True if no other writer can change a value while `Store.update` runs. Otherwise `update` uses a conditional
        put, and a change of several values requires a writer lease (`exzarr._nodes.leases`).
    lists
        True if the store can list its keys, as far as is known. Otherwise `list` and `list_dir` raise
        ListingUnsupportedError. Some stores know this only after the first attempt, and then replace their traits.
        An empty listing always means that there are no keys.
    documents_first
        True if the store accepts a chunk only if the metadata document of its array is stored, as the session of a
        transaction may. Otherwise documents are stored last, so that readers find no incomplete node.
    """

    read_only: bool = False
    concurrency: int = 0
    picklable: bool = True
    conditional_delete: bool = True
    exclusive_update: bool = True
    lists: bool = True
    documents_first: bool = False
