"""Find stored chunks whose bytes are equal on both sides. They hold equal elements and are not decoded."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from exzarr._format.data_type import is_ml
from exzarr._format.metadata import ArrayMetadata
from exzarr._nodes.array import Array
from exzarr._stream.chunks.grid import Region
from exzarr._tools.copy_plan import same_fill
from exzarr.stores.instrument import instrument

__all__ = ["StoredChunk", "same_encoding", "same_stored", "stored_units"]

PIECE = 8 * 2**20
"""Maximum bytes of a stored value in memory."""


@dataclass(frozen=True, slots=True)
class StoredChunk:
    """A chunk (shard) of both arrays.

    Attributes
    ----------
    left, right
        Its keys.
    region
        The part of the array that it covers, within the compared region.
    """

    left: str
    right: str
    region: Region

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(part.stop - part.start for part in self.region)


def same_encoding(left: ArrayMetadata, right: ArrayMetadata, *, equal_nan: bool) -> bool:
    """Return True if equal bytes of a chunk mean equal elements.

    Without `equal_nan`, a NaN differs from itself, and equal bytes prove nothing if the data type has NaNs.
    """
    return (equal_nan or not _has_nan(left.data_type.dtype)) and all(
        getattr(left, name) == getattr(right, name)
        for name in (
            "zarr_format",
            "shape",
            "data_type",
            "chunk_grid",
            "codecs",
            "order",
            "filters",
            "compressor",
        )
    )


def _has_nan(dtype: np.dtype[Any]) -> bool:
    if dtype.names is not None:
        return any(_has_nan(dtype[name]) for name in dtype.names)
    return dtype.base.kind in "fcmMO" or is_ml(dtype.base)


def stored_units(left: Array, right: Array, region: Region) -> Iterator[StoredChunk]:
    """Yield the chunks (shards) that `region` touches, in C order."""
    grid, keys = (
        left.metadata.chunk_grid,
        [(one.location.key(""), one.metadata.chunk_key_encoding.encode) for one in (left, right)],
    )
    spans = [
        range(dim.index_of(part.start), dim.index_of(part.stop - 1) + 1)
        for dim, part in zip(grid.dims, region, strict=True)
    ]
    for index in product(*spans):
        cut = tuple(
            [
                slice(max(part.start, dim.offset(i)), min(part.stop, dim.offset(i) + dim.size(i)))
                for dim, i, part in zip(grid.dims, index, region, strict=True)
            ]
        )
        here, there = [prefix + encode(index) for prefix, encode in keys]
        yield StoredChunk(here, there, cut)


def same_stored(left: Array, right: Array, unit: StoredChunk) -> bool:
    """Return True if the stored bytes are equal, or if neither side stores the chunk and the fill values are equal."""
    get, get_other = [instrument(one.location.store).get for one in (left, right)]
    start = 0
    while True:
        here = get(unit.left, (start, PIECE))
        there = get_other(unit.right, (start, PIECE))
        if here is None or there is None:
            return here is there and same_fill(left.metadata, right.metadata)
        if memoryview(here) != memoryview(there):
            return False
        if len(here) < PIECE:
            return True
        start += PIECE
