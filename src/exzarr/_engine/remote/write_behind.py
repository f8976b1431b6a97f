"""Keep many puts in flight while the next chunks are encoded."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextvars import copy_context
from typing import Any

from exzarr import config
from exzarr._engine.remote.requests import in_request, request_threads
from exzarr.stores.base import Buffer, Change, Store
from exzarr.stores.wrappers.base import StoreWrapper

__all__ = ["WriteBehind"]


class WriteBehind(StoreWrapper):
    """Store wrapper for one write. `put` returns while the request is in flight; `finish` waits for all requests.

    `put` waits if the maximum number of requests, or more than ``fetch_bytes`` bytes, are in flight. The next call
    raises the first error.
    """

    def __init__(self, inner: Store) -> None:
        super().__init__(inner)
        settings = config.get()
        self._limit = max(1, min(inner.traits.concurrency, settings.requests))
        self._room = settings.fetch_bytes
        self._pool = None if in_request() else request_threads(settings.requests)
        self._in_flight = 0
        self._held = 0
        self._error: BaseException | None = None
        self._changed = threading.Condition(threading.Lock())

    def put(self, key: str, value: Buffer) -> None:
        # Copy: raw chunks are in the writer's buffer, which it reuses.
        data = value if type(value) is bytes else bytes(value)
        self._send(len(data), self.inner.put, key, data)

    def put_parts(self, key: str, parts: Sequence[Buffer]) -> None:
        data = b"".join(parts)
        self._send(len(data), self.inner.put_parts, key, [data])

    def update(self, key: str, change: Change) -> None:
        self._send(0, self.inner.update, key, change)

    def delete(self, key: str) -> None:
        self._send(0, self.inner.delete, key)

    def finish(self) -> None:
        """Wait for all requests in flight, and raise the first error."""
        with self._changed:
            while self._in_flight:
                self._changed.wait()
            if self._error is not None:
                raise self._error

    def _send(self, nbytes: int, call: Callable[..., None], *args: Any) -> None:
        pool = self._pool
        if pool is None:
            call(*args)
            return
        with self._changed:
            while (
                self._error is None
                and self._in_flight
                and (self._in_flight >= self._limit or self._held >= self._room)
            ):
                self._changed.wait()
            if self._error is not None:
                raise self._error
            self._in_flight += 1
            self._held += nbytes
        try:
            pool.submit(copy_context().run, self._do, nbytes, call, args)
        except BaseException:  # the interpreter is ending and starts no threads
            self._done(nbytes, None)
            raise

    def _do(self, nbytes: int, call: Callable[..., None], args: tuple[Any, ...]) -> None:
        error: BaseException | None = None
        try:
            if self._error is None:
                with in_request.mark():
                    call(*args)
        except BaseException as raised:  # noqa: BLE001 - raised by `finish`
            error = raised
        self._done(nbytes, error)

    def _done(self, nbytes: int, error: BaseException | None) -> None:
        with self._changed:
            self._in_flight -= 1
            self._held -= nbytes
            self._error = self._error or error
            self._changed.notify_all()
