"""A store that keeps what it has read: in memory, or on a disk.

Values, and parts of values, are kept each by itself, by key and range. What is written through the
wrapper is known to be out of date at once. What others write is found out by the value's version (an
ETag, where the store has them), which is asked for once what is kept is older than `max_age`.
"""

from __future__ import annotations

import time
from collections.abc import Hashable, Iterator, Sequence
from contextlib import contextmanager
from itertools import repeat
from typing import Literal, Protocol

from exzarr import telemetry
from exzarr.errors import ArgumentError
from exzarr.stores.base import (
    Buffer,
    ByteRange,
    BytesReader,
    Change,
    Fetched,
    Store,
    ValueReader,
    changed_error,
    check_key,
)
from exzarr.stores.instrument import instrument
from exzarr.stores.wrappers.base import StoreWrapper
from exzarr.telemetry.events import CacheHit, RequestKind

__all__ = ["CachedStore", "Keeper", "Place"]

Place = tuple[str, int, int | None]
"""Key, and the range of the value: start and length."""

WHOLE: ByteRange = (0, None)


class Keeper(Protocol):
    """Where values are kept: `MemoryCache`, `DiskCache`. Any number of threads call it at once."""

    def find(self, place: Place) -> tuple[Fetched, float] | None:
        """What is kept, and when it was last known to be right (`time.time`); None where nothing is."""
        ...

    def keep(self, place: Place, found: Fetched, at: float) -> None:
        """Keep something, and let go of what was not used for the longest time."""
        ...

    def drop(self, key: str) -> None:
        """Let go of all that is kept of a key."""
        ...

    def drop_prefix(self, prefix: str) -> None:
        """Let go of all keys that start with ``prefix + "/"`` (of all, for ``""``)."""
        ...


class CachedStore(StoreWrapper):
    """Another store, with a cache in front.

    Parameters
    ----------
    inner
        The store.
    keeper
        A `MemoryCache` or a `DiskCache`. It belongs to this one store.
    max_age
        For how many seconds what was read is taken as it is. After that its version is asked for, which is a
        small request, and it is read again if that has changed. 0 asks each time; None never does, which is for
        data that nobody changes. Absent keys are not remembered.
    """

    def __init__(self, inner: Store, keeper: Keeper, *, max_age: float | None = 60.0) -> None:
        super().__init__(inner)
        if max_age is not None and not max_age >= 0:
            raise ArgumentError(f"max_age is a number of seconds, not {max_age!r}")
        self.keeper = keeper
        self.max_age = max_age
        self._writes = 0
        """Begun and ended writes."""

    # -- reading -----------------------------------------------------------------

    def fetch(
        self, key: str, byte_range: ByteRange | None = None, version: Hashable = None
    ) -> Fetched | None:
        check_key(key)
        place = (key, *(byte_range or WHOLE))
        kept = self.keeper.find(place)
        if kept is not None and self._still_right(place, *kept):
            found = kept[0]
            if version is not None and found.version != version:
                raise changed_error(self, key)
            self._tell(key, len(found.data), "get" if byte_range is None else "range")
            return found
        writes = self._writes
        fresh = self.inner.fetch(key, byte_range, version)
        if fresh is None:
            self.keeper.drop(key)
        elif writes == self._writes:
            self.keeper.keep(place, fresh, time.time())
        return fresh

    def _still_right(self, place: Place, found: Fetched, at: float) -> bool:
        if self.max_age is None or 0 <= time.time() - at < self.max_age:
            return True
        if found.version is None:
            return False
        now = instrument(self.inner).stat(place[0])
        if now is None or now.version != found.version:
            return False
        self.keeper.keep(place, found, time.time())
        return True

    def _tell(self, key: str, nbytes: int, request: RequestKind | Literal[""]) -> None:
        listeners = telemetry.hooks()
        if listeners:
            telemetry.emit(CacheHit("values", key, nbytes, self.inner.url, "", request), listeners)

    def get(self, key: str, byte_range: ByteRange | None = None) -> Buffer | None:
        found = self.fetch(key, byte_range)
        return None if found is None else found.data

    def read_into(self, key: str, buffer: memoryview, start: int = 0) -> int:
        return Store.read_into(self, key, buffer, start)

    def read_each(
        self, keys: Sequence[str], buffers: Sequence[memoryview], starts: Sequence[int] | None = None
    ) -> Sequence[int]:
        return [*map(self.read_into, keys, buffers, starts or repeat(0))]

    def read_ranges(self, key: str, ranges: Sequence[tuple[int, int]], buffer: memoryview) -> bool:
        return Store.read_ranges(self, key, ranges, buffer)

    def open_value(self, key: str) -> ValueReader | None:
        check_key(key)
        kept = self.keeper.find((key, *WHOLE))
        if kept is not None and self._still_right((key, *WHOLE), *kept):
            self._tell(key, kept[0].size, "")
            return BytesReader(kept[0].data, kept[0].version)
        return self.inner.open_value(key)

    # -- writing -----------------------------------------------------------------

    def put(self, key: str, value: Buffer) -> None:
        with self._changing(key):
            self.inner.put(key, value)

    def put_parts(self, key: str, parts: Sequence[Buffer]) -> None:
        with self._changing(key):
            self.inner.put_parts(key, parts)

    def put_if_absent(self, key: str, value: Buffer) -> bool:
        with self._changing(key):
            return self.inner.put_if_absent(key, value)

    def update(self, key: str, change: Change) -> None:
        with self._changing(key):
            self.inner.update(key, change)

    def delete(self, key: str) -> None:
        with self._changing(key):
            self.inner.delete(key)

    def delete_prefix(self, prefix: str) -> None:
        self._writes += 1
        try:
            self.inner.delete_prefix(prefix)
        finally:
            self._writes += 1
            self.keeper.drop_prefix(prefix)

    @contextmanager
    def _changing(self, key: str) -> Iterator[None]:
        """What is read meanwhile, here, is not kept: it may be the old value."""
        self._writes += 1
        try:
            yield
        finally:
            self._writes += 1
            self.keeper.drop(key)
