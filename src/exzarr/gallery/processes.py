"""Processes for tutorials: a team that starts at the same moment, and workers that are restarted when they die.

Both are context managers and end all their processes when the block ends, also after an error. They start new
interpreters and do not fork, because a notebook has threads and no ``__main__`` that a child could import.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO, Self

from exzarr._typing import AnyArray
from exzarr.errors import ExzarrError

__all__ = ["Life", "Supervisor", "Team", "WorkerFailedError", "fragile_peak", "python"]


class WorkerFailedError(ExzarrError, RuntimeError):
    """A worker process failed and will not be restarted."""


def python(program: str, *arguments: str) -> list[str]:
    r"""Return the command that runs `program`, which may be indented as a whole, in a new interpreter.

    >>> python("    import sys\n    print(sys.argv[1])", "word")[1:]
    ['-c', 'import sys\nprint(sys.argv[1])', 'word']
    """
    return [sys.executable, "-c", textwrap.dedent(program), *arguments]


class Team:
    """Processes that run the same program with different arguments and start at the same moment.

    The program prints a line when it is ready, and then waits for a line on its standard input::

        print("ready", flush=True); input()
    """

    def __init__(self, program: str, arguments: Sequence[Sequence[str]]) -> None:
        self._program = program
        self._arguments = [list(given) for given in arguments]
        self._members: list[subprocess.Popen[str]] = []

    def __enter__(self) -> Self:
        try:
            for given in self._arguments:
                self._members.append(
                    subprocess.Popen(  # noqa: S603 - our own interpreter
                        python(self._program, *given),
                        stdin=subprocess.PIPE,
                        stdout=subprocess.PIPE,
                        text=True,
                    )
                )
            for member in self._members:
                if not _of(member.stdout).readline():
                    raise WorkerFailedError(
                        f"a process ended with status {member.wait()} before it was ready"
                    )
        except BaseException:
            self.__exit__()
            raise
        return self

    def go(self) -> None:
        """Start all processes."""
        for member in self._members:
            _of(member.stdin).write("go\n")
            _of(member.stdin).flush()

    def running(self) -> bool:
        """Return whether any process is still running."""
        return any(member.poll() is None for member in self._members)

    def statuses(self) -> list[int]:
        """Wait for all processes and return their exit statuses; 0 is success."""
        return [member.wait() for member in self._members]

    def __exit__(self, *_: object) -> None:
        for member in self._members:
            _end(member)


@dataclass(frozen=True, slots=True)
class Life:
    """One process from start to end.

    Attributes
    ----------
    worker
        Name of the worker.
    began, ended
        `time.monotonic` at the start, and when the supervisor detected the end.
    status
        Exit status: 0 is success, -9 is SIGKILL.
    """

    worker: str
    began: float
    ended: float
    status: int


@dataclass(slots=True)
class _Worker:
    command: list[str]
    process: subprocess.Popen[bytes] | None = None
    began: float = 0.0
    due: float = 0.0
    """Time of the next start."""
    deaths: int = 0


@dataclass(slots=True)
class Supervisor:
    """A supervisor that restarts worker processes until each has ended with status 0.

    ::

        with Supervisor({"north": python(program, "north"), "south": python(program, "south")}) as workers:
            while workers.watch():
                ...

    A worker that dies is restarted after a pause, which doubles with each death, up to a second. When a worker has
    died more than `most` times, the supervisor raises WorkerFailedError, and leaving the block ends all other workers.

    Attributes
    ----------
    commands
        Command of each worker, by name.
    most
        Largest number of deaths of one worker.
    pause
        Seconds before the first restart.
    lives
        Every process that has ended, in the order of detection.
    """

    commands: Mapping[str, Sequence[str]]
    most: int = 20
    pause: float = 0.01
    lives: list[Life] = field(default_factory=list)
    _workers: dict[str, _Worker] = field(default_factory=dict)

    def __enter__(self) -> Self:
        self._workers = {name: _Worker([*command]) for name, command in self.commands.items()}
        self.watch()
        return self

    def watch(self) -> bool:
        """Start all workers that are due, and return whether any worker is not finished; call this in a loop."""
        for name, worker in self._workers.items():
            if worker.process is not None and (status := worker.process.poll()) is not None:
                self._ended(name, worker, status)
            if worker.process is None and worker.due <= time.monotonic():
                worker.began = time.monotonic()
                worker.process = subprocess.Popen(worker.command)  # noqa: S603 - the caller's command
        return any(worker.due < float("inf") for worker in self._workers.values())

    def running(self) -> list[str]:
        """Return the names of the workers that have a process now."""
        return [name for name, worker in self._workers.items() if worker.process is not None]

    def kill(self, name: str) -> bool:
        """Send SIGKILL to the process of worker `name`; return whether it had one."""
        process = self._workers[name].process
        if process is None or process.poll() is not None:
            return False
        _kill(process.pid)
        process.wait()
        return True

    def __exit__(self, *_: object) -> None:
        for worker in self._workers.values():
            if worker.process is not None:
                _end(worker.process)

    def _ended(self, name: str, worker: _Worker, status: int) -> None:
        now = time.monotonic()
        self.lives.append(Life(name, worker.began, now, status))
        worker.process = None
        if status == 0:
            worker.due = float("inf")
            return
        worker.deaths += 1
        if worker.deaths > self.most:
            raise WorkerFailedError(
                f"worker {name!r} died {worker.deaths} times, the last time with status {status}: it is not restarted"
            )
        worker.due = now + min(1.0, self.pause * 2 ** (worker.deaths - 1))


def fragile_peak(readings: AnyArray) -> float:
    """Return the largest of `readings`; a negative reading kills the process, like a bug in a native library."""
    if (readings < 0).any():
        _kill(os.getpid())
    return float(readings.max())


def _kill(process: int) -> None:
    os.kill(process, getattr(signal, "SIGKILL", signal.SIGTERM))


def _of(pipe: IO[str] | None) -> IO[str]:
    """Return `pipe`, or raise WorkerFailedError if the process has none."""
    if pipe is None:
        raise WorkerFailedError("the process was started without pipes")
    return pipe


def _end(process: subprocess.Popen[str] | subprocess.Popen[bytes]) -> None:
    """Kill the process if it is still running, and close its pipes."""
    if process.poll() is None:
        process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()
