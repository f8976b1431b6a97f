"""``progress=``: a bar in a terminal or a notebook, or a callback.

A stream reports to a `Meter`, and the meter updates a display. Streams do not depend on the display.
"""

from __future__ import annotations

import sys
import time
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Protocol, Self

from exzarr import telemetry
from exzarr.errors import ArgumentError, MissingDependencyError
from exzarr.telemetry.units import human_bytes

__all__ = ["SILENT", "Meter", "Progress", "ShownMeter", "State", "open_meter"]

Progress = bool | Callable[[int, Any], object]
"""True: a bar. A callable: called with ``(done, total)`` in chunks. False: no progress."""

EVERY = 0.1
"""Seconds between two updates of a bar."""


@dataclass(frozen=True, slots=True)
class State:
    """Progress of a stream.

    Attributes
    ----------
    done, total
        Number of processed chunks (failed and skipped ones included), and of all chunks. `total` is None if it is not
        known before the end.
    failed
        Number of chunks that failed.
    nbytes
        Bytes of processed data.
    seconds
        Seconds since the start.
    in_bytes
        True if `done` and `total` are bytes and not chunks.
    """

    done: int
    total: int | None
    failed: int
    nbytes: int
    seconds: float
    in_bytes: bool = False

    @property
    def rate(self) -> float:
        """Bytes per second."""
        return self.nbytes / self.seconds if self.seconds else 0.0

    @property
    def left(self) -> float | None:
        """Estimated seconds to the end at the current rate; None if unknown."""
        if not self.done or self.total is None:
            return None
        return (self.total - self.done) * self.seconds / self.done

    @property
    def words(self) -> str:
        """Text next to a bar: ``12/40 · 1 failed · 120 MiB/s · 4.0 s left``."""
        count = human_bytes if self.in_bytes else str
        parts = [count(self.done) if self.total is None else f"{count(self.done)}/{count(self.total)}"]
        if self.failed:
            parts.append(f"{self.failed} failed")
        parts.append(f"{human_bytes(round(self.rate))}/s")
        if self.done == self.total:
            parts.append(f"in {_clock(self.seconds)}")
        elif self.left is not None:
            parts.append(f"{_clock(self.left)} left")
        return " · ".join(parts)


def _clock(seconds: float) -> str:
    if seconds < 10:
        return f"{seconds:.1f} s"
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"


class Display(Protocol):
    """A display of a `State`."""

    def show(self, state: State) -> None: ...
    def stop(self) -> None: ...


class Meter:
    """Counts progress. This one shows nothing; `ShownMeter` does. It is closed at the end of a ``with`` block."""

    __slots__ = ()

    def expect(self, total: int) -> None:
        """Set the total, if it was not known before."""

    def add(self, chunks: int = 1, nbytes: int = 0, *, failed: int = 0) -> None:
        """Count more processed chunks; `failed` of them failed."""

    def finish(self) -> None:
        """Finish at the end of the stream: chunks that were not counted were left out."""

    def close(self) -> None:
        """Show the last state and stop the display."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


SILENT: Final = Meter()
"""The meter of a stream without progress."""


class ShownMeter(Meter):
    """Updates a display at intervals."""

    __slots__ = (
        "__weakref__",
        "_display",
        "_every",
        "_finalizer",
        "_in_bytes",
        "_next",
        "_shown",
        "_started",
        "done",
        "failed",
        "nbytes",
        "total",
    )

    def __init__(self, total: int | None, display: Display, every: float, *, in_bytes: bool = False) -> None:
        self.total = total
        self.done = self.failed = self.nbytes = 0
        self._display = display
        self._every = every
        self._in_bytes = in_bytes
        self._started = time.monotonic()
        self._next = 0.0
        self._shown = -1
        self._finalizer = weakref.finalize(self, display.stop)

    def expect(self, total: int) -> None:
        self.total = total

    def add(self, chunks: int = 1, nbytes: int = 0, *, failed: int = 0) -> None:
        self.done += chunks
        self.nbytes += nbytes
        self.failed += failed
        now = time.monotonic()
        if now >= self._next:
            self._show(now)
            self._next = now + self._every

    def finish(self) -> None:
        if self._finalizer.alive:
            if self.total is None:
                self.total, self._shown = self.done, -1
            self.done = self.total
            self.close()

    def close(self) -> None:
        if self._finalizer.alive:
            if self._shown != self.done:
                self._show(time.monotonic())
            self._finalizer()

    def _show(self, now: float) -> None:
        self._shown = self.done
        self._display.show(
            State(self.done, self.total, self.failed, self.nbytes, now - self._started, self._in_bytes)
        )


def open_meter(
    progress: Progress,
    total: int | None,
    what: str = "chunks",
    *,
    stream: str = "",
    array: str = "",
    in_bytes: bool = False,
) -> Meter:
    """Return a meter for `total` chunks (or bytes); `SILENT` if no progress is requested.

    `what` is the label of a bar; `stream` and `array` are those of `telemetry.StreamProgress`. Raise
    MissingDependencyError if a terminal bar is requested and rich is not installed.
    """
    if not callable(progress) and progress is not True and progress not in (False, None):
        raise ArgumentError(f"progress is True, False, or something to call, not {progress!r}")
    listeners = telemetry.hooks() if stream else ()
    display: Display | None = None
    if callable(progress):
        display = _Callback(progress)
    elif progress:
        display = _notebook(what) or _terminal(what)
    every = 0.0 if callable(progress) else EVERY
    if listeners:
        events = _Events(stream, array, listeners)
        display = events if display is None else _TwoDisplays(display, events)
    return SILENT if display is None else ShownMeter(total, display, every, in_bytes=in_bytes)


class _Events:
    """Emits telemetry events."""

    def __init__(self, stream: str, array: str, listeners: telemetry.Hooks) -> None:
        self._stream = stream
        self._array = array
        self._listeners = listeners
        self._next = 0.0

    def show(self, state: State) -> None:
        if state.done != state.total and state.seconds < self._next:
            return
        self._next = state.seconds + EVERY
        event = telemetry.StreamProgress(
            self._stream,
            self._array,
            state.done,
            state.total,
            failed=state.failed,
            bytes=state.nbytes,
            seconds=state.seconds,
        )
        telemetry.emit(event, self._listeners)

    def stop(self) -> None:
        pass


class _TwoDisplays:
    """Combines two displays."""

    def __init__(self, first: Display, second: Display) -> None:
        self._displays = (first, second)

    def show(self, state: State) -> None:
        for display in self._displays:
            display.show(state)

    def stop(self) -> None:
        for display in self._displays:
            display.stop()


class _Callback:
    """Calls a user's function."""

    def __init__(self, fn: Callable[[int, Any], object]) -> None:
        self._fn = fn

    def show(self, state: State) -> None:
        self._fn(state.done, state.total)

    def stop(self) -> None:
        pass


def _terminal(what: str) -> Display:
    try:
        from exzarr._stream.progress.terminal_bar import TerminalBar
    except ImportError as error:
        if error.name is None or error.name.partition(".")[0] != "rich":
            raise
        raise MissingDependencyError(
            "progress=True draws its bar with rich: pip install 'exzarr[cli]', or pass a callable"
        ) from None
    return TerminalBar(what)


def _notebook(what: str) -> Display | None:
    """Return a bar for the current notebook; None outside of notebooks."""
    ipython: Any = sys.modules.get("IPython")
    marimo: Any = sys.modules.get("marimo")
    shell = None if ipython is None else ipython.get_ipython()
    from exzarr._stream.progress import notebook_bar

    if shell is not None and getattr(shell, "kernel", None) is not None:
        return notebook_bar.JupyterBar(what)
    if marimo is not None and marimo.running_in_notebook():
        return notebook_bar.MarimoBar(what)
    return None
