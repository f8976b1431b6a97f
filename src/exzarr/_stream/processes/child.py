"""What runs in a worker process: it is given a task once, then items, and answers each.

Answers are messages (`wire`) of the tuples ``(True, value)`` and ``(False, Failed)``. The worker ends when
its parent's end of the socket is closed, also in the middle of an item: a parent that was killed leaves nobody
behind.
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
    """Serve the parent at the other end of `sock`; returns when it hangs up."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle: it ends its workers
    lifeline = _Lifeline(sock)
    try:
        settings, *packed = wire.load(wire.receive(sock))
        config.set(**settings)
        try:
            task: Callable[[Any], Any] = wire.load(packed)
        except Exception as error:  # noqa: BLE001 - the parent is told
            wire.send(sock, wire.dump((False, Failed(error))))
            return
        wire.send(sock, wire.dump((True, os.getpid())))
        while True:
            item = wire.load(wire.receive(sock))
            if not lifeline.begin():
                return
            answer = _answer(task, item)
            lifeline.end()  # before the parent has the answer, and may hang up: that ends no work any more
            wire.send(sock, answer)
    except (EOFError, ConnectionError):
        pass


def _answer(task: Callable[[Any], Any], item: Any) -> wire.Parts:
    try:
        value = task(item)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is the parent's to judge
        return wire.dump((False, Failed(error)))
    try:
        return wire.dump((True, value))
    except Exception as first:  # noqa: BLE001 - pickling runs anyone's code
        try:
            import cloudpickle

            return wire.dump((True, value), cloudpickle.dumps)
        except Exception:  # noqa: BLE001
            what = f"the result, of type {type(value).__name__}, cannot be pickled: {first}"
            return wire.dump((False, Failed(TypeError(what))))


class _Lifeline:
    """Ends the process when the parent hangs up while an item is in work.

    Between items the main thread finds out by itself, and ends as any program does.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._lock = threading.Lock()
        self._busy = self._gone = False
        try:
            from select import poll
        except ImportError:  # Windows: found out when the answer cannot be sent
            return
        watch = poll()
        watch.register(sock, 0)  # nothing but the hanging up
        threading.Thread(target=self._watch, args=(watch,), daemon=True).start()

    def _watch(self, watch: Any) -> None:
        watch.poll()
        with self._lock:
            self._gone = True
            if self._busy:
                os._exit(1)

    def begin(self) -> bool:
        """Whether somebody still wants the answer."""
        with self._lock:
            self._busy = not self._gone
            return self._busy

    def end(self) -> None:
        with self._lock:
            self._busy = False
