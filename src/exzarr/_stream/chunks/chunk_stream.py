"""`Array.chunk_stream`: the chunks of an array, one after the other, read ahead in threads."""

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

__all__ = ["Chunk", "ChunkStream", "Where"]

AnyArray = npt.NDArray[Any]

Where = Callable[[tuple[int, ...]], object] | npt.ArrayLike
"""A predicate on the chunk index; or the indices of chunks, an integer array of shape (n, dimensions)."""

PIECE_NBYTES = 1024 * 1024
"""Small chunks are read several at a time, up to this many bytes: handing them over would cost more.

A piece that is handed over wakes a thread on another core, which then waits for the interpreter lock: some 50 µs.
"""

PIECE_CHUNKS = 256
"""... and up to so many: more would make no difference to that, and somebody may wait for the first of them."""

SMALL_RAW_NBYTES = 16 * 1024
"""Raw chunks up to this size are read as fast by one thread as by several."""

AHEAD_NBYTES = 8 * 1024 * 1024
"""What a stream of small chunks has in memory unless it is told otherwise."""


@dataclass(frozen=True, slots=True, eq=False)
class Chunk:
    """One chunk of a stream.

    Attributes
    ----------
    index
        Its index in the chunk grid (in that of inner chunks, where there are shards).
    region
        The elements of the array that `data` holds: ``array[chunk.region]`` reads the same.
    data
        An array of the region's shape and the array's data type, C-contiguous, writable, and nobody else's.
    """

    index: tuple[int, ...]
    region: Region
    data: AnyArray


class IndexFilter:
    """A predicate on the index, and how many chunks it has left out."""

    __slots__ = ("_wanted", "refused")

    def __init__(self, wanted: Callable[[tuple[int, ...]], object]) -> None:
        self._wanted = wanted
        self.refused = 0

    def __call__(self, entry: Entry) -> bool:
        if self._wanted(entry[1]):
            return True
        self.refused += 1
        return False

    def taken(self) -> int:
        """How many it has left out since this was asked last."""
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
        # Where the store wants many requests in flight, each chunk is one; of a shard a piece is one as well.
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
            cut(entries, piece, by_key(source)),
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

    def _left_out(self) -> int:
        return 0 if self._filter is None else self._filter.taken()

    def _release(self) -> None:
        self._reader.close()


def choose(
    grid: StreamGrid, region: Region, where: IndexFilter | Where | None, ordered: bool
) -> tuple[Iterator[Entry], int]:
    """The chunks to go through, and how many there are. `where` is no plain callable any more."""
    if isinstance(where, IndexFilter) or where is None:
        entries = grid.walk(region) if ordered or not grid.sharded else grid.walk_shards(region)
        return entries if where is None else filter(where, entries), grid.count(region)
    indices = grid.touched(region, chunk_indices(where, grid.counts))
    if not ordered:
        indices = grid.by_shard(indices)
    return grid.pick(region, indices), len(indices)


def default_workers(source: ChunkSource) -> int:
    """How many threads where nobody says: those that pay, for the store and for the chunks."""
    if source.store.concurrency:
        return in_flight(source.store, source.nbytes)
    # The thread that takes the chunks has to win the interpreter lock back, too.
    small = source.light or (source.unit.raw and source.nbytes <= SMALL_RAW_NBYTES)
    return 1 if small else config.get().workers


def default_prefetch(nbytes: int, workers: int) -> int:
    """How many chunks of `nbytes` to read ahead where nobody says: 8 MiB, and never less than `workers`."""
    return max(workers, AHEAD_NBYTES // max(1, nbytes) - workers)


def piece_size(nbytes: int, workers: int, prefetch: int) -> int:
    """How many chunks a thread reads at once.

    As many as make a piece worth handing over, but few enough for every thread to have one in work and
    another ready, within ``workers + prefetch`` chunks.
    """
    return max(
        1, min(PIECE_NBYTES // max(1, nbytes), PIECE_CHUNKS, (workers + prefetch) // (2 * workers + 2))
    )


def by_key(source: ChunkSource) -> bool:
    """Whether a piece is of one shard: where that is one request, and requests take long."""
    return source.sharded and bool(source.store.concurrency)


def cut(entries: Iterable[Entry], most: int, one_key: bool) -> Iterator[Piece]:
    """Cut entries into pieces of up to `most`, the first ones smaller: somebody waits for them.

    `one_key`: all entries of a piece have the same key.
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
        if piece:  # what came before the error comes out before it
            yield piece
        raise
    if piece:
        yield piece
