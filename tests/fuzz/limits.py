"""What a fuzzed process may use."""

from __future__ import annotations

import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

__all__ = ["MEMORY", "SECONDS", "limit_memory", "limited_time"]

MEMORY = 512 * 2**20
"""Bytes that may be asked for on top of what is used already: no small file may make it a GiB."""

SECONDS = 20
"""For one input, of a few kilobytes."""


def limit_memory(more: int = MEMORY) -> None:
    """From now on this process gets `more` bytes of address space, and MemoryError behind that."""
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + more, resource.RLIM_INFINITY))


@contextmanager
def limited_time(seconds: int = SECONDS) -> Iterator[None]:
    """TimeoutError in the block, where it takes longer."""

    def expired(number: int, frame: Any) -> None:
        raise TimeoutError(f"it takes longer than {seconds} s")

    before = signal.signal(signal.SIGALRM, expired)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
