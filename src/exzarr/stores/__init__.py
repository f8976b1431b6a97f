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
        Store,
        ValueReader,
        check_key,
        check_prefix,
        resolve_range,
    )
    from exzarr.stores.local import LocalStore
    from exzarr.stores.memory import MemoryStore
    from exzarr.stores.resolve import Mode, StoreLike, resolve_store
    from exzarr.stores.wrappers import PrefixStore, ReadOnlyStore, StoreWrapper
    from exzarr.stores.zip import ZipStore

__all__ = [
    "Buffer",
    "ByteRange",
    "BytesReader",
    "LocalStore",
    "MemoryStore",
    "Mode",
    "PrefixStore",
    "ReadOnlyStore",
    "Store",
    "StoreLike",
    "StoreWrapper",
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
        "Store",
        "ValueReader",
        "check_key",
        "check_prefix",
        "resolve_range",
    ),
    "local": ("LocalStore",),
    "memory": ("MemoryStore",),
    "resolve": ("Mode", "StoreLike", "resolve_store"),
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
