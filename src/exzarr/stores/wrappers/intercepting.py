"""Base class of wrappers that intercept every request, such as to count, delay or retry it."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Hashable, Iterator, Sequence
from itertools import repeat
from typing import Any, TypeVar

from exzarr.stores.base import KEEP, Buffer, ByteRange, Change, Fetched, NewValue, ValueReader
from exzarr.stores.wrappers.base import StoreWrapper
from exzarr.telemetry.events import RequestKind

__all__ = ["InterceptingStore", "Into", "nbytes_of"]

T = TypeVar("T")


class InterceptingStore(StoreWrapper):
    """Wrapper that passes every request to `around`, which carries it out.

    Each key of a batch is a request of its own, and so is each part of an opened value. A listing is one request.
    """

    @abstractmethod
    def around(self, kind: RequestKind, key: str, nbytes: int, call: Callable[..., T], *args: Any) -> T:
        """Carry out the request ``call(*args)`` and return its result.

        Parameters
        ----------
        kind
            The kind of the request.
        key
            The key, or the prefix of a listing.
        nbytes
            Number of bytes that are put. `nbytes_of` gives the number of bytes read from the result.
        call, args
            The request.
        """

    # -- reading -----------------------------------------------------------------

    def get(self, key: str, byte_range: ByteRange | None = None) -> Buffer | None:
        kind: RequestKind = "get" if byte_range is None else "range"
        return self.around(kind, key, 0, self.inner.get, key, byte_range)

    def fetch(
        self, key: str, byte_range: ByteRange | None = None, version: Hashable = None
    ) -> Fetched | None:
        kind: RequestKind = "get" if byte_range is None else "range"
        return self.around(kind, key, 0, self.inner.fetch, key, byte_range, version)

    def stat(self, key: str) -> Fetched | None:
        return self.around("size", key, 0, self.inner.stat, key)

    def read_into(self, key: str, buffer: memoryview, start: int = 0) -> int:
        return self.around("range" if start else "get", key, 0, self._read_into, key, buffer, start).got

    def _read_into(self, key: str, buffer: memoryview, start: int) -> Into:
        return Into(self.inner.read_into(key, buffer, start), len(buffer))

    def read_each(
        self, keys: Sequence[str], buffers: Sequence[memoryview], starts: Sequence[int] | None = None
    ) -> Sequence[int]:
        return [*map(self.read_into, keys, buffers, starts or repeat(0))]

    def open_value(self, key: str) -> ValueReader | None:
        value = self.around("size", key, 0, self.inner.open_value, key)
        return None if value is None else _InterceptedValue(self, key, value)

    def size(self, key: str) -> int | None:
        return self.around("size", key, 0, self.inner.size, key)

    def exists(self, key: str) -> bool:
        return self.around("size", key, 0, self.inner.exists, key)

    # -- writing -----------------------------------------------------------------

    def put(self, key: str, value: Buffer) -> None:
        self.around("put", key, len(value), self.inner.put, key, value)

    def put_parts(self, key: str, parts: Sequence[Buffer]) -> None:
        self.around("put", key, sum(map(len, parts)), self.inner.put_parts, key, parts)

    def put_if_absent(self, key: str, value: Buffer) -> bool:
        return self.around("put", key, len(value), self.inner.put_if_absent, key, value)

    def update(self, key: str, change: Change) -> None:
        """Intercept two requests: one that gets the value, and one that puts the new value."""

        def intercepted(value: ValueReader | None) -> NewValue:
            size = 0 if value is None else value.size
            self.around("get", key, 0, Into, size, size)
            parts = change(value)
            if parts is None:
                self.around("delete", key, 0, _nothing)
            elif parts is not KEEP:
                self.around("put", key, sum(map(len, parts)), _nothing)
            return parts

        self.inner.update(key, intercepted)

    def delete(self, key: str) -> None:
        self.around("delete", key, 0, self.inner.delete, key)

    def delete_prefix(self, prefix: str) -> None:
        self.around("delete", prefix, 0, self.inner.delete_prefix, prefix)

    # -- listing -----------------------------------------------------------------

    def list(self, prefix: str = "") -> Iterator[str]:
        return self.around("list", prefix, 0, self.inner.list, prefix)

    def list_dir(self, prefix: str = "") -> tuple[Sequence[str], Sequence[str]]:
        return self.around("list", prefix, 0, self.inner.list_dir, prefix)


class Into:
    """Result of `read_into`, with the length of the buffer."""

    __slots__ = ("got", "room")

    def __init__(self, got: int, room: int) -> None:
        self.got = got
        self.room = room


class _InterceptedValue:
    """An opened value whose reads are requests."""

    __slots__ = ("_key", "_store", "_value", "size", "version")

    def __init__(self, store: InterceptingStore, key: str, value: ValueReader) -> None:
        self._store = store
        self._key = key
        self._value = value
        self.size = value.size
        self.version = value.version

    def read_into(self, buffer: memoryview, start: int) -> None:
        if start + len(buffer) > self.size:  # a retry would fail in the same way
            self._value.read_into(buffer, start)
            return
        self._store.around("range", self._key, 0, self._fill, buffer, start)

    def _fill(self, buffer: memoryview, start: int) -> Into:
        self._value.read_into(buffer, start)
        return Into(len(buffer), len(buffer))

    def close(self) -> None:
        self._value.close()


def _nothing() -> None:
    """Do nothing: the `update` of the inner store carries out the request."""


def nbytes_of(result: object) -> int:
    """Return the number of bytes read, from the result of a request of an `InterceptingStore`."""
    if isinstance(result, Into):
        return min(max(result.got, 0), result.room)
    if isinstance(result, Fetched):
        return len(result.data)
    return len(result) if isinstance(result, (bytes, bytearray, memoryview)) else 0
