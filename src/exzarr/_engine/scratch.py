"""Memory that a thread keeps from one read to the next.

Fresh memory of more than 128 KiB comes from the kernel, zeroed and page by page, which costs
about as much as filling it; so each thread keeps what it used last. A read must have moved
everything out of its scratch before it returns.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["pieces", "scratch", "with_scratch"]

KEPT_NBYTES = 4 * 1024 * 1024
"""Larger scratch is let go with the read that needed it."""

_local = threading.local()


def scratch(use: str, nbytes: int) -> npt.NDArray[Any]:
    """`nbytes` bytes for `use` (a name: uses don't share), with whatever was in them before."""
    kept: npt.NDArray[Any] | None = getattr(_local, use, None)
    if kept is None or kept.nbytes < nbytes:
        kept = np.empty(nbytes, np.uint8)
        if nbytes <= KEPT_NBYTES:
            setattr(_local, use, kept)
    return kept[:nbytes]


def pieces(count: int, nbytes: int) -> list[memoryview]:
    """Buffers for `count` encoded chunks of up to `nbytes` bytes each."""
    whole = memoryview(scratch("encoded", count * nbytes))
    return [whole[i * nbytes : (i + 1) * nbytes] for i in range(count)]


def with_scratch(job: Callable[[Any], None], feed: Any) -> None:
    """Call ``job(feed)``, whose scratch is its own also where it runs inside another of this thread.

    As it does when a codec, a signal handler or a finalizer reads an array in the midst of a read.
    """
    mine = _local.__dict__
    if not mine.get("busy"):
        mine["busy"] = True
        try:
            job(feed)
        finally:
            mine["busy"] = False
        return
    outer = dict(mine)
    mine.clear()
    try:
        with_scratch(job, feed)
    finally:
        mine.clear()
        mine.update(outer)
