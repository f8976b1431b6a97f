"""`Stream`: iteration, statistics and shutdown, shared by all streams over an array."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from types import TracebackType
from typing import Any, Self, TypeVar

from exzarr._stream.async_iteration import NOT_READY, AsyncIteration, NotReady
from exzarr._stream.options import StreamOptions
from exzarr._stream.progress.progress import SILENT, Meter
from exzarr._stream.window import Outcome, Window, may_wait
from exzarr.telemetry.units import human_bytes, human_seconds, human_speed

__all__ = ["Stream", "StreamStats", "Tally"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class StreamStats:
    """Statistics of a stream up to now.

    Attributes
    ----------
    chunks
        Number of chunks that the consumer got. For a slice stream, the number of slices.
    bytes
        Bytes of their data in memory.
    failed
        Number of chunks that failed.
    skipped
        Number of chunks left out by ``missing="skip"`` or by the predicate `where`.
    missing
        Number of chunks that are not stored, left out or not. A slice stream does not count them.
    retries
        Number of attempts beyond the first.
    seconds
        Seconds from the first request of the consumer to the end of the stream.
    """

    chunks: int = 0
    bytes: int = 0
    failed: int = 0
    skipped: int = 0
    missing: int = 0
    retries: int = 0
    seconds: float = 0.0

    def _repr_html_(self) -> str:
        from exzarr._html.fragments import facts, framed

        counts = [
            (name, f"{getattr(self, name):,}")
            for name in ("chunks", "failed", "skipped", "missing", "retries")
        ]
        speed = human_speed(self.bytes, self.seconds)
        amounts = [
            ("bytes", human_bytes(self.bytes)),
            ("time", human_seconds(self.seconds)),
            ("speed", speed),
        ]
        return framed(facts([*counts, *amounts]))


@dataclass(slots=True)
class Tally:
    """Counters from which `StreamStats` are built."""

    chunks: int = 0
    bytes: int = 0
    failed: int = 0
    skipped: int = 0
    missing: int = 0
    retries: int = 0


class Stream(AsyncIteration[T]):
    """An iterator over a window whose outcomes hold one or more items, for ``for`` and for ``async for``.

    Its threads end when its ``with`` block is left or when it is garbage collected.

    Attributes
    ----------
    total
        Number of items to process, including those left out.
    """

    __slots__ = (
        "__weakref__",
        "_ended",
        "_meter",
        "_options",
        "_ready",
        "_started",
        "_tally",
        "_window",
        "total",
    )

    _window: Window[Any, Any]

    def __init__(self, window: Window[Any, Any], options: StreamOptions, total: int, meter: Meter) -> None:
        self._window = window
        self._options = options
        self._meter = meter
        self._ready: list[T | BaseException | None] = []  # in reverse order
        self._tally = Tally()
        self._started = self._ended = 0.0
        self.total = total

    # -- for subclasses ----------------------------------------------------------------

    def _unpack(self, outcome: Outcome[Any, Any]) -> list[T | BaseException | None]:
        """Return the items of an outcome: an item, None for an item left out, or an error."""
        raise NotImplementedError

    def _nbytes(self, item: T) -> int:
        """Return the bytes of data that went into an item."""
        nbytes: int = item.data.nbytes  # type: ignore[attr-defined]  # unless this is overridden
        return nbytes

    def _count_filtered(self) -> int:
        """Return how many items were filtered out before the window since the last call."""
        return 0

    def _release(self) -> None:
        """Release open resources."""

    # -- iterating -------------------------------------------------------------------

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> T:
        return self._take()

    def _poll(self) -> T | NotReady:
        return self._next(wait=False)

    def _take(self) -> T:
        """Return the next item; raise StopIteration at the end."""
        item = self._next(wait=True)
        assert item is not NOT_READY
        return item

    def _next(self, *, wait: bool) -> T | NotReady:
        """Return the next item, or `NOT_READY` without `wait`."""
        tally = self._tally
        while True:
            if not self._ready and not self._advance(wait=wait):
                return NOT_READY
            item = self._ready.pop()
            if item is None:
                self._skip(1)
            elif isinstance(item, BaseException):
                self._fail(item, wait=wait)
            else:
                nbytes = self._nbytes(item)
                tally.chunks += 1
                tally.bytes += nbytes
                if self._meter is not SILENT:
                    self._meter.add(1, nbytes)
                return item

    def _advance(self, *, wait: bool) -> bool:
        """Get the next outcome, or end the stream. Return False if none is ready and `wait` is False."""
        if not self._started:
            self._started = time.monotonic()
        try:
            while not self._ready:
                outcome = self._window.take(wait=wait)
                if outcome is None:
                    return False
                self._tally.retries += outcome.attempts - 1
                self._skip(self._count_filtered())
                self._ready = self._unpack(outcome)[::-1]
        except StopIteration:
            if self._ended:  # a caller of `_end` decided already whether to wait
                raise
            self._skip(self._count_filtered())
            self._meter.finish()
            self.close()
            raise
        except BaseException as error:
            self._end(wait=wait and may_wait(error))
            raise
        return True

    def _skip(self, count: int) -> None:
        if count:
            self._tally.skipped += count
            self._meter.add(count)

    def _fail(self, error: BaseException, *, wait: bool = True) -> None:
        self._tally.failed += 1
        self._meter.add(failed=1)
        try:
            self._options.failed(error)
        except BaseException as raised:
            self._end(wait=wait and may_wait(raised))
            raise

    # -- the end ---------------------------------------------------------------------

    def close(self) -> None:
        """End the threads and drop unread items. Wait for reads in progress unless they are overdue."""
        self._end(wait=True)

    def _end(self, *, wait: bool) -> None:
        """End the stream. If `wait` is True, wait for reads in progress."""
        self._ready = []
        self._window.close(wait=wait)
        self._release()
        self._meter.close()
        if self._started and not self._ended:
            self._ended = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end(wait=may_wait(error))

    @property
    def stats(self) -> StreamStats:
        """Statistics of the stream up to now."""
        seconds = (self._ended or time.monotonic()) - self._started if self._started else 0.0
        return StreamStats(**asdict(self._tally), seconds=seconds)
