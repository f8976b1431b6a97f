"""Locks between the threads of this process, granted in the order of requests.

`Store.update` uses them. Stores that several processes write to add locks between processes
(`stores.local.file_locks`).
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Hashable
from types import TracebackType

from exzarr import config
from exzarr.errors import LockTimeoutError

__all__ = ["ThreadLock", "deadline", "is_locked", "note_wait", "timed_out", "waited"]


def deadline() -> float:
    """Return the time (`time.monotonic`) at which a wait that begins now times out."""
    return time.monotonic() + config.get().lock_timeout


def timed_out(what: str, holder: str) -> LockTimeoutError:
    """Create the error for a lock of `what` that was not free in time."""
    seconds = config.get().lock_timeout
    return LockTimeoutError(
        f"waited {seconds:g} s for the lock of {what!r}, which is held by {holder}; "
        "exzarr.config.set(lock_timeout=...) waits longer"
    )


class _Waits(threading.local):
    seconds = 0.0


_waits = _Waits()


def waited() -> float:
    """Return the total seconds that this thread has waited for locks, including locks between processes."""
    return _waits.seconds


def note_wait(seconds: float) -> None:
    """Add the seconds that this thread has waited for a lock."""
    _waits.seconds += seconds


class _Line:
    """Holder of a lock, and the waiting threads in order."""

    __slots__ = ("holder", "waiting")

    def __init__(self) -> None:
        self.holder = threading.get_ident()
        self.waiting: deque[tuple[threading.Lock, int]] = deque()


class ThreadLock:
    """Lock of a key: ``with ThreadLock(key, name): ...`` excludes other threads that lock an equal key.

    Messages show `name`. A key needs no memory while it is not locked. The thread that has waited longest gets the
    lock next, so no thread starves. The lock is not reentrant.
    """

    __slots__ = ("_key", "_line", "_name")

    def __init__(self, key: Hashable, name: str) -> None:
        self._key = key
        self._name = name
        self._line: _Line | None = None

    def __enter__(self) -> None:
        self.acquire()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def acquire(self, end: float | None = None) -> None:
        """Acquire the lock. Raise LockTimeoutError if it is not free by `end` (default: `deadline`)."""
        with _guard:
            line = _lines.get(self._key)
            if line is None:
                self._line = _lines[self._key] = _Line()
                return
            turn = threading.Lock()
            turn.acquire()
            place = (turn, threading.get_ident())
            began = time.monotonic()
            line.waiting.append(place)
        try:
            rest = (deadline() if end is None else end) - began
            taken = turn.acquire(timeout=min(max(0.0, rest), threading.TIMEOUT_MAX))
        except BaseException:
            if not self._leave(line, place):
                self._line = line
                self.release()
            raise
        finally:
            note_wait(time.monotonic() - began)
        # The lock may have been passed to this thread at the last moment.
        if not taken and self._leave(line, place):
            raise timed_out(self._name, _thread(line.holder))
        self._line = line

    def _leave(self, line: _Line, place: tuple[threading.Lock, int]) -> bool:
        """Stop waiting. Return False if the lock has been passed to this thread already."""
        with _guard:
            if place not in line.waiting:
                return False
            line.waiting.remove(place)
            return True

    def release(self) -> None:
        line, self._line = self._line, None
        with _guard:
            # A forked child holds no locks: its parent does.
            if line is None or _lines.get(self._key) is not line:
                return
            if line.waiting:
                turn, line.holder = line.waiting.popleft()
                turn.release()
            else:
                del _lines[self._key]


def is_locked(key: Hashable) -> bool:
    """Return True if a thread of this process holds the lock of `key`."""
    return key in _lines


def _thread(ident: int) -> str:
    names = [thread.name for thread in threading.enumerate() if thread.ident == ident]
    return f"thread {names[0]!r} of this process" if names else "a thread of this process that has ended"


_lines: dict[Hashable, _Line] = {}
_guard = threading.Lock()


def _forget() -> None:
    """Drop all locks in a forked child, which has none of the threads that hold or wait."""
    global _guard
    _guard = threading.Lock()
    _lines.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
