"""Iterator over the results of a map over chunks."""

from __future__ import annotations

import weakref
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from exzarr._engine.source import ChunkSource
from exzarr._retrying import Retry
from exzarr._stop import Stop
from exzarr._stream.chunks.chunk_stream import IndexFilter
from exzarr._stream.chunks.grid import Entry, Region
from exzarr._stream.failures import chunk_error
from exzarr._stream.maps.map_task import LEFT_OUT, MapTask
from exzarr._stream.maps.runners import Runner
from exzarr._stream.options import StreamOptions
from exzarr._stream.processes.failure import Failed
from exzarr._stream.processes.pool import ProcessLostError
from exzarr._stream.progress.progress import Meter
from exzarr._stream.stream import Stream
from exzarr._stream.window import Outcome, Window
from exzarr.errors import StreamError, WorkerDiedError

__all__ = ["MapStream", "Result", "map_single", "map_piece"]

Piece = Sequence[Entry]
Answer = tuple[list[Any], int, int]
"""For each chunk of a piece: its result, LEFT_OUT or Failed. Then the number of missing chunks and of retries."""


def map_piece(task: MapTask, source: ChunkSource, retry: Retry | None, stop: Stop, piece: Piece) -> Answer:
    """Map the small chunks of a piece in this thread. A chunk that fails does not affect the others."""
    found, missing = task.each(piece, stop)
    waits: list[float] = []
    for at, (entry, value) in enumerate(zip(piece, found, strict=False)):
        if isinstance(value, Failed) and retry is not None:
            error = with_chunk_name(source, entry, value.error)
            try:
                found[at], more = retry.resume(
                    error,
                    partial(_retry_chunk, task, source, entry),
                    stop=stop,
                    note=lambda _attempt, wait, _error: waits.append(wait),
                )
                missing += more
            except Exception as last:  # noqa: BLE001 - reported in place of the result
                found[at] = Failed(last)
    return found, missing, len(waits)


def _retry_chunk(task: MapTask, source: ChunkSource, entry: Entry) -> tuple[Any, int]:
    try:
        return task(entry)
    except Exception as error:  # noqa: BLE001 - reported with its chunk
        failed = with_chunk_name(source, entry, error)
    raise failed


def map_single(runner: Runner, source: ChunkSource, piece: Piece) -> Answer:
    """Map one chunk with the runner. The caller retries failures."""
    (entry,) = piece
    try:
        value, missing = runner(entry)
    except StreamError:
        raise
    except Exception as error:  # noqa: BLE001 - reported with its chunk
        failed = with_chunk_name(source, entry, error)
    else:
        return [value], missing, 0
    raise failed


def with_chunk_name(source: ChunkSource, entry: Entry, error: Exception) -> Exception:
    """Return `error` as one that names the chunk, so that a retry policy sees what the caller would see."""
    if isinstance(error, ProcessLostError):
        died = WorkerDiedError(source.path, entry[1], entry[0], f"the process that worked on it {error}")
        died.__cause__ = error
        return died
    made = chunk_error(source.path, entry[1], entry[0], error)
    assert isinstance(made, Exception)
    return made


@dataclass(frozen=True, slots=True)
class Result:
    """Result of one chunk.

    Attributes
    ----------
    index, region
        Index and region of the chunk.
    value
        Value that the function returned.
    """

    index: tuple[int, ...]
    region: Region
    value: Any


class MapStream(Stream[Result]):
    """Iterator over the results of `Array.parallel_chunk_map`, and a context manager.

    It yields what the function returned for each chunk; `items` yields the chunk's index as well. Work in progress ends
    when the ``with`` block is left, on `close`, on an exception, or when the stream is garbage collected. Worker
    processes are killed; threads finish their current chunk.
    """

    __slots__ = ("_closing", "_filter", "_itemsize", "_source", "_task")

    def __init__(
        self,
        window: Window[Piece, Answer],
        options: StreamOptions,
        total: int,
        meter: Meter,
        *,
        runner: Runner,
        task: MapTask,
        wanted: IndexFilter | None,
        source: ChunkSource,
        itemsize: int,
    ) -> None:
        super().__init__(window, options, total, meter)
        self._task = task
        self._filter = wanted
        self._source = source
        self._itemsize = itemsize  # of the data in all arrays
        # If the stream is dropped, the finalizer ends the processes. The window ends its threads itself.
        self._closing = weakref.finalize(self, runner.close)

    def __next__(self) -> Any:
        return self._take().value

    async def __anext__(self) -> Any:
        return (await super().__anext__()).value

    def items(self) -> Iterator[tuple[tuple[int, ...], Any]]:
        """Yield ``(chunk index, result)`` of each remaining chunk; ``dict`` accepts this iterator."""
        for found in self.results():
            yield found.index, found.value

    def results(self) -> Iterator[Result]:
        """Yield a `Result` for each remaining chunk."""
        while True:
            try:
                found = self._take()
            except StopIteration:
                return
            yield found

    @property
    def path(self) -> str:
        """Path of the (first) array."""
        return self._source.path

    def fail(self, error: BaseException) -> None:
        """Count a result as failed and apply the `on_error` policy."""
        self._tally.chunks -= 1
        self._fail(error)

    def _unpack(self, outcome: Outcome[Piece, Answer]) -> list[Result | BaseException | None]:
        error = outcome.error
        if error is not None:
            if isinstance(error, StreamError) or not isinstance(error, Exception):
                raise error
            return [with_chunk_name(self._source, entry, error) for entry in outcome.item]
        assert outcome.value is not None
        found, missing, retries = outcome.value
        self._tally.missing += missing
        self._tally.retries += retries
        return [self._result(entry, value) for entry, value in zip(outcome.item, found, strict=True)]

    def _result(self, entry: Entry, value: Any) -> Result | BaseException | None:
        if value is LEFT_OUT:
            return None
        if isinstance(value, Failed):
            return with_chunk_name(self._source, entry, value.error)
        return Result(entry[1], entry[3], value)

    def _nbytes(self, item: Result) -> int:
        nbytes = self._itemsize
        for part in item.region:
            nbytes *= part.stop - part.start
        return nbytes

    def _count_filtered(self) -> int:
        return 0 if self._filter is None else self._filter.take_refused()

    def _end(self, *, wait: bool) -> None:
        self._closing()  # first: the window's threads wait for the runner
        super()._end(wait=wait)

    def _release(self) -> None:
        self._task.close()
