"""The process's pool of request threads.

Its threads only wait for stores that are slow to answer. The threads that decode are in another pool (`pool`). The
pool's size is the process's limit: all concurrent reads and writes together have no more requests in flight, first come,
first served. A read has a `RequestWindow`, which starts requests as others end. The store's concurrency and a memory
limit bound the window. The workers take the results and decode them.
"""

from __future__ import annotations

import enum
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, Final, TypeVar

from exzarr import config
from exzarr._engine.executor import SharedExecutor
from exzarr._stop import current_stop

if TYPE_CHECKING:
    from exzarr.stores.base import Store

__all__ = ["NOTHING", "RequestWindow", "Item", "asked", "in_request", "request_threads"]

T = TypeVar("T")

AHEAD = 1024
"""Maximum number of results of `asked` that wait for the consumer."""

Item = tuple[int, Any]
"""(expected bytes, description of the request)"""


class Nothing(enum.Enum):
    """Type of `NOTHING`."""

    NOTHING = "nothing"


NOTHING: Final = Nothing.NOTHING
"""Result of a request that gives nothing to the workers, and of `RequestWindow.take` at the end."""


class RequestWindow:
    """The requests of one read, of which a bounded number is in flight.

    Parameters
    ----------
    items
        The requests, iterated as they start.
    fetch
        Function ``fetch(item, window)`` that makes a request, in a request thread. `take` returns its results, except
        `NOTHING`. It may `add` further items.
    limit
        Maximum number of requests in flight.
    room
        Maximum bytes that are fetched or waiting for the workers. No request starts above it, except a single one.
    """

    def __init__(
        self, items: Iterator[Item], fetch: Callable[[Any, RequestWindow], Any], limit: int, room: int
    ) -> None:
        settings = config.get()
        self._items = items
        self._fetch = fetch
        self._limit = max(1, min(limit, settings.requests))
        self._room = room
        self._more: deque[Item] = deque()
        self._ready: deque[tuple[int, Any]] = deque()
        self._in_flight = 0
        self._held = 0
        self._ended = False
        self._error: BaseException | None = None
        self._stop = current_stop()
        self._changed = threading.Condition(threading.Lock())
        # A request thread must not wait for other request threads (deadlock): it makes its requests itself.
        self._pool = None if in_request() else request_threads(settings.requests)

    def add(self, items: Iterable[Item]) -> None:
        """Add items, which are fetched before the remaining items of the plan."""
        with self._changed:
            self._more.extend(items)

    def take(self) -> Any:
        """Return the next result, in any order; `NOTHING` at the end. Raise the error of a failed request."""
        if self._pool is None:
            return self._take_here()
        with self._changed:
            while True:
                if self._error is not None:
                    raise self._error
                if self._ready:
                    nbytes, result = self._ready.popleft()
                    self._held -= nbytes
                    self._launch()
                    return result
                self._launch()
                if not self._in_flight:
                    return NOTHING
                self._changed.wait()

    def stop(self, error: BaseException | None = None) -> None:
        """Start no further request, and wait for those in flight. Other workers raise `error`."""
        with self._changed:
            self._items, self._ended = iter(()), True
            self._more.clear()
            self._ready.clear()
            self._error = self._error or error
            self._changed.notify_all()
            while self._in_flight:
                self._changed.wait()

    def _take_here(self) -> Any:
        while True:
            item = self._next()
            if item is None:
                return NOTHING
            result = self._fetch(item[1], self)
            if result is not NOTHING:
                return result

    def _next(self) -> Item | None:
        """Return the next item; None at the end. Raise `Stopped` if the context is stopped."""
        if self._stop is not None:
            self._stop.check()
        if self._more:
            return self._more.popleft()
        if self._ended:
            return None
        item = next(self._items, None)
        if item is None:
            self._ended = True
        return item

    def _launch(self) -> None:
        """Start as many requests as allowed. The lock is held."""
        pool = self._pool
        assert pool is not None
        while self._in_flight < self._limit and (self._held < self._room or not self._in_flight):
            item = self._next()
            if item is None:
                return
            self._in_flight += 1
            self._held += item[0]
            try:
                pool.submit(copy_context().run, self._do, item)
            except BaseException as error:  # the interpreter is ending and starts no threads
                self._in_flight -= 1
                self._error = error
                raise

    def _do(self, item: Item) -> None:
        nbytes, wanted = item
        result: Any = NOTHING
        error: BaseException | None = None
        if self._error is None and not (self._stop is not None and self._stop.is_set()):
            try:
                with in_request.mark():
                    result = self._fetch(wanted, self)
            except BaseException as raised:  # noqa: BLE001 - raised by `take`
                error = raised
        with self._changed:
            self._in_flight -= 1
            if error is not None:
                self._error = self._error or error
            elif result is NOTHING:
                self._held -= nbytes
            else:
                self._ready.append((nbytes, result))
            if self._error is None:
                try:
                    self._launch()
                except BaseException as raised:  # noqa: BLE001 - raised by `take`
                    self._error = raised
            if self._error is not None or not self._in_flight or self._ready:
                self._changed.notify_all() if not self._in_flight or self._error else self._changed.notify()


def asked(store: Store, ask: Callable[[Any], T], items: Iterator[Any]) -> Iterator[T]:
    """Yield ``ask(item)`` for each item; concurrently and in any order if the store is slow to answer."""
    limit = store.traits.concurrency
    if not limit:
        yield from map(ask, items)
        return
    window = RequestWindow(((1, item) for item in items), lambda item, _: ask(item), limit, AHEAD)
    try:
        while (answer := window.take()) is not NOTHING:
            yield answer
    finally:
        window.stop()


class _InRequest(threading.local):
    """True while this thread makes a request."""

    _busy = False

    def __call__(self) -> bool:
        return self._busy

    @contextmanager
    def mark(self) -> Iterator[None]:
        """Mark the block as a request."""
        self._busy = True
        try:
            yield
        finally:
            self._busy = False


in_request = _InRequest()
request_threads = SharedExecutor("exzarr-request").threads
