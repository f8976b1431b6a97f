"""Array properties that come from the metadata. Nothing here reads a chunk."""

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
    """The properties of `exzarr.array.Array` that require only its metadata."""

    __slots__ = ("_location", "_memory_order", "_meta", "_read_only")

    _location: Location
    _meta: ArrayMetadata
    _read_only: bool
    _memory_order: Literal["C", "F"] | None

    @property
    def metadata(self) -> ArrayMetadata:
        """The parsed metadata document."""
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
        """Size of all elements in memory, in bytes (of their pointers, for variable-length types)."""
        return self.size * self.itemsize

    @property
    def chunks(self) -> tuple[int, ...]:
        """Shape of the chunks (inner chunks, if the array has shards).

        Chunks of a rectilinear grid have no common shape: this raises an ArgumentError; see `write_chunk_sizes`.
        """
        return inner_chunks(self._meta) or self._meta.chunk_grid.chunk_shape

    @property
    def shards(self) -> tuple[int, ...] | None:
        """Shape of the shards, or None if the array has none."""
        return None if inner_chunks(self._meta) is None else self._meta.chunk_grid.chunk_shape

    @property
    def write_chunk_sizes(self) -> tuple[tuple[int, ...], ...]:
        """Length of every stored chunk (shard, if the array has shards) along each dimension.

        Lengths are cropped to the array, as in ``dask.array.Array.chunks``.
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
        """Length of every chunk (inner chunk, if the array has shards) along each dimension.

        Lengths are cropped to the array, as in ``dask.array.Array.chunks``.
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
        """Number of chunks along each dimension (inner chunks, if the array has shards)."""
        inner = inner_chunks(self._meta)
        if inner is None:
            return self._meta.chunk_grid.chunk_counts
        return tuple([-(-n // c) for n, c in zip(self.shape, inner, strict=True)])

    @property
    def nchunks(self) -> int:
        """Number of chunks in the grid (inner chunks, if the array has shards), stored or not."""
        return math.prod(self.cdata_shape)

    @property
    def fill_value(self) -> Any:
        """Value of elements that were never written; None if a v2 array does not define it."""
        return self._meta.fill_value

    @property
    def order(self) -> Literal["C", "F"]:
        """Order of elements inside a chunk (v2). ``"C"`` for v3 arrays, which use the transpose codec."""
        return self._meta.order

    @property
    def memory_order(self) -> Literal["C", "F"]:
        """Memory order of the NumPy arrays that reading returns, if they have two dimensions or more.

        Point-by-point selections always return C order, as in zarr-python.

        The order is the first that is defined of: the option given when the array was opened; `order`, for a v2
        array; the setting ``memory_order``, for a v3 array; ``"F"`` if a codec reverses the dimensions, else ``"C"``.
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
        """Array → array codecs (v3; of inner chunks, if the array has shards), or the filters (v2)."""
        return codec_parts(self._meta).filters

    @property
    def serializer(self) -> Any:
        """Array → bytes codec (v3; of inner chunks, if the array has shards), or None (v2)."""
        return codec_parts(self._meta).serializer

    @property
    def compressors(self) -> tuple[Any, ...]:
        """Bytes → bytes codecs (v3; of inner chunks, if the array has shards), or the compressor (v2)."""
        return codec_parts(self._meta).compressors

    @property
    def location(self) -> Location:
        """Store, path and consolidated metadata. Internal: for exzarr's own packages."""
        return self._location

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
    """Return start and end of each length, one list per dimension."""
    ends = [[*accumulate(lengths)] for lengths in sizes]
    return [[*zip([0, *stops], stops, strict=False)] for stops in ends]
