"""A bounded window over a lazy iterator, whose items are mapped in threads.

`Window` is the basis of every stream: the consumer asks for one outcome after the other, and threads work ahead, but
never further than the width of the window.

Only the consumer's thread takes items from the iterator and decides what happens. The threads
(`exzarr._stream.window_threads`) take tasks from one queue and return them on another.
"""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextvars import copy_context
from dataclasses import dataclass
from queue import Empty
from types import TracebackType
from typing import Generic, Self, TypeVar

from exzarr._retrying import Retry, announce
from exzarr._stop import Stop
from exzarr._stream.window_threads import Shared, Task, Worker, attempt, work
from exzarr.errors import StreamError, TimedOutError

__all__ = ["Outcome", "Window", "may_wait"]

I = TypeVar("I")  # noqa: E741
V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class Outcome(Generic[I, V]):
    """Outcome of one item.

    Attributes
    ----------
    item
        The item, as the iterator yielded it.
    value
        Result of the function; None if it failed.
    error
        Error of the last attempt; None on success.
    attempts
        Number of attempts.
    """

    item: I
    value: V | None
    error: BaseException | None = None
    attempts: int = 1


class Window(Generic[I, V]):
    """Call ``fn(item)`` for every item in threads, a bounded number of items ahead of the consumer.

    Iteration yields an `Outcome` for each item. An error of `fn` is stored in the outcome and not raised. An error of
    `items` is raised in its place, after the outcomes of the items before it.

    An item is *alive* from the moment it is taken from `items` until the consumer asks for the outcome after its own. It
    is then in progress, ready, or held by the consumer. At most ``workers + prefetch`` items are alive (at least two, so
    that one can be in progress while the consumer holds another). `items` is advanced only by ``next()`` on the window,
    in the calling thread, and only if there is room.

    Threads start with the first ``next()`` and inherit the context variables of the creator of the window. They end when
    the items end, on `close`, or when the window is garbage collected. Then waiting items are dropped, and items in
    progress are finished and discarded. A copy in a forked child is closed.

    Parameters
    ----------
    fn
        Called in the threads. It must not reference the window.
    items
        Any iterable; read lazily.
    workers
        Maximum number of items in progress.
    prefetch
        Number of additional items that may be alive.
    ordered
        Yield outcomes in the order of the items; otherwise as they become ready.
    timeout
        Maximum seconds for one attempt at an item. Threads can't be killed. The window stops waiting for an overdue
        thread, which ends when `fn` returns, and starts another one. The item fails with a TimedOutError, or is retried
        if `retry` allows it.
    retry
        Policy for retries, in the threads.
    stop
        Set when the window closes, for an `fn` that waits.
    """

    def __init__(
        self,
        fn: Callable[[I], V],
        items: Iterable[I],
        *,
        workers: int,
        prefetch: int,
        ordered: bool = True,
        timeout: float | None = None,
        retry: Retry | None = None,
        stop: Stop | None = None,
        name: str = "exzarr-stream",
    ) -> None:
        self._items: Iterator[I] | None = iter(items)
        self._failure: BaseException | None = None
        self._workers = workers
        self._ordered = ordered
        self._timeout = timeout
        self._name = name
        self._room = max(1, workers + prefetch - 1)
        self._ahead = workers + prefetch - 1
        self._pending: deque[Task] = deque()  # in the order of items; if unordered, in any order
        self._context = copy_context()
        self._shared = Shared(fn, retry, timeout is not None, stop or Stop())
        self._finalizer = weakref.finalize(self, self._shared.cancel)

    # -- the consumer's side ----------------------------------------------------------

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Outcome[I, V]:
        outcome = self.take(wait=True)
        assert outcome is not None
        return outcome

    def take(self, *, wait: bool) -> Outcome[I, V] | None:
        """Return the next outcome. Raise StopIteration at the end. Return None if `wait` is False and none is ready."""
        shared, pending = self._shared, self._pending
        if shared.pid != os.getpid():
            raise StreamError(
                "this stream was opened before a fork, in the parent process: open a new one here"
            )
        if shared.closed:
            raise StopIteration
        if not pending:
            self._fill(self._room)
            if not pending:
                self.close()
                if self._failure is not None:
                    failure, self._failure = self._failure, None
                    raise failure
                raise StopIteration
        if self._ordered:
            task = pending[0]
            while not task.done:
                received = self._receive(wait=wait)
                if received is None:
                    return None
                received.done = True
                task = pending[0]  # it may have been replaced by a retry
            pending.popleft()
        else:
            received = self._receive(wait=wait)
            if received is None:
                return None
            task = received
            pending.remove(task)
        self._fill(self._ahead)
        return Outcome(task.item, task.value, task.error, task.attempt)

    # -- without a thread that waits ----------------------------------------------------

    def listen(self, listener: Callable[[], object] | None) -> bool:
        """Let the threads call `listener` after each item, until it is replaced by None.

        Return False, without a change, if there is another one already.
        """
        shared = self._shared
        if listener is not None and shared.listener is not None:
            return False
        shared.listener = listener
        return True

    def patience(self) -> float | None:
        """Return the seconds until an item in progress is overdue; None if there is no timeout."""
        return None if self._timeout is None else self._seconds_to_timeout(self._timeout)

    # -- without an iterator ----------------------------------------------------------

    def push(self, item: I) -> None:
        """Give an item to the threads immediately, even if there is no room.

        Use this for a window over no items whose owner limits the number itself. `pop` returns the outcomes.
        """
        shared = self._shared
        task = Task(item)
        self._pending.append(task)
        if len(shared.workers) < self._workers and not self._start():
            attempt(shared, Worker(), task)
            shared.done.put(task)
        else:
            shared.tasks.put(task)

    def pop(self, *, wait: bool = True) -> Outcome[I, V] | None:
        """Return any outcome of the pushed items. Return None if there is none, or without `wait` none is ready."""
        if not self._pending:
            return None
        task = self._receive(wait=wait)
        if task is None:
            return None
        self._pending.remove(task)
        return Outcome(task.item, task.value, task.error, task.attempt)

    # -- the end ---------------------------------------------------------------------

    def close(self, *, wait: bool = True) -> None:
        """Drop waiting items. If `wait` is True, wait for items in progress, unless they are overdue."""
        self._finalizer()
        self._items = None
        self._pending.clear()
        shared = self._shared
        if (listener := shared.listener) is not None:
            listener()
        if not wait or shared.pid != os.getpid():
            return
        for worker in shared.workers:
            if worker.thread is not None and worker.thread is not threading.current_thread():
                self._join(worker, worker.thread)

    def _join(self, worker: Worker, thread: threading.Thread) -> None:
        now = worker.now
        if self._timeout is None or now is None:
            thread.join()
        else:
            thread.join(max(0.0, now[1] + self._timeout - time.monotonic()))

    @property
    def alive(self) -> int:
        """Return how many items are in progress or ready."""
        return len(self._pending)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close(wait=may_wait(error))

    # -- inside ----------------------------------------------------------------------

    def _fill(self, room: int) -> None:
        """Take items until `room` of them are in progress or ready."""
        pending, items = self._pending, self._items
        while items is not None and len(pending) < room:
            try:
                item = next(items)
            except StopIteration:
                items = self._items = None
                return
            except BaseException as error:
                self._items, self._failure = None, error
                if not isinstance(error, Exception):
                    raise  # Ctrl-C and similar: do not wait for outcomes
                return
            self.push(item)

    def _start(self) -> bool:
        """Start one more thread. Return False if there is no thread and none can be started."""
        worker = Worker()
        thread = worker.thread = threading.Thread(
            target=self._context.copy().run, args=(work, self._shared, worker), name=self._name, daemon=True
        )
        self._shared.workers.append(worker)
        try:
            thread.start()
        except RuntimeError:  # the system has no more threads, or the interpreter is shutting down
            self._shared.workers.remove(worker)
        return bool(self._shared.workers)

    def _receive(self, *, wait: bool = True) -> Task | None:
        """Return the next finished task that is not dropped. Return None if there is none and `wait` is False."""
        done = self._shared.done
        while True:
            try:
                if self._timeout is None:
                    task = done.get(wait)
                else:
                    task = done.get(wait, self._seconds_to_timeout(self._timeout))
            except Empty:
                if self._timeout is not None:
                    self._give_up_overdue(self._timeout)
                if not wait:
                    return None
                continue
            if not task.dropped:
                return task

    def _seconds_to_timeout(self, timeout: float) -> float:
        """Return the seconds until a task may be overdue."""
        started = [now[1] for worker in self._shared.workers if (now := worker.now) is not None]
        if not started:
            return timeout
        return max(0.0, min(started) + timeout - time.monotonic())

    def _give_up_overdue(self, timeout: float) -> None:
        shared = self._shared
        for worker in [*shared.workers]:
            now = worker.now
            if now is None or time.monotonic() - now[1] < timeout:
                continue
            task, since = now[0], now[0].since
            worker.abandoned = task.dropped = True
            shared.workers.remove(worker)
            error = TimedOutError(f"it took longer than {timeout:g} s, and is no longer waited for")
            elapsed = 0.0 if since is None else time.monotonic() - since
            wait = None if shared.retry is None else shared.retry.next_wait(error, task.attempt, elapsed)
            again = Task(task.item, task.attempt + (wait is not None), since, wait or 0.0)
            self._pending[self._pending.index(task)] = again
            if wait is None:
                again.error = error
                shared.done.put(again)
            else:
                announce(error, task.attempt, wait, elapsed=elapsed)
                shared.tasks.put(again)
            self._start()


def may_wait(error: BaseException | None) -> bool:
    """Return True if there is time to wait for threads: not during Ctrl-C or a similar exit."""
    return error is None or isinstance(error, (Exception, GeneratorExit))
