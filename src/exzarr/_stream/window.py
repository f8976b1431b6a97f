"""A bounded window over a lazy iterator, mapped in threads of its own.

`Window` is what every stream stands on: a consumer asks for one outcome after the other, threads
work ahead of it, and never further ahead than the window is wide.

How it is built: the consumer's thread alone takes items from the iterator and decides; the threads
(`stream.crew`) take tasks from one queue and give them back on another.
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

from exzarr import config
from exzarr._retrying import Retry, announce
from exzarr._stream.stop import Stop
from exzarr._stream.window_threads import Shared, Task, Worker, attempt, work
from exzarr.errors import ArgumentError, StreamError, TimedOutError

__all__ = ["Outcome", "Window", "as_workers", "is_patient"]

I = TypeVar("I")  # noqa: E741
V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class Outcome(Generic[I, V]):
    """What became of one item.

    Attributes
    ----------
    item
        As it came out of the iterator.
    value
        What the function returned; None where it failed.
    error
        What it raised at last; None where all went well.
    attempts
        How often it was tried.
    """

    item: I
    value: V | None
    error: BaseException | None = None
    attempts: int = 1


class Window(Generic[I, V]):
    """``fn(item)`` for every item, in threads, a bounded number of items ahead of who consumes it.

    Iterating gives an `Outcome` for each item. What `fn` raises is in the outcome and raised by nobody;
    what `items` raises is raised in its place, after the outcomes of the items before.

    An item is *alive* from when it is taken from `items` until the outcome after its own is asked for:
    in work, waiting to be handed out, or in the consumer's hands. At most ``workers + prefetch`` are
    (at least two, so that one can be in work while one is in hands). `items` is advanced only by
    ``next()`` on the window, in the thread that calls it, and only when that leaves room.

    Threads start with the first ``next()``, have the context variables of whoever made the window, and
    end when the items do, at `close`, or when nobody holds the window any more: what waits is dropped
    then, what is in work is finished and thrown away. A copy in a forked child is closed.

    Parameters
    ----------
    fn
        Called in the threads. It must not hold on to the window.
    items
        Any iterable; read lazily.
    workers
        Most items in work at once.
    prefetch
        How many more may be alive.
    ordered
        Outcomes come in the order of items; else as they become ready.
    timeout
        Most seconds for one attempt at an item. A thread can't be killed: one that takes longer is no longer
        waited for (it ends when `fn` returns), another takes its place, and the item fails with a
        TimedOutError or is tried again, if `retry` says so.
    retry
        When an item that failed is tried again, in the threads.
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
        workers = as_workers(workers)
        if type(prefetch) is not int or prefetch < 0:
            raise ArgumentError(f"prefetch must not be negative, got {prefetch!r}")
        if timeout is not None and not timeout > 0:
            raise ArgumentError(f"timeout is a number of seconds, or None for no limit, not {timeout!r}")
        self._items: Iterator[I] | None = iter(items)
        self._failure: BaseException | None = None
        self._workers = workers
        self._ordered = ordered
        self._timeout = timeout
        self._name = name
        self._room = max(1, workers + prefetch - 1)
        self._beside = workers + prefetch - 1
        self._pending: deque[Task] = deque()  # in the order of items; unordered: in no order
        self._context = copy_context()
        self._shared = Shared(fn, retry, timeout is not None, stop or Stop())
        self._finalizer = weakref.finalize(self, self._shared.cancel)

    # -- what the consumer does ------------------------------------------------------

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Outcome[I, V]:
        shared, pending = self._shared, self._pending
        if shared.pid != os.getpid():
            raise StreamError(
                "this stream was opened before a fork, in the parent process: open it anew here"
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
                received = self._receive()
                assert received is not None
                received.done = True
                task = pending[0]  # it may have been replaced
            pending.popleft()
        else:
            received = self._receive()
            assert received is not None
            task = received
            pending.remove(task)
        self._fill(self._beside)
        return Outcome(task.item, task.value, task.error, task.attempt)

    # -- for who has no iterator -----------------------------------------------------

    def push(self, item: I) -> None:
        """Give an item to the threads at once, whether there is room for it or not.

        For a window over no items whose owner counts himself; `pop` then gives the outcomes.
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
        """The outcome of an item that was pushed, whichever is ready; None where there is none (yet)."""
        if not self._pending:
            return None
        task = self._receive(wait=wait)
        if task is None:
            return None
        self._pending.remove(task)
        return Outcome(task.item, task.value, task.error, task.attempt)

    # -- the end ---------------------------------------------------------------------

    def close(self, *, wait: bool = True) -> None:
        """Drop what waits, and (if `wait`) wait for what is in work, unless it is overdue."""
        self._finalizer()
        self._items = None
        self._pending.clear()
        shared = self._shared
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
        """How many items are in work or wait to be handed out."""
        return len(self._pending)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close(wait=is_patient(error))

    # -- inside ----------------------------------------------------------------------

    def _fill(self, room: int) -> None:
        """Take items until `room` of them are in work or waiting."""
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
                    raise  # Ctrl-C, and the like, waits for nothing
                return
            self.push(item)

    def _start(self) -> bool:
        """Start one more thread; false where there is none and can be none."""
        worker = Worker()
        thread = worker.thread = threading.Thread(
            target=self._context.copy().run, args=(work, self._shared, worker), name=self._name, daemon=True
        )
        self._shared.workers.append(worker)
        try:
            thread.start()
        except RuntimeError:  # the system, or an interpreter that is ending, has no more threads
            self._shared.workers.remove(worker)
        return bool(self._shared.workers)

    def _receive(self, *, wait: bool = True) -> Task | None:
        """The next task that somebody waits for and that is done; None where there is none and `wait` is false."""
        done = self._shared.done
        while True:
            try:
                if self._timeout is None:
                    task = done.get(wait)
                else:
                    task = done.get(wait, self._patience(self._timeout))
            except Empty:
                if self._timeout is not None:
                    self._give_up_overdue(self._timeout)
                if not wait:
                    return None
                continue
            if not task.dropped:
                return task

    def _patience(self, timeout: float) -> float:
        """Seconds until something may be overdue."""
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


def is_patient(error: BaseException | None) -> bool:
    """Whether there is time to wait for threads: not when Ctrl-C, or the like, is under way."""
    return error is None or isinstance(error, (Exception, GeneratorExit))


def as_workers(workers: int | None) -> int:
    """How many threads, where None stands for ``config.workers``; ArgumentError where it is no such number."""
    if workers is None:
        return config.get().workers
    if type(workers) is not int or workers < 1:
        raise ArgumentError(f"workers must be a positive number, not {workers!r}")
    return workers
