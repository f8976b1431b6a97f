"""What one read or write has done so far, put together from what its store and its codecs were asked.

Which chunk some bytes belong to is known by where they lie in memory: the store has put a key's bytes there,
or a range of a shard's, and the codecs are given bytes that lie there.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from exzarr import telemetry
from exzarr.engine.observed.stopwatch import Chunk, Stopwatch
from exzarr.stores.base import Buffer
from exzarr.telemetry.events import CacheHit, ChunkRead, ChunkWritten, Event, Locate, now

__all__ = ["Ledger", "Range"]


@dataclass(frozen=True, slots=True)
class Range:
    """Bytes of a shard that lie in memory, from `low` to `high`; the first is the shard's byte `begin`."""

    low: int
    high: int
    begin: int
    key: str
    numbers: Callable[[], dict[int, int]]
    """The inner chunks' numbers by the byte of the shard that they begin at."""


class Ledger:
    """One read or write of one array.

    Parameters
    ----------
    hooks
        Who listens.
    store, array
        What the events call them.
    locate
        Turns keys into chunk indexes.
    writing
        Whether this is a write (which reads what it covers in part).
    """

    def __init__(
        self, hooks: telemetry.Hooks, store: str, array: str, locate: Locate, *, writing: bool
    ) -> None:
        self.writing = writing
        self._hooks = hooks
        self._where: dict[str, Any] = {"store": store, "array": array, "locate": locate}
        self._local = threading.local()
        self._watches: list[Stopwatch] = []
        self._missed: dict[str, float] = {}
        self._ranges: dict[int, Range] = {}
        self._encoded: dict[int, list[tuple[Buffer, Chunk]]] = {}

    def watch(self) -> Stopwatch:
        """This thread's."""
        found: Stopwatch | None = getattr(self._local, "watch", None)
        if found is None:
            found = self._local.watch = Stopwatch()
            self._watches.append(found)
        return found

    # -- what the store says -------------------------------------------------------

    def fetched(self, watch: Stopwatch, key: str, data: Buffer) -> None:
        """The chunk at `key` lies in `data` now, and is yet to be decoded."""
        watch.fetched[_address(data)] = key, watch.seconds

    def fetched_range(self, key: str, data: memoryview, begin: int, numbers: Any) -> int:
        """Bytes of the shard at `key`, from `begin` on, lie in `data` now. What to `forget` them by."""
        low = _address(data)
        self._ranges.pop(low, None)  # the latest is the last
        self._ranges[low] = Range(low, low + len(data), begin, key, numbers)
        return low

    def in_place(self, watch: Stopwatch, key: str, nbytes: int) -> None:
        """So much of the chunk at `key` was read to where it belongs, or lies as it belongs."""
        watch.add(Chunk(key, None, True, nbytes, nbytes, fetching=watch.seconds))

    def missed(self, watch: Stopwatch, key: str) -> None:
        """There is nothing at `key`."""
        if self.writing:
            watch.add(Chunk(key, None, False, 0, 0, fetching=watch.seconds))
        else:
            self._missed[key] = watch.seconds

    def forget(self, ranges: Iterable[int]) -> None:
        """The memory that these ranges lay in is free for others."""
        for low in ranges:
            self._ranges.pop(low, None)

    def ranges_of(self, key: str) -> list[int]:
        """The ranges of the shard at `key`."""
        return [low for low, there in [*self._ranges.items()] if there.key == key]

    # -- what the codecs say -------------------------------------------------------

    def decoded(self, watch: Stopwatch, data: Buffer, nbytes: int, *, failed: bool = False) -> None:
        """`data` was decoded to `nbytes` bytes; `watch.seconds` tells how long that took."""
        at = _address(data)
        key, fetching = self._take_fetched(watch, at)
        if failed:  # whoever decodes may fetch it anew
            watch.fetching += fetching
            watch.coding += watch.seconds
            return
        number: int | None = None
        if not key:
            for there in reversed([*self._ranges.values()]):
                if there.low <= at < there.high:
                    key = there.key
                    number = there.numbers().get(there.begin + at - there.low)
                    break
        watch.add(Chunk(key, number, True, len(data), nbytes, fetching=fetching, coding=watch.seconds))

    def _take_fetched(self, watch: Stopwatch, at: int) -> tuple[str, float]:
        """Key, and seconds to fetch it, of what lies at an address; most likely this thread has fetched it."""
        for other in (watch, *self._watches):
            found = other.fetched.pop(at, None)
            if found is not None:
                return found
        return "", 0.0

    def absent(self, key: str, number: int | None = None) -> None:
        """The chunk at `key` is not stored, and something else stands for it."""
        watch = self.watch()
        watch.begin()
        watch.add(Chunk(key, number, False, 0, 0, fetching=self._missed.pop(key, 0.0)))
        watch.resume()

    def encoded(self, watch: Stopwatch, data: Buffer, nbytes: int) -> None:
        """A chunk of `nbytes` bytes was encoded to `data`, and is yet to be put."""
        chunk = Chunk(
            "", None, True, len(data), nbytes, watch.waiting, 0.0, watch.seconds, watch.copying, now()
        )
        watch.waiting = watch.copying = 0.0
        self._encoded.setdefault(id(data), []).append((data, chunk))

    def take_encoded(self, data: Buffer) -> Chunk | None:
        """The chunk that was encoded to `data`; None where that was not in this write."""
        found = self._encoded.get(id(data))
        return found.pop()[1] if found else None

    def hand_over(self, data: Buffer, copied: Buffer) -> list[Chunk]:
        """What this thread has encoded to `data` is put by another one, from `copied`; a shard's inner chunks."""
        chunk = self.take_encoded(data)
        if chunk is not None:
            self._encoded.setdefault(id(copied), []).append((copied, chunk))
        watch = self.watch()
        parts, watch.parts = watch.parts, []
        return parts

    def take_over(self, parts: list[Chunk]) -> None:
        """This thread puts what another one has encoded. What it did before that is nobody's time."""
        watch = self.watch()
        watch.parts = parts
        watch.resume()

    # -- what the hooks hear -------------------------------------------------------

    def settle(self, watch: Stopwatch) -> None:
        """The chunks that were read are where they belong by now: tell of them."""
        if watch.chunks:
            for chunk in watch.settle():
                self._tell(
                    ChunkRead(
                        key=chunk.key,
                        number=chunk.number,
                        stored=chunk.stored,
                        bytes_stored=chunk.bytes_stored,
                        bytes_decoded=chunk.bytes_decoded,
                        waiting=chunk.waiting,
                        fetching=chunk.fetching,
                        decoding=chunk.coding,
                        copying=chunk.copying,
                        at=chunk.at,
                        thread=watch.thread,
                        **self._where,
                    )
                )
            watch.resume()

    def settle_old(self, watch: Stopwatch) -> None:
        """Like `settle` in a write: what was read is patched, and that is part of writing it."""
        waiting, copying = watch.waiting, watch.copying
        watch.waiting = watch.copying = 0.0
        self.settle(watch)
        watch.waiting, watch.copying = waiting, copying

    def written(self, watch: Stopwatch, key: str, chunks: list[Chunk]) -> None:
        """`chunks` are in the store now, at `key`."""
        share = 1 / max(1, len(chunks))
        for chunk in chunks:
            self._tell(
                ChunkWritten(
                    key=key,
                    number=chunk.number,
                    stored=chunk.stored,
                    bytes_stored=chunk.bytes_stored,
                    bytes_decoded=chunk.bytes_decoded,
                    waiting=chunk.waiting + watch.waiting * share,
                    copying=chunk.copying + watch.copying * share,
                    encoding=chunk.coding,
                    putting=watch.seconds * share,
                    at=chunk.at,
                    thread=watch.thread,
                    **self._where,
                )
            )
        watch.waiting = watch.copying = 0.0
        watch.resume()

    def hit(self, cache: str, key: str, nbytes: int) -> None:
        """A cache had what would have been read."""
        self._tell(CacheHit(cache, key, nbytes, self._where["store"], self._where["array"]))

    def finish(self) -> None:
        """All workers have returned."""
        for watch in self._watches:
            self.settle(watch)

    def _tell(self, event: Event) -> None:
        telemetry.emit(event, self._hooks)


def _address(data: Buffer) -> int:
    if not len(data):
        return 0
    address: int = np.frombuffer(data, np.uint8).__array_interface__["data"][0]
    return address
