"""Gathers the parts of one stored chunk (shard, if the array has shards) until they are written together.

Each partial write of a chunk reads, changes and writes the chunk. Parts that arrive one after the other, such as the
inner chunks of a shard, are therefore written together. If they cover the whole chunk, nothing is read.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from exzarr._stream.chunks.grid import Region
from exzarr._stream.memory import fresh_array
from exzarr._typing import AnyArray, IntArray

__all__ = ["Assembly", "Box", "Item", "Part"]


class Item:
    """One item to write.

    Attributes
    ----------
    region, nbytes
        Region of the item, and bytes of its data.
    index
        Chunk index that the item was given with, or the index of the first chunk it touches.
    left
        Number of its parts that are not written yet.
    error
        Error of one of its parts.
    """

    __slots__ = ("error", "index", "left", "nbytes", "region")

    def __init__(self, region: Region, index: tuple[int, ...], nbytes: int) -> None:
        self.region = region
        self.index = index
        self.nbytes = nbytes
        self.left = 0
        self.error: BaseException | None = None


class Part:
    """Data of one item for one stored chunk, and the items whose data it overwrites."""

    __slots__ = ("data", "items", "nbytes", "region")

    def __init__(self, item: Item, region: Region, data: AnyArray) -> None:
        self.items = [item]
        self.region = region
        self.data = data
        self.nbytes = data.nbytes


class Box:
    """A region to write in one step, and its parts in the order of arrival."""

    __slots__ = ("parts", "region")

    def __init__(self, region: Region, parts: list[Part]) -> None:
        self.region = region
        self.parts = parts

    def data(self, dtype: np.dtype[Any]) -> AnyArray:
        """Return the data to write, with the region's shape. Several parts are merged into an array of `dtype`."""
        if len(self.parts) == 1:
            return self.parts[0].data
        corner = [part.start for part in self.region]
        whole = fresh_array(tuple([part.stop - part.start for part in self.region]), dtype)
        for part in self.parts:
            place = [slice(s.start - c, s.stop - c) for s, c in zip(part.region, corner, strict=True)]
            whole[tuple(place)] = part.data
        return whole


class Assembly:
    """Waiting parts of one stored chunk.

    Parameters
    ----------
    region
        Elements of the array that the chunk holds.
    """

    __slots__ = ("_bounds", "_covered", "_overlapping", "_size", "nbytes", "parts", "region")

    def __init__(self, region: Region) -> None:
        self.region = region
        self.parts: list[Part | None] = []
        self.nbytes = 0
        self._size = _size(region)
        self._covered = 0
        self._overlapping = False
        self._bounds: IntArray = np.empty((4, 2, len(region)), np.int64)

    @property
    def complete(self) -> bool:
        """True if the parts are known to cover the whole chunk."""
        return self._covered == self._size and not self._overlapping

    def add(self, part: Part) -> None:
        """Add a part. Earlier parts that it covers completely are dropped, because it overwrites them."""
        n = len(self.parts)
        low = [s.start for s in part.region]
        high = [s.stop for s in part.region]
        if n:
            self._meet(part, np.array(low, np.int64), np.array(high, np.int64))
        if n == len(self._bounds):
            self._bounds = np.concatenate([self._bounds, np.empty_like(self._bounds)])
        self._bounds[n] = low, high
        self.parts.append(part)
        self.nbytes += part.nbytes
        self._covered += _size(part.region)

    def _meet(self, part: Part, low: IntArray, high: IntArray) -> None:
        bounds = self._bounds[: len(self.parts)]
        met = np.logical_and(bounds[:, 0] < high, low < bounds[:, 1]).all(axis=1)
        if not met.any():
            return
        inside: Any = np.logical_and(bounds[:, 0] >= low, bounds[:, 1] <= high).all(axis=1)
        earlier: list[Item] = []
        overlapping = False
        for at in np.flatnonzero(met).tolist():
            old = self.parts[at]
            if old is None:
                continue
            if not inside[at]:
                overlapping = True  # the exact covered size is not worth computing
                continue
            earlier += old.items
            self.nbytes -= old.nbytes
            self._covered -= _size(old.region)
            self.parts[at] = None
        part.items = earlier + part.items
        self._overlapping = overlapping or (self._overlapping and any(self.parts))

    def boxes(self) -> list[Box]:
        """Return the boxes to write, in order. Adjacent parts are merged if that is cheap to find."""
        parts = [part for part in self.parts if part is not None]
        if self.complete and len(parts) > 1:
            return [Box(self.region, parts)]
        boxes = [Box(part.region, [part]) for part in parts]
        if self._overlapping or len(boxes) == 1:
            return boxes  # parts overlap: keep their order
        for axis in reversed(range(len(self.region))):
            boxes = _joined(boxes, axis)
        return boxes


def _joined(boxes: list[Box], axis: int) -> list[Box]:
    """Merge boxes that follow one another along `axis`."""

    def key(box: Box) -> tuple[Any, ...]:
        bounds = [(part.start, part.stop) for part in box.region]
        return (*bounds[:axis], *bounds[axis + 1 :], bounds[axis])

    joined: list[Box] = []
    for box in sorted(boxes, key=key):
        last = joined[-1] if joined else None
        if last is not None and _follows(last.region, box.region, axis):
            whole = slice(last.region[axis].start, box.region[axis].stop)
            last.region = (*last.region[:axis], whole, *last.region[axis + 1 :])
            last.parts += box.parts
        else:
            joined.append(box)
    return joined


def _follows(first: Region, second: Region, axis: int) -> bool:
    return first[axis].stop == second[axis].start and all(
        a == b for d, (a, b) in enumerate(zip(first, second, strict=True)) if d != axis
    )


def _size(region: Region) -> int:
    return math.prod([part.stop - part.start for part in region])
