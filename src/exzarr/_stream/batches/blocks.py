"""Blocks of samples that are read together, and their order in an epoch. Pure functions.

A block ends where chunks of every array end. A reader of whole blocks therefore reads no chunk twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from exzarr._stream.batches.permutation import IntArray, Permutation

__all__ = ["Blocks", "EvenBlocks", "Sequenced", "UnevenBlocks", "in_order"]


class Blocks(Protocol):
    """A partition of the samples 0 to `samples` - 1 into consecutive blocks.

    Attributes
    ----------
    samples, count
        Number of samples and number of blocks.
    longest
        Number of samples in the longest block.
    """

    samples: int
    count: int
    longest: int

    def starts(self, numbers: IntArray) -> IntArray:
        """Return the first sample of each block."""
        ...

    def sizes(self, numbers: IntArray) -> IntArray:
        """Return the number of samples of each block."""
        ...

    def of(self, samples: IntArray) -> IntArray:
        """Return the block of each sample."""
        ...


class EvenBlocks:
    """Blocks of equal length, except for the last."""

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
    """Blocks of any lengths. `edges` are the ends of the blocks; the last one is the number of samples."""

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
    """Blocks in the order of an epoch. A *place* is the rank of a block in that order, a *position* that of a sample."""

    blocks: Blocks

    def numbers(self, places: IntArray) -> IntArray:
        """Return the blocks at these places."""
        ...

    def position(self, place: int) -> int:
        """Return the number of samples before the block at `place`."""
        ...

    def place(self, position: int) -> int:
        """Return the place of the block that holds the sample at `position`."""
        ...


def in_order(blocks: Blocks, order: Permutation) -> Sequenced:
    """Return `blocks` in the given order."""
    if isinstance(blocks, EvenBlocks):
        return _Even(blocks, order)
    return _Uneven(blocks, order)


class _Even:
    """Blocks of one length, except one. Positions are computed, not stored, for any number of blocks."""

    __slots__ = ("_order", "_short", "blocks")

    def __init__(self, blocks: EvenBlocks, order: Permutation) -> None:
        self.blocks: Blocks = blocks
        self._order = order
        self._short = order.position_of(blocks.count - 1) if blocks.count else 0

    @property
    def _missing(self) -> int:
        """Return how many samples the last block has fewer than the others."""
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
