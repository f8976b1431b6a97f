"""The process's threads, and how work is handed to them.

There is one pool. A read or write makes one `WorkFeed` from its plan and hands it to several
workers, of which the caller's own thread is one: every worker takes items off the feed in
batches until none are left. So a plan costs one submission per worker, however many chunks
it has; a pool that is busy elsewhere slows a caller down but can never block it; and
nested use (dask threads, a user's own pool) adds no threads.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextvars import copy_context
from itertools import islice
from typing import TYPE_CHECKING, Any

from exzarr import config

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor

    from exzarr.stores.base import Store

__all__ = ["WorkFeed", "in_flight", "run"]


def in_flight(store: Store, nbytes: int) -> int:
    """How many threads to have, where each does one request of `store` at a time and holds `nbytes` for it.

    ``config.workers``; or as many as the store wants requests in flight, since most of them wait then. Twice as many
    pieces of `nbytes`, which is what streams hold, stay within ``config.fetch_bytes``.
    """
    settings = config.get()
    room = settings.fetch_bytes // max(1, 2 * nbytes)
    return max(settings.workers, min(store.concurrency, settings.requests, room))


class WorkFeed:
    """An iterator that many threads take from, a batch at a time."""

    __slots__ = ("_batch", "_items", "_lock")

    def __init__(self, items: Iterator[Any], batch: int) -> None:
        self._items = items
        self._batch = batch
        self._lock = threading.Lock()

    def take(self) -> list[Any]:
        """The next batch; empty at the end, or once stopped."""
        with self._lock:
            return [*islice(self._items, self._batch)]

    def stop(self) -> None:
        """Let every worker end after the batch it has."""
        with self._lock:
            self._items = iter(())


def run(work: Callable[[WorkFeed], None], items: Iterator[Any], count: int, workers: int) -> None:
    """Call ``work(feed)`` in `workers` threads, the caller's among them, over `count` items.

    The first exception stops the feed and is raised when all workers have returned.
    """
    if workers <= 1 or count <= 1:
        work(WorkFeed(items, 64))
        return
    # Batches small enough to share out the tail evenly, large enough to take the lock rarely.
    feed = WorkFeed(items, min(64, max(1, count // (workers * 8))))
    futures: list[Future[None]] = []
    try:
        _submit(futures, min(workers, count) - 1, _pool(workers - 1), work, feed)
        _guarded(work, feed)
    finally:
        errors = [future.exception() for future in futures if not future.cancel()]
    for error in errors:
        if error is not None:
            raise error


def _submit(
    futures: list[Future[None]],
    count: int,
    threads: ThreadPoolExecutor,
    work: Callable[[WorkFeed], None],
    feed: WorkFeed,
) -> None:
    """Have `work` done by `count` more threads, each with the caller's context (`exzarr.config.override`)."""
    try:
        # One by one: what was submitted before an exception must be waited for.
        futures.extend(threads.submit(copy_context().run, _guarded, work, feed) for _ in range(count))
    except RuntimeError:
        pass  # the interpreter is ending and starts no more threads: the caller's own will do


def _guarded(work: Callable[[WorkFeed], None], feed: WorkFeed) -> None:
    try:
        work(feed)
    except BaseException:
        feed.stop()
        raise


_executor: ThreadPoolExecutor | None = None
_size = 0
_guard = threading.Lock()


def _pool(size: int) -> ThreadPoolExecutor:
    """The one pool, with at least `size` threads."""
    global _executor, _size
    executor = _executor
    if executor is not None and _size >= size:
        return executor
    from concurrent.futures import ThreadPoolExecutor

    with _guard:
        if _executor is None or _size < size:
            # Who has the smaller one may still submit to it; its threads end when the last one lets go of it.
            _executor, _size = ThreadPoolExecutor(size, thread_name_prefix="exzarr"), size
        return _executor


def _forget() -> None:
    """After a fork, the child has none of the parent's threads: start anew."""
    global _executor, _size, _guard
    _executor, _size, _guard = None, 0, threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
