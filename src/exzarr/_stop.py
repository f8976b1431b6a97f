"""A flag that ends waits and can be set by any code at any moment, and the flag of a context.

`stopping` gives the reads of a context a flag. Once it is set, they start no further request, decode no further chunk,
and end with `Stopped`. The threads that work for a read run in copies of its context, so the flag reaches them.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

__all__ = ["Stop", "Stopped", "current_stop", "stopping"]


class Stop:
    """A `threading.Event` whose `set` takes no lock that the current thread may already hold.

    A finalizer can therefore call `set`. The garbage collector runs finalizers at any point of any thread, also inside
    `wait`. Once set, the flag stays set.
    """

    __slots__ = ("_gate", "_set")

    def __init__(self) -> None:
        self._set = False
        self._gate = threading.Lock()
        self._gate.acquire()

    def is_set(self) -> bool:
        return self._set

    def set(self) -> None:
        if not self._set:
            self._set = True
            _release(self._gate)

    def wait(self, timeout: float) -> bool:
        """Wait up to `timeout` seconds. Return True immediately once the flag is set."""
        if not self._set and self._gate.acquire(timeout=timeout):
            _release(self._gate)  # let the next waiting thread through
        return self._set

    def check(self) -> None:
        """Raise `Stopped` if the flag is set."""
        if self._set:
            raise Stopped


class Stopped(BaseException):
    """A read ended because its flag was set. It never reaches users."""


_current: ContextVar[Stop | None] = ContextVar("exzarr_stop", default=None)


def current_stop() -> Stop | None:
    """Return the flag of this context; None if it cannot be stopped."""
    return _current.get()


@contextmanager
def stopping(stop: Stop) -> Iterator[None]:
    """Let `stop` end the reads in the block."""
    token = _current.set(stop)
    try:
        yield
    finally:
        _current.reset(token)


def _release(gate: threading.Lock) -> None:
    try:
        gate.release()
    except RuntimeError:
        pass  # another thread released it
