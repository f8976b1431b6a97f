"""A pool of worker processes that serve one task. Processes that die are replaced."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from threading import Condition
from time import monotonic
from typing import Any
from weakref import finalize

from exzarr import config
from exzarr._stream.maps.packing import pack
from exzarr._stream.processes import wire
from exzarr._stream.processes.process import ProcessLostError, WorkerProcess
from exzarr.errors import ArgumentError, TimedOutError

__all__ = ["PoolClosedError", "ProcessLostError", "ProcessPool"]

_EXIT_SECONDS = 5.0
"""Seconds that idle workers get to end by themselves."""


class PoolClosedError(Exception):
    """The pool was closed during a call."""


class ProcessPool:
    """Calls ``task(item)`` in one of `workers` processes.

    Up to `workers` threads may use `call` concurrently; each waits for one process. The task is pickled once, and
    unpickled once in each process.

    Raises
    ------
    ArgumentError
        The task cannot be pickled, or cannot be unpickled in another process.
    ProcessLostError
        A process dies while it starts.
    """

    def __init__(self, task: Callable[[Any], Any], workers: int) -> None:
        settings = {name: getattr(config.get(), name) for name in config.Config.__slots__}
        # Each process is one worker: additional threads in it would compete with the other processes.
        settings["workers"] = 1
        self._setup = _setup(settings, pack(task))
        self._threads = max(1, config.get().workers // workers)
        self._workers = _Workers()
        self._close = finalize(self, _Workers.end_all, self._workers)
        try:
            # Start all processes first, because importing takes most of the time.
            started = [self._workers.add(self._threads) for _ in range(workers)]
            for worker in started:
                self._start(worker)
                self._workers.give(worker)
        except BaseException:
            self.close()
            raise

    def call(self, item: Any, timeout: float | None = None) -> Any:
        """Call ``task(item)`` in one of the processes and return its result.

        An error of the task is raised with a note that holds the worker's traceback.

        Raises
        ------
        TimedOutError
            The call took longer than `timeout` seconds. Its process was killed.
        ProcessLostError
            The process died.
        PoolClosedError
            The pool was closed meanwhile.
        """
        worker = self._workers.take()
        try:
            if worker is None:  # replace a process that was lost
                worker = self._workers.add(self._threads)
                self._start(worker)
            answer = worker.call(wire.dump(item), timeout)
        except TimeoutError:
            self._workers.lose(worker)
            raise TimedOutError(f"it took longer than {timeout:g} s: its worker process was killed") from None
        except ProcessLostError:
            if self._workers.lose(worker):
                raise
            raise PoolClosedError from None
        except BaseException:
            self._workers.lose(worker)
            raise
        self._workers.give(worker)
        done, value = wire.load(answer)
        if done:
            return value
        raise value.error

    def close(self) -> None:
        """End all processes; busy ones are killed. Threads that wait in `call` get PoolClosedError."""
        self._close()

    def _start(self, worker: WorkerProcess) -> None:
        done, value = wire.load(worker.start(self._setup))
        if not done:
            raise ArgumentError(
                f"fn or an array could not be unpickled in a worker process: {value.error}; the arrays' stores must "
                "be within its reach, and fn importable there, unless cloudpickle is installed here (pip install "
                "'exzarr[processes]')"
            ) from value.error


def _setup(settings: dict[str, Any], packed: wire.Parts) -> wire.Parts:
    return wire.dump((settings, *map(pickle.PickleBuffer, packed)))


class _Workers:
    """The processes of a pool, free and busy."""

    def __init__(self) -> None:
        self._owner = os.getpid()
        self._change = Condition()
        self._all: set[WorkerProcess] = set()
        self._free: list[WorkerProcess] = []
        self._vacant = 0
        self._closed = False

    def add(self, threads: int) -> WorkerProcess:
        """Start a new process."""
        with self._change:
            self._check()
            worker = WorkerProcess(threads)
            if self._closed:  # by a finalizer that ran in this thread meanwhile
                worker.discard()
            self._check()
            self._all.add(worker)
            return worker

    def take(self) -> WorkerProcess | None:
        """Return a free process, or None if one may be added. Wait while all are busy."""
        with self._change:
            while not (self._free or self._vacant or self._closed):
                self._change.wait()
            self._check()
            if self._free:
                return self._free.pop()
            self._vacant -= 1
            return None

    def give(self, worker: WorkerProcess) -> None:
        """Mark a process as free."""
        with self._change:
            self._free.append(worker)
            self._change.notify()

    def lose(self, worker: WorkerProcess | None) -> bool:
        """Discard a process that died or must end. Return False if the pool was closed."""
        with self._change:
            self._vacant += 1
            self._change.notify()
            if worker is not None:
                self._all.discard(worker)
                worker.discard()
            return not self._closed

    def end_all(self) -> None:
        """End all processes."""
        if os.getpid() != self._owner:  # in a fork of the owner
            return
        with self._change:
            self._closed = True
            self._change.notify_all()
            leaving, self._all, self._free = self._all, set(), []
            for worker in leaving:
                worker.disconnect()
        deadline = monotonic() + _EXIT_SECONDS
        for worker in leaving:
            worker.wait(max(0.0, deadline - monotonic()))

    def _check(self) -> None:
        if self._closed:
            raise PoolClosedError
