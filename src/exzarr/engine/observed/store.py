"""The store of an `ObservedSource`: tells the ledger what was fetched, missed and put."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import repeat

from exzarr import telemetry
from exzarr.engine.observed.ledger import Ledger
from exzarr.engine.observed.stopwatch import Chunk, Stopwatch
from exzarr.stores.base import Buffer, ByteRange, Change, Store, ValueReader
from exzarr.stores.observed import ObservedStore, ObservedValue
from exzarr.telemetry.events import RequestKind

__all__ = ["EngineStore", "EngineValue"]


class EngineStore(ObservedStore):
    """What the workers ask.

    Parameters
    ----------
    raw
        What is read into a buffer is not decoded any more: it lies there as it lies in memory.
    sharded
        Values are shards.
    chunk_nbytes
        Bytes in memory of the chunk (the shard) at a key.
    """

    def __init__(
        self,
        inner: Store,
        hooks: telemetry.Hooks,
        ledger: Ledger,
        *,
        raw: bool,
        sharded: bool,
        chunk_nbytes: Callable[[str], int],
    ) -> None:
        super().__init__(inner, hooks)
        self.ledger = ledger
        self._raw = raw
        self._sharded = sharded
        self._chunk_nbytes = chunk_nbytes

    def tell(self, kind: RequestKind, key: str, nbytes: int, seconds: float, found: bool = True) -> None:
        super().tell(kind, key, nbytes, seconds, found)
        watch = self.ledger.watch()
        watch.seconds = seconds
        watch.resume()  # what hooks take counts for nobody

    # -- reading -----------------------------------------------------------------

    def get(self, key: str, byte_range: ByteRange | None = None) -> Buffer | None:
        watch = self._next()
        value = super().get(key, byte_range)
        if value is None:
            self.ledger.missed(watch, key)
        elif byte_range is not None and self._raw:  # what came out short, once more
            self.ledger.in_place(watch, key, min(len(value), (byte_range[1] or 1) - 1))
        else:
            self.ledger.fetched(watch, key, value)
        watch.resume()
        return value

    def read_into(self, key: str, buffer: memoryview, start: int = 0) -> int:
        return self._read_into(self._next(), key, buffer, start)

    def read_each(
        self, keys: Sequence[str], buffers: Sequence[memoryview], starts: Sequence[int] | None = None
    ) -> Sequence[int]:
        return [*map(self._read_into, repeat(self._next()), keys, buffers, starts or repeat(0))]

    def _read_into(self, watch: Stopwatch, key: str, buffer: memoryview, start: int) -> int:
        watch.begin()
        got = super().read_into(key, buffer, start)
        room = len(buffer)
        if got < 0:
            self.ledger.missed(watch, key)
        elif self._raw and got >= room:
            self.ledger.in_place(watch, key, room)
        elif self._raw or got > room:  # it will be read again
            watch.fetching += watch.seconds
        else:
            self.ledger.fetched(watch, key, buffer)
        watch.resume()
        return got

    def open_value(self, key: str) -> ValueReader | None:
        watch = self._next()
        value, seconds = self.timed("size", key, self.inner.open_value, key)
        watch.seconds = seconds
        if value is None:
            self.tell("get", key, 0, seconds, False)
            self.ledger.missed(watch, key)
            watch.resume()
            return None
        watch.resume()
        return EngineValue(self, key, value, seconds)

    def _next(self) -> Stopwatch:
        """This thread's stopwatch. It has moved what it had read before."""
        watch = self.ledger.watch()
        watch.begin()
        if not self.ledger.writing:
            self.ledger.settle(watch)
        return watch

    # -- writing -----------------------------------------------------------------

    def put(self, key: str, value: Buffer) -> None:
        watch = self.ledger.watch()
        watch.begin()
        super().put(key, value)
        chunk = self.ledger.take_encoded(value)
        self.ledger.written(watch, key, [] if chunk is None else [chunk])

    def put_parts(self, key: str, parts: Sequence[Buffer]) -> None:
        watch = self.ledger.watch()
        watch.begin()
        super().put_parts(key, parts)
        self.ledger.written(watch, key, watch.parts)
        self._shard_is_done(watch, key)

    def delete(self, key: str) -> None:
        watch = self.ledger.watch()
        watch.begin()
        super().delete(key)
        self._deleted(watch, key)

    def _deleted(self, watch: Stopwatch, key: str) -> None:
        self.ledger.settle_old(watch)
        nbytes = self._chunk_nbytes(key)
        self.ledger.written(watch, key, [Chunk(key, None, False, 0, nbytes)])
        self._shard_is_done(watch, key)

    def update(self, key: str, change: Change) -> None:
        watch = self._next()
        parts = self.updated(key, change)
        if parts is None:
            self._deleted(watch, key)
        elif self._sharded:
            self.ledger.written(watch, key, watch.parts)
            self._shard_is_done(watch, key)
        else:
            chunk = self.ledger.take_encoded(parts[0])
            self.ledger.written(watch, key, [] if chunk is None else [chunk])

    def has_waited(self, seconds: float) -> None:
        watch = self.ledger.watch()
        watch.waiting += seconds
        watch.resume()

    def old_value(self, key: str, value: ValueReader | None, seconds: float) -> ValueReader | None:
        watch = self.ledger.watch()
        watch.seconds = seconds
        watch.parts = []  # it may be the second time
        if value is None:
            self.tell("get", key, 0, seconds, False)
            self.ledger.missed(watch, key)
        watch.resume()
        if value is None:
            return None
        return (EngineValue if self._sharded else EngineChunk)(self, key, value, seconds)

    def new_value(self) -> None:
        self.ledger.watch().begin()

    def _shard_is_done(self, watch: Stopwatch, key: str) -> None:
        watch.parts = []
        self.ledger.forget(self.ledger.ranges_of(key))


class EngineChunk(ObservedValue):
    """An opened chunk, which is read as a whole."""

    def __init__(self, store: EngineStore, key: str, value: ValueReader, seconds: float) -> None:
        super().__init__(store, key, value, seconds, "get")
        self._ledger = store.ledger

    def read_into(self, buffer: memoryview, start: int) -> None:
        watch = self._ledger.watch()
        watch.begin()
        super().read_into(buffer, start)
        self._ledger.fetched(watch, self.key, buffer)
        watch.resume()


class EngineValue(ObservedValue):
    """An opened shard."""

    def __init__(self, store: EngineStore, key: str, value: ValueReader, seconds: float) -> None:
        super().__init__(store, key, value, seconds)
        self._ledger = store.ledger
        self._numbers: dict[int, int] | None = None
        self._starts: memoryview | None = None
        self._ranges: set[int] = set()
        self.reads = 0

    def read_into(self, buffer: memoryview, start: int) -> None:
        watch = self._ledger.watch()
        watch.begin()
        if not self._ledger.writing:
            self._ledger.settle(watch)
        super().read_into(buffer, start)
        self.reads += 1
        watch.fetching += watch.seconds
        if self._starts is not None:  # else this is the index
            self._ranges.add(self._ledger.fetched_range(self.key, buffer, start, self.numbers))
        watch.resume()

    def close(self) -> None:
        watch = self._ledger.watch()
        watch.begin()
        if not self._ledger.writing:  # else its inner chunks are yet to be decoded
            self._ledger.settle(watch)
            self._ledger.forget(self._ranges)
        super().close()
        watch.resume()

    def has_index(self, starts: memoryview) -> None:
        """The inner chunks begin at these bytes."""
        self._starts = starts

    def numbers(self) -> dict[int, int]:
        """The inner chunks' numbers by the byte that they begin at."""
        if self._numbers is None:
            self._numbers = {start: number for number, start in enumerate(self._starts or ())}
        return self._numbers
