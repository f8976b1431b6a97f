"""One pass over the batches of an epoch: made ahead in a thread, and handed out one by one."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from time import perf_counter
from types import TracebackType
from typing import Any, Self

import numpy.typing as npt

from exzarr import config, telemetry
from exzarr._stream.window import Window

__all__ = ["BatchIterator", "Position"]

Batch = list[npt.NDArray[Any]]


@dataclass(slots=True)
class Position:
    """Where a pass has come to: `batches` of `epoch` have been handed out."""

    epoch: int
    batches: int = 0


class BatchIterator:
    """The batches of one epoch, one after the other.

    A context manager. Closed at the end, on an error, and when it is dropped: no thread outlives it. A copy
    in a forked process goes on from the same place with a thread of its own.

    Parameters
    ----------
    make
        Makes the batches from a position on, one after the other, in whatever thread asks for them.
    pack
        Gives a batch the form that the consumer wants.
    position
        Where to begin; kept up to date.
    count
        Batches of the epoch.
    prefetch
        How many are made ahead; with 0, each is made when it is asked for.
    workers
        Threads that read and decode; None for what is configured.
    label
        What telemetry calls the arrays.
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
        self._process = 0  # the one that `_one` works in
        self._one: Callable[[], Batch] | None = None
        self._window: Window[int, Batch] | None = None
        self._closed = False

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Any:
        position = self._position
        if self._closed:
            raise StopIteration
        if position.batches >= self._count:
            self.close()
            position.epoch, position.batches = position.epoch + 1, 0
            raise StopIteration
        try:
            batch = self._next()
        except BaseException:
            self.close()
            raise
        position.batches += 1
        if telemetry.hooks():
            self._tell(batch)
        return self._pack(batch)

    def _tell(self, batch: Batch) -> None:
        """Have those who listen know how far it is. What was handed out while nobody did is not in the bytes."""
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

    def _next(self) -> Batch:
        if self._process != os.getpid() or self._one is None:
            self._open()
        assert self._one is not None
        if self._window is None:
            return self._one()
        outcome = next(self._window)
        if outcome.error is not None:
            raise outcome.error
        assert outcome.value is not None
        return outcome.value

    def _open(self) -> None:
        one = self._make(self._position).__next__
        if self._workers is not None:
            one = partial(_with_workers, one, self._workers)
        self._process, self._one, self._started = os.getpid(), one, perf_counter()
        self._window = None
        if self._prefetch:
            # One thread, as a batch goes on from where the one before it ended; it must not hold this iterator.
            todo = range(self._count - self._position.batches)
            self._window = Window(partial(_ignoring, one), todo, workers=1, prefetch=self._prefetch)

    def close(self) -> None:
        """End the pass: what was made ahead is thrown away."""
        self._closed = True
        window, self._window, self._one = self._window, None, None
        if window is not None:
            window.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _ignoring(one: Callable[[], Batch], _: int) -> Batch:
    return one()


def _with_workers(one: Callable[[], Batch], workers: int) -> Batch:
    with config.override(workers=workers):
        return one()
