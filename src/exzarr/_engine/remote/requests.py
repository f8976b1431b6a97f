"""The process's requests: how many are in flight, and who does them.

There is one pool of threads that do nothing but wait for stores that take long to answer, apart from the
threads that decode (`engine.pool`). Its size is the process's budget: whatever reads and writes run at once,
no more requests than that are in flight, first come, first served. A read says what it wants by a `RequestWindow`:
requests begin as others end, as far as the store wants them and memory allows, and what came is taken by
whoever decodes.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, TypeVar

from exzarr import config

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

    from exzarr.stores.base import Store

__all__ = ["NOTHING", "RequestWindow", "Item", "asked", "in_request", "request_threads"]

T = TypeVar("T")

AHEAD = 1024
"""Answers of `asked` that are kept at most until they are taken."""

Item = tuple[int, Any]
"""Bytes that are expected, and what to fetch."""

NOTHING: Any = object()
"""What fetching gave, where there is nothing to take for it."""

_END: Item = (0, NOTHING)


class RequestWindow:
    """What one read or write asks of a store.

    Parameters
    ----------
    items
        What to fetch. Walked as it is fetched.
    fetch
        ``fetch(item, flight)``, in one of the request threads. What it returns is what `take` gives, unless
        that is `NOTHING`. It may `add` further items.
    limit
        How many requests to have in flight, at most.
    room
        Bytes that may lie about, or be under way: no further request begins while there are more. One
        request may always.
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
        self._flying = 0
        self._held = 0
        self._ended = False
        self._error: BaseException | None = None
        self._changed = threading.Condition(threading.Lock())
        # Who waits for a request must not be waited for by one: in a request thread, one after the other.
        self._pool = None if in_request() else request_threads(settings.requests)

    def add(self, items: Iterable[Item]) -> None:
        """More to fetch, before what is left of the plan."""
        with self._changed:
            self._more.extend(items)

    def take(self) -> Any:
        """What was fetched next, in no set order; `NOTHING` at the end. Raises what fetching raised."""
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
                if not self._flying:
                    return NOTHING
                self._changed.wait()

    def stop(self, error: BaseException | None = None) -> None:
        """Begin no further request; wait for those that have begun. `error` is what others are to raise."""
        with self._changed:
            self._items, self._ended = iter(()), True
            self._more.clear()
            self._ready.clear()
            self._error = self._error or error
            self._changed.notify_all()
            while self._flying:
                self._changed.wait()

    def _take_here(self) -> Any:
        while True:
            item = self._next()
            if item is _END:
                return NOTHING
            result = self._fetch(item[1], self)
            if result is not NOTHING:
                return result

    def _next(self) -> Item:
        if self._more:
            return self._more.popleft()
        if self._ended:
            return _END
        item: Item = next(self._items, _END)
        if item is _END:
            self._ended = True
        return item

    def _launch(self) -> None:
        """Begin what may begin; the lock is held."""
        pool = self._pool
        assert pool is not None
        while self._flying < self._limit and (self._held < self._room or not self._flying):
            item = self._next()
            if item is _END:
                return
            self._flying += 1
            self._held += item[0]
            try:
                pool.submit(copy_context().run, self._do, item)
            except BaseException as error:  # the interpreter is ending, and starts no more threads
                self._flying -= 1
                self._error = error
                raise

    def _do(self, item: Item) -> None:
        nbytes, wanted = item
        result = NOTHING
        error: BaseException | None = None
        if self._error is None:
            try:
                with in_request.mark():
                    result = self._fetch(wanted, self)
            except BaseException as raised:  # noqa: BLE001 - raised by who takes
                error = raised
        with self._changed:
            self._flying -= 1
            if error is not None:
                self._error = self._error or error
            elif result is NOTHING:
                self._held -= nbytes
            else:
                self._ready.append((nbytes, result))
            if self._error is None:
                try:
                    self._launch()
                except BaseException as raised:  # noqa: BLE001 - raised by who takes
                    self._error = raised
            if self._error is not None or not self._flying or self._ready:
                self._changed.notify_all() if not self._flying or self._error else self._changed.notify()


def asked(store: Store, ask: Callable[[Any], T], items: Iterator[Any]) -> Iterator[T]:
    """``ask(item)`` for each item: concurrently and in no set order where the store takes long to answer."""
    limit = store.concurrency
    if not limit:
        yield from map(ask, items)
        return
    flight = RequestWindow(((1, item) for item in items), lambda item, _: ask(item), limit, AHEAD)
    try:
        while (told := flight.take()) is not NOTHING:
            yield told
    finally:
        flight.stop()


class _InRequest(threading.local):
    """Whether this thread is at a request."""

    _busy = False

    def __call__(self) -> bool:
        return self._busy

    @contextmanager
    def mark(self) -> Iterator[None]:
        """For the length of a request."""
        self._busy = True
        try:
            yield
        finally:
            self._busy = False


in_request = _InRequest()
_executor: ThreadPoolExecutor | None = None
_size = 0
_guard = threading.Lock()


def request_threads(size: int) -> ThreadPoolExecutor:
    """The one pool, with at least `size` threads; each is started when there is something to do for it."""
    global _executor, _size
    executor = _executor
    if executor is not None and _size >= size:
        return executor
    from concurrent.futures import ThreadPoolExecutor

    with _guard:
        if _executor is None or _size < size:
            _executor, _size = ThreadPoolExecutor(size, thread_name_prefix="exzarr-request"), size
        return _executor


def _forget() -> None:
    """After a fork, the child has none of the parent's threads: start anew."""
    global _executor, _size, _guard
    _executor, _size, _guard = None, 0, threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
