"""`Array.chunk_stream`: the chunks of an array, one after the other, read ahead in threads."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from itertools import islice
from types import TracebackType
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from exzarr.engine.source import ChunkSource
from exzarr.stream.failures import Failures, OnError, chunk_error
from exzarr.stream.grid import Entry, Region, StreamGrid, as_region, chunk_indices
from exzarr.stream.progress import Progress, open_meter
from exzarr.stream.reader import ChunkReader, Missing, Piece, Result
from exzarr.stream.retry import Retry, as_retry
from exzarr.stream.stop import Stop
from exzarr.stream.window import Window, as_workers

__all__ = ["Chunk", "ChunkStream", "StreamStats", "Where"]

AnyArray = npt.NDArray[Any]

Where = Callable[[tuple[int, ...]], object] | npt.ArrayLike
"""A predicate on the chunk index; or the indices of chunks, an integer array of shape (n, dimensions)."""

PIECE_NBYTES = 512 * 1024
"""Small chunks are read several at a time, up to this many bytes: handing them over would cost more."""

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


@dataclass(frozen=True, slots=True)
class StreamStats:
    """What a stream has done so far.

    Attributes
    ----------
    chunks
        How many were handed out.
    bytes
        Bytes of their data in memory.
    failed
        How many failed.
    skipped
        How many were left out: by ``missing="skip"``, or by the predicate `where`.
    missing
        How many were not stored, left out or not.
    retries
        How many attempts were made beyond the first.
    seconds
        Since the first was asked for, until the stream ended.
    """

    chunks: int = 0
    bytes: int = 0
    failed: int = 0
    skipped: int = 0
    missing: int = 0
    retries: int = 0
    seconds: float = 0.0


@dataclass(slots=True)
class _Tally:
    """`StreamStats` in the making."""

    chunks: int = 0
    bytes: int = 0
    failed: int = 0
    skipped: int = 0
    missing: int = 0
    retries: int = 0


class _Filter:
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


class ChunkStream:
    """Iterator over `Chunk`; see `Array.chunk_stream`.

    Used in a ``with`` block, or left to the garbage collector, it ends its threads whatever happens.

    Attributes
    ----------
    total
        How many chunks it goes through, left out ones included.
    """

    __slots__ = (
        "__weakref__",
        "_ended",
        "_failures",
        "_filter",
        "_meter",
        "_reader",
        "_ready",
        "_source",
        "_started",
        "_tally",
        "_window",
        "total",
    )

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
        workers = as_workers(workers)
        self._source = source
        self._failures = Failures(on_error)
        self._filter: _Filter | None = None
        grid = StreamGrid(source)
        entries, self.total = self._choose(grid, as_region(region, source.shape), where, ordered)
        retry, stop = as_retry(retries), Stop()
        if prefetch is None:
            prefetch = default_prefetch(source.nbytes, workers)
        piece = 1 if timeout is not None else piece_size(source.nbytes, workers, prefetch)
        self._reader = ChunkReader(
            source,
            missing=missing,
            share=workers,
            retry=retry,
            stop=stop,
            alone=timeout is not None,
        )
        self._window: Window[Piece, Result] = Window(
            self._reader,
            cut(entries, piece, grid.sharded),
            workers=workers,
            prefetch=prefetch if piece == 1 else (workers + prefetch) // piece - workers,
            ordered=ordered,
            timeout=timeout,
            retry=retry if timeout is not None else None,
            stop=stop,
        )
        self._ready: list[tuple[Entry, Any]] = []  # last one first
        self._tally = _Tally()
        self._started = self._ended = 0.0
        self._meter = open_meter(progress, self.total)

    def _choose(
        self, grid: StreamGrid, region: Region, where: Where | None, ordered: bool
    ) -> tuple[Iterator[Entry], int]:
        """The chunks to go through, and how many there are."""
        if where is None or callable(where):
            entries = grid.walk(region) if ordered or not grid.sharded else grid.walk_shards(region)
            if where is not None:
                self._filter = _Filter(where)
                entries = filter(self._filter, entries)
            return entries, grid.count(region)
        indices = grid.touched(region, chunk_indices(where, grid.counts))
        if not ordered:
            indices = grid.by_shard(indices)
        return grid.pick(region, indices), len(indices)

    # -- iterating -------------------------------------------------------------------

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Chunk:
        tally = self._tally
        while True:
            if not self._ready:
                self._load()
            entry, value = self._ready.pop()
            if isinstance(value, np.ndarray):
                tally.chunks += 1
                tally.bytes += value.nbytes
                if self._meter is not None:
                    self._meter.add(1, value.nbytes)
                return Chunk(entry[1], entry[3], value)
            if value is None:
                tally.skipped += 1
                if self._meter is not None:
                    self._meter.add()
                continue
            tally.failed += 1
            if self._meter is not None:
                self._meter.add(failed=1)
            try:
                self._failures(value)
            except BaseException:
                self.close()
                raise

    def _load(self) -> None:
        """Get the next piece, or end."""
        if not self._started:
            self._started = time.monotonic()
        try:
            outcome = next(self._window)
        except StopIteration:
            self._count_refused()
            if self._meter is not None:
                self._meter.finish()
            self.close()
            raise
        except BaseException:
            self.close()
            raise
        self._count_refused()
        piece = outcome.item
        self._tally.retries += outcome.attempts - 1
        if outcome.error is not None:
            path = self._source.path
            self._ready = [(entry, chunk_error(path, entry[1], entry[0], outcome.error)) for entry in piece]
        else:
            assert outcome.value is not None
            values, missing, retried = outcome.value
            self._tally.missing += missing
            self._tally.retries += retried
            self._ready = [*zip(piece, values, strict=True)]
        self._ready.reverse()

    def _count_refused(self) -> None:
        if self._filter is not None and self._filter.refused:
            refused, self._filter.refused = self._filter.refused, 0
            self._tally.skipped += refused
            if self._meter is not None:
                self._meter.add(refused)

    # -- the end ---------------------------------------------------------------------

    def close(self) -> None:
        """End the threads; wait for what is being read, unless it is overdue. What is not handed out is dropped."""
        self._ready = []
        self._window.close()
        self._reader.close()
        if self._meter is not None:
            self._meter.close()
        if self._started and not self._ended:
            self._ended = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def stats(self) -> StreamStats:
        """What it has done so far."""
        seconds = (self._ended or time.monotonic()) - self._started if self._started else 0.0
        return StreamStats(**asdict(self._tally), seconds=seconds)


def default_prefetch(nbytes: int, workers: int) -> int:
    """How many chunks of `nbytes` to read ahead where nobody says: 8 MiB, and never less than `workers`."""
    return max(workers, AHEAD_NBYTES // max(1, nbytes) - workers)


def piece_size(nbytes: int, workers: int, prefetch: int) -> int:
    """How many chunks a thread reads at once.

    As many as make a piece worth handing over, but few enough for every thread to have one in work and
    another ready, within ``workers + prefetch`` chunks.
    """
    return max(1, min(PIECE_NBYTES // max(1, nbytes), (workers + prefetch) // (2 * workers + 2)))


def cut(entries: Iterable[Entry], most: int, by_key: bool) -> Iterator[Piece]:
    """Cut entries into pieces of up to `most`, the first ones smaller: somebody waits for them.

    `by_key`: all entries of a piece have the same key.
    """
    entries = iter(entries)
    size = 1
    piece: list[Entry] = []
    try:
        if by_key:
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
