"""Where a task runs: in this thread, in a process of our own, by somebody's executor, on a cluster.

A runner is called by the threads of a `Window`, one item each at a time, and returns or raises what the
task does. The window takes care of the rest (order, bounds, retries), the same for all of them.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, CancelledError, Executor
from threading import RLock
from typing import Any, Literal, Protocol

from exzarr import config, telemetry
from exzarr._stream.maps.packing import Portable
from exzarr._stream.processes.pool import ProcessLostError, ProcessPool
from exzarr.errors import ArgumentError, StreamError, TimedOutError

__all__ = ["ExecutorLike", "Runner", "open_runner"]

Task = Callable[[Any], Any]
ExecutorLike = Literal["threads", "processes"] | Executor | Any
"""``"threads"``, ``"processes"``, any `concurrent.futures.Executor`, or a `distributed.Client`."""


class Runner(Protocol):
    """Calls a task somewhere.

    Attributes
    ----------
    workers
        How many items it works on at once.
    timeout
        The seconds that the window has to watch over; None where the runner does so, or nobody has to.
    """

    workers: int
    timeout: float | None

    def __call__(self, item: Any) -> Any: ...

    def close(self) -> None:
        """End what is in work where that is possible, and have no thread wait for it."""
        ...


def open_runner(
    task: Task, executor: ExecutorLike, workers: int | None, timeout: float | None, total: int
) -> Runner:
    """The runner for what users give as ``executor=``, for `total` items at most."""
    hooks = telemetry.hooks()
    if not hooks or executor == "threads":
        return _open(task, executor, workers, timeout, total)
    from exzarr._stream.event_forwarding import ForwardingRunner, RecordedTask

    return ForwardingRunner(_open(RecordedTask(task), executor, workers, timeout, total), hooks)


def _open(
    task: Task, executor: ExecutorLike, workers: int | None, timeout: float | None, total: int
) -> Runner:
    if workers is not None and (type(workers) is not int or workers < 1):
        raise ArgumentError(f"workers must be a positive number, not {workers!r}")
    if timeout is not None and not timeout > 0:
        raise ArgumentError(f"timeout is a number of seconds, or None for no limit, not {timeout!r}")
    if executor == "threads":
        return InThreads(task, workers or config.get().workers, timeout)
    if executor == "processes":
        return InProcesses(task, min(workers or config.get().workers, max(1, total)), timeout)
    if isinstance(executor, Executor):
        known = getattr(executor, "_max_workers", None)
        default = known if type(known) is int and known > 0 else config.get().workers
        return ByExecutor(task, executor, workers or default, timeout)
    distributed: Any = sys.modules.get("distributed")  # who has a Client has imported it
    if distributed is not None and isinstance(executor, distributed.Client):
        return OnCluster(task, executor, workers, timeout)
    raise ArgumentError(
        "executor is 'threads', 'processes', a concurrent.futures.Executor or a distributed.Client, "
        f"not {executor!r}"
    )


class InThreads:
    """In the window's own threads. They can't be killed: what is overdue is no longer waited for."""

    def __init__(self, task: Task, workers: int, timeout: float | None) -> None:
        self.workers, self.timeout = workers, timeout
        self._task = task

    def __call__(self, item: Any) -> Any:
        return self._task(item)

    def close(self) -> None:
        pass


class InProcesses:
    """In processes that are watched, and killed when they are overdue."""

    timeout: float | None = None

    def __init__(self, task: Task, workers: int, timeout: float | None) -> None:
        self.workers = workers
        self._limit = timeout
        self._pool = ProcessPool(task, workers)

    def __call__(self, item: Any) -> Any:
        return self._pool.call(item, self._limit)

    def close(self) -> None:
        self._pool.close()


class ByExecutor:
    """By an executor of the caller's, which is left running. What it has begun is not to be stopped."""

    timeout: float | None = None

    def __init__(self, task: Task, executor: Executor, workers: int, timeout: float | None) -> None:
        self.workers = workers
        self._limit = timeout
        # Whether it will be pickled is the executor's to know.
        self._task = task if isinstance(task, Portable) else Portable(task)
        self._executor: Any = executor
        # Held again by a thread that has it, where the garbage collector closes a stream just then.
        self._lock = RLock()
        self._waited_for: set[Any] = set()
        self._closed = False

    def __call__(self, item: Any) -> Any:
        with self._lock:
            if self._closed:
                raise CancelledError
            try:
                future = self._submit(item)
            except (BrokenExecutor, RuntimeError) as error:
                raise StreamError(f"the executor takes no more work: {error}") from error
            self._waited_for.add(future)
        try:
            return future.result(self._limit)
        except BrokenExecutor as error:
            raise StreamError(
                f"the executor broke down: {error}; executor='processes' replaces processes that die"
            ) from error
        except TimeoutError as error:
            if future.done():  # it is the task's own
                raise
            future.cancel()
            raise TimedOutError(f"it took longer than {self._limit:g} s") from error
        finally:
            self._waited_for.discard(future)

    def _submit(self, item: Any) -> Any:
        return self._executor.submit(self._task, item)

    def close(self) -> None:
        with self._lock:
            self._closed = True
            waited_for = [*self._waited_for]
        for future in waited_for:
            future.cancel()


class OnCluster(ByExecutor):
    """By the workers of a dask cluster (https://distributed.dask.org)."""

    def __init__(self, task: Task, client: Any, workers: int | None, timeout: float | None) -> None:
        if client.asynchronous:
            raise ArgumentError("executor is an asynchronous Client: a synchronous one is needed here")
        if workers is None:
            workers = max(1, sum(client.nthreads().values()))
        # Packed at once: what cannot be pickled is told here, and not chunk by chunk.
        super().__init__(Portable(task).pack(), client, workers, timeout)

    def __call__(self, item: Any) -> Any:
        from distributed.scheduler import KilledWorker

        try:
            return super().__call__(item)
        except KilledWorker as error:
            raise ProcessLostError(str(error)) from error

    def close(self) -> None:
        # In the client's own loop, where the garbage collector may happen to run, nothing can be waited for.
        if not self._executor.asynchronous:
            super().close()

    def _submit(self, item: Any) -> Any:
        # Not pure: dask would not run again what it thinks it has a result of.
        return self._executor.submit(self._task, item, pure=False)
