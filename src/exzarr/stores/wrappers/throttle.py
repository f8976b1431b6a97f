"""A store that asks no more of another than it may."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

from exzarr.errors import ArgumentError
from exzarr.stores.base import Store
from exzarr.stores.wrappers.intercepting import InterceptingStore, nbytes_of
from exzarr.telemetry.events import RequestKind

__all__ = ["Rate", "ThrottledStore"]

T = TypeVar("T")

BURST_SECONDS = 1.0
"""What was not used is saved for so long."""


class Rate:
    """So many units per second, on average: a bucket of tokens (https://en.wikipedia.org/wiki/Token_bucket).

    Parameters
    ----------
    per_second
        Units per second; as many may be taken at once after a second of rest.
    clock
        Seconds; for tests.
    """

    def __init__(self, per_second: float, clock: Callable[[], float] = time.monotonic) -> None:
        if not per_second > 0:
            raise ArgumentError(f"a rate must be positive, not {per_second!r}")
        self.per_second = per_second
        self._clock = clock
        self._lock = threading.Lock()
        self._free = clock() - BURST_SECONDS
        """When all that was taken has been earned."""

    def take(self, units: float) -> float:
        """Take some, and learn how many seconds to wait before using them: nobody overtakes."""
        with self._lock:
            now = self._clock()
            self._free = max(self._free, now - BURST_SECONDS) + units / self.per_second
            return max(0.0, self._free - now)

    def __reduce__(self) -> tuple[object, ...]:
        return Rate, (self.per_second,)


class ThrottledStore(InterceptingStore):
    """Another store, with at most so many requests, and bytes, per second from this process.

    What was read is known afterwards, and makes the next request wait.

    Parameters
    ----------
    requests_per_second, bytes_per_second
        None: no limit.
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

    def around(self, kind: RequestKind, key: str, nbytes: int, call: Callable[..., T], *args: Any) -> T:
        wait = 0.0 if self._requests is None else self._requests.take(1)
        if self._bytes is not None:
            wait = max(wait, self._bytes.take(nbytes))
        if wait:
            time.sleep(wait)
        result = call(*args)
        if self._bytes is not None:
            self._bytes.take(nbytes_of(result))
        return result
