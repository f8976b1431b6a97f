"""`Array.chunk_stream`: iterate over the chunks of an array, read ahead in threads."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np

from exzarr import config
from exzarr._engine.pool import in_flight
from exzarr._engine.source import ChunkSource
from exzarr._stop import Stop
from exzarr._stream.chunks.grid import Entry, Region, StreamGrid, as_region, chunk_indices
from exzarr._stream.chunks.reader import ChunkReader, Piece, Result
from exzarr._stream.failures import chunk_error
from exzarr._stream.options import StreamOptions
from exzarr._stream.stream import Stream
from exzarr._stream.window import Outcome, Window
from exzarr._typing import AnyArray

__all__ = ["Chunk", "ChunkStream"]


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

    def __init__(self, source: ChunkSource, options: StreamOptions) -> None:
        workers, prefetch = options.workers or default_workers(source), options.prefetch
        if prefetch is None:
            prefetch = default_prefetch(source.nbytes, workers)
        entries, total, self._filter = choose(StreamGrid(source), options)
        retry, stop, alone = options.retry, Stop(), options.timeout is not None
        # If the store wants many requests in flight, each piece is one chunk. With shards, a piece is one request.
        single = alone or (source.store.traits.concurrency and not source.sharded)
        piece = 1 if single else piece_size(source.nbytes, workers, prefetch)
        self._path = source.path
        self._reader = ChunkReader(
            source,
            missing=options.missing,
            share=workers,
            retry=retry,
            stop=stop,
            alone=alone,
            window=workers + prefetch,
            matching=options.matching,
        )
        window: Window[Piece, Result] = Window(
            self._reader,
            cut(entries, piece, single_key(source)),
            workers=workers,
            prefetch=prefetch if piece == 1 else (workers + prefetch) // piece - workers,
            ordered=options.ordered,
            timeout=options.timeout,
            retry=retry if alone else None,
            stop=stop,
        )
        meter = options.meter(total, stream="chunk_stream", array=source.path)
        super().__init__(window, options, total, meter)

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


def choose(grid: StreamGrid, options: StreamOptions) -> tuple[Iterator[Entry], int, IndexFilter | None]:
    """Return the chunks to stream, their number, and the filter that counts those that a predicate refuses."""
    region, where = as_region(options.region, grid.shape), options.where
    if callable(where) or where is None:
        entries = grid.walk(region) if options.ordered or not grid.sharded else grid.walk_shards(region)
        wanted = None if where is None else IndexFilter(where)
        return entries if wanted is None else filter(wanted, entries), grid.count(region), wanted
    indices = grid.touched(region, chunk_indices(where, grid.counts))
    if not options.ordered:
        indices = grid.by_shard(indices)
    return grid.pick(region, indices), len(indices), None


def default_workers(source: ChunkSource) -> int:
    """Return the default number of threads for this store and chunk size."""
    if source.store.traits.concurrency:
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
    return source.sharded and bool(source.store.traits.concurrency)


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
