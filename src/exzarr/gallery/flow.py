"""What is under way between who makes and who stores: how many items, for how long, and how much memory."""

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
    """Notes when items were made and when they were stored; from any thread.

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
        """`item`, whatever names it, is there and waits to be stored."""
        with self._lock:
            self._made[item] = time.perf_counter()

    def stored(self, item: Any) -> None:
        """`item` waits no longer."""
        with self._lock:
            self._stored[item] = time.perf_counter()

    def waiting(self) -> tuple[Floats, npt.NDArray[np.int64]]:
        """Seconds since the first item was made, and how many waited from then on."""
        moments = np.array([*self._made.values(), *self._stored.values()])
        steps = np.repeat([1, -1], [len(self._made), len(self._stored)])
        # What was stored and made at the very same moment never waited together.
        order = np.lexsort((steps, moments))
        return moments[order] - moments.min(initial=np.inf), np.cumsum(steps[order])

    @property
    def most(self) -> int:
        """How many waited at the same time, at most."""
        return int(self.waiting()[1].max(initial=0))

    def ages(self) -> Floats:
        """For each item that was stored, in the order in which they were made: seconds from made to stored."""
        return np.array([self._stored[item] - at for item, at in self._made.items() if item in self._stored])

    def per_second(self) -> float:
        """Items stored per second, from the first that was made to the last that was stored."""
        seconds = max(self._stored.values()) - min(self._made.values())
        return len(self._stored) / seconds


class MemoryTrace:
    """Looks now and then how much memory Python and NumPy hold, while the block runs.

    Traced by `tracemalloc`, which makes Python somewhat slower. What was held before the block counts for nothing.

    Attributes
    ----------
    seconds, nbytes
        When it looked, since the beginning of the block, and what was held then.
    """

    def __init__(self, every: float = 0.005) -> None:
        self._every = every
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look, name="memory-trace", daemon=True)
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

    def _look(self) -> None:
        while True:
            self.seconds.append(time.perf_counter() - self._began)
            self.nbytes.append(max(0, tracemalloc.get_traced_memory()[0] - self._before))
            if self._stop.wait(self._every):
                return
