"""Store wrapper that caches what it has read, in memory or on disk.

Each value and each part of a value is an entry, by key and range. A write through the wrapper drops the entries of
its key. Writes of other writers are detected by the value's version (an ETag, if the store has them), which
is requested when an entry is older than `max_age`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from typing import Literal, Protocol, TypeVar

from exzarr import telemetry
from exzarr.errors import ArgumentError
from exzarr.stores.base import (
    Buffer,
    ByteRange,
    BytesReader,
    Change,
    Fetched,
    Listed,
    Store,
    ValueReader,
    changed_error,
    check_key,
)
from exzarr.stores.instrument import instrument
from exzarr.stores.wrappers.base import Request, StoreWrapper
from exzarr.telemetry.events import CacheHit, RequestKind

__all__ = ["CachedStore", "Cache", "Place"]

T = TypeVar("T")

Place = tuple[str, int, int | None]
"""Key, and the range of the value: start and length."""

WHOLE: ByteRange = (0, None)


class Cache(Protocol):
    """Storage of cached values: `MemoryCache` or `DiskCache`. Any number of threads call it concurrently."""

    def find(self, place: Place) -> tuple[Fetched, float] | None:
        """Return the entry and the time when it was last validated (`time.time`); None if there is none."""
        ...

    def keep(self, place: Place, found: Fetched, at: float) -> None:
        """Add an entry, and evict the least recently used entries if the cache is full."""
        ...

    def drop(self, key: str) -> None:
        """Remove all entries of a key."""
        ...

    def drop_prefix(self, prefix: str) -> None:
        """Remove all entries of keys that start with ``prefix + "/"`` (all entries for ``""``)."""
        ...


class CachedStore(StoreWrapper):
    """Wrapper that reads through a cache.

    Parameters
    ----------
    inner
        The store.
    cache
        A `MemoryCache` or a `DiskCache`. Use it for this store only.
    max_age
        Number of seconds that an entry is valid. After that, a small request gets the value's version, and the value
        is read again if the version has changed. 0 validates each time. None never does: use it for data that
        does not change. Missing keys are not cached.
    """

    def __init__(self, inner: Store, cache: Cache, *, max_age: float | None = 60.0) -> None:
        super().__init__(inner)
        if max_age is not None and not max_age >= 0:
            raise ArgumentError(f"max_age is a number of seconds, not {max_age!r}")
        self.cache = cache
        self.max_age = max_age
        self._writes = 0
        """Number of writes begun plus number of writes ended."""

    # -- reading -----------------------------------------------------------------

    def fetch(
        self, key: str, byte_range: ByteRange | None = None, version: Hashable = None
    ) -> Fetched | None:
        check_key(key)
        if byte_range is not None and byte_range[1] == 0:
            return self.inner.fetch(key, byte_range, version)
        place = (key, *(byte_range or WHOLE))
        kept = self.cache.find(place)
        if kept is not None and self._still_right(place, *kept):
            found = kept[0]
            if version is not None and found.version != version:
                raise changed_error(self, key)
            self._tell(key, len(found.data), "get" if byte_range is None else "range")
            return found
        writes = self._writes
        fresh = self.inner.fetch(key, byte_range, version)
        if fresh is None:
            self.cache.drop(key)
        elif writes == self._writes:
            self.cache.keep(place, fresh, time.time())
        return fresh

    def _still_right(self, place: Place, found: Fetched, at: float) -> bool:
        if self.max_age is None or 0 <= time.time() - at < self.max_age:
            return True
        if found.version is None:
            return False
        now = instrument(self.inner).fetch(place[0], (0, 0))
        if now is None or now.version != found.version:
            return False
        self.cache.keep(place, found, time.time())
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

    def open_value(self, key: str) -> ValueReader | None:
        check_key(key)
        kept = self.cache.find((key, *WHOLE))
        if kept is not None and self._still_right((key, *WHOLE), *kept):
            self._tell(key, kept[0].size, "")
            return BytesReader(kept[0].data, kept[0].version)
        return self.inner.open_value(key)

    def list_values(self, prefix: str = "") -> Iterator[Listed]:
        return self.inner.list_values(prefix)

    # -- writing -----------------------------------------------------------------

    def around(self, request: Request, call: Callable[[], T]) -> T:
        if request.kind not in ("put", "delete"):
            return call()
        with self._changing(request.key):
            return call()

    def update(self, key: str, change: Change) -> None:
        with self._changing(key):
            self.inner.update(key, change)

    def delete_prefix(self, prefix: str) -> None:
        self._writes += 1
        try:
            self.inner.delete_prefix(prefix)
        finally:
            self._writes += 1
            self.cache.drop_prefix(prefix)

    @contextmanager
    def _changing(self, key: str) -> Iterator[None]:
        """Prevent that concurrent reads are cached during a write: they may return the old value."""
        self._writes += 1
        try:
            yield
        finally:
            self._writes += 1
            self.cache.drop(key)
