"""dask arrays (https://docs.dask.org/en/stable/array.html) of stored arrays."""

from __future__ import annotations

import os
import pickle
from itertools import count
from typing import TYPE_CHECKING, Any

import numpy as np

from exzarr._nodes import hierarchy
from exzarr._stream.maps.packing import once
from exzarr.errors import ArgumentError, MissingDependencyError

if TYPE_CHECKING:
    from exzarr._nodes.array import Array

__all__ = ["to_dask"]


def to_dask(array: Array, *, chunks: Any = None) -> Any:
    """Return `array` as a `dask.array.Array` that reads its blocks when it is computed.

    dask's threads, its processes or the machines of a cluster read the blocks, without a lock. Tasks carry the
    address of the array, so the workers need access to the store. A `MemoryStore` works with dask's threads only.
    The shape is fixed by this call; the values are those stored when a block is read.

    Parameters
    ----------
    array
        The array.
    chunks
        The blocks, in any form that dask accepts: ``(100, -1)``, ``"auto"``, ``"128 MiB"``. A block of several
        chunks is read in one selection. Blocks that divide chunks read these several times. Default: one
        block per chunk, or one per shard if the array has shards.

    Returns
    -------
    dask.array.Array
        Its name depends on store, path, metadata and blocks: the same array has the same keys in every process.

    Raises
    ------
    MissingDependencyError
        dask is not installed.
    ArgumentError
        `chunks` does not fit the array.

    See Also
    --------
    dask.array.store : writes the result: ``dask.array.store(blocks, array, lock=False)``.
    """
    try:
        import dask.array
        from dask.base import tokenize
    except ImportError:
        raise MissingDependencyError("to_dask requires dask: pip install 'exzarr[dask]'") from None
    native = tuple([sizes or (0,) for sizes in array.write_chunk_sizes])
    if chunks is None:
        blocks = native
    else:
        try:
            blocks = dask.array.core.normalize_chunks(
                chunks, array.shape, dtype=array.dtype, previous_chunks=native
            )
        except ValueError as error:
            raise ArgumentError(
                f"chunks={chunks!r} does not fit an array of shape {array.shape}: {error}"
            ) from error
    token = tokenize(array.__reduce__()[1], hierarchy.documents(array.metadata))
    return dask.array.from_array(
        _Blocks(array, token),
        chunks=blocks,
        name=f"exzarr-{tokenize(token, blocks)}",
        lock=False,
        asarray=False,
        meta=np.empty((0,) * array.ndim, array.dtype),
        inline_array=True,
    )


_keys = count()


class _Blocks:
    """The object that dask slices. After unpickling it opens the array at the first block, once per process.

    It does not open it earlier: if unpickling a message raises, dask loses the connection and retries forever.
    """

    def __init__(self, array: Array, token: str) -> None:
        self.shape, self.dtype, self.ndim = array.shape, array.dtype, array.ndim
        self._token = token
        # Unique: the token does not change if a zip file is replaced by a similar one.
        self._key = (token, os.getpid(), next(_keys))
        self._array: Array | None = array
        self._packed: list[bytes] | None = None

    def __getitem__(self, selection: Any) -> Any:
        if self._array is None:
            self._array = once(self._key, self._packed)
        return self._array[selection]

    def __dask_tokenize__(self) -> str:
        return self._token

    def __getstate__(self) -> dict[str, Any]:
        if self._packed is None:
            self._packed = [pickle.dumps(self._array)]
        return {**vars(self), "_array": None}
