"""Memory and time limits for code under test, and child processes to run it in. Linux only, except `limited_time`."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

__all__ = [
    "FORKS",
    "LIMITS",
    "MEMORY",
    "SECONDS",
    "Overtime",
    "failure_in_child",
    "limit_memory",
    "limited_time",
]

FORKS = hasattr(os, "fork")
"""True if this system can fork."""

LIMITS = sys.platform == "linux"
"""True if this system can limit the memory of a process."""

MEMORY = 512 * 2**20
"""Bytes that may be allocated in addition to those in use. A small file must never cause a GiB."""

SECONDS = 20
"""Time limit for one input of a few kilobytes."""


def limit_memory(more: int = MEMORY) -> None:
    """Limit this process to `more` further bytes of address space; larger allocations raise MemoryError."""
    import resource  # Windows has none

    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + more, resource.RLIM_INFINITY))


class Overtime(BaseException):
    """The time is over. Not an Exception, because code under test handles those."""


@contextmanager
def limited_time(seconds: int = SECONDS) -> Iterator[None]:
    """Raise Overtime in the block if it takes longer than `seconds`."""

    def expired(_number: int, _frame: Any) -> None:
        raise Overtime(f"the input takes longer than {seconds} s")

    before = signal.signal(signal.SIGALRM, expired)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def failure_in_child(
    run: Callable[[], None], *, memory: int | None = None, seconds: int = SECONDS
) -> str | None:
    """Run a function in a forked process with limits. Return a traceback, or how the process ended; None for success.

    Parameters
    ----------
    run
        The function.
    memory
        Bytes that it may allocate in addition to those in use; None for no limit.
    seconds
        Time limit.
    """
    read, write = os.pipe()
    child = os.fork()
    if not child:
        os.close(read)
        reported = "success"
        try:
            if memory is not None:
                limit_memory(memory)
            with limited_time(seconds):
                run()
        except BaseException:  # noqa: BLE001 - reported to the parent
            reported = traceback.format_exc()
        os.write(write, reported.encode()[-4000:])
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as pipe:
        reported = pipe.read()
    _, status = os.waitpid(child, 0)
    return None if reported == "success" else reported or f"the process ended with status {status}"
