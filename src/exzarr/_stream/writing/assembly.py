"""Parts of one stored chunk (shard, where there are shards), gathered until they are written together.

A chunk that is written in parts is read, changed and written for each of them. Parts that arrive one after the
other, such as the inner chunks of a shard, are better written at once; when they cover all of it, nothing has
to be read.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from exzarr._stream.chunks.grid import Region
from exzarr._stream.memory import fresh_array

__all__ = ["Assembly", "Box", "Item", "Part"]

AnyArray = npt.NDArray[Any]


class Item:
    """One item that was given to be written.

    Attributes
    ----------
    region, nbytes
        Where it goes, and bytes of its data.
    index
        The chunk index it was given by, or that of the first chunk it touches.
    left
        How many parts of it are not written yet.
    error
        What a part of it failed with.
    """

    __slots__ = ("error", "index", "left", "nbytes", "region")

    def __init__(self, region: Region, index: tuple[int, ...], nbytes: int) -> None:
        self.region = region
        self.index = index
        self.nbytes = nbytes
        self.left = 0
        self.error: BaseException | None = None


class Part:
    """What items have for one stored chunk: one item, and those whose data it covers."""

    __slots__ = ("data", "items", "nbytes", "region")

    def __init__(self, item: Item, region: Region, data: AnyArray) -> None:
        self.items = [item]
        self.region = region
        self.data = data
        self.nbytes = data.nbytes


class Box:
    """A region to write at once, and the parts it is made of, in the order in which they came."""

    __slots__ = ("parts", "region")

    def __init__(self, region: Region, parts: list[Part]) -> None:
        self.region = region
        self.parts = parts

    def data(self, dtype: np.dtype[Any]) -> AnyArray:
        """What to write: of the region's shape; put together as `dtype` where there are several parts."""
        if len(self.parts) == 1:
            return self.parts[0].data
        corner = [part.start for part in self.region]
        whole = fresh_array(tuple([part.stop - part.start for part in self.region]), dtype)
        for part in self.parts:
            place = [slice(s.start - c, s.stop - c) for s, c in zip(part.region, corner, strict=True)]
            whole[tuple(place)] = part.data
        return whole


class Assembly:
    """The parts of one stored chunk that wait.

    Parameters
    ----------
    region
        The elements of the array that the chunk holds.
    """

    __slots__ = ("_bounds", "_covered", "_overlapping", "_size", "nbytes", "parts", "region")

    def __init__(self, region: Region) -> None:
        self.region = region
        self.parts: list[Part | None] = []
        self.nbytes = 0
        self._size = _size(region)
        self._covered = 0
        self._overlapping = False
        self._bounds: npt.NDArray[np.int64] = np.empty((4, 2, len(region)), np.int64)

    @property
    def complete(self) -> bool:
        """Whether the parts are known to cover all of the chunk."""
        return self._covered == self._size and not self._overlapping

    def add(self, part: Part) -> None:
        """Take a part. Those before it that it covers are dropped: what they would write, it overwrites."""
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

    def _meet(self, part: Part, low: npt.NDArray[np.int64], high: npt.NDArray[np.int64]) -> None:
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
                overlapping = True  # how much the two cover together is not worth knowing
                continue
            earlier += old.items
            self.nbytes -= old.nbytes
            self._covered -= _size(old.region)
            self.parts[at] = None
        part.items = earlier + part.items
        self._overlapping = overlapping or (self._overlapping and any(self.parts))

    def boxes(self) -> list[Box]:
        """What to write, in this order; as few boxes as can be had without much thought."""
        parts = [part for part in self.parts if part is not None]
        if self.complete and len(parts) > 1:
            return [Box(self.region, parts)]
        boxes = [Box(part.region, [part]) for part in parts]
        if self._overlapping or len(boxes) == 1:
            return boxes  # the order matters
        for axis in reversed(range(len(self.region))):
            boxes = _joined(boxes, axis)
        return boxes


def _joined(boxes: list[Box], axis: int) -> list[Box]:
    """`boxes`, those that follow one another along `axis` made one."""

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
