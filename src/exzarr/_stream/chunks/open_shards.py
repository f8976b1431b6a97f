"""Shards that a stream keeps open.

In grid order a stream comes back to a shard for every row of its inner chunks. So that each is opened
once, and not once a row, those that were used last stay open: one opened value for each, whichever thread
wants it. What was opened stays as it was, also where the shard is replaced meanwhile.
"""

from __future__ import annotations

import threading
from collections import OrderedDict

from exzarr.stores.base import BytesReader, Store, ValueReader

__all__ = ["OpenShard", "OpenShards"]

MOST = 64
"""Shards that are open at once, those in use excepted: each may be a file descriptor."""

MOST_NBYTES = 16 * 1024 * 1024
"""Bytes of those that lie in memory as a whole, since their store cannot read parts."""


class OpenShard:
    """One shard: opened, absent, or about to be opened."""

    __slots__ = ("_lock", "kept", "known", "reader", "users")

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.known = False
        self.reader: ValueReader | None = None
        """None where it is absent."""
        self.users = 0
        self.kept = True

    def open(self, store: Store, key: str) -> None:
        """Open it unless it is; threads that come together wait for the first."""
        if not self.known:
            with self._lock:
                if not self.known:
                    self.reader = store.open_value(key)
                    self.known = True

    @property
    def nbytes(self) -> int:
        """Bytes it holds in memory."""
        return self.reader.size if isinstance(self.reader, BytesReader) else 0

    def close(self) -> None:
        if self.reader is not None:
            self.reader.close()
            self.reader = None


class OpenShards:
    """The shards of one stream."""

    __slots__ = ("_kept", "_lock", "_store")

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, OpenShard] = OrderedDict()

    def take(self, key: str) -> OpenShard:
        """The shard at `key`, opened; to be given back."""
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
        """Give back what `take` gave. A broken one is opened anew when it is wanted again."""
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
        """Close all that nobody uses; those in use are closed when they are given back."""
        with self._lock:
            kept = [*self._kept.values()]
            self._kept.clear()
            for shard in kept:
                shard.kept = False
            closing = [shard for shard in kept if not shard.users]
        for shard in closing:
            shard.close()

    def __del__(self) -> None:
        # No lock: nobody else holds this object, and the collector may run anywhere.
        for shard in self._kept.values():
            shard.close()
