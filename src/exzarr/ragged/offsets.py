"""Where the values of each item are: read from a ragged array, and cached."""

from __future__ import annotations

import threading
from collections import OrderedDict

import numpy as np

from exzarr._engine.reading.ranges import read_ranges
from exzarr._nodes.array import Array
from exzarr._typing import IntArray
from exzarr.errors import MetadataError
from exzarr.ragged.items import offsets_of

__all__ = ["CACHE_NBYTES", "Bounds", "CountedBounds", "OffsetCache", "StoredBounds"]

CACHE_NBYTES = 64 * 1024 * 1024
"""Limit on the offsets of one ragged array in memory. More are read again when they are needed."""


class OffsetCache:
    """Blocks of offsets, by number and length; the least recently used ones are dropped."""

    __slots__ = ("_blocks", "_lock", "_nbytes")

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._blocks: OrderedDict[tuple[int, int], IntArray] = OrderedDict()
        self._nbytes = 0

    def get(self, key: tuple[int, int]) -> IntArray | None:
        with self._lock:
            found = self._blocks.get(key)
            if found is not None:
                self._blocks.move_to_end(key)
            return found

    def put(self, key: tuple[int, int], block: IntArray) -> None:
        with self._lock:
            if key not in self._blocks:
                self._blocks[key] = block
                self._nbytes += block.nbytes
            while self._nbytes > CACHE_NBYTES and len(self._blocks) > 1:
                self._nbytes -= self._blocks.popitem(last=False)[1].nbytes


class Bounds:
    """Returns where the values of items are."""

    def __init__(self, values: int, where: str) -> None:
        self._values = values
        self._where = where

    def of(self, numbers: IntArray) -> tuple[IntArray, IntArray]:
        """Return the position of the first value, and the number of values, of each item.

        Raises
        ------
        MetadataError
            The stored offsets or row sizes are damaged: they do not divide the values.
        """
        starts = self._at(numbers)
        stops = self._at(numbers + 1)
        if len(numbers) and (starts.min() < 0 or stops.max() > self._values or (stops < starts).any()):
            raise MetadataError(
                f"the offsets of ragged array {self._where} are damaged: an item does not lie within its "
                f"{self._values} values"
            )
        return starts, stops - starts

    def _at(self, numbers: IntArray) -> IntArray:
        """Return the offsets with these numbers."""
        raise NotImplementedError


class StoredBounds(Bounds):
    """Bounds from stored offsets. Only the chunks of offsets that are needed are read, all of them in one plan."""

    def __init__(self, offsets: Array, cache: OffsetCache, values: int, where: str) -> None:
        super().__init__(values, where)
        self._offsets = offsets
        self._cache = cache
        self._block = offsets.metadata.chunk_grid.max_chunk_shape[0]

    def _at(self, numbers: IntArray) -> IntArray:
        found = np.empty(len(numbers), np.int64)
        owners = numbers // self._block
        blocks = self._blocks(np.unique(owners))
        for block, offsets in blocks.items():
            here = owners == block if len(blocks) > 1 else slice(None)
            found[here] = offsets[numbers[here] - block * self._block]
        return found

    def _blocks(self, wanted: IntArray) -> dict[int, IntArray]:
        """Return blocks of offsets by number."""
        length = self._offsets.shape[0]
        sizes = np.minimum(self._block, length - wanted * self._block)
        keys = [*zip(wanted.tolist(), sizes.tolist(), strict=True)]
        found = {key: self._cache.get(key) for key in keys}
        missing = np.array([key for key, block in found.items() if block is None], np.int64).reshape(-1, 2)
        read = read_ranges(self._offsets.chunk_source, missing[:, 0] * self._block, missing[:, 1])
        parts = np.split(read.astype(np.int64, copy=False), np.cumsum(missing[:-1, 1]))
        for (number, size), part in zip(missing.tolist(), parts, strict=False):
            # A copy: a part would keep all parts that were read with it in memory.
            found[number, size] = block = part.copy() if len(missing) > 1 else part
            self._cache.put((number, size), block)
        return {number: block for (number, _), block in found.items() if block is not None}


class CountedBounds(Bounds):
    """Bounds from row sizes alone. All of them are read on first use."""

    def __init__(self, row_size: Array, values: int, where: str) -> None:
        super().__init__(values, where)
        self._row_size = row_size
        self._offsets: IntArray | None = None

    def _at(self, numbers: IntArray) -> IntArray:
        if self._offsets is None:
            self._offsets = offsets_of(self._row_size[:].astype(np.int64))
        return self._offsets[numbers]
