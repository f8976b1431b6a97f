"""What blocks are written to: stored arrays, as objects that dask's workers get."""

from __future__ import annotations

from typing import Any

import numpy as np

import exzarr

__all__ = ["StoredTarget"]


class StoredTarget:
    """An array that threads and processes write blocks to.

    Parts of stored chunks are read, changed and put while no other writer changes them. Its pickle contains the store
    and the metadata: unpickling it sends no request.
    """

    __slots__ = ("_array",)

    def __init__(self, array: exzarr.Array) -> None:
        self._array = array

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the array."""
        return self._array.shape

    @property
    def ndim(self) -> int:
        """Number of dimensions."""
        return self._array.ndim

    @property
    def dtype(self) -> np.dtype[Any]:
        """Data type of the array."""
        return self._array.dtype

    def __setitem__(self, region: Any, values: Any) -> None:
        self._array[region] = values

    def __reduce__(self) -> tuple[Any, ...]:
        return _unpickled, (self._array.reduce_with_metadata(),)


def _unpickled(packed: tuple[Any, ...]) -> StoredTarget:
    make, args = packed
    return StoredTarget(make(*args))
