"""Measurements of a pipeline: the items between producer and store, their waiting times, and memory."""

from __future__ import annotations

import threading
import time
import tracemalloc
from typing import Any, Self

import numpy as np
import numpy.typing as npt

__all__ = ["Flow", "MemoryTrace"]

Floats = npt.NDArray[np.float64]


class Flow:
    """A thread-safe record of when items were produced and when they were stored.

    >>> flow = Flow()
    >>> flow.made(0), flow.made(1), flow.stored(0), flow.made(2)
    (None, None, None, None)
    >>> flow.most, flow.waiting()[1].tolist()
    (2, [1, 2, 1, 2])
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._made: dict[Any, float] = {}
        self._stored: dict[Any, float] = {}

    def made(self, item: Any) -> None:
        """Record that `item` (any hashable identifier) was produced and waits for the store."""
        with self._lock:
            self._made[item] = time.perf_counter()

    def stored(self, item: Any) -> None:
        """Record that `item` was stored."""
        with self._lock:
            self._stored[item] = time.perf_counter()

    def waiting(self) -> tuple[Floats, npt.NDArray[np.int64]]:
        """Return the seconds since the first item was produced, and the number of waiting items from then on."""
        moments = np.array([*self._made.values(), *self._stored.values()])
        steps = np.repeat([1, -1], [len(self._made), len(self._stored)])
        # An item that was stored at the moment when another was produced did not wait together with it.
        order = np.lexsort((steps, moments))
        return moments[order] - moments.min(initial=np.inf), np.cumsum(steps[order])

    @property
    def most(self) -> int:
        """Largest number of items that waited concurrently."""
        return int(self.waiting()[1].max(initial=0))

    def ages(self) -> Floats:
        """Return the seconds from production to storage of each stored item, in the order of production."""
        return np.array([self._stored[item] - at for item, at in self._made.items() if item in self._stored])

    def per_second(self) -> float:
        """Return the items stored per second, from the first production to the last storage."""
        seconds = max(self._stored.values()) - min(self._made.values())
        return len(self._stored) / seconds


class MemoryTrace:
    """A context manager that samples the memory of Python and NumPy while its block runs.

    `tracemalloc` traces the memory, which makes Python somewhat slower. Memory from before the block is not counted.

    Attributes
    ----------
    seconds, nbytes
        Times of the samples since the beginning of the block, and the memory at these times.
    peak
        Largest memory during the block, in bytes.
    """

    def __init__(self, every: float = 0.005) -> None:
        self._every = every
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._sample, name="memory-trace", daemon=True)
        self._started_tracing = False
        self.seconds: list[float] = []
        self.nbytes: list[int] = []
        self.peak = 0

    def __enter__(self) -> Self:
        if not tracemalloc.is_tracing():
            tracemalloc.start()
            self._started_tracing = True
        self._before, self._began = tracemalloc.get_traced_memory()[0], time.perf_counter()
        tracemalloc.reset_peak()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self.peak = max(0, tracemalloc.get_traced_memory()[1] - self._before)
        if self._started_tracing:
            tracemalloc.stop()

    def _sample(self) -> None:
        while True:
            self.seconds.append(time.perf_counter() - self._began)
            self.nbytes.append(max(0, tracemalloc.get_traced_memory()[0] - self._before))
            if self._stop.wait(self._every):
                return
