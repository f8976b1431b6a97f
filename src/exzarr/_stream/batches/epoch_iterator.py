"""Iterator over the batches of one epoch, which a thread makes ahead."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from time import perf_counter
from types import TracebackType
from typing import Any, Self

from exzarr import config, telemetry
from exzarr._stream.async_iteration import NOT_READY, AsyncIteration, NotReady
from exzarr._stream.window import Window
from exzarr._typing import AnyArray

__all__ = ["BatchIterator", "Position"]

Batch = list[AnyArray]


@dataclass(slots=True)
class Position:
    """Position of a pass: number of batches of `epoch` that the consumer got."""

    epoch: int
    batches: int = 0


class BatchIterator(AsyncIteration[Any]):
    """Iterator over the batches of one epoch, for ``for`` and for ``async for``, and a context manager.

    It closes at the end, on an error, and when it is dropped; no thread outlives it. A copy in a forked process continues
    at the same position with its own thread.

    Parameters
    ----------
    make
        Makes the batches from a position on, in the thread that asks for them.
    pack
        Converts a batch to the form that the consumer wants.
    position
        Start position; updated with every batch.
    count
        Number of batches of the epoch.
    prefetch
        Number of batches made ahead. With 0, each batch is made on request.
    workers
        Number of threads that read and decode; None for the configured number.
    label
        Name of the arrays in telemetry events.
    """

    def __init__(
        self,
        make: Callable[[Position], Iterator[Batch]],
        pack: Callable[[Batch], Any],
        position: Position,
        count: int,
        prefetch: int,
        workers: int | None,
        label: str = "",
    ) -> None:
        self._make = make
        self._pack = pack
        self._position = position
        self._count = count
        self._prefetch = prefetch
        self._workers = workers
        self._label = label
        self._nbytes = 0
        self._started = 0.0
        self._process = 0  # process id in which `_one` is valid
        self._one: Callable[[], Batch] | None = None
        self._window: Window[int, Batch] | None = None
        self._closed = False

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Any:
        return self._step(wait=True)

    def _poll(self) -> Any | NotReady:
        return self._step(wait=False)

    def _step(self, *, wait: bool) -> Any | NotReady:
        """Return the next batch. If `wait` is False, a thread makes it: return `NOT_READY` until it is made."""
        position = self._position
        if self._closed:
            raise StopIteration
        if position.batches >= self._count:
            self._end(wait=wait)
            position.epoch, position.batches = position.epoch + 1, 0
            raise StopIteration
        try:
            batch = self._next(wait=wait)
        except BaseException:
            self._end(wait=wait)
            raise
        if batch is None:
            return NOT_READY
        position.batches += 1
        if telemetry.hooks():
            self._emit_progress(batch)
        return self._pack(batch)

    def _emit_progress(self, batch: Batch) -> None:
        """Emit a progress event to the hooks. Its bytes exclude batches that were returned while no hook was registered."""
        self._nbytes += sum([array.nbytes for array in batch])
        done, seconds = self._position.batches, perf_counter() - self._started
        telemetry.emit(
            telemetry.StreamProgress(
                stream="batches",
                array=self._label,
                done=done,
                total=self._count,
                bytes=self._nbytes,
                seconds=seconds,
            )
        )

    def _next(self, *, wait: bool) -> Batch | None:
        if self._process != os.getpid() or self._one is None or (self._window is None and not wait):
            self._open(ahead=self._prefetch > 0 or not wait)
        assert self._one is not None
        if self._window is None:
            return self._one()
        outcome = self._window.take(wait=wait)
        if outcome is None:
            return None
        if outcome.error is not None:
            raise outcome.error
        assert outcome.value is not None
        return outcome.value

    def _open(self, *, ahead: bool) -> None:
        one = self._make(self._position).__next__
        if self._workers is not None:
            one = partial(_with_workers, one, self._workers)
        self._process, self._one, self._started = os.getpid(), one, perf_counter()
        self._window = None
        if ahead:
            # One thread, because each batch continues where the last one ended. The thread must not reference this iterator.
            todo = range(self._count - self._position.batches)
            self._window = Window(partial(_next_batch, one), todo, workers=1, prefetch=self._prefetch)

    def close(self) -> None:
        """End the pass and drop the batches that were made ahead."""
        self._end(wait=True)

    def _end(self, *, wait: bool) -> None:
        self._closed, self._one = True, None
        window = self._window
        if window is not None:
            window.close(wait=wait)
            if wait:
                self._window = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _next_batch(one: Callable[[], Batch], _: int) -> Batch:
    return one()


def _with_workers(one: Callable[[], Batch], workers: int) -> Batch:
    with config.override(workers=workers):
        return one()
