"""Arrays for dask (https://docs.dask.org/en/stable/array.html)."""

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
    """`array` as a `dask.array.Array` that reads when it is computed.

    Blocks are read without a lock, by dask's threads or processes or on the machines of a cluster: what
    travels is the array's address. That must be within the workers' reach; a `MemoryStore` is for dask's
    threads only. The array is seen as it is when a block is read; its shape, as it is now.

    Parameters
    ----------
    chunks
        The blocks, in any form that dask takes: ``(100, -1)``, ``"auto"``, ``"128 MiB"``. Blocks of
        several chunks are read at once; blocks that cut chunks read those more than once. Default: one
        block for each chunk, or for each shard where there are shards.

    Returns
    -------
    dask.array.Array
        Named by store, path, metadata and blocks: the same array gives the same keys, in every process.

    Raises
    ------
    MissingDependencyError
        dask is not installed.
    ArgumentError
        `chunks` does not fit the array.

    See Also
    --------
    dask.array.store : the way back: ``dask.array.store(blocks, array, lock=False)``.
    """
    try:
        import dask.array
        from dask.base import tokenize
    except ImportError:
        raise MissingDependencyError("to_dask needs dask: pip install 'exzarr[dask]'") from None
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
    """What dask slices. Where it is unpickled it opens the array with the first block, and once in a process.

    Not before: an error while a message is unpickled has dask lose the connection and try for ever.
    """

    def __init__(self, array: Array, token: str) -> None:
        self.shape, self.dtype, self.ndim = array.shape, array.dtype, array.ndim
        self._token = token
        # A name of its own, as the token stays the same when a zip file is replaced by one like it.
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
