"""Helpers for tests of streams."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

__all__ = ["PATIENCE", "eventually", "stream_threads"]

PATIENCE = 60.0
"""Seconds after which a missing event is a failure. A test that passes never waits that long."""


def stream_threads() -> set[threading.Thread]:
    """Return the living threads of streams."""
    return {thread for thread in threading.enumerate() if thread.name.startswith("exzarr-stream")}


def eventually(condition: Callable[[], bool]) -> bool:
    """Wait until `condition` is true; return False if it stays false."""
    end = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.001)
    return True
