"""One worker process, as its parent sees it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from multiprocessing.spawn import get_executable
from time import monotonic

from exzarr._stream.processes import wire

__all__ = ["ProcessLostError", "WorkerProcess"]

_LOOK_EVERY = 1.0
"""Seconds after which a worker that says nothing is looked at. Its death normally shows at once, by the closed
socket; not where a process that it forked keeps that open."""

# The search path comes first: exzarr itself may be found only by it.
_BOOT = """
import json, socket, sys
if sys.argv[1] == "shared":
    sock = socket.fromshare(sys.stdin.buffer.read())
else:
    sock = socket.socket(fileno=int(sys.argv[1]))
size = int.from_bytes(sock.recv(4, socket.MSG_WAITALL), "little")
sys.path[:], sys.argv[:] = json.loads(sock.recv(size, socket.MSG_WAITALL))
from exzarr._stream.processes.child import main
with sock:
    main(sock)
"""

# What the libraries that bring threads of their own are told by.
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS")


class ProcessLostError(ChildProcessError):
    """The worker process is gone; the message says how it ended."""


class WorkerProcess:
    """A Python process that serves one task. Used by one thread at a time; `hang_up` and `wait` may come
    from any other.

    It is a fresh interpreter and not a fork: a fork of a process with threads inherits locks that nobody
    will release. Neither does it import the program's main module anew, as `multiprocessing` would.

    Parameters
    ----------
    threads
        How many threads libraries in it (BLAS, OpenMP) may use, where the environment does not say.
    """

    def __init__(self, threads: int) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                self._process = _launch(theirs, threads)
            except BaseException:
                ours.close()
                raise
        self._sock = ours
        self._busy = False

    def __repr__(self) -> str:
        return f"<WorkerProcess {self.pid}>"

    @property
    def pid(self) -> int:
        return self._process.pid

    def start(self, setup: wire.Parts) -> wire.Parts:
        """Give it what `child.main` wants; returns its answer. ProcessLostError where it has died."""
        told = json.dumps([sys.path, sys.argv]).encode()
        try:
            self._sock.sendall(len(told).to_bytes(4, "little") + told)
        except ConnectionError:
            raise ProcessLostError(self._ending()) from None
        return self.call(setup)

    def call(self, request: wire.Parts, timeout: float | None = None) -> wire.Parts:
        """Its answer to `request`.

        Raises
        ------
        TimeoutError
            It took longer than `timeout` seconds. It is still at it: `discard` it.
        ProcessLostError
            It has died.
        """
        deadline = None if timeout is None else monotonic() + timeout

        def patience() -> float:
            if self._process.poll() is not None and not _readable(self._sock):
                raise EOFError
            if deadline is None:
                return _LOOK_EVERY
            left = deadline - monotonic()
            if left <= 0:
                raise TimeoutError
            return min(left, _LOOK_EVERY)

        self._busy = True
        try:
            self._sock.settimeout(None)
            wire.send(self._sock, request)
            answer = wire.receive(self._sock, patience)
        except TimeoutError:
            raise
        except (EOFError, OSError):
            ending = self._ending()
            self._sock.close()
            raise ProcessLostError(ending) from None
        self._busy = False
        return answer

    def hang_up(self) -> None:
        """Have it end by itself, unless it is at work: then it is killed. `wait` comes after."""
        if self._busy:
            self._process.kill()
        else:
            try:
                self._sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def wait(self, seconds: float) -> None:
        """Wait for its end, kill it after `seconds`, and leave nothing of it."""
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if not self._busy:  # else who waits for an answer sees its end, and closes it
            self._sock.close()

    def discard(self) -> None:
        """End it at once, and leave nothing of it. For the one thread that uses it."""
        self._process.kill()
        self._process.wait()
        self._sock.close()

    def _ending(self) -> str:
        """How it ended. Killed, if it has not: without its socket it is of no use."""
        try:
            code = self._process.wait(_LOOK_EVERY)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            return "closed its connection"
        if code >= 0:
            return f"ended with exit status {code}"
        try:
            name = signal.Signals(-code).name
        except ValueError:
            name = f"signal {-code}"
        hint = " (which the kernel sends when memory runs out)" if name == "SIGKILL" else ""
        return f"was killed by {name}{hint}"


def _readable(sock: socket.socket) -> bool:
    """Whether there is still something to receive."""
    sock.setblocking(False)
    try:
        return bool(sock.recv(1, socket.MSG_PEEK))
    except OSError:
        return False


def _launch(theirs: socket.socket, threads: int) -> subprocess.Popen[bytes]:
    command = [os.fsdecode(get_executable() or sys.executable), *_flags(), "-c", _BOOT]
    environment = {**dict.fromkeys(_THREADS, str(threads)), **os.environ}
    if os.name != "nt":
        fd = theirs.fileno()
        return subprocess.Popen(  # noqa: S603 - this interpreter
            [*command, str(fd)], stdin=subprocess.DEVNULL, pass_fds=(fd,), env=environment
        )
    process = subprocess.Popen(  # noqa: S603
        [*command, "shared"], stdin=subprocess.PIPE, env=environment
    )
    assert process.stdin is not None
    with process.stdin:
        process.stdin.write(theirs.share(process.pid))  # type: ignore[attr-defined,unused-ignore]
    return process


def _flags() -> list[str]:
    """What of the interpreter's own flags a worker should have as well."""
    found = [f"-W{option}" for option in sys.warnoptions]
    if sys.flags.optimize:
        found.append("-" + "O" * sys.flags.optimize)
    if sys.flags.isolated:
        found.append("-I")
    elif sys.flags.ignore_environment:
        found.append("-E")
    if sys.flags.dev_mode:
        found.append("-Xdev")
    return found
