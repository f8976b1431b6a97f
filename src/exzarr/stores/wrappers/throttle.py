"""Store wrapper that limits the rate of requests."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

from exzarr.errors import ArgumentError
from exzarr.stores.base import Store
from exzarr.stores.wrappers.base import Request, StoreWrapper

__all__ = ["Rate", "ThrottledStore"]

T = TypeVar("T")

BURST_SECONDS = 1.0
"""Seconds for which unused units are saved."""


class Rate:
    """Limit of units per second, on average: a token bucket (https://en.wikipedia.org/wiki/Token_bucket).

    Parameters
    ----------
    per_second
        Units per second. After an idle second, as many may be taken together.
    clock
        Function that returns seconds; for tests.
    """

    def __init__(self, per_second: float, clock: Callable[[], float] = time.monotonic) -> None:
        if not per_second > 0:
            raise ArgumentError(f"a rate must be positive, not {per_second!r}")
        self.per_second = per_second
        self._clock = clock
        self._lock = threading.Lock()
        self._free = clock() - BURST_SECONDS
        """Time from which on new units are free."""

    def take(self, units: float) -> float:
        """Take units, and return the number of seconds to wait before using them. Calls are served in order."""
        with self._lock:
            now = self._clock()
            self._free = max(self._free, now - BURST_SECONDS) + units / self.per_second
            return max(0.0, self._free - now)

    def __reduce__(self) -> tuple[object, ...]:
        return Rate, (self.per_second,)


class ThrottledStore(StoreWrapper):
    """Wrapper that limits requests per second, and bytes per second, of this process.

    The size of a read is known only afterwards, and delays the next request.

    Parameters
    ----------
    inner
        The store.
    requests_per_second, bytes_per_second
        The limits. None: no limit.
    """

    def __init__(
        self,
        inner: Store,
        *,
        requests_per_second: float | None = None,
        bytes_per_second: float | None = None,
    ) -> None:
        super().__init__(inner)
        self._requests = None if requests_per_second is None else Rate(requests_per_second)
        self._bytes = None if bytes_per_second is None else Rate(bytes_per_second)

    def around(self, request: Request, call: Callable[[], T]) -> T:
        wait = 0.0 if self._requests is None else self._requests.take(1)
        if self._bytes is not None:
            wait = max(wait, self._bytes.take(request.nbytes))
        if wait:
            time.sleep(wait)
        result = call()
        if self._bytes is not None:
            self._bytes.take(request.nbytes_read(result))
        return result
