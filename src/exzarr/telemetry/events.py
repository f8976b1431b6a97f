"""The events, as frozen dataclasses. They can be pickled, so processes can exchange them.

`bytes_stored` counts bytes as they are in the store, `bytes_decoded` bytes in memory. Seconds are wall-clock
seconds of the thread that did the work. Those of one chunk never overlap: their sum over all chunks is thread
time, not elapsed time.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from os import getpid
from threading import get_ident
from typing import Literal

__all__ = [
    "CacheHit",
    "ChunkRead",
    "ChunkWritten",
    "Event",
    "IngestProgress",
    "Locate",
    "RequestKind",
    "Retried",
    "SelectionRead",
    "SelectionWritten",
    "StoreRequest",
    "StreamProgress",
    "now",
]

RequestKind = Literal["get", "range", "put", "delete", "list", "size"]
"""``get``: a whole value, now or in parts later. ``range``: a part of a value. ``size``: existence and length only."""

Locate = Callable[[str, int | None], tuple[int, ...]]
"""(key, number of the inner chunk) → index of the chunk."""

_EPOCH = time.time() - time.perf_counter()


def now() -> float:
    """Return seconds since the epoch, from a clock that never goes back in this process."""
    return _EPOCH + time.perf_counter()


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Base class of all events.

    Attributes
    ----------
    at
        Time when it ended, in seconds since the epoch.
    thread, process
        Thread and process that did the work: `threading.get_ident` and `os.getpid`.
    """

    at: float = field(default_factory=now)
    thread: int = field(default_factory=get_ident)
    process: int = field(default_factory=getpid)


@dataclass(frozen=True, slots=True)
class _OfSelection(Event):
    """A finished selection.

    Attributes
    ----------
    store, array
        URL of the store, and path of the array in it (``""`` for a root array).
    chunks
        Number of stored chunks in the plan. In an array with shards: number of shards.
    bytes
        Bytes of the selected elements in memory.
    seconds
        Duration.
    error
        The exception that ended it, as text; ``""`` if it succeeded.
    """

    store: str
    array: str
    chunks: int
    bytes: int
    seconds: float
    error: str = ""


@dataclass(frozen=True, slots=True)
class SelectionRead(_OfSelection):
    """A selection was read: ``a[10:20]``. It has the attributes of `SelectionWritten`."""


@dataclass(frozen=True, slots=True)
class SelectionWritten(_OfSelection):
    """A selection was written: ``a[10:20] = 1``.

    Attributes
    ----------
    store, array
        URL of the store, and path of the array in it (``""`` for a root array).
    chunks
        Number of stored chunks in the plan. In an array with shards: number of shards.
    bytes
        Bytes of the selected elements in memory.
    seconds
        Duration.
    error
        The exception that ended it, as text; ``""`` if it succeeded.
    """


@dataclass(frozen=True, slots=True)
class _OfChunk(Event):
    store: str
    array: str
    key: str
    number: int | None
    stored: bool
    bytes_stored: int
    bytes_decoded: int
    locate: Locate | None = field(default=None, repr=False, compare=False, kw_only=True)

    @property
    def index(self) -> tuple[int, ...]:
        """Index of the chunk in the chunk grid. With `number`: in the grid of inner chunks."""
        return self.locate(self.key, self.number) if self.locate else ()


@dataclass(frozen=True, slots=True)
class ChunkRead(_OfChunk):
    """A chunk was read, as a whole or in part.

    Attributes
    ----------
    store, array
        URL of the store, and path of the array in it.
    key
        Key of the chunk, or of the shard that holds it.
    number
        Number of the inner chunk in its shard. None without shards, or if the whole shard is missing.
    stored
        Whether the chunk is stored. If not, it reads as the fill value.
    bytes_stored
        Bytes of the chunk that were fetched. For an inner chunk: its own bytes. Bytes fetched between inner chunks
        count only in `StoreRequest`.
    bytes_decoded
        Bytes in memory after decoding.
    waiting
        Seconds of waiting: for the plan, or for a lock.
    fetching
        Seconds in the store. A request for several chunks is divided among them by size.
    decoding
        Seconds in the codecs.
    copying
        Seconds that the engine took to copy the values. A copy of several chunks is divided equally.
    index
        Index of the chunk, computed on access.
    """

    waiting: float = 0.0
    fetching: float = 0.0
    decoding: float = 0.0
    copying: float = 0.0

    @property
    def seconds(self) -> float:
        """Seconds of all phases."""
        return self.waiting + self.fetching + self.decoding + self.copying


@dataclass(frozen=True, slots=True)
class ChunkWritten(_OfChunk):
    """A chunk was written.

    Attributes
    ----------
    store, array, key, number, index
        As in `ChunkRead`.
    stored
        Whether the chunk is stored now. False if it held only the fill value, and its key was deleted.
    bytes_stored
        Bytes of the encoded chunk.
    bytes_decoded
        Bytes of the chunk in memory.
    waiting
        Seconds of waiting: for the plan, or for a lock.
    copying
        Seconds that the engine took to assemble the values.
    encoding
        Seconds in the codecs.
    putting
        Seconds in the store. The put of a shard is divided equally among its written inner chunks.
    """

    waiting: float = 0.0
    copying: float = 0.0
    encoding: float = 0.0
    putting: float = 0.0

    @property
    def seconds(self) -> float:
        """Seconds of all phases."""
        return self.waiting + self.copying + self.encoding + self.putting


@dataclass(frozen=True, slots=True)
class StoreRequest(Event):
    """A request to a store.

    Attributes
    ----------
    store
        URL of the store.
    kind
        Kind of request: ``get``, ``range``, ``put``, ``delete``, ``list`` or ``size``.
    key
        The key, or the listed prefix.
    bytes
        Bytes read or written.
    seconds
        Duration.
    found
        Whether the key exists.
    error
        The exception that ended it, as text; ``""`` if it succeeded.
    """

    store: str
    kind: RequestKind
    key: str
    bytes: int
    seconds: float
    found: bool = True
    error: str = ""


@dataclass(frozen=True, slots=True)
class Retried(Event):
    """An attempt failed, and another follows.

    Attributes
    ----------
    what
        Description of the operation: ``chunk (0, 3) of array 'a'``, ``get 'c/0/3'``.
    attempt
        Number of failed attempts.
    wait
        Seconds until the next attempt.
    error
        The error of the last attempt, as text.
    store, array, key
        Where it happened, if known.
    """

    what: str
    attempt: int
    wait: float
    error: str
    store: str = ""
    array: str = ""
    key: str = ""


@dataclass(frozen=True, slots=True)
class CacheHit(Event):
    """A cache answered instead of the store.

    Attributes
    ----------
    cache
        Name of the cache: ``shard index``, ``chunks``, ...
    key
        Key whose value, or a part of it, was not read from the store.
    bytes
        Bytes that were not read from the store; 0 if unknown.
    store, array
        Where it happened, if known.
    request
        Kind of the `StoreRequest` event that is emitted for the same answer; ``""`` if there is none.
    """

    cache: str
    key: str
    bytes: int = 0
    store: str = ""
    array: str = ""
    request: RequestKind | Literal[""] = ""


@dataclass(frozen=True, slots=True)
class StreamProgress(Event):
    """Progress of a stream, map or batch loader.

    Attributes
    ----------
    stream
        Which one: ``chunk_stream``, ``write_stream``, ``parallel_chunk_map``, ...
    array
        Path of its array.
    done, total
        Number of finished chunks (or batches), failed and skipped ones included, and the number of all of them.
        `total` is None if unknown.
    failed, skipped
        How many of `done` failed, and how many were left out.
    bytes
        Bytes in memory of the finished ones.
    seconds
        Seconds since the start.
    """

    stream: str
    array: str
    done: int
    total: int | None
    failed: int = 0
    skipped: int = 0
    bytes: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class IngestProgress(Event):
    """Progress of an ingestion.

    Attributes
    ----------
    source, target
        Description of the source, such as a file name, and path of the target array.
    done, total
        Number of finished blocks, failed and skipped ones included, and the number of all of them. `total` is None
        if unknown.
    failed, skipped
        How many of `done` failed, and how many were left out.
    bytes
        Bytes in memory of the finished ones.
    seconds
        Seconds since the start.
    """

    source: str
    target: str
    done: int
    total: int | None
    failed: int = 0
    skipped: int = 0
    bytes: int = 0
    seconds: float = 0.0
