"""What an array's metadata says about it. Nothing here reads a chunk."""

from __future__ import annotations

import math
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from exzarr import config
from exzarr._nodes.codec_parts import codec_parts, inner_chunks, is_reversed

if TYPE_CHECKING:
    from exzarr._format.metadata import ArrayMetadata
    from exzarr._nodes.hierarchy import Location
    from exzarr.stores.base import Store

__all__ = ["ArrayFacts"]


class ArrayFacts:
    """The part of `exzarr.array.Array` that only looks at the metadata."""

    __slots__ = ("_location", "_memory_order", "_meta", "_read_only")

    _location: Location
    _meta: ArrayMetadata
    _read_only: bool
    _memory_order: Literal["C", "F"] | None

    @property
    def metadata(self) -> ArrayMetadata:
        """The metadata document, parsed."""
        return self._meta

    @property
    def shape(self) -> tuple[int, ...]:
        return self._meta.shape

    @property
    def ndim(self) -> int:
        return len(self._meta.shape)

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self._meta.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        return self._meta.data_type.dtype

    @property
    def itemsize(self) -> int:
        return self.dtype.itemsize

    @property
    def nbytes(self) -> int:
        """Bytes of all elements in memory (pointers, for variable-length types)."""
        return self.size * self.itemsize

    @property
    def chunks(self) -> tuple[int, ...]:
        """Shape of the chunks that are encoded on their own: inner chunks, where there are shards.

        ArgumentError where chunks vary in shape (rectilinear grid): see `write_chunk_sizes`.
        """
        return inner_chunks(self._meta) or self._meta.chunk_grid.chunk_shape

    @property
    def shards(self) -> tuple[int, ...] | None:
        """Shape of the shards; None where there are none."""
        return None if inner_chunks(self._meta) is None else self._meta.chunk_grid.chunk_shape

    @property
    def write_chunk_sizes(self) -> tuple[tuple[int, ...], ...]:
        """The length of every stored chunk (shard, if the array has shards) along each dimension.

        Lengths are cut to the array, as in ``dask.array.Array.chunks``.
        """
        grid = self._meta.chunk_grid
        return tuple(
            [
                tuple([min(d.size(i), n - d.offset(i)) for i in range(c)])
                for d, n, c in zip(grid.dims, grid.shape, grid.chunk_counts, strict=True)
            ]
        )

    @property
    def read_chunk_sizes(self) -> tuple[tuple[int, ...], ...]:
        """The length of every separately encoded chunk (inner chunk, if the array has shards) along each dimension.

        Lengths are cut to the array, as in ``dask.array.Array.chunks``.
        """
        inner = inner_chunks(self._meta)
        if inner is None:
            return self.write_chunk_sizes
        return tuple(
            [
                tuple([min(at + size, end) - at for start, end in shards for at in range(start, end, size)])
                for shards, size in zip(_extents(self.write_chunk_sizes), inner, strict=True)
            ]
        )

    @property
    def cdata_shape(self) -> tuple[int, ...]:
        """Number of chunks along each dimension (inner chunks, where there are shards)."""
        inner = inner_chunks(self._meta)
        if inner is None:
            return self._meta.chunk_grid.chunk_counts
        return tuple([-(-n // c) for n, c in zip(self.shape, inner, strict=True)])

    @property
    def nchunks(self) -> int:
        """Number of chunks in the grid (inner chunks, where there are shards), stored or not."""
        return math.prod(self.cdata_shape)

    @property
    def fill_value(self) -> Any:
        """What elements are that were never written; None where a v2 array leaves it open."""
        return self._meta.fill_value

    @property
    def order(self) -> Literal["C", "F"]:
        """v2: the order of elements inside a chunk. v3 arrays say ``"C"``; see the transpose codec."""
        return self._meta.order

    @property
    def memory_order(self) -> Literal["C", "F"]:
        """The order of the NumPy arrays that reading gives, where they have two dimensions or more.

        Point-by-point selections are in C order always, as in zarr-python.

        What the array was opened with; else of a v2 array its `order`, of a v3 array the setting ``memory_order``,
        and without one ``"F"`` where its chunks are stored so (a codec that reverses the dimensions).
        """
        if self._memory_order is not None:
            return self._memory_order
        if self._meta.zarr_format == 2:
            return self._meta.order
        setting = config.get().memory_order
        if setting != "auto":
            return "F" if setting == "F" else "C"
        return "F" if is_reversed(self._meta) else "C"

    @property
    def dimension_names(self) -> tuple[str | None, ...] | None:
        return self._meta.dimension_names

    @property
    def zarr_format(self) -> Literal[2, 3]:
        return self._meta.zarr_format

    @property
    def filters(self) -> tuple[Any, ...]:
        """v3: the array → array codecs (of inner chunks, where there are shards); v2: the filters."""
        return codec_parts(self._meta).filters

    @property
    def serializer(self) -> Any:
        """v3: the array → bytes codec (of inner chunks, where there are shards); v2: None."""
        return codec_parts(self._meta).serializer

    @property
    def compressors(self) -> tuple[Any, ...]:
        """v3: the bytes → bytes codecs (of inner chunks, where there are shards); v2: the compressor."""
        return codec_parts(self._meta).compressors

    @property
    def store(self) -> Store:
        return self._location.store

    @property
    def path(self) -> str:
        """Path in the store, without a leading slash; ``""`` for a root array."""
        return self._location.path

    @property
    def name(self) -> str:
        """Path with a leading slash, as in h5py."""
        return "/" + self._location.path

    @property
    def basename(self) -> str:
        return self._location.path.rpartition("/")[2]

    @property
    def read_only(self) -> bool:
        return self._read_only or self._location.store.read_only


def _extents(sizes: tuple[tuple[int, ...], ...]) -> list[list[tuple[int, int]]]:
    """Start and end of each length, one list per dimension."""
    ends = [[*accumulate(lengths)] for lengths in sizes]
    return [[*zip([0, *stops], stops, strict=False)] for stops in ends]
