"""Memory for what streams hand out: large pieces go back to the system as soon as they are let go.

`malloc` keeps what is freed, in one arena for each thread that allocates, and a stream allocates in several threads and
frees in another: what is kept that way can be as much again as the window. So large chunks are mapped by
themselves. That costs page faults, which a whole read pays as well.
"""

from __future__ import annotations

import math
import mmap
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["MAPPED_NBYTES", "copied", "fresh", "fresh_array", "mapped_from"]

MAPPED_NBYTES = 4 * 1024 * 1024
"""From this size on. NumPy, too, asks for huge pages from here on."""

SMALL_NBYTES = 1024 * 1024
"""Smaller pieces never are: it would cost more than it gives back."""

LARGE_WINDOW = 64 * 1024 * 1024
"""Where a window may hold more bytes than this, it is mapped from `SMALL_NBYTES` on: what malloc keeps would be large."""

_OPTIONS: dict[str, int] = (
    {"flags": mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS}  # not shared with forked children
    if hasattr(mmap, "MAP_PRIVATE") and hasattr(mmap, "MAP_ANONYMOUS")
    else {}
)


def mapped_from(window_nbytes: int) -> int:
    """From which size on to map, where up to `window_nbytes` bytes are in memory at once."""
    return SMALL_NBYTES if window_nbytes > LARGE_WINDOW else MAPPED_NBYTES


def fresh(nbytes: int, mapped: int = MAPPED_NBYTES) -> npt.NDArray[np.uint8]:
    """`nbytes` bytes of memory, with anything in them; mapped by itself from `mapped` bytes on."""
    if nbytes < mapped:
        return np.empty(nbytes, np.uint8)
    try:
        memory = mmap.mmap(-1, nbytes, **_OPTIONS)
    except (OSError, ValueError):  # as many maps as the system allows
        return np.empty(nbytes, np.uint8)
    if nbytes >= MAPPED_NBYTES and hasattr(mmap, "MADV_HUGEPAGE"):
        try:
            memory.madvise(mmap.MADV_HUGEPAGE)
        except OSError:
            pass  # the kernel has none
    return np.frombuffer(memory, np.uint8)


def fresh_array(
    shape: tuple[int, ...], dtype: np.dtype[Any], mapped: int = MAPPED_NBYTES
) -> npt.NDArray[Any]:
    """An array, C-contiguous, with anything in it; in memory from `fresh`."""
    nbytes = dtype.itemsize * math.prod(shape)
    if nbytes < mapped or dtype.hasobject or dtype.kind == "T":
        return np.empty(shape, dtype)
    return np.ndarray(shape, dtype, fresh(nbytes, mapped))


def copied(array: npt.NDArray[Any], mapped: int = MAPPED_NBYTES) -> npt.NDArray[Any]:
    """A copy of `array`, C-contiguous, in memory from `fresh`."""
    copy = fresh_array(array.shape, array.dtype, mapped)
    copy[...] = array
    return copy
