"""Memory for the data of streams: large pieces return to the system as soon as they are released.

`malloc` keeps freed memory in one arena per allocating thread. A stream allocates in several threads and frees in
another. The kept memory can be as large as the window. Large chunks are therefore mapped separately. This causes page
faults, as a whole read does.
"""

from __future__ import annotations

import math
import mmap
from typing import Any

import numpy as np
import numpy.typing as npt

from exzarr._typing import AnyArray

__all__ = ["MAPPED_NBYTES", "copied", "fresh", "fresh_array", "mapped_from"]

MAPPED_NBYTES = 4 * 1024 * 1024
"""Size in bytes from which memory is mapped. NumPy asks for huge pages from this size on, too."""

SMALL_NBYTES = 1024 * 1024
"""Size in bytes below which memory is never mapped: mapping would cost more than it saves."""

LARGE_WINDOW = 64 * 1024 * 1024
"""Size of a window in bytes from which memory is mapped from `SMALL_NBYTES` on: malloc would keep too much of it."""

_OPTIONS: dict[str, int] = (
    {"flags": mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS}  # not shared with forked children
    if hasattr(mmap, "MAP_PRIVATE") and hasattr(mmap, "MAP_ANONYMOUS")
    else {}
)


def mapped_from(window_nbytes: int) -> int:
    """Return the size from which to map, if up to `window_nbytes` bytes are in memory together."""
    return SMALL_NBYTES if window_nbytes > LARGE_WINDOW else MAPPED_NBYTES


def fresh(nbytes: int, mapped: int = MAPPED_NBYTES) -> npt.NDArray[np.uint8]:
    """Return `nbytes` bytes of uninitialized memory. It is mapped separately if it has at least `mapped` bytes."""
    if nbytes < mapped:
        return np.empty(nbytes, np.uint8)
    try:
        memory = mmap.mmap(-1, nbytes, **_OPTIONS)
    except (OSError, ValueError):  # the system's limit on the number of maps
        return np.empty(nbytes, np.uint8)
    if nbytes >= MAPPED_NBYTES and hasattr(mmap, "MADV_HUGEPAGE"):
        try:
            memory.madvise(mmap.MADV_HUGEPAGE)
        except OSError:
            pass  # the kernel does not support it
    return np.frombuffer(memory, np.uint8)


def fresh_array(shape: tuple[int, ...], dtype: np.dtype[Any], mapped: int = MAPPED_NBYTES) -> AnyArray:
    """Return an uninitialized C-contiguous array in memory from `fresh`."""
    nbytes = dtype.itemsize * math.prod(shape)
    if nbytes < mapped or dtype.hasobject or dtype.kind == "T":
        return np.empty(shape, dtype)
    return np.ndarray(shape, dtype, fresh(nbytes, mapped))


def copied(array: AnyArray, mapped: int = MAPPED_NBYTES) -> AnyArray:
    """Return a C-contiguous copy of `array` in memory from `fresh`."""
    copy = fresh_array(array.shape, array.dtype, mapped)
    copy[...] = array
    return copy
