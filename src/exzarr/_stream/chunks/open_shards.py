"""Shards that a stream keeps open.

In grid order, a stream returns to a shard for every row of its inner chunks. The most recently used shards stay open, so
that each is opened once and not once per row. All threads share one opened value per shard. An opened value does not
change if the shard is replaced meanwhile.
"""

from __future__ import annotations

import threading
from collections import OrderedDict

from exzarr.stores.base import BytesReader, Store, ValueReader
from exzarr.stores.protocols import ReadableStore

__all__ = ["OpenShard", "OpenShards"]

MOST = 64
"""Maximum number of open shards, besides those in use. Each may be a file descriptor."""

MOST_NBYTES = 16 * 1024 * 1024
"""Maximum bytes of open shards that are in memory as a whole because their store cannot read parts."""


class OpenShard:
    """One shard: open, missing, or about to be opened."""

    __slots__ = ("_lock", "kept", "known", "reader", "users")

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.known = False
        self.reader: ValueReader | None = None
        """The opened value; None if the shard is missing."""
        self.users = 0
        self.kept = True

    def open(self, store: ReadableStore, key: str) -> None:
        """Open the shard unless it is open. Concurrent threads wait for the first one."""
        if not self.known:
            with self._lock:
                if not self.known:
                    self.reader = store.open_value(key)
                    self.known = True

    @property
    def nbytes(self) -> int:
        """Bytes that the shard holds in memory."""
        return self.reader.size if isinstance(self.reader, BytesReader) else 0

    def close(self) -> None:
        if self.reader is not None:
            self.reader.close()
            self.reader = None


class OpenShards:
    """The open shards of one stream."""

    __slots__ = ("_kept", "_lock", "_store")

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, OpenShard] = OrderedDict()

    def take(self, key: str) -> OpenShard:
        """Return the open shard at `key`. The caller must pass it to `give`."""
        with self._lock:
            shard = self._kept.get(key)
            if shard is None:
                shard = self._kept[key] = OpenShard()
            else:
                self._kept.move_to_end(key)
            shard.users += 1
        try:
            shard.open(self._store, key)
        except BaseException:
            self.give(key, shard, broken=True)
            raise
        return shard

    def give(self, key: str, shard: OpenShard, *, broken: bool = False) -> None:
        """Give back a shard of `take`. If it is broken, the next `take` opens it again."""
        closing: list[OpenShard] = []
        with self._lock:
            shard.users -= 1
            if broken and self._kept.get(key) is shard:
                del self._kept[key]
                shard.kept = False
            if not shard.kept and not shard.users:
                closing.append(shard)
            nbytes = sum([kept.nbytes for kept in self._kept.values()]) if shard.nbytes else 0
            while len(self._kept) > MOST or (nbytes > MOST_NBYTES and len(self._kept) > 1):
                _, oldest = self._kept.popitem(last=False)
                oldest.kept = False
                nbytes -= oldest.nbytes
                if not oldest.users:
                    closing.append(oldest)
        for shard in closing:
            shard.close()

    def close(self) -> None:
        """Close all shards that are not in use. The others are closed when they are given back."""
        with self._lock:
            kept = [*self._kept.values()]
            self._kept.clear()
            for shard in kept:
                shard.kept = False
            closing = [shard for shard in kept if not shard.users]
        for shard in closing:
            shard.close()

    def __del__(self) -> None:
        # No lock: no other reference exists, and the garbage collector may run anywhere.
        for shard in self._kept.values():
            shard.close()
