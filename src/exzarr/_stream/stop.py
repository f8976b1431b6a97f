"""A flag that ends waits and can be set by any code at any moment."""

from __future__ import annotations

import threading

__all__ = ["Stop"]


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


def _release(gate: threading.Lock) -> None:
    try:
        gate.release()
    except RuntimeError:
        pass  # another thread released it
