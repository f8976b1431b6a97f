"""Where one worker's time goes, and what it has made of it.

A worker does one thing after the other: it waits for its turn, fetches, decodes, moves. The calls that
leave the engine (to the store, to the codecs) are timed one by one; what lies between two of them
is the engine's own: moving elements, and the loop around that. So the parts add up to all the time there
was, and the engine's loops need know nothing of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from threading import get_ident
from time import perf_counter

from exzarr.telemetry.events import now

__all__ = ["Chunk", "Stopwatch"]


@dataclass(slots=True)
class Chunk:
    """A chunk that was decoded or encoded: what its event will say."""

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


class Stopwatch:
    """One thread's time in one read or write.

    Attributes
    ----------
    thread
        Whose it is.
    waiting, fetching, coding, copying
        Seconds that no chunk has been given yet.
    chunks
        Chunks that were read, and may be on their way to where they belong.
    fetched
        By their place in memory, encoded chunks that are yet to be decoded: key, and seconds they took.
    parts
        Encoded inner chunks of the shard that is about to be put.
    seconds
        What the last call took.
    """

    __slots__ = (
        "_last",
        "chunks",
        "coding",
        "copying",
        "fetched",
        "fetching",
        "parts",
        "seconds",
        "thread",
        "waiting",
    )

    def __init__(self) -> None:
        self.thread = get_ident()
        self.waiting = self.fetching = self.coding = self.copying = self.seconds = 0.0
        self.chunks: dict[tuple[str, int | None], Chunk] = {}
        self.parts: list[Chunk] = []
        self.fetched: dict[int, tuple[str, float]] = {}
        self._last = perf_counter()

    def begin(self) -> float:
        """A call begins: what has passed since the last one was the engine's own."""
        time = perf_counter()
        self.copying += time - self._last
        self._last = time
        return time

    def end(self, start: float) -> float:
        """A call that began at `start` ends; returns what it took."""
        self._last = time = perf_counter()
        self.seconds = time - start
        return self.seconds

    def resume(self) -> None:
        """What has passed since the last call counts for nobody."""
        self._last = perf_counter()

    def add(self, chunk: Chunk) -> None:
        """Somebody got `chunk`, and is about to move it to where it belongs."""
        chunk.at = now()
        known = self.chunks.setdefault((chunk.key, chunk.number), chunk)
        if known is not chunk:  # it was needed twice
            known.fetching += chunk.fetching
            known.coding += chunk.coding

    def settle(self) -> list[Chunk]:
        """The chunks so far, each with its share of the time that they had in common."""
        chunks = [*self.chunks.values()]
        if not chunks:
            return chunks
        self.chunks = {}
        size = sum(chunk.bytes_stored for chunk in chunks)
        share = 1 / len(chunks)
        for chunk in chunks:
            chunk.fetching += self.fetching * (chunk.bytes_stored / size if size else share)
            chunk.waiting += self.waiting * share
            chunk.coding += self.coding * share
            chunk.copying += self.copying * share
        self.waiting = self.fetching = self.coding = self.copying = 0.0
        return chunks
