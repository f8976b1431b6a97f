"""The process's thread pool, and how it shares out work.

There is one pool. A read or write makes one `WorkFeed` from its plan for several workers, and the caller's own thread
is one of them. Each worker takes batches of items from the feed until it is empty. This has three consequences:

- A plan of any number of chunks costs one submission per worker.
- A busy pool can slow a caller down but never block it.
- Nested use (dask threads, a user's own pool) adds no threads.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextvars import copy_context
from itertools import islice
from typing import TYPE_CHECKING, Any

from exzarr import config
from exzarr._engine.executor import SharedExecutor
from exzarr._stop import current_stop

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor

    from exzarr.stores.base import Store

__all__ = ["WorkFeed", "in_flight", "run"]

_shared = SharedExecutor("exzarr")


def in_flight(store: Store, nbytes: int) -> int:
    """Return the number of threads, if each makes one request to `store` at a time and holds `nbytes` for it.

    It is ``config.workers``, or as many as the store wants requests in flight, because most threads then wait. Streams
    hold two pieces of `nbytes` per thread, and all pieces stay within ``config.fetch_bytes``.
    """
    settings = config.get()
    fitting = settings.fetch_bytes // max(1, 2 * nbytes)
    return max(settings.workers, min(store.traits.concurrency, settings.requests, fitting))


class WorkFeed:
    """An iterator from which many threads take batches."""

    __slots__ = ("_batch", "_items", "_lock", "_stop")

    def __init__(self, items: Iterator[Any], batch: int) -> None:
        self._items = items
        self._batch = batch
        self._lock = threading.Lock()
        self._stop = current_stop()

    def take(self) -> list[Any]:
        """Return the next batch. It is empty at the end, and after `stop`. Raise `Stopped` if the context is stopped."""
        if self._stop is not None:
            self._stop.check()
        with self._lock:
            return [*islice(self._items, self._batch)]

    def stop(self) -> None:
        """Make every worker end after its current batch."""
        with self._lock:
            self._items = iter(())


def run(work: Callable[[WorkFeed], None], items: Iterator[Any], count: int, workers: int) -> None:
    """Call ``work(feed)`` over `count` items in `workers` threads, including the caller's.

    The first exception stops the feed and is raised after all workers have returned.
    """
    if workers <= 1 or count <= 1:
        work(WorkFeed(items, 64))
        return
    # Small batches share out the last items evenly. Large batches take the lock rarely.
    share = _Share(work, WorkFeed(items, min(64, max(1, count // (workers * 8)))))
    futures: list[Future[None]] = []
    try:
        _submit(futures, min(workers, count) - 1, _shared.threads(workers - 1), share)
        share()
    finally:
        errors = [future.exception() for future in futures if not future.cancel()]
        share.release()
    for error in errors:
        if error is not None:
            raise error


class _Share:
    """What each thread does: `work` over the feed.

    A busy pool keeps cancelled submissions until a thread is free. `release` therefore drops the data that the work
    holds.
    """

    __slots__ = ("_feed", "_work")

    def __init__(self, work: Callable[[WorkFeed], None], feed: WorkFeed) -> None:
        self._work: Callable[[WorkFeed], None] | None = work
        self._feed: WorkFeed | None = feed

    def __call__(self) -> None:
        work, feed = self._work, self._feed
        assert work is not None
        assert feed is not None
        try:
            work(feed)
        except BaseException:
            feed.stop()
            raise

    def release(self) -> None:
        self._work = self._feed = None


def _submit(futures: list[Future[None]], count: int, threads: ThreadPoolExecutor, share: _Share) -> None:
    """Submit `share` to `count` threads, each with the caller's context (`exzarr.config.override`)."""
    try:
        # Add each future immediately: the caller must wait for those submitted before an exception.
        futures.extend(threads.submit(copy_context().run, share) for _ in range(count))
    except RuntimeError:
        pass  # the interpreter is ending and starts no threads: the caller's thread does all the work
