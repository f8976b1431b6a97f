"""The store that a server serves: the root of a hierarchy, and nothing beside it."""

from __future__ import annotations

from exzarr._nodes import hierarchy
from exzarr._nodes.array import Array
from exzarr._nodes.group import Group
from exzarr._nodes.hierarchy import Location
from exzarr.errors import ArgumentError, ReadOnlyError
from exzarr.serve.consolidated import ConsolidatingStore
from exzarr.serve.options import ServeOptions
from exzarr.stores.base import Store
from exzarr.stores.resolve import StoreLike, refuse_options, resolve_store
from exzarr.stores.url_options import StorageOptions
from exzarr.stores.wrappers.prefix import PrefixStore

__all__ = ["Servable", "source_of"]

Servable = StoreLike | Array | Group
"""An array, a group, or what `exzarr.open` opens: a path, a URL, a store, a dict."""


def source_of(served: Servable, options: ServeOptions, storage_options: StorageOptions | None) -> Store:
    """Return the store of the hierarchy, whose root is the served node. Open nothing else.

    Raises
    ------
    NodeNotFoundError
        There is no array or group. With ``options.write``: nor an empty place for one.
    ReadOnlyError
        ``options.write``, and the store cannot be written.
    """
    if isinstance(served, (Array, Group)):
        refuse_options(storage_options, "an opened node has its own options")
        if options.write and served.read_only:
            raise ReadOnlyError(f"cannot serve {served.store} for writing: the node was opened for reading")
        store, path = served.store, served.path
    else:
        store, path = resolve_store(
            served, mode="a" if options.write else "r", storage_options=storage_options
        )
    if path:
        store = PrefixStore(store, path)
    if not options.write:
        store = store.as_read_only()
    if not hierarchy.exists(Location(store, "")) and not (options.write and _is_empty(store)):
        raise hierarchy.not_found(Location(store, ""))
    if options.consolidate:
        if not store.traits.lists:
            raise ArgumentError(f"consolidate=True needs a store that lists its keys, which {store} cannot")
        return ConsolidatingStore(store)
    return store


def _is_empty(store: Store) -> bool:
    if not store.traits.lists:
        return True
    keys, prefixes = store.list_dir("")
    return not keys and not prefixes
