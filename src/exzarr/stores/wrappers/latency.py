"""Store wrapper that simulates the latency and bandwidth of a remote store."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from exzarr.errors import ArgumentError
from exzarr.stores.base import Store, StoreTraits
from exzarr.stores.wrappers.base import Request, StoreWrapper

__all__ = ["LatencyStore"]

T = TypeVar("T")


class LatencyStore(StoreWrapper):
    """Wrapper that delays each request by `seconds`.

    Parameters
    ----------
    inner
        The store.
    seconds
        Delay before each request.
    bytes_per_second
        Simulated bandwidth of each request. None: unlimited.
    concurrency
        Preferred number of requests in flight (see `StoreTraits.concurrency`).
    """

    def __init__(
        self,
        inner: Store,
        seconds: float,
        *,
        bytes_per_second: float | None = None,
        concurrency: int = 64,
    ) -> None:
        super().__init__(inner)
        if not seconds >= 0 or not (bytes_per_second is None or bytes_per_second > 0):
            raise ArgumentError(
                f"LatencyStore needs seconds >= 0 and bytes_per_second > 0, not {seconds} and {bytes_per_second}"
            )
        self.seconds = seconds
        self.bytes_per_second = bytes_per_second
        self.concurrency = concurrency

    @property
    def traits(self) -> StoreTraits:  # type: ignore[override]
        return replace(self.inner.traits, concurrency=self.concurrency)

    def around(self, request: Request, call: Callable[[], T]) -> T:
        time.sleep(self.seconds)
        result = call()
        if self.bytes_per_second is not None:
            time.sleep((request.nbytes + request.nbytes_read(result)) / self.bytes_per_second)
        return result
