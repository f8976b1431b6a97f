"""Blocks: the stretches of samples that are read together, and their order in an epoch. Pure.

A block ends where chunks of every array end, so that who reads whole blocks reads no chunk twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from exzarr._stream.batches.permutation import IntArray, Permutation

__all__ = ["Blocks", "EvenBlocks", "Sequenced", "UnevenBlocks", "in_order"]


class Blocks(Protocol):
    """A partition of the samples from 0 to `samples` - 1, in order.

    Attributes
    ----------
    samples, count
        How many samples, and in how many blocks.
    longest
        Samples of the longest block.
    """

    samples: int
    count: int
    longest: int

    def starts(self, numbers: IntArray) -> IntArray:
        """The first sample of each of these blocks."""
        ...

    def sizes(self, numbers: IntArray) -> IntArray:
        """How many samples each of these blocks has."""
        ...

    def of(self, samples: IntArray) -> IntArray:
        """The block each of these samples lies in."""
        ...


class EvenBlocks:
    """Blocks of one length, but for the last."""

    __slots__ = ("count", "longest", "samples")

    def __init__(self, samples: int, length: int) -> None:
        self.samples = samples
        self.longest = max(1, min(length, samples))
        self.count = -(-samples // length) if samples else 0

    def starts(self, numbers: IntArray) -> IntArray:
        return numbers * self.longest

    def sizes(self, numbers: IntArray) -> IntArray:
        return np.minimum(self.longest, self.samples - numbers * self.longest)

    def of(self, samples: IntArray) -> IntArray:
        return samples // self.longest


class UnevenBlocks:
    """Blocks of any lengths: `edges` are where they end, the last of them the number of samples."""

    __slots__ = ("_edges", "count", "longest", "samples")

    def __init__(self, edges: Sequence[int] | IntArray) -> None:
        self._edges: IntArray = np.concatenate([np.zeros(1, np.int64), np.asarray(edges, np.int64)])
        self.samples = int(self._edges[-1])
        self.count = len(self._edges) - 1
        self.longest = int(np.diff(self._edges).max(initial=0))

    def starts(self, numbers: IntArray) -> IntArray:
        return self._edges[numbers]

    def sizes(self, numbers: IntArray) -> IntArray:
        return self._edges[numbers + 1] - self._edges[numbers]

    def of(self, samples: IntArray) -> IntArray:
        return np.searchsorted(self._edges, samples, side="right") - 1


class Sequenced(Protocol):
    """Blocks in the order of an epoch. *Places* count blocks in it, *positions* samples."""

    blocks: Blocks

    def numbers(self, places: IntArray) -> IntArray:
        """The blocks at these places."""
        ...

    def position(self, place: int) -> int:
        """How many samples stand before the block at `place`."""
        ...

    def place(self, position: int) -> int:
        """The place of the block that holds the sample at `position`."""
        ...


def in_order(blocks: Blocks, order: Permutation) -> Sequenced:
    """`blocks` in a given order."""
    if isinstance(blocks, EvenBlocks):
        return _Even(blocks, order)
    return _Uneven(blocks, order)


class _Even:
    """All blocks but one have one length, so that positions are found by reckoning, however many there are."""

    __slots__ = ("_order", "_short", "blocks")

    def __init__(self, blocks: EvenBlocks, order: Permutation) -> None:
        self.blocks: Blocks = blocks
        self._order = order
        self._short = order.position_of(blocks.count - 1) if blocks.count else 0

    @property
    def _missing(self) -> int:
        """By how much the last block is shorter than the others."""
        return self.blocks.count * self.blocks.longest - self.blocks.samples

    def numbers(self, places: IntArray) -> IntArray:
        return self._order.at(places)

    def position(self, place: int) -> int:
        return place * self.blocks.longest - (self._missing if place > self._short else 0)

    def place(self, position: int) -> int:
        length = self.blocks.longest
        place = position // length
        return place if place < self._short else (position + self._missing) // length


class _Uneven:
    __slots__ = ("_ends", "_order", "blocks")

    def __init__(self, blocks: Blocks, order: Permutation) -> None:
        self.blocks = blocks
        self._order = order
        sizes = blocks.sizes(order.at(np.arange(blocks.count)))
        self._ends = np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes)])

    def numbers(self, places: IntArray) -> IntArray:
        return self._order.at(places)

    def position(self, place: int) -> int:
        return int(self._ends[place])

    def place(self, position: int) -> int:
        return int(np.searchsorted(self._ends, position, side="right")) - 1
