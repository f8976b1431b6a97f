"""Arrays whose memory other libraries can use without a copy."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from exzarr._typing import AnyArray

__all__ = ["ALIGNMENT", "aligned_empty"]

ALIGNMENT = 64
"""Alignment in bytes that XLA (JAX, TensorFlow) requires to use memory of NumPy on the CPU."""


def aligned_empty(shape: tuple[int, ...], dtype: np.dtype[Any]) -> AnyArray:
    """Return an uninitialized array that starts at a multiple of `ALIGNMENT` bytes."""
    if dtype.hasobject or dtype.kind == "T":
        return np.empty(shape, dtype)
    nbytes = math.prod(shape) * dtype.itemsize
    memory = np.empty(nbytes + ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % ALIGNMENT
    return np.ndarray(shape, dtype, memory.data, start)
