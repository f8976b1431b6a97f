"""keys ↔ bytes: one file per store, and wrappers that compose.

A store is imported when it is first asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from exzarr.stores.base import (
        Buffer,
        ByteRange,
        BytesReader,
        Fetched,
        Store,
        ValueReader,
        check_key,
        check_prefix,
        resolve_range,
    )
    from exzarr.stores.caching import CachedStore
    from exzarr.stores.counting import CountingStore
    from exzarr.stores.disk_cache import DiskCache
    from exzarr.stores.fsspec import FsspecStore
    from exzarr.stores.latency import LatencyStore
    from exzarr.stores.local import LocalStore
    from exzarr.stores.memory import MemoryStore
    from exzarr.stores.memory_cache import MemoryCache
    from exzarr.stores.object_options import AzureOptions, GCSOptions, HTTPOptions, S3Options
    from exzarr.stores.objects import ObjectStore
    from exzarr.stores.references import ReferenceStore
    from exzarr.stores.resolve import Mode, StoreLike, resolve_store
    from exzarr.stores.retry import RetryStore
    from exzarr.stores.sqlite import SQLiteStore
    from exzarr.stores.throttle import ThrottledStore
    from exzarr.stores.wrappers import PrefixStore, ReadOnlyStore, StoreWrapper
    from exzarr.stores.zip import ZipStore

__all__ = [
    "AzureOptions",
    "Buffer",
    "ByteRange",
    "BytesReader",
    "CachedStore",
    "CountingStore",
    "DiskCache",
    "Fetched",
    "FsspecStore",
    "GCSOptions",
    "HTTPOptions",
    "LatencyStore",
    "LocalStore",
    "MemoryCache",
    "MemoryStore",
    "Mode",
    "ObjectStore",
    "PrefixStore",
    "ReadOnlyStore",
    "ReferenceStore",
    "RetryStore",
    "S3Options",
    "SQLiteStore",
    "Store",
    "StoreLike",
    "StoreWrapper",
    "ThrottledStore",
    "ValueReader",
    "ZipStore",
    "check_key",
    "check_prefix",
    "resolve_range",
    "resolve_store",
]

_HOMES = {
    "base": (
        "Buffer",
        "ByteRange",
        "BytesReader",
        "Fetched",
        "Store",
        "ValueReader",
        "check_key",
        "check_prefix",
        "resolve_range",
    ),
    "caching": ("CachedStore",),
    "counting": ("CountingStore",),
    "disk_cache": ("DiskCache",),
    "fsspec": ("FsspecStore",),
    "latency": ("LatencyStore",),
    "local": ("LocalStore",),
    "memory": ("MemoryStore",),
    "memory_cache": ("MemoryCache",),
    "object_options": ("AzureOptions", "GCSOptions", "HTTPOptions", "S3Options"),
    "objects": ("ObjectStore",),
    "references": ("ReferenceStore",),
    "resolve": ("Mode", "StoreLike", "resolve_store"),
    "retry": ("RetryStore",),
    "sqlite": ("SQLiteStore",),
    "throttle": ("ThrottledStore",),
    "wrappers": ("PrefixStore", "ReadOnlyStore", "StoreWrapper"),
    "zip": ("ZipStore",),
}


def __getattr__(name: str) -> Any:
    from importlib import import_module

    for module, names in _HOMES.items():
        if name in names:
            value = getattr(import_module(f"{__name__}.{module}"), name)
            globals()[name] = value
            return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__]
