"""What streams over an array have in common: iterate, count, end."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from exzarr._stream.failures import Failures
from exzarr._stream.progress.progress import Meter
from exzarr._stream.window import Outcome, Window, is_patient

__all__ = ["Stream", "StreamStats", "Tally"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class StreamStats:
    """What a stream has done so far.

    Attributes
    ----------
    chunks
        How many chunks (of a slice stream: slices) were handed out.
    bytes
        Bytes of their data in memory.
    failed
        How many failed.
    skipped
        How many were left out: by ``missing="skip"``, or by the predicate `where`.
    missing
        How many were not stored, left out or not; a slice stream does not count them.
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
class Tally:
    """`StreamStats` in the making."""

    chunks: int = 0
    bytes: int = 0
    failed: int = 0
    skipped: int = 0
    missing: int = 0
    retries: int = 0


class Stream(Generic[T]):
    """An iterator over a window whose outcomes hold several things to hand out.

    Used in a ``with`` block, or left to the garbage collector, it ends its threads whatever happens.

    Attributes
    ----------
    total
        How many there are to go through, those left out included.
    """

    __slots__ = (
        "__weakref__",
        "_ended",
        "_failures",
        "_meter",
        "_ready",
        "_started",
        "_tally",
        "_window",
        "total",
    )

    def __init__(self, window: Window[Any, Any], failures: Failures, total: int, meter: Meter | None) -> None:
        self._window = window
        self._failures = failures
        self._meter = meter
        self._ready: list[T | BaseException | None] = []  # last one first
        self._tally = Tally()
        self._started = self._ended = 0.0
        self.total = total

    # -- what a stream has of its own --------------------------------------------------

    def _unpack(self, outcome: Outcome[Any, Any]) -> list[T | BaseException | None]:
        """What to hand out of an outcome: things, None for what is left out, errors."""
        raise NotImplementedError

    def _nbytes(self, item: T) -> int:
        """Bytes of the data that went into it."""
        nbytes: int = item.data.nbytes  # type: ignore[attr-defined]  # unless this is overridden
        return nbytes

    def _left_out(self) -> int:
        """How many never came as far as the window since this was asked last."""
        return 0

    def _release(self) -> None:
        """Let go of what is open."""

    # -- iterating -------------------------------------------------------------------

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> T:
        return self._take()

    def _take(self) -> T:
        """The next thing; StopIteration at the end."""
        tally = self._tally
        while True:
            if not self._ready:
                self._advance()
            item = self._ready.pop()
            if item is None:
                self._skip(1)
            elif isinstance(item, BaseException):
                self._fail(item)
            else:
                nbytes = self._nbytes(item)
                tally.chunks += 1
                tally.bytes += nbytes
                if self._meter is not None:
                    self._meter.add(1, nbytes)
                return item

    def _advance(self) -> None:
        """Get the next outcome, or end."""
        if not self._started:
            self._started = time.monotonic()
        try:
            while not self._ready:
                outcome = next(self._window)
                self._tally.retries += outcome.attempts - 1
                self._skip(self._left_out())
                self._ready = self._unpack(outcome)[::-1]
        except StopIteration:
            if self._ended:  # before: whoever ended it has waited, or did not want to
                raise
            self._skip(self._left_out())
            if self._meter is not None:
                self._meter.finish()
            self.close()
            raise
        except BaseException as error:
            self._end(wait=is_patient(error))
            raise

    def _skip(self, count: int) -> None:
        if count:
            self._tally.skipped += count
            if self._meter is not None:
                self._meter.add(count)

    def _fail(self, error: BaseException) -> None:
        self._tally.failed += 1
        if self._meter is not None:
            self._meter.add(failed=1)
        try:
            self._failures(error)
        except BaseException as raised:
            self._end(wait=is_patient(raised))
            raise

    # -- the end ---------------------------------------------------------------------

    def close(self) -> None:
        """End the threads; wait for what is being read, unless it is overdue. What is not handed out is dropped."""
        self._end(wait=True)

    def _end(self, *, wait: bool) -> None:
        """End it; `wait` for what is in work."""
        self._ready = []
        self._window.close(wait=wait)
        self._release()
        if self._meter is not None:
            self._meter.close()
        if self._started and not self._ended:
            self._ended = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end(wait=is_patient(error))

    @property
    def stats(self) -> StreamStats:
        """What it has done so far."""
        seconds = (self._ended or time.monotonic()) - self._started if self._started else 0.0
        return StreamStats(**asdict(self._tally), seconds=seconds)
