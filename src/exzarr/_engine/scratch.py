"""Memory that a thread reuses from one read to the next.

New memory of more than 128 KiB comes from the kernel, zeroed and page by page, which costs about as much as filling it.
Therefore each thread keeps its last memory. A read must move all its data out of the scratch memory before it returns.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from exzarr._typing import AnyArray

__all__ = ["pieces", "scratch", "with_scratch"]

KEPT_NBYTES = 4 * 1024 * 1024
"""Larger scratch memory is freed after the read that needed it."""

_local = threading.local()


def scratch(use: str, nbytes: int) -> AnyArray:
    """Return `nbytes` uninitialized bytes. `use` is a name; different uses have different memory."""
    kept: AnyArray | None = getattr(_local, use, None)
    if kept is None or kept.nbytes < nbytes:
        kept = np.empty(nbytes, np.uint8)
        if nbytes <= KEPT_NBYTES:
            setattr(_local, use, kept)
    return kept[:nbytes]


def pieces(count: int, nbytes: int) -> list[memoryview]:
    """Return buffers for `count` encoded chunks of up to `nbytes` bytes each."""
    whole = memoryview(scratch("encoded", count * nbytes))
    return [whole[i * nbytes : (i + 1) * nbytes] for i in range(count)]


def with_scratch(job: Callable[[Any], None], feed: Any) -> None:
    """Call ``job(feed)`` with scratch memory that no outer job of this thread uses.

    Jobs are nested if a codec, a signal handler or a finalizer reads an array during a read.
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
