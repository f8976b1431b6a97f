"""Runners execute a task: in threads, in processes, in a user's executor, or on a cluster.

The threads of a `Window` call a runner with one item each. The runner returns or raises what the task does. The window
handles order, bounds and retries for all runners.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, CancelledError, Executor
from threading import RLock
from typing import Any, Literal, Protocol

from exzarr import config, telemetry
from exzarr._stream.maps.on_ray import OnRay, names_ray
from exzarr._stream.maps.packing import Portable
from exzarr._stream.processes.pool import ProcessLostError, ProcessPool
from exzarr.errors import ArgumentError, StreamError, TimedOutError

__all__ = ["ExecutorLike", "Runner", "open_runner"]

Task = Callable[[Any], Any]
ExecutorLike = Literal["threads", "processes"] | Executor | Any
"""``"threads"``, ``"processes"``, any `concurrent.futures.Executor`, a `distributed.Client`, ``"ray"``, the address of a Ray
cluster, or the module ray."""


class Runner(Protocol):
    """Executes a task.

    Attributes
    ----------
    workers
        Number of items in progress.
    timeout
        Timeout in seconds that the window must enforce; None if the runner enforces it or there is none.
    """

    workers: int
    timeout: float | None

    def __call__(self, item: Any) -> Any: ...

    def close(self) -> None:
        """End work in progress if possible, and release the threads that wait for it."""
        ...


def open_runner(
    task: Task, executor: ExecutorLike, workers: int | None, timeout: float | None, total: int
) -> Runner:
    """Return the runner for the user's ``executor=``, for at most `total` items."""
    hooks = telemetry.hooks()
    if not hooks or executor == "threads":
        return _open(task, executor, workers, timeout, total)
    from exzarr._stream.event_forwarding import ForwardingRunner, RecordedTask

    return ForwardingRunner(_open(RecordedTask(task), executor, workers, timeout, total), hooks)


def _open(
    task: Task, executor: ExecutorLike, workers: int | None, timeout: float | None, total: int
) -> Runner:
    if executor == "threads":
        return InThreads(task, workers or config.get().workers, timeout)
    if executor == "processes":
        return InProcesses(task, min(workers or config.get().workers, max(1, total)), timeout)
    if isinstance(executor, Executor):
        known = getattr(executor, "_max_workers", None)
        default = known if type(known) is int and known > 0 else config.get().workers
        return ByExecutor(task, executor, workers or default, timeout)
    if names_ray(executor):
        return OnRay(task, executor, workers, timeout)
    distributed: Any = sys.modules.get("distributed")  # imported if a Client exists
    if distributed is not None and isinstance(executor, distributed.Client):
        return OnCluster(task, executor, workers, timeout)
    raise ArgumentError(
        "executor is 'threads', 'processes', a concurrent.futures.Executor, a distributed.Client, 'ray' or the address "
        f"of a Ray cluster ('ray://host:10001'), not {executor!r}"
    )


class InThreads:
    """Runs tasks in the window's own threads. They can't be killed; the window stops waiting for overdue ones."""

    def __init__(self, task: Task, workers: int, timeout: float | None) -> None:
        self.workers, self.timeout = workers, timeout
        self._task = task

    def __call__(self, item: Any) -> Any:
        return self._task(item)

    def close(self) -> None:
        pass


class InProcesses:
    """Runs tasks in supervised processes, which are killed when they are overdue."""

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
    """Runs tasks in the caller's executor, which stays open. Tasks in progress can't be stopped."""

    timeout: float | None = None

    def __init__(self, task: Task, executor: Executor, workers: int, timeout: float | None) -> None:
        self.workers = workers
        self._limit = timeout
        # The executor decides whether to pickle the task.
        self._task = task if isinstance(task, Portable) else Portable(task)
        self._executor: Any = executor
        # Reentrant: the garbage collector may close a stream in a thread that holds the lock.
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
            if future.done():  # a TimeoutError of the task itself
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
    """Runs tasks on the workers of a dask cluster (https://distributed.dask.org)."""

    def __init__(self, task: Task, client: Any, workers: int | None, timeout: float | None) -> None:
        if client.asynchronous:
            raise ArgumentError("executor is an asynchronous Client: a synchronous one is needed here")
        if workers is None:
            workers = max(1, sum(client.nthreads().values()))
        # Pack now, so that an error of pickling is raised here and not for each chunk.
        super().__init__(Portable(task).pack(), client, workers, timeout)

    def __call__(self, item: Any) -> Any:
        from distributed.scheduler import KilledWorker

        try:
            return super().__call__(item)
        except KilledWorker as error:
            raise ProcessLostError(str(error)) from error

    def close(self) -> None:
        # The garbage collector may run this in the client's own event loop, which must not wait.
        if not self._executor.asynchronous:
            super().close()

    def _submit(self, item: Any) -> Any:
        # pure=False: otherwise dask reuses the result of an earlier call.
        return self._executor.submit(self._task, item, pure=False)
