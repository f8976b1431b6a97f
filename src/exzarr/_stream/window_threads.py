"""The threads of a window, and what they share with it.

Threads take tasks from one `queue.SimpleQueue` and give them back on another. Those queues are C, and safe in
finalizers; so there is no lock, an item costs two puts and two gets, and whoever drops the window, the
garbage collector too, ends its threads by putting a None, which they hand on to each other. What threads
share knows nothing of the window.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any

from exzarr._retrying import Retry, announce
from exzarr._stream.stop import Stop

__all__ = ["Shared", "Task", "Worker", "attempt", "work"]


class Task:
    """One item on its way. Only one side writes to a field: the consumer to `done` and `dropped`."""

    __slots__ = ("attempt", "done", "dropped", "error", "item", "pause", "since", "value")

    def __init__(self, item: Any, attempt: int = 1, since: float | None = None, pause: float = 0.0) -> None:
        self.item = item
        self.value: Any = None
        self.error: BaseException | None = None
        self.attempt = attempt
        self.since = since  # when the first attempt started
        self.pause = pause  # to wait before this one
        self.done = False
        self.dropped = False  # nobody waits for it any more


class Worker:
    """One thread, as the consumer sees it."""

    __slots__ = ("abandoned", "now", "thread")

    def __init__(self) -> None:
        self.thread: threading.Thread | None = None
        self.now: tuple[Task, float] | None = None  # what it works on, since when; only with a timeout
        self.abandoned = False


class Shared:
    """What the threads and the window know of each other."""

    __slots__ = ("closed", "done", "fn", "pid", "retry", "stop", "tasks", "timed", "workers")

    def __init__(self, fn: Callable[[Any], Any], retry: Retry | None, timed: bool, stop: Stop) -> None:
        self.fn = fn
        self.retry = retry
        self.timed = timed
        self.stop = stop
        self.tasks: SimpleQueue[Task | None] = SimpleQueue()
        self.done: SimpleQueue[Task] = SimpleQueue()
        self.workers: list[Worker] = []
        self.closed = False
        self.pid = os.getpid()

    def cancel(self) -> None:
        """Let every thread end after the item it has. May be called by anyone, anywhere, any number of times."""
        if self.closed or self.pid != os.getpid():
            return  # a forked child has none of the threads, and can't know what state queues are in
        self.closed = True
        self.stop.set()
        try:
            while True:
                self.tasks.get_nowait()
        except Empty:
            pass
        self.tasks.put(None)


def work(shared: Shared, worker: Worker) -> None:
    """What a thread does."""
    take, give = shared.tasks.get, shared.done.put
    while True:
        task = take()
        if task is None or worker.abandoned:
            shared.tasks.put(task)  # for the next thread: None ends them all, a task is done by another
            return
        if not shared.closed:
            attempt(shared, worker, task)
            give(task)
            if worker.abandoned:
                return  # type: ignore[unreachable]  # the consumer sets it meanwhile
        del task  # a thread that waits for the next item holds nothing of the last one


def attempt(shared: Shared, worker: Worker, task: Task) -> None:
    """Bring one task to its end: a value or an error."""
    retry = shared.retry
    try:
        if task.pause and shared.stop.wait(task.pause):
            return
        if retry is not None and task.since is None:
            task.since = time.monotonic()
        while True:
            if shared.timed:
                worker.now = task, time.monotonic()
            try:
                task.value = shared.fn(task.item)
                return
            except BaseException as error:  # noqa: BLE001 - the consumer raises it
                task.error = error
            worker.now = None
            if retry is None or worker.abandoned or task.since is None:
                return
            elapsed = time.monotonic() - task.since
            wait = retry.next_wait(task.error, task.attempt, elapsed)
            if wait is None:
                return
            announce(task.error, task.attempt, wait, elapsed=elapsed)
            if shared.stop.wait(wait):
                return
            task.attempt += 1
            task.error = None
    finally:
        worker.now = None
        del task  # the error's traceback holds this frame, which must not hold the error in turn
