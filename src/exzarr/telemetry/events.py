"""What can happen, as frozen dataclasses. All of them pickle, so that processes can hand them on.

Bytes are counted where they pass: `bytes_stored` as they are in the store, `bytes_decoded` as they are in
memory. Seconds are wall-clock seconds of the thread that did it; those of one chunk never overlap, so that
their sum over all chunks is time that threads spent, and not time that passed.
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
"""``get`` a whole value or ask for it, ``range`` a part of one, ``size`` only whether it is there, and how long."""

Locate = Callable[[str, int | None], tuple[int, ...]]
"""(key, number of the inner chunk) → index of the chunk."""

_EPOCH = time.time() - time.perf_counter()


def now() -> float:
    """Seconds since the epoch, by a clock that never goes back in this process."""
    return _EPOCH + time.perf_counter()


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened.

    Attributes
    ----------
    at
        When it was over: seconds since the epoch.
    thread, process
        Where: as `threading.get_ident` and `os.getpid` have it.
    """

    at: float = field(default_factory=now)
    thread: int = field(default_factory=get_ident)
    process: int = field(default_factory=getpid)


@dataclass(frozen=True, slots=True)
class _OfSelection(Event):
    """A selection, done.

    Attributes
    ----------
    store, array
        The store's URL, and the array's path in it (``""`` for a root array).
    chunks
        How many chunks (shards, where there are shards) the plan has.
    bytes
        Bytes of the selected elements in memory.
    seconds
        From beginning to end.
    error
        The exception that ended it, as text; ``""`` where it succeeded.
    """

    store: str
    array: str
    chunks: int
    bytes: int
    seconds: float
    error: str = ""


@dataclass(frozen=True, slots=True)
class SelectionRead(_OfSelection):
    """A selection was read: ``a[10:20]``. Attributes: see `SelectionWritten`, which has the same."""


@dataclass(frozen=True, slots=True)
class SelectionWritten(_OfSelection):
    """A selection was written: ``a[10:20] = 1``.

    Attributes
    ----------
    store, array
        The store's URL, and the array's path in it (``""`` for a root array).
    chunks
        How many chunks (shards, where there are shards) the plan has.
    bytes
        Bytes of the selected elements in memory.
    seconds
        From beginning to end.
    error
        The exception that ended it, as text; ``""`` where it succeeded.
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
        """The chunk's index in the array's grid (in that of inner chunks, where `number` is given)."""
        return self.locate(self.key, self.number) if self.locate else ()


@dataclass(frozen=True, slots=True)
class ChunkRead(_OfChunk):
    """A chunk was read: all of it, or what was wanted of it.

    Attributes
    ----------
    store, array
        The store's URL, and the array's path in it.
    key
        The key of the chunk, or of the shard that it is in.
    number
        Which inner chunk of the shard; None where there are no shards, or the whole shard is absent.
    stored
        Whether it is stored; else it reads as the fill value.
    bytes_stored
        Bytes that were fetched of it. Of inner chunks their own; what was fetched between them
        counts only in `StoreRequest`.
    bytes_decoded
        Bytes in memory that came of them.
    waiting
        Seconds until it was its turn: for the plan, for a lock.
    fetching
        Seconds in the store. What was fetched together is shared out by size.
    decoding
        Seconds in the codecs.
    copying
        Seconds that the engine took to put it in its place. What is moved together is shared out evenly.
    index
        The chunk's index (computed when asked for).
    """

    waiting: float = 0.0
    fetching: float = 0.0
    decoding: float = 0.0
    copying: float = 0.0

    @property
    def seconds(self) -> float:
        return self.waiting + self.fetching + self.decoding + self.copying


@dataclass(frozen=True, slots=True)
class ChunkWritten(_OfChunk):
    """A chunk was written.

    Attributes
    ----------
    store, array, key, number, index
        As those of `ChunkRead`.
    stored
        Whether it is stored now; False where it held nothing but the fill value, and its key was deleted.
    bytes_stored
        Bytes of the encoded chunk.
    bytes_decoded
        Bytes of the chunk in memory.
    waiting
        Seconds until it was its turn: for the plan, for a lock.
    copying
        Seconds that the engine took to put its values together.
    encoding
        Seconds in the codecs.
    putting
        Seconds in the store. A shard's are shared out evenly to the inner chunks that were written.
    """

    waiting: float = 0.0
    copying: float = 0.0
    encoding: float = 0.0
    putting: float = 0.0

    @property
    def seconds(self) -> float:
        return self.waiting + self.copying + self.encoding + self.putting


@dataclass(frozen=True, slots=True)
class StoreRequest(Event):
    """A store was asked for something.

    Attributes
    ----------
    store
        Its URL.
    kind
        What was asked: ``get``, ``range``, ``put``, ``delete``, ``list`` or ``size``.
    key
        The key, or the prefix that was listed.
    bytes
        Bytes that came or went.
    seconds
        How long it took.
    found
        Whether there was such a key.
    error
        The exception it ended in, as text; ``""`` where it succeeded.
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
    """Something failed, and is tried again.

    Attributes
    ----------
    what
        What is tried again, for people: ``chunk (0, 3) of array 'a'``, ``get 'c/0/3'``.
    attempt
        How many attempts have failed by now.
    wait
        Seconds until the next one.
    error
        What the last one failed with, as text.
    store, array, key
        Where that is known.
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
    """Something was in a cache, and so not read.

    Attributes
    ----------
    cache
        Which one: ``shard index``, ``chunks``, ...
    key
        The key whose value, or part of it, was not read.
    bytes
        Bytes that were not read; 0 where that is not known.
    store, array
        Where that is known.
    request
        The kind of `StoreRequest` that was answered so, which is told as well; ``""`` where none is.
    """

    cache: str
    key: str
    bytes: int = 0
    store: str = ""
    array: str = ""
    request: RequestKind | Literal[""] = ""


@dataclass(frozen=True, slots=True)
class StreamProgress(Event):
    """A stream, map or batch loader has got on.

    Attributes
    ----------
    stream
        Which: ``chunk_stream``, ``write_stream``, ``parallel_chunk_map``, ...
    array
        Path of the array it is over.
    done, total
        Chunks (or batches) that are over and done with, failed and skipped ones included, and all there
        will be; None where that is not known.
    failed, skipped
        How many of `done` failed, and were left out.
    bytes
        Bytes in memory of those that were done.
    seconds
        Since it began.
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
    """An ingestion has got on.

    Attributes
    ----------
    source, target
        What is ingested, for people (a file's name), and the path of the array it goes to.
    done, total
        Items that are over and done with, failed and skipped ones included, and all there will be; None
        where that is not known.
    failed, skipped
        How many of `done` failed, and were left out.
    bytes
        Bytes in memory of those that were done.
    seconds
        Since it began.
    """

    source: str
    target: str
    done: int
    total: int | None
    failed: int = 0
    skipped: int = 0
    bytes: int = 0
    seconds: float = 0.0
