"""Conversions between NumPy arrays and buffers."""

from __future__ import annotations

from typing import Any

import numpy as np

from exzarr.codecs.base import AnyArray, Buffer

__all__ = ["as_buffer", "as_bytes", "exports_buffer", "from_buffer"]

_BYTE = np.dtype(np.uint8)


def as_buffer(array: AnyArray) -> memoryview:
    """Return the memory of a C-contiguous array as bytes, without a copy."""
    if not array.size:
        return memoryview(b"")
    try:
        return memoryview(array).cast("B")
    except (ValueError, TypeError, BufferError):
        # datetime64, structured and ml_dtypes arrays do not export their buffer, or not as bytes.
        return memoryview(array.reshape(-1).view(_BYTE))


def from_buffer(data: Buffer, dtype: np.dtype[Any], shape: tuple[int, ...]) -> AnyArray:
    """Return the bytes as a C-contiguous array, without a copy. Their number must match `shape`."""
    return np.ndarray(shape, dtype, data)


def as_bytes(data: Buffer | AnyArray) -> bytes | AnyArray:
    """Return `data` as an object that C functions for read-only bytes accept, without a copy."""
    return data if isinstance(data, bytes) else np.frombuffer(data, _BYTE)


def exports_buffer(dtype: np.dtype[Any]) -> bool:
    """Return True if arrays of `dtype` export their buffer as bytes, as C libraries require."""
    try:
        memoryview(np.empty(1, dtype)).cast("B")
    except (ValueError, TypeError, BufferError):
        return False
    return True
