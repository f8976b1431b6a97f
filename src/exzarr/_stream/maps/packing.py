"""Tasks that travel: pickled once, whatever they hold, and unpickled once in each process."""

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
    """`task` as a message, by cloudpickle where that is installed: lambdas and local functions travel too.

    ArgumentError where it cannot be pickled.
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
    except Exception as error:  # pickling runs anyone's code
        raise ArgumentError(
            f"fn and what it refers to have to be pickled for other processes, and cannot be: {error}; {advice}, "
            "or use executor='threads'"
        ) from error


class Portable:
    """A task for somebody else's executor: called as it is in this process, pickled once for others.

    There it is unpickled with the first call, and not when it arrives: what cannot be unpickled is an error of
    the call, and not of the executor's own messages.
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
        """Pickle it now; returns it. ArgumentError where that can't be done."""
        if self._packed is None:
            self._packed = [bytes(part) for part in pack(self._task)]
        return self

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self.pack()), "_task": None}


_KEPT = 8
"""How many things a process keeps unpacked."""
_tokens = count()
_unpacked: OrderedDict[Any, Any] = OrderedDict()
_lock = Lock()


def once(token: Any, parts: list[bytes] | None) -> Any:
    """What is packed in `parts`, unpickled when it first comes: executors send it with every item."""
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
    """After a fork another thread of the parent's may have held the lock."""
    global _lock
    _lock = Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
