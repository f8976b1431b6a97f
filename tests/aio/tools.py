"""Stores whose requests wait for the test, or fail."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from exzarr.errors import StoreError
from exzarr.stores.base import Store, StoreTraits
from exzarr.stores.wrappers.base import Request, StoreWrapper

__all__ = ["FailingStore", "GatedStore"]

T = TypeVar("T")


class GatedStore(StoreWrapper):
    """Store that is slow to answer: each request for a chunk waits until `gate` is set."""

    def __init__(self, inner: Store, concurrency: int = 4) -> None:
        super().__init__(inner)
        self.gate = threading.Event()
        self.concurrency = concurrency
        self.started = self.in_flight = self.most = 0
        self._lock = threading.Lock()

    @property
    def traits(self) -> StoreTraits:  # type: ignore[override]
        return replace(self.inner.traits, concurrency=self.concurrency)

    def around(self, request: Request, call: Callable[[], T]) -> T:
        if request.key.endswith(".json"):
            return call()
        with self._lock:
            self.started += 1
            self.in_flight += 1
            self.most = max(self.most, self.in_flight)
        try:
            assert self.gate.wait(60)
            return call()
        finally:
            with self._lock:
                self.in_flight -= 1


class FailingStore(StoreWrapper):
    """Store whose requests for chunks fail."""

    failures = 0

    def around(self, request: Request, call: Callable[[], T]) -> T:
        if request.key.endswith(".json"):
            return call()
        self.failures += 1
        raise StoreError("the network is down")
