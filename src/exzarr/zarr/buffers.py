"""Arrays in zarr-python's buffers: the argument ``prototype=`` of selections, and buffers as ``out=``.

exzarr reads and writes NumPy arrays. A prototype whose buffers are others, such as those of a GPU, gets a copy.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from exzarr.errors import ArgumentError

__all__ = ["from_buffer", "in_buffer", "into", "values_of"]


def in_buffer(values: Any, prototype: Any) -> Any:
    """Return `values`, which were read, as an array of the buffers of `prototype`."""
    kind = _kind(prototype)
    if kind is None or not isinstance(values, np.ndarray):
        return values
    order = "F" if values.flags.f_contiguous and not values.flags.c_contiguous else "C"
    buffer = kind.create(shape=values.shape, dtype=values.dtype, order=order)
    buffer[...] = kind.from_numpy_array(values)
    return buffer.as_ndarray_like()


def values_of(value: Any, prototype: Any) -> Any:
    """Return `value`, which is to be written, without its buffer of `prototype`."""
    kind = _kind(prototype)
    if kind is None or isinstance(value, np.ndarray) or not hasattr(value, "shape"):
        return value
    return kind.from_ndarray_like(value).as_numpy_array()


def into(out: Any, values: Any) -> Any:
    """Return `values`; in the buffer `out`, if it is given."""
    if out is None:
        return values
    target = from_buffer(out)
    target[...] = values
    return target


def from_buffer(out: Any) -> Any:
    """Return the array of `out`, which may be a buffer of zarr-python."""
    return out.as_ndarray_like() if hasattr(out, "as_ndarray_like") else out


def _kind(prototype: Any) -> Any:
    """Return the class of arrays of `prototype`; None if they are NumPy's."""
    if prototype is None:
        return None
    kind: Any = getattr(prototype, "nd_buffer", None)
    if not hasattr(kind, "from_numpy_array"):
        raise ArgumentError(
            f"prototype is a BufferPrototype of zarr-python, not {prototype!r}; leave it out for NumPy arrays"
        )
    return None if (kind.__module__, kind.__name__) == ("zarr.core.buffer.cpu", "NDBuffer") else kind
