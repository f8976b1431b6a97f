"""The event loop of this process that runs coroutines of zarr-python: those of its stores and codecs.

There is one loop, in a thread of its own. Any number of threads wait for their coroutines concurrently.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

__all__ = ["wait_for"]

T = TypeVar("T")

_loop: asyncio.AbstractEventLoop | None = None
_lock = threading.Lock()


def _after_fork() -> None:
    """Start a new loop in a forked child, on first use: the thread of the parent's loop does not exist there."""
    global _loop, _lock
    _loop, _lock = None, threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def wait_for(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine in the loop, and return its result. If the wait is interrupted, the coroutine is cancelled."""
    future = asyncio.run_coroutine_threadsafe(coroutine, _running())
    try:
        return future.result()
    finally:
        future.cancel()  # does nothing if it is done


def _running() -> asyncio.AbstractEventLoop:
    global _loop
    loop = _loop
    if loop is None:
        with _lock:
            loop = _loop
            if loop is None:
                loop = asyncio.new_event_loop()
                threading.Thread(target=loop.run_forever, name="exzarr-event-loop", daemon=True).start()
                _loop = loop
    return loop
