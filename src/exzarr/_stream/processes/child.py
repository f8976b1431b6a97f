"""Main loop of a worker process: it receives a task once, then items, and answers each item.

Answers are messages (`wire`) of the tuples ``(True, value)`` and ``(False, Failed)``. The worker ends when its parent's
end of the socket is closed, also while it works on an item. A parent that is killed therefore leaves no workers behind.
"""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Callable
from typing import Any

from exzarr import config
from exzarr._stream.processes import wire
from exzarr._stream.processes.failure import Failed

__all__ = ["main"]


def main(sock: socket.socket) -> None:
    """Serve the parent at the other end of `sock` until it disconnects."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent handles Ctrl-C and ends its workers
    parent_watch = _ParentWatch(sock)
    try:
        settings, *packed = wire.load(wire.receive(sock))
        config.set(**settings)
        try:
            task: Callable[[Any], Any] = wire.load(packed)
        except Exception as error:  # noqa: BLE001 - sent to the parent
            wire.send(sock, wire.dump((False, Failed(error))))
            return
        wire.send(sock, wire.dump((True, os.getpid())))
        while True:
            item = wire.load(wire.receive(sock))
            if not parent_watch.begin():
                return
            answer = _answer(task, item)
            parent_watch.end()  # before the answer: the parent may disconnect after it
            wire.send(sock, answer)
    except (EOFError, ConnectionError):
        pass


def _answer(task: Callable[[Any], Any], item: Any) -> wire.Parts:
    try:
        value = task(item)
    except Exception as error:  # noqa: BLE001 - the parent handles any error
        return wire.dump((False, Failed(error)))
    try:
        return wire.dump((True, value))
    except Exception as first:  # noqa: BLE001 - pickling runs arbitrary code
        try:
            import cloudpickle

            return wire.dump((True, value), cloudpickle.dumps)
        except Exception:  # noqa: BLE001
            what = f"the result, of type {type(value).__name__}, cannot be pickled: {first}"
            return wire.dump((False, Failed(TypeError(what))))


class _ParentWatch:
    """Ends the process if the parent disconnects while an item is in progress.

    Between items the main thread notices the disconnection itself and ends normally.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._lock = threading.Lock()
        self._busy = self._gone = False
        try:
            from select import poll
        except ImportError:  # Windows: noticed when the answer cannot be sent
            return
        watch = poll()
        watch.register(sock, 0)  # only disconnections
        threading.Thread(target=self._watch, args=(watch,), daemon=True).start()

    def _watch(self, watch: Any) -> None:
        watch.poll()
        with self._lock:
            self._gone = True
            if self._busy:
                os._exit(1)

    def begin(self) -> bool:
        """Mark the process as busy. Return False if the parent has disconnected."""
        with self._lock:
            self._busy = not self._gone
            return self._busy

    def end(self) -> None:
        with self._lock:
            self._busy = False
