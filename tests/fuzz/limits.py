"""Memory and time limits of fuzzed processes."""

from __future__ import annotations

import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

__all__ = ["MEMORY", "SECONDS", "limit_memory", "limited_time"]

MEMORY = 512 * 2**20
"""Bytes that may be allocated in addition to those in use. A small file must never cause a GiB."""

SECONDS = 20
"""Time limit for one input of a few kilobytes."""


def limit_memory(more: int = MEMORY) -> None:
    """Limit this process to `more` further bytes of address space; larger allocations raise MemoryError."""
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + more, resource.RLIM_INFINITY))


@contextmanager
def limited_time(seconds: int = SECONDS) -> Iterator[None]:
    """Raise TimeoutError in the block if it takes longer than `seconds`."""

    def expired(number: int, frame: Any) -> None:
        raise TimeoutError(f"the input takes longer than {seconds} s")

    before = signal.signal(signal.SIGALRM, expired)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
