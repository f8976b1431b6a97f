"""The threads of a window, and the state they share with it.

Threads take tasks from one `queue.SimpleQueue` and return them on another. These queues are written in C and can be used
in finalizers. Therefore no lock is needed, and an item costs two puts and two gets. To end the threads, the owner of the
window or the garbage collector puts a None, which each thread puts back for the next one. The shared state does not
reference the window.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any

from exzarr._retrying import Retry, announce
from exzarr._stop import Stop

__all__ = ["Shared", "Task", "Worker", "attempt", "work"]


class Task:
    """One item in a window. Each field has one writer: the consumer writes `done` and `dropped`."""

    __slots__ = ("attempt", "done", "dropped", "error", "item", "pause", "since", "value")

    def __init__(self, item: Any, attempt: int = 1, since: float | None = None, pause: float = 0.0) -> None:
        self.item = item
        self.value: Any = None
        self.error: BaseException | None = None
        self.attempt = attempt
        self.since = since  # start of the first attempt
        self.pause = pause  # seconds to wait before this attempt
        self.done = False
        self.dropped = False  # its result is not needed any more


class Worker:
    """The consumer's record of one thread."""

    __slots__ = ("abandoned", "now", "thread")

    def __init__(self) -> None:
        self.thread: threading.Thread | None = None
        self.now: tuple[Task, float] | None = None  # task in progress and its start; only with a timeout
        self.abandoned = False


class Shared:
    """State that the threads and the window share.

    Attributes
    ----------
    listener
        Called by a thread after each item, for a consumer that waits without a thread.
    """

    __slots__ = ("closed", "done", "fn", "listener", "pid", "retry", "stop", "tasks", "timed", "workers")

    def __init__(self, fn: Callable[[Any], Any], retry: Retry | None, timed: bool, stop: Stop) -> None:
        self.fn = fn
        self.retry = retry
        self.timed = timed
        self.stop = stop
        self.tasks: SimpleQueue[Task | None] = SimpleQueue()
        self.done: SimpleQueue[Task] = SimpleQueue()
        self.workers: list[Worker] = []
        self.listener: Callable[[], object] | None = None
        self.closed = False
        self.pid = os.getpid()

    def cancel(self) -> None:
        """End each thread after its current item. Can be called from any thread or finalizer, repeatedly."""
        if self.closed or self.pid != os.getpid():
            return  # a forked child has none of the threads, and the state of the queues is unknown
        self.closed = True
        self.stop.set()
        try:
            while True:
                self.tasks.get_nowait()
        except Empty:
            pass
        self.tasks.put(None)


def work(shared: Shared, worker: Worker) -> None:
    """Run the loop of a thread: take tasks and return them."""
    take, give = shared.tasks.get, shared.done.put
    while True:
        task = take()
        if task is None or worker.abandoned:
            shared.tasks.put(task)  # None ends the next thread, too; a task is done by another thread
            return
        if not shared.closed:
            attempt(shared, worker, task)
            give(task)
            if (listener := shared.listener) is not None:
                listener()
                del listener
            if worker.abandoned:
                return  # type: ignore[unreachable]  # the consumer may set it meanwhile
        del task  # a waiting thread must not reference its last item


def attempt(shared: Shared, worker: Worker, task: Task) -> None:
    """Run one task until it has a value or a final error."""
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
        del task  # the error's traceback references this frame: avoid a reference cycle
