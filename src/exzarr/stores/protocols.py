"""Parts of the store contract, for functions that need only one of them. Every `Store` has all three."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from exzarr.stores.values import Buffer, ByteRange, Change, ValueReader

__all__ = ["ListableStore", "ReadableStore", "WritableStore"]


class ReadableStore(Protocol):
    """Store from which values can be read (see `Store`)."""

    def get(self, key: str, byte_range: ByteRange | None = None) -> Buffer | None:
        """Return a value, or a part of it; see `Store.get`."""
        ...

    def open_value(self, key: str) -> ValueReader | None:
        """Open a value to read parts of it; see `Store.open_value`."""
        ...

    def size(self, key: str) -> int | None:
        """Return the length of a value in bytes; see `Store.size`."""
        ...

    def exists(self, key: str) -> bool:
        """Return True if there is a value; see `Store.exists`."""
        ...


class WritableStore(Protocol):
    """Store whose values can be changed (see `Store`)."""

    def put(self, key: str, value: Buffer) -> None:
        """Store a value; see `Store.put`."""
        ...

    def update(self, key: str, change: Change) -> None:
        """Replace a value by a function of it; see `Store.update`."""
        ...

    def delete(self, key: str) -> None:
        """Delete a key; see `Store.delete`."""
        ...


class ListableStore(Protocol):
    """Store whose keys can be listed (see `Store`)."""

    def list(self, prefix: str = "") -> Iterator[str]:
        """Iterate over keys; see `Store.list`."""
        ...

    def list_dir(self, prefix: str = "") -> tuple[Sequence[str], Sequence[str]]:
        """Return keys and prefixes directly under a prefix; see `Store.list_dir`."""
        ...
