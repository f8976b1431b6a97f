"""A flag that ends waits, and that any code may raise at any moment."""

from __future__ import annotations

import threading

__all__ = ["Stop"]


class Stop:
    """Like `threading.Event`, but `set` takes no lock that this thread might hold already.

    So it can be called by a finalizer, which the garbage collector runs wherever a thread happens to be,
    inside `wait` too. Once set it stays so.
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
        """Wait `timeout` seconds; true, and at once, where it has been set."""
        if not self._set and self._gate.acquire(timeout=timeout):
            _release(self._gate)  # the next one who waits comes through as well
        return self._set


def _release(gate: threading.Lock) -> None:
    try:
        gate.release()
    except RuntimeError:
        pass  # another thread did
