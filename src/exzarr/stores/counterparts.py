"""The store of exzarr for the place of a store of zarr-python."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from exzarr.stores.base import Store

__all__ = ["counterpart", "is_zarr_store"]


def is_zarr_store(candidate: object) -> bool:
    """Return True for a store of zarr-python, or of a package that derives from its `Store`. Import nothing."""
    module = sys.modules.get("zarr.abc.store")
    return module is not None and isinstance(candidate, module.Store)


def counterpart(theirs: Any) -> Store | None:
    """Return the store of exzarr for the same place as a store of zarr-python; None if there is none.

    Only zarr-python's own classes have one. A subclass or a wrapper may do anything with the keys and values that pass
    through it.
    """
    kind = type(theirs)
    make = _MAKERS.get(kind.__name__) if kind.__module__.partition(".")[0] == "zarr" else None
    return None if make is None else make(theirs)


def _local(theirs: Any) -> Store:
    from exzarr.stores.local.store import LocalStore

    return LocalStore(theirs.root, read_only=theirs.read_only)


def _memory(theirs: Any) -> Store:
    from exzarr.stores.mapping import MappingStore

    make_value = sys.modules["zarr.core.buffer.cpu"].Buffer.from_bytes
    return MappingStore(theirs._store_dict, make_value=make_value, read_only=theirs.read_only)


def _managed_memory(theirs: Any) -> Store:
    from exzarr.stores.wrappers.prefix import PrefixStore

    return PrefixStore(_memory(theirs), theirs.path) if theirs.path else _memory(theirs)


def _zip(theirs: Any) -> Store | None:
    from exzarr.stores.zip.store import ZipStore

    # zarr-python holds an archive that it writes open, and its table of contents in memory.
    return None if theirs._zmode != "r" or theirs.path is None else ZipStore(theirs.path)


def _object(theirs: Any) -> Store:
    from exzarr.stores.objects.store import ObjectStore

    return ObjectStore(theirs.store, read_only=theirs.read_only)


def _fsspec(theirs: Any) -> Store | None:
    from exzarr.stores.fsspec import FsspecStore

    fs = getattr(theirs.fs, "sync_fs", theirs.fs)
    if "reference" in fs.protocol:  # has all references in memory: do not load them twice
        return None
    if getattr(fs, "asynchronous", False):  # it belongs to the event loop of zarr-python
        fs = type(fs)(*fs.storage_args, **{**fs.storage_options, "asynchronous": False})
    return FsspecStore(fs, theirs.path, read_only=theirs.read_only)


_MAKERS: dict[str, Callable[[Any], Store | None]] = {
    "LocalStore": _local,
    "MemoryStore": _memory,
    "ManagedMemoryStore": _managed_memory,
    "ZipStore": _zip,
    "ObjectStore": _object,
    "FsspecStore": _fsspec,
}
