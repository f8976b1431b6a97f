"""Does a chunk hold nothing but the fill value?"""

from __future__ import annotations

from typing import Any

import numpy as np

from exzarr.codecs.base import AnyArray, ChunkSpec

__all__ = ["is_fill"]

_WORDS: dict[int, np.dtype[Any]] = {n: np.dtype(f"u{n}") for n in (1, 2, 4, 8)}


def is_fill(array: AnyArray, spec: ChunkSpec) -> bool:
    """Whether every element of `array` is `spec`'s fill value, to the bit.

    NaN equals NaN of the same payload; -0.0 does not equal 0.0: what is left out must read back as
    it was. Mostly decided by the first element, in about a microsecond.
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
    # A value like 1.0 is not equal to 0.0, however its bits are looked at; NaN is to be looked at
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
