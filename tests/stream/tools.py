"""What the tests of streams share."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

__all__ = ["PATIENCE", "eventually", "stream_threads"]

PATIENCE = 60.0
"""Seconds after which something that should have happened has not. Never waited for when all is well."""


def stream_threads() -> set[threading.Thread]:
    """The threads of streams that are alive."""
    return {thread for thread in threading.enumerate() if thread.name.startswith("exzarr-stream")}


def eventually(condition: Callable[[], bool]) -> bool:
    """Whether `condition` becomes true; returns as soon as it does."""
    end = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.001)
    return True
