"""Tasks for other processes: pickled once, and unpickled once in each process."""

from __future__ import annotations

import os
import pickle
from collections import OrderedDict
from collections.abc import Callable
from itertools import count
from threading import Lock
from typing import Any

from exzarr._stream.processes import wire
from exzarr.errors import ArgumentError

__all__ = ["Portable", "once", "pack"]

Task = Callable[[Any], Any]


def pack(task: Any) -> list[bytes | memoryview]:
    """Pickle `task` as a message. With cloudpickle installed, it may contain lambdas and local functions.

    Raise ArgumentError if it cannot be pickled.
    """
    try:
        import cloudpickle
    except ImportError:
        dumps, advice = pickle.dumps, (
            "without cloudpickle (pip install 'exzarr[processes]') it must be a function of a module, "
            "not a lambda, a local function or one of the program's own main module"
        )  # fmt: skip
    else:
        dumps, advice = (
            cloudpickle.dumps,
            "it may hold nothing that belongs to this process, as locks and files do",
        )
    try:
        return wire.dump(task, dumps)
    except Exception as error:  # pickling runs arbitrary code
        raise ArgumentError(
            f"fn and what it refers to have to be pickled for other processes, and cannot be: {error}; {advice}, "
            "or use executor='threads'"
        ) from error


class Portable:
    """A task for a foreign executor: called directly in this process, pickled once for other processes.

    Another process unpickles it on the first call, not on arrival. An error of unpickling is then an error of that call
    and not of the executor.
    """

    def __init__(self, task: Task) -> None:
        self._task: Task | None = task
        self._packed: list[bytes] | None = None
        self._token = (os.getpid(), id(self), next(_tokens))

    def __call__(self, item: Any) -> Any:
        task = self._task
        if task is None:
            task = self._task = once(self._token, self._packed)
        return task(item)

    def pack(self) -> Portable:
        """Pickle the task now and return self. Raise ArgumentError if that fails."""
        if self._packed is None:
            self._packed = [bytes(part) for part in pack(self._task)]
        return self

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self.pack()), "_task": None}


_KEPT = 8
"""Maximum number of unpickled objects that a process keeps."""
_tokens = count()
_unpacked: OrderedDict[Any, Any] = OrderedDict()
_lock = Lock()


def once(token: Any, parts: list[bytes] | None) -> Any:
    """Unpickle `parts` on first use and keep the object, because executors send it with every item."""
    with _lock:
        found = _unpacked.get(token)
        if found is not None:
            _unpacked.move_to_end(token)
            return found
    assert parts is not None
    found = wire.load(parts)
    with _lock:
        _unpacked[token] = found
        while len(_unpacked) > _KEPT:
            _unpacked.popitem(last=False)
    return found


def _forget() -> None:
    """Replace the lock after a fork: another thread of the parent may have held it."""
    global _lock
    _lock = Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
