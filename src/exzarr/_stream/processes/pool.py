"""A number of worker processes that serve one task, and are replaced when they are lost."""

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

_GOODBYE = 5.0
"""Seconds that workers who are not at work get to end by themselves."""


class PoolClosedError(Exception):
    """The pool was closed while something was asked of it."""


class ProcessPool:
    """Calls ``task(item)`` in one of `workers` processes.

    `call` is for as many threads as there are workers: each waits for one process. The task is pickled
    once, and unpickled once in each process.

    Raises
    ------
    ArgumentError
        The task cannot be pickled, or not be unpickled in another process.
    ProcessLostError
        A process dies while it starts.
    """

    def __init__(self, task: Callable[[Any], Any], workers: int) -> None:
        settings = {name: getattr(config.get(), name) for name in config.Config.__slots__}
        # Each process is one worker: its own threads would only get into the others' way.
        settings["workers"] = 1
        self._setup = _setup(settings, pack(task))
        self._threads = max(1, config.get().workers // workers)
        self._staff = _Staff()
        self._close = finalize(self, _Staff.dismiss, self._staff)
        try:
            # All at once: what takes time is their imports.
            started = [self._staff.add(self._threads) for _ in range(workers)]
            for worker in started:
                self._greet(worker)
                self._staff.give(worker)
        except BaseException:
            self.close()
            raise

    def call(self, item: Any, timeout: float | None = None) -> Any:
        """``task(item)``, in one of the processes.

        Raises what the task raises, with a note that tells where, and

        TimedOutError
            It took longer than `timeout` seconds; its process was killed.
        ProcessLostError
            Its process died.
        PoolClosedError
            The pool was closed meanwhile.
        """
        worker = self._staff.take()
        try:
            if worker is None:  # in the place of one that was lost
                worker = self._staff.add(self._threads)
                self._greet(worker)
            answer = worker.call(wire.dump(item), timeout)
        except TimeoutError:
            self._staff.lose(worker)
            raise TimedOutError(f"it took longer than {timeout:g} s: its worker process was killed") from None
        except ProcessLostError:
            if self._staff.lose(worker):
                raise
            raise PoolClosedError from None
        except BaseException:
            self._staff.lose(worker)
            raise
        self._staff.give(worker)
        done, value = wire.load(answer)
        if done:
            return value
        raise value.error

    def close(self) -> None:
        """End all processes: those at work are killed. Who waits in `call` gets PoolClosedError."""
        self._close()

    def _greet(self, worker: WorkerProcess) -> None:
        done, value = wire.load(worker.start(self._setup))
        if not done:
            raise ArgumentError(
                f"fn or an array could not be unpickled in a worker process: {value.error}; the arrays' stores must "
                "be within its reach, and fn importable there, unless cloudpickle is installed here (pip install "
                "'exzarr[processes]')"
            ) from value.error


def _setup(settings: dict[str, Any], packed: wire.Parts) -> wire.Parts:
    return wire.dump((settings, *map(pickle.PickleBuffer, packed)))


class _Staff:
    """All processes of a pool: those that are free, and those that are not."""

    def __init__(self) -> None:
        self._owner = os.getpid()
        self._change = Condition()
        self._all: set[WorkerProcess] = set()
        self._free: list[WorkerProcess] = []
        self._vacant = 0
        self._closed = False

    def add(self, threads: int) -> WorkerProcess:
        """A new process."""
        with self._change:
            self._check()
            worker = WorkerProcess(threads)
            if self._closed:  # by a finalizer that ran meanwhile, in this thread
                worker.discard()
            self._check()
            self._all.add(worker)
            return worker

    def take(self) -> WorkerProcess | None:
        """A free process, or None where one may be added; waits where all are taken."""
        with self._change:
            while not (self._free or self._vacant or self._closed):
                self._change.wait()
            self._check()
            if self._free:
                return self._free.pop()
            self._vacant -= 1
            return None

    def give(self, worker: WorkerProcess) -> None:
        """It is free again."""
        with self._change:
            self._free.append(worker)
            self._change.notify()

    def lose(self, worker: WorkerProcess | None) -> bool:
        """It died or has to. Whether it was not all of them, because the pool was closed."""
        with self._change:
            self._vacant += 1
            self._change.notify()
            if worker is not None:
                self._all.discard(worker)
                worker.discard()
            return not self._closed

    def dismiss(self) -> None:
        """End all of them."""
        if os.getpid() != self._owner:  # a fork of the process they work for
            return
        with self._change:
            self._closed = True
            self._change.notify_all()
            leaving, self._all, self._free = self._all, set(), []
            for worker in leaving:
                worker.hang_up()
        deadline = monotonic() + _GOODBYE
        for worker in leaving:
            worker.wait(max(0.0, deadline - monotonic()))

    def _check(self) -> None:
        if self._closed:
            raise PoolClosedError
