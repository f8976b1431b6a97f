"""Thread pools of the process that grow on demand and survive a fork."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

__all__ = ["SharedExecutor"]


class SharedExecutor:
    """A `ThreadPoolExecutor` that the whole process shares. A forked child starts a new one.

    Make it once, in a module: it is never released.
    """

    _executor: ThreadPoolExecutor | None
    _size: int
    _guard: threading.Lock

    def __init__(self, thread_name_prefix: str) -> None:
        self._prefix = thread_name_prefix
        self.forget()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self.forget)

    def threads(self, size: int) -> ThreadPoolExecutor:
        """Return the pool, with at least `size` threads. Each thread starts when it is first needed."""
        executor = self._executor
        if executor is not None and self._size >= size:
            return executor
        from concurrent.futures import ThreadPoolExecutor

        with self._guard:
            if self._executor is None or self._size < size:
                # Other callers may still use the smaller pool. Its threads end with the last reference to it.
                self._executor = ThreadPoolExecutor(size, thread_name_prefix=self._prefix)
                self._size = size
            return self._executor

    def forget(self) -> None:
        """Discard the pool. A forked child has none of its threads, and the lock may be held in the parent."""
        self._executor = None
        self._size = 0
        self._guard = threading.Lock()
