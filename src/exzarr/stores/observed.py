"""A store that tells of its requests: around another for as long as somebody listens."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from itertools import repeat
from time import perf_counter
from typing import ParamSpec, TypeVar

from exzarr import telemetry
from exzarr.stores.base import KEEP, Buffer, ByteRange, Change, Fetched, Store, ValueReader, announce
from exzarr.stores.locks import waited
from exzarr.stores.wrappers import StoreWrapper
from exzarr.telemetry.events import RequestKind, StoreRequest

__all__ = ["ObservedStore", "ObservedValue"]

P = ParamSpec("P")
T = TypeVar("T")


class ObservedStore(StoreWrapper):
    """Hands everything on, and tells `hooks` how long it took.

    Where several values are read at once each is read by itself, so that each can be timed.
    """

    def __init__(self, inner: Store, hooks: telemetry.Hooks) -> None:
        super().__init__(inner)
        self._hooks = hooks
        self._url = inner.url

    # -- telling -----------------------------------------------------------------

    def tell(self, kind: RequestKind, key: str, nbytes: int, seconds: float, found: bool = True) -> None:
        """Tell of one request that went well."""
        telemetry.emit(StoreRequest(self._url, kind, key, nbytes, seconds, found), self._hooks)

    def timed(
        self, kind: RequestKind, key: str, call: Callable[P, T], *args: P.args, **more: P.kwargs
    ) -> tuple[T, float]:
        """What `call` gives, and the seconds it took. Failures are told here."""
        start = perf_counter()
        try:
            result = call(*args, **more)
        except BaseException as error:
            seconds = perf_counter() - start
            text = f"{type(error).__name__}: {error}"
            telemetry.emit(StoreRequest(self._url, kind, key, 0, seconds, error=text), self._hooks)
            raise
        return result, perf_counter() - start

    # -- reading -----------------------------------------------------------------

    def get(self, key: str, byte_range: ByteRange | None = None) -> Buffer | None:
        kind: RequestKind = "get" if byte_range is None else "range"
        value, seconds = self.timed(kind, key, self.inner.get, key, byte_range)
        self.tell(kind, key, 0 if value is None else len(value), seconds, value is not None)
        return value

    def read_into(self, key: str, buffer: memoryview, start: int = 0) -> int:
        room = len(buffer)
        got, seconds = self.timed("range" if start else "get", key, self.inner.read_into, key, buffer, start)
        kind: RequestKind = "range" if start or got > room else "get"
        self.tell(kind, key, min(max(got, 0), room), seconds, got >= 0)
        return got

    def read_each(
        self, keys: Sequence[str], buffers: Sequence[memoryview], starts: Sequence[int] | None = None
    ) -> Sequence[int]:
        return [*map(self.read_into, keys, buffers, starts or repeat(0))]

    def open_value(self, key: str) -> ValueReader | None:
        value, seconds = self.timed("size", key, self.inner.open_value, key)
        if value is None:
            self.tell("get", key, 0, seconds, False)
            return None
        return ObservedValue(self, key, value, seconds)

    def read_ranges(self, key: str, ranges: Sequence[tuple[int, int]], buffer: memoryview) -> bool:
        found, seconds = self.timed("range", key, self.inner.read_ranges, key, ranges, buffer)
        self.tell("range", key, sum(n for _, n in ranges) if found else 0, seconds, found)
        return found

    def fetch(
        self, key: str, byte_range: ByteRange | None = None, version: Hashable = None
    ) -> Fetched | None:
        kind: RequestKind = "get" if byte_range is None else "range"
        found, seconds = self.timed(kind, key, self.inner.fetch, key, byte_range, version)
        self.tell(kind, key, 0 if found is None else len(found.data), seconds, found is not None)
        return found

    def stat(self, key: str) -> Fetched | None:
        found, seconds = self.timed("size", key, self.inner.stat, key)
        self.tell("size", key, 0, seconds, found is not None)
        return found

    def size(self, key: str) -> int | None:
        size, seconds = self.timed("size", key, self.inner.size, key)
        self.tell("size", key, 0, seconds, size is not None)
        return size

    def exists(self, key: str) -> bool:
        found, seconds = self.timed("size", key, self.inner.exists, key)
        self.tell("size", key, 0, seconds, found)
        return found

    # -- writing -----------------------------------------------------------------

    def put(self, key: str, value: Buffer) -> None:
        _, seconds = self.timed("put", key, self.inner.put, key, value)
        self.tell("put", key, len(value), seconds)

    def put_parts(self, key: str, parts: Sequence[Buffer]) -> None:
        _, seconds = self.timed("put", key, self.inner.put_parts, key, parts)
        self.tell("put", key, sum(map(len, parts)), seconds)

    def put_new(self, key: str, value: Buffer) -> bool:
        put, seconds = self.timed("put", key, self.inner.put_new, key, value)
        if put:
            self.tell("put", key, len(value), seconds)
        else:
            self.tell("size", key, 0, seconds)
        return put

    def update(self, key: str, change: Change) -> None:
        self.updated(key, change)

    def updated(self, key: str, change: Change) -> Sequence[Buffer] | None:
        """`update`; returns what `change` returned. What waiting for others took counts to no request."""
        start, before = perf_counter(), waited()
        left: float | None = None
        parts: Sequence[Buffer] | None = KEEP

        def watched(value: ValueReader | None) -> Sequence[Buffer] | None:
            nonlocal left, parts, before
            wait = waited() - before
            seconds = max(0.0, perf_counter() - (start if left is None else left) - wait)
            left = None
            self.has_waited(wait)
            parts = change(self.old_value(key, value, seconds))
            self.new_value()
            before = waited()
            left = perf_counter()
            return parts

        try:
            self.inner.update(key, watched)
        except BaseException as error:
            if left is not None:
                text = f"{type(error).__name__}: {error}"
                seconds = perf_counter() - left
                telemetry.emit(StoreRequest(self._url, "put", key, 0, seconds, error=text), self._hooks)
            raise
        seconds = perf_counter() - (start if left is None else left)
        if parts is None:
            self.tell("delete", key, 0, seconds)
        elif parts is not KEEP:
            self.tell("put", key, sum(map(len, parts)), seconds)
        return parts

    def has_waited(self, seconds: float) -> None:
        """`update` waited so long for others."""

    def old_value(self, key: str, value: ValueReader | None, seconds: float) -> ValueReader | None:
        """What `update` shows of the value it found, after so many seconds."""
        if value is None:
            self.tell("get", key, 0, seconds, False)
            return None
        return ObservedValue(self, key, value, seconds)

    def new_value(self) -> None:
        """The change has been made, and is about to be put."""

    def delete(self, key: str) -> None:
        _, seconds = self.timed("delete", key, self.inner.delete, key)
        self.tell("delete", key, 0, seconds)

    def delete_prefix(self, prefix: str) -> None:
        _, seconds = self.timed("delete", prefix, self.inner.delete_prefix, prefix)
        self.tell("delete", prefix, 0, seconds)

    # -- listing -----------------------------------------------------------------

    def list(self, prefix: str = "") -> Iterator[str]:
        keys, seconds = self.timed("list", prefix, self.inner.list, prefix)
        return self._listing(keys, prefix, seconds)

    def _listing(self, keys: Iterator[str], prefix: str, seconds: float) -> Iterator[str]:
        # The time between two keys is the caller's own.
        try:
            while True:
                key, took = self.timed("list", prefix, next, keys, None)
                seconds += took
                if key is None:
                    break
                yield key
        except GeneratorExit:  # whoever listed has seen enough
            pass
        self.tell("list", prefix, 0, seconds)

    def list_dir(self, prefix: str = "") -> tuple[Sequence[str], Sequence[str]]:
        found, seconds = self.timed("list", prefix, self.inner.list_dir, prefix)
        self.tell("list", prefix, 0, seconds)
        return found


class ObservedValue:
    """An opened value whose reads are told. What opening it took counts to the first of them."""

    def __init__(
        self,
        store: ObservedStore,
        key: str,
        value: ValueReader,
        seconds: float,
        kind: RequestKind = "range",
    ) -> None:
        self._store = store
        self._kind: RequestKind = kind
        self._value = value
        self._opening: float | None = seconds
        self.key = key
        self.size = value.size
        self.version = value.version

    def read_into(self, buffer: memoryview, start: int) -> None:
        _, seconds = self._store.timed(self._kind, self.key, self._value.read_into, buffer, start)
        seconds += self._opening or 0.0
        self._opening = None
        self._store.tell(self._kind, self.key, len(buffer), seconds)

    def stage(self, parts: Sequence[Buffer]) -> None:
        """See `stores.notes.announce`."""
        announce(self._value, parts)

    def close(self) -> None:
        self._value.close()
        if self._opening is not None:  # it was only asked whether it is there, and which it is
            self._store.tell("size", self.key, 0, self._opening)
            self._opening = None
