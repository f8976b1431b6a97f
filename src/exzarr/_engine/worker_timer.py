"""The time of one thread in one read or write, and the chunks that it has read. `ChunkRecorder` makes events from them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from threading import get_ident
from time import perf_counter
from typing import Any, TypeVar

from exzarr.telemetry.events import now

__all__ = ["ChunkRecord", "WorkerTimer"]

T = TypeVar("T")
Label = Any
"""The key of a chunk, or the number of an inner chunk in its shard."""


@dataclass(slots=True)
class ChunkRecord:
    """One chunk that was read or encoded: the content of its event."""

    key: str
    number: int | None
    stored: bool
    bytes_stored: int
    bytes_decoded: int
    waiting: float = 0.0
    fetching: float = 0.0
    coding: float = 0.0
    copying: float = 0.0
    at: float = 0.0


class WorkerTimer:
    """The time of one thread in one read or write.

    Attributes
    ----------
    thread
        The thread's identifier.
    waiting, coding, copying
        Seconds that are not yet assigned to a chunk.
    fetching
        Seconds of requests that are not yet assigned to a chunk, by key.
    in_codec
        The thread is inside `ChunkRecorder.coded`.
    chunks
        Chunks that were read but may not be in the result yet.
    where
        Function that returns the chunk of the next codec call: its key, and the number of the inner chunk.
    """

    __slots__ = (
        "_key",
        "_last",
        "_number",
        "chunks",
        "coding",
        "copying",
        "fetching",
        "in_codec",
        "thread",
        "waiting",
        "where",
    )

    def __init__(self) -> None:
        self.thread = get_ident()
        self.waiting = self.coding = self.copying = 0.0
        self.in_codec = False
        self.fetching: dict[str, float] = {}
        self.chunks: dict[tuple[str, int | None], ChunkRecord] = {}
        self.at("")
        self.where: Callable[[], tuple[str, int | None]] = self._here
        self._last = perf_counter()

    # -- the clock -----------------------------------------------------------------

    def lap(self) -> float:
        """Return the seconds since the last call of one of the clock's methods."""
        last, self._last = self._last, perf_counter()
        return self._last - last

    def own(self) -> None:
        """Count the time since the last call as copying, or as coding inside `ChunkRecorder.coded`."""
        if self.in_codec:
            self.coding += self.lap()
        else:
            self.copying += self.lap()

    def resume(self) -> None:
        """Discard the time since the last call."""
        self._last = perf_counter()

    def waited(self) -> None:
        """Count the time since the last call as waiting."""
        self.waiting += self.lap()

    # -- which chunk ---------------------------------------------------------------

    def at(self, key: str, number: int | None = None) -> None:
        """Set the chunk of the next codec calls."""
        self._key, self._number = key, number

    def _here(self) -> tuple[str, int | None]:
        return self._key, self._number

    def each(self, labels: Iterable[Label], items: Iterable[T], shard: str | None = None) -> Iterator[T]:
        """Yield `items`, and set the chunk of each from `labels`.

        `labels` are keys, or the numbers of inner chunks if `shard` is the key of a shard.
        """
        for label, item in zip(labels, items, strict=False):
            if shard is None:
                self.at(label)
            else:
                self.at(shard, label)
            yield item

    # -- what was read ---------------------------------------------------------------

    def read(
        self, labels: Iterable[Label], sizes: Iterable[int], nbytes: int, shard: str | None = None
    ) -> None:
        """Record decoded chunks of `nbytes` bytes that were decoded by one call, or required no decoding.

        Parameters
        ----------
        labels, shard
            See `each`.
        sizes
            Bytes read of each chunk.
        """
        for label, size in zip(labels, sizes, strict=False):
            key, number = (label, None) if shard is None else (shard, label)
            self.add(ChunkRecord(key, number, True, size, nbytes))

    def read_raw(self, keys: Iterable[str], sizes: Iterable[int], lengths: Iterable[int]) -> None:
        """Record raw chunks of which `lengths` bytes were read into the result.

        Skip chunks whose size in `sizes` is smaller, because they are read again.
        """
        for key, size, length in zip(keys, sizes, lengths, strict=False):
            if size >= length:
                self.add(ChunkRecord(key, None, True, length, length))

    def reading_raw(self, read_into: Callable[..., int]) -> Callable[..., int]:
        """Return a `Store.read_into` that records each call as a read of a raw chunk."""

        def read(key: str, buffer: memoryview, start: int = 0) -> int:
            got = read_into(key, buffer, start)
            self.read_raw((key,), (got,), (len(buffer),))
            return got

        return read

    def decoding(
        self,
        labels: Sequence[Label],
        items: Iterable[T],
        sizes: Iterable[Any],
        found: object,
        nbytes: int,
        shard: str | None = None,
    ) -> Iterable[T]:
        """Return `items` for a loop that decodes chunks of `sizes` bytes one by one.

        If `found` is not None, the chunks are already decoded: record them now.
        """
        if found is None:
            return self.each(labels, items, shard)
        self.read(labels, sizes, nbytes, shard)
        return items

    def add(self, chunk: ChunkRecord) -> None:
        """Record a chunk whose elements are available but not copied yet."""
        chunk.at = now()
        known = self.chunks.setdefault((chunk.key, chunk.number), chunk)
        if known is not chunk:  # it was read twice
            known.coding += chunk.coding
