"""A test for chunks in which every element is the fill value."""

from __future__ import annotations

from typing import Any

import numpy as np

from exzarr.codecs.base import AnyArray, ChunkSpec

__all__ = ["is_fill"]

_WORDS: dict[int, np.dtype[Any]] = {n: np.dtype(f"u{n}") for n in (1, 2, 4, 8)}


def is_fill(array: AnyArray, spec: ChunkSpec) -> bool:
    """Return True if every element of `array` is the fill value of `spec`, bit for bit.

    NaN equals NaN with the same payload, and -0.0 differs from 0.0: an omitted chunk must read back
    unchanged. In most cases the first element decides, in about a microsecond.
    """
    if not array.size:
        return True
    dtype = spec.dtype
    first: Any = array[(0,) * array.ndim]
    if dtype.hasobject or dtype.kind == "T":
        try:
            return bool(first == spec.fill_value) and bool(np.all(array == spec.fill_value))
        except ValueError:  # the elements are arrays
            return False
    if array.dtype != dtype:
        array = array.astype(dtype)
    fill = np.empty(1, dtype)
    fill[0] = spec.fill_value
    # Values that compare unequal (1.0 and 0.0) differ in their bits. NaN needs a comparison of bits.
    if first == first and first != fill[0]:
        return False
    if dtype.itemsize in _WORDS and dtype.names is None:
        word = _WORDS[dtype.itemsize]
        return bool((_words(array, word) == fill.view(word)[0]).all())
    parts = np.ascontiguousarray(array).reshape(-1).view(np.uint8).reshape(-1, dtype.itemsize)
    return bool((parts == fill.view(np.uint8)).all())


def _words(array: AnyArray, word: np.dtype[Any]) -> AnyArray:
    try:
        return array.view(word)
    except (ValueError, TypeError):  # ml_dtypes and some strides
        return np.ascontiguousarray(array).view(word)
