"""The values of a stored array for xarray's lazy indexing."""

from __future__ import annotations

from functools import partial
from typing import Any, Literal

import numpy as np
from xarray.backends import BackendArray
from xarray.core import indexing

import exzarr

__all__ = ["StoredValues"]

KEPT_BYTES = 2**20
"""Largest size of a coordinate that is kept between the reads of one opening, in bytes."""

_Kind = Literal["basic", "oindex", "vindex"]


class StoredValues(BackendArray):  # type: ignore[misc]
    """The values of a stored array. Each selection is one read, in the threads of exzarr.

    Threads may share it. Its pickle contains the store, the path and the metadata: unpickling it sends no request, and
    dask's workers see the shape that the dataset was opened with.
    """

    __slots__ = ("_array", "_coordinate", "_kept", "dtype", "shape")

    def __init__(self, array: exzarr.Array, *, coordinate: bool = False) -> None:
        """Make the values of `array`; `coordinate` says that it is the coordinate of its own dimension."""
        self._array = array
        # xarray reads the first and the last time, to decode times, and then all of them, for an index.
        self._coordinate = (
            coordinate and array.ndim == 1 and array.nbytes <= KEPT_BYTES and array.nchunks == 1
        )
        self._kept: Any = None
        self.shape = array.shape
        self.dtype = array.dtype

    # Not `array`: xarray takes an attribute of that name for a wrapped NumPy array.
    @property
    def stored(self) -> exzarr.Array:
        """The stored array."""
        return self._array

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        read = partial(self._read, _kind_of(key))
        return indexing.explicit_indexing_adapter(key, self.shape, indexing.IndexingSupport.VECTORIZED, read)

    async def async_getitem(self, key: indexing.ExplicitIndexer) -> Any:
        """Read a selection without blocking the event loop: xarray's ``load_async`` awaits it."""
        read = partial(self._read_async, _kind_of(key))
        return await indexing.async_explicit_indexing_adapter(
            key, self.shape, indexing.IndexingSupport.VECTORIZED, read
        )

    def _read(self, kind: _Kind, selection: tuple[Any, ...]) -> Any:
        if kind == "basic":
            return self._typed(self._few(selection) if self._coordinate else self._array[selection])
        return getattr(self._array, kind)[selection]

    def _few(self, selection: tuple[Any, ...]) -> Any:
        """Read a part of a coordinate in one chunk, and keep the whole until it is read next."""
        kept, self._kept = self._kept, None
        values = self._array[...] if kept is None else kept
        part = values[selection]
        if part.shape == values.shape:
            return part
        self._kept = values
        return part.copy()

    async def _read_async(self, kind: _Kind, selection: tuple[Any, ...]) -> Any:
        from exzarr import aio

        return self._typed(await aio.get(self._array, selection, index=kind))

    def _typed(self, value: Any) -> Any:
        """Return a scalar string as an array: it has no data type of its own."""
        return np.asarray(value, self.dtype) if isinstance(value, str) else value

    def __reduce__(self) -> tuple[Any, ...]:
        return _unpickled, (self._array.reduce_with_metadata(), self.shape, self.dtype)


def _kind_of(key: indexing.ExplicitIndexer) -> _Kind:
    if isinstance(key, indexing.OuterIndexer):
        return "oindex"
    return "vindex" if isinstance(key, indexing.VectorizedIndexer) else "basic"


def _unpickled(packed: tuple[Any, ...], shape: tuple[int, ...], dtype: np.dtype[Any]) -> StoredValues:
    make, args = packed
    values = StoredValues.__new__(StoredValues)
    # The array of a store in another process's memory is a placeholder that raises when it is read.
    values._array, values.shape, values.dtype = make(*args), shape, dtype
    values._coordinate, values._kept = False, None
    return values
