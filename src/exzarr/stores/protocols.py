"""Parts of the store contract, for functions that need only one of them. Every `Store` has all three."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from exzarr.stores.values import Buffer, ByteRange, Change, ValueReader

__all__ = ["ListableStore", "ReadableStore", "WritableStore"]


class ReadableStore(Protocol):
    """Store from which values can be read (see `Store`)."""

    def get(self, key: str, byte_range: ByteRange | None = None) -> Buffer | None: ...
    def open_value(self, key: str) -> ValueReader | None: ...
    def size(self, key: str) -> int | None: ...
    def exists(self, key: str) -> bool: ...


class WritableStore(Protocol):
    """Store whose values can be changed (see `Store`)."""

    def put(self, key: str, value: Buffer) -> None: ...
    def update(self, key: str, change: Change) -> None: ...
    def delete(self, key: str) -> None: ...


class ListableStore(Protocol):
    """Store whose keys can be listed (see `Store`)."""

    def list(self, prefix: str = "") -> Iterator[str]: ...
    def list_dir(self, prefix: str = "") -> tuple[Sequence[str], Sequence[str]]: ...
