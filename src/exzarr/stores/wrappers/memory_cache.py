"""Memory cache of a `CachedStore`."""

from __future__ import annotations

import threading
from collections import OrderedDict

from exzarr.errors import ArgumentError
from exzarr.stores.base import Fetched
from exzarr.stores.wrappers.caching import Place

__all__ = ["MemoryCache"]

ENTRY_NBYTES = 400
"""Size of an entry in bytes, without its data."""


class MemoryCache:
    """Cache of up to `max_bytes` in memory, with eviction of the least recently used entries.

    An entry larger than a quarter of `max_bytes` is not cached, because it would evict all others. A pickle of the
    cache is empty.

    Parameters
    ----------
    max_bytes
        Maximum size in bytes.
    """

    def __init__(self, max_bytes: int = 256 * 1024 * 1024) -> None:
        if max_bytes < 0:
            raise ArgumentError(f"max_bytes of a MemoryCache may not be negative, not {max_bytes}")
        self.max_bytes = max_bytes
        self._lock = threading.Lock()
        self._kept: OrderedDict[Place, tuple[Fetched, float]] = OrderedDict()
        self._places: dict[str, set[Place]] = {}
        self._nbytes = 0

    @property
    def nbytes(self) -> int:
        """Size of the cache in bytes."""
        return self._nbytes

    def find(self, place: Place) -> tuple[Fetched, float] | None:
        """Return an entry and the time of its validation; see `Cache`."""
        with self._lock:
            found = self._kept.get(place)
            if found is not None:
                self._kept.move_to_end(place)
            return found

    def keep(self, place: Place, found: Fetched, at: float) -> None:
        """Add an entry; see `Cache`."""
        # Copy unless it is bytes: a cached value may not change, and a view may keep a large buffer alive.
        data = found.data if type(found.data) is bytes else bytes(found.data)
        with self._lock:
            self._remove(place)
            cost = len(data) + ENTRY_NBYTES
            if cost * 4 > self.max_bytes:
                return
            self._kept[place] = Fetched(data, found.size, found.version), at
            self._places.setdefault(place[0], set()).add(place)
            self._nbytes += cost
            while self._nbytes > self.max_bytes:
                self._remove(next(iter(self._kept)))

    def drop(self, key: str) -> None:
        """Remove all entries of a key; see `Cache`."""
        with self._lock:
            for place in [*self._places.get(key, ())]:
                self._remove(place)

    def drop_prefix(self, prefix: str) -> None:
        """Remove all entries of the keys under a prefix; see `Cache`."""
        start = prefix and prefix + "/"
        with self._lock:
            for place in [place for place in self._kept if place[0].startswith(start)]:
                self._remove(place)

    def _remove(self, place: Place) -> None:
        found = self._kept.pop(place, None)
        if found is None:
            return
        self._nbytes -= len(found[0].data) + ENTRY_NBYTES
        places = self._places[place[0]]
        places.discard(place)
        if not places:
            del self._places[place[0]]

    def __reduce__(self) -> tuple[object, ...]:
        return MemoryCache, (self.max_bytes,)

    def __repr__(self) -> str:
        return f"<MemoryCache of {self._nbytes} of {self.max_bytes} bytes>"

    def __eq__(self, other: object) -> bool:
        return self is other

    __hash__ = object.__hash__
