"""Store wrapper that counts requests."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from typing import Any, TypeVar

from exzarr.stores.base import Store
from exzarr.stores.wrappers.base import Request, StoreWrapper
from exzarr.telemetry.events import RequestKind

__all__ = ["CountingStore"]

T = TypeVar("T")


class CountingStore(StoreWrapper):
    """Wrapper that counts requests and bytes.

    Attributes
    ----------
    requests
        Number of requests of each kind: ``get`` (a whole value), ``range`` (a part of a value), ``size``
        (its existence or length), ``put``, ``delete``, ``list``.
    bytes_read, bytes_written
        Number of bytes read and written.
    """

    def __init__(self, inner: Store) -> None:
        super().__init__(inner)
        self._lock = threading.Lock()
        self.reset()

    def reset(self) -> None:
        """Set all counts to zero."""
        self.requests: Counter[RequestKind] = Counter()
        self.bytes_read = self.bytes_written = 0

    @property
    def total(self) -> int:
        """Number of requests of all kinds."""
        return self.requests.total()

    def around(self, request: Request, call: Callable[[], T]) -> T:
        with self._lock:
            self.requests[request.kind] += 1
            self.bytes_written += request.nbytes
        result = call()
        read = request.nbytes_read(result)
        if read:
            with self._lock:
                self.bytes_read += read
        return result

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_lock"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _lock=threading.Lock())
