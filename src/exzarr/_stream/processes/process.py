"""The parent's side of one worker process."""

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

_CHECK_SECONDS = 1.0
"""Seconds between checks of a silent worker. Normally its closed socket shows its death immediately, unless a process
that it forked keeps the socket open."""

# The search path comes first: it may be needed to find exzarr itself.
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

# Environment variables that limit the threads of libraries.
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS")


class ProcessLostError(ChildProcessError):
    """The worker process has ended; the message says how."""


class WorkerProcess:
    """A Python process that serves one task. One thread uses it; other threads may only call `disconnect` and `wait`.

    It is a new interpreter and not a fork, because a fork of a process with threads inherits locks that are never
    released. Unlike `multiprocessing`, it does not import the program's main module again.

    Parameters
    ----------
    threads
        Number of threads for its libraries (BLAS, OpenMP), unless the environment sets it.
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
        """Send the setup for `child.main` and return the answer. Raise ProcessLostError if the process has died."""
        paths = json.dumps([sys.path, sys.argv]).encode()
        try:
            self._sock.sendall(len(paths).to_bytes(4, "little") + paths)
        except ConnectionError:
            raise ProcessLostError(self._ending()) from None
        return self.call(setup)

    def call(self, request: wire.Parts, timeout: float | None = None) -> wire.Parts:
        """Send `request` and return the answer.

        Raises
        ------
        TimeoutError
            The answer took longer than `timeout` seconds. The process still works on it: `discard` it.
        ProcessLostError
            The process has died.
        """
        deadline = None if timeout is None else monotonic() + timeout

        def next_wait() -> float:
            if self._process.poll() is not None and not _readable(self._sock):
                raise EOFError
            if deadline is None:
                return _CHECK_SECONDS
            left = deadline - monotonic()
            if left <= 0:
                raise TimeoutError
            return min(left, _CHECK_SECONDS)

        self._busy = True
        try:
            self._sock.settimeout(None)
            wire.send(self._sock, request)
            answer = wire.receive(self._sock, next_wait)
        except TimeoutError:
            raise
        except (EOFError, OSError):
            ending = self._ending()
            self._sock.close()
            raise ProcessLostError(ending) from None
        self._busy = False
        return answer

    def disconnect(self) -> None:
        """Disconnect, so that an idle process ends by itself; kill a busy one. Call `wait` afterwards."""
        if self._busy:
            self._process.kill()
        else:
            try:
                self._sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def wait(self, seconds: float) -> None:
        """Wait for the end of the process, kill it after `seconds`, and release its resources."""
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if not self._busy:  # otherwise the thread that waits for the answer closes it
            self._sock.close()

    def discard(self) -> None:
        """Kill the process and release its resources. Only for the thread that uses it."""
        self._process.kill()
        self._process.wait()
        self._sock.close()

    def _ending(self) -> str:
        """Return how the process ended. Kill it if it still runs: it is useless without its socket."""
        try:
            code = self._process.wait(_CHECK_SECONDS)
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
    """Return True if there is still data to receive."""
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
    """Return the interpreter's flags that a worker should inherit."""
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
