"""`Array.chunk_stream`: iterate over the chunks of an array, read ahead in threads."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt

from exzarr import config
from exzarr._engine.pool import in_flight
from exzarr._engine.source import ChunkSource
from exzarr._retrying import Retry, as_retry
from exzarr._stream.chunks.grid import Entry, Region, StreamGrid, as_region, chunk_indices
from exzarr._stream.chunks.reader import ChunkReader, Missing, Piece, Result
from exzarr._stream.failures import Failures, OnError, chunk_error
from exzarr._stream.progress.progress import Progress, open_meter
from exzarr._stream.stop import Stop
from exzarr._stream.stream import Stream
from exzarr._stream.window import Outcome, Window, as_workers
from exzarr._typing import AnyArray

__all__ = ["Chunk", "ChunkStream", "Where"]


Where = Callable[[tuple[int, ...]], object] | npt.ArrayLike
"""A predicate on the chunk index, or an integer array of chunk indices with shape (n, dimensions)."""

PIECE_NBYTES = 1024 * 1024
"""Largest number of bytes of small chunks that are read together as one piece.

Each piece that a thread returns costs about 50 µs: it wakes a thread on another core, which waits for the interpreter
lock.
"""

PIECE_CHUNKS = 256
"""Largest number of chunks in a piece. More gains nothing and delays the first chunk."""

SMALL_RAW_NBYTES = 16 * 1024
"""Largest raw chunk, in bytes, that one thread reads as fast as several threads do."""

AHEAD_NBYTES = 8 * 1024 * 1024
"""Default number of bytes that a stream of small chunks holds in memory."""


@dataclass(frozen=True, slots=True, eq=False)
class Chunk:
    """One chunk of a chunk stream.

    Attributes
    ----------
    index
        Chunk index in the grid. If the array has shards, the index in the grid of inner chunks.
    region
        Elements of the array that `data` holds: ``array[chunk.region]`` reads the same values.
    data
        Array with the region's shape and the array's data type. It is C-contiguous, writable and shares no memory with
        other chunks.
    """

    index: tuple[int, ...]
    region: Region
    data: AnyArray


class IndexFilter:
    """A predicate on the chunk index that counts the chunks it refuses."""

    __slots__ = ("_wanted", "refused")

    def __init__(self, wanted: Callable[[tuple[int, ...]], object]) -> None:
        self._wanted = wanted
        self.refused = 0

    def __call__(self, entry: Entry) -> bool:
        if self._wanted(entry[1]):
            return True
        self.refused += 1
        return False

    def take_refused(self) -> int:
        """Return how many chunks were refused since the last call."""
        refused, self.refused = self.refused, 0
        return refused


class ChunkStream(Stream[Chunk]):
    """Iterator over `Chunk`; see `Array.chunk_stream`."""

    __slots__ = ("_filter", "_path", "_reader")

    def __init__(
        self,
        source: ChunkSource,
        region: Any = None,
        *,
        workers: int | None = None,
        prefetch: int | None = None,
        ordered: bool = True,
        where: Where | None = None,
        missing: Missing = "fill",
        timeout: float | None = None,
        retries: int | Retry | None = None,
        on_error: OnError = "raise",
        progress: Progress = False,
    ) -> None:
        workers = default_workers(source) if workers is None else as_workers(workers)
        failures = Failures(on_error)
        if prefetch is None:
            prefetch = default_prefetch(source.nbytes, workers)
        grid = StreamGrid(source)
        self._filter = IndexFilter(where) if callable(where) else None
        entries, total = choose(grid, as_region(region, source.shape), self._filter or where, ordered)
        retry, stop, alone = as_retry(retries), Stop(), timeout is not None
        # If the store wants many requests in flight, each piece is one chunk. With shards, a piece is one request.
        single = alone or (source.store.concurrency and not source.sharded)
        piece = 1 if single else piece_size(source.nbytes, workers, prefetch)
        self._path = source.path
        self._reader = ChunkReader(
            source,
            missing=missing,
            share=workers,
            retry=retry,
            stop=stop,
            alone=alone,
            window=workers + prefetch,
        )
        window: Window[Piece, Result] = Window(
            self._reader,
            cut(entries, piece, single_key(source)),
            workers=workers,
            prefetch=prefetch if piece == 1 else (workers + prefetch) // piece - workers,
            ordered=ordered,
            timeout=timeout,
            retry=retry if alone else None,
            stop=stop,
        )
        super().__init__(
            window, failures, total, open_meter(progress, total, stream="chunk_stream", array=source.path)
        )

    def _unpack(self, outcome: Outcome[Piece, Result]) -> list[Chunk | BaseException | None]:
        piece = outcome.item
        if outcome.error is not None:
            return [chunk_error(self._path, entry[1], entry[0], outcome.error) for entry in piece]
        assert outcome.value is not None
        values, missing, retried = outcome.value
        self._tally.missing += missing
        self._tally.retries += retried
        return [
            Chunk(entry[1], entry[3], value) if isinstance(value, np.ndarray) else value
            for entry, value in zip(piece, values, strict=True)
        ]

    def _count_filtered(self) -> int:
        return 0 if self._filter is None else self._filter.take_refused()

    def _release(self) -> None:
        self._reader.close()


def choose(
    grid: StreamGrid, region: Region, where: IndexFilter | Where | None, ordered: bool
) -> tuple[Iterator[Entry], int]:
    """Return the chunks to stream and their number. A predicate is given as an `IndexFilter`."""
    if isinstance(where, IndexFilter) or where is None:
        entries = grid.walk(region) if ordered or not grid.sharded else grid.walk_shards(region)
        return entries if where is None else filter(where, entries), grid.count(region)
    indices = grid.touched(region, chunk_indices(where, grid.counts))
    if not ordered:
        indices = grid.by_shard(indices)
    return grid.pick(region, indices), len(indices)


def default_workers(source: ChunkSource) -> int:
    """Return the default number of threads for this store and chunk size."""
    if source.store.concurrency:
        return in_flight(source.store, source.nbytes)
    # The consumer's thread must acquire the interpreter lock, too.
    small = source.prefer_serial or (source.inner_pipeline.raw and source.nbytes <= SMALL_RAW_NBYTES)
    return 1 if small else config.get().workers


def default_prefetch(nbytes: int, workers: int) -> int:
    """Return the default prefetch for chunks of `nbytes`: 8 MiB of chunks, at least `workers` chunks."""
    return max(workers, AHEAD_NBYTES // max(1, nbytes) - workers)


def piece_size(nbytes: int, workers: int, prefetch: int) -> int:
    """Return the number of chunks that a thread reads as one piece.

    Pieces are large enough to be worth a handover between threads. They are small enough that each thread can have one
    piece in progress and one ready within ``workers + prefetch`` chunks.
    """
    return max(
        1, min(PIECE_NBYTES // max(1, nbytes), PIECE_CHUNKS, (workers + prefetch) // (2 * workers + 2))
    )


def single_key(source: ChunkSource) -> bool:
    """Return True if all chunks of a piece must lie in one shard: a piece is then one slow request."""
    return source.sharded and bool(source.store.concurrency)


def cut(entries: Iterable[Entry], most: int, one_key: bool) -> Iterator[Piece]:
    """Cut entries into pieces of up to `most` chunks. The first pieces are smaller, because the consumer waits for them.

    If `one_key` is True, all entries of a piece have the same key.
    """
    entries = iter(entries)
    size = 1
    piece: list[Entry] = []
    try:
        if one_key:
            for entry in entries:
                if piece and (len(piece) >= size or entry[0] != piece[0][0]):
                    yield piece
                    piece = []
                    size = min(most, 2 * size)
                piece.append(entry)
        else:
            while True:
                piece.extend(islice(entries, size))
                if len(piece) < size:
                    break
                yield piece
                piece = []
                size = min(most, 2 * size)
    except Exception:
        if piece:  # yield the entries before the error first
            yield piece
        raise
    if piece:
        yield piece
