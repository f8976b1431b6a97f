"""Sorted samples as runs of consecutive numbers, and what they leave of blocks. Pure functions.

A subset of the samples, or samples that were drawn with repeats, is numbered again: its *positions* are 0, 1, 2, ... in
stored order. Orders, blocks and caches work with positions. Only `runs.Runs` converts them to samples of the arrays.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Self

import numpy as np

from exzarr._stream.batches.blocks import Blocks, EvenBlocks, UnevenBlocks
from exzarr._stream.batches.permutation import IntArray
from exzarr.errors import ArgumentError

__all__ = ["Runs", "bounded"]

MOST_PIECES = 1 << 26
"""Maximum number of blocks of a subset."""


class Runs:
    """Samples in ascending order, repeats allowed.

    Parameters
    ----------
    starts, sizes
        First sample and number of samples of each run. No run is empty.
    """

    __slots__ = ("_ends", "count", "sizes", "starts")

    def __init__(self, starts: IntArray, sizes: IntArray) -> None:
        self.starts = starts
        self.sizes = sizes
        self._ends = np.cumsum(sizes)
        self.count = int(self._ends[-1]) if len(sizes) else 0

    @classmethod
    def of(cls, samples: IntArray) -> Self:
        """Return the runs of samples that are in ascending order."""
        first = np.flatnonzero(np.diff(samples, prepend=-2) != 1)
        return cls(samples[first], np.diff(first, append=len(samples)))

    @property
    def stops(self) -> IntArray:
        """The end of each run."""
        return self.starts + self.sizes

    def at(self, positions: IntArray) -> IntArray:
        """Return the samples at these positions."""
        run = np.searchsorted(self._ends, positions, side="right")
        return positions + (self.stops - self._ends)[run]

    def all(self) -> IntArray:
        """Return all samples."""
        return self.at(np.arange(self.count))

    def ranges(self, starts: IntArray, stops: IntArray) -> tuple[IntArray, IntArray, IntArray]:
        """Convert non-empty ranges of positions to ranges of samples.

        Return their starts and stops, and the number of positions before each of them.
        """
        first = np.searchsorted(self._ends, starts, side="right")
        last = np.searchsorted(self._ends, stops - 1, side="right")
        run, which = _expanded(first, last - first + 1)
        begins = self._ends[run] - self.sizes[run]
        low = np.maximum(starts[which], begins)
        high = np.minimum(stops[which], self._ends[run])
        before = np.cumsum(high - low) - (high - low)
        return self.starts[run] + low - begins, self.starts[run] + high - begins, before

    def within(self, blocks: Blocks) -> Blocks:
        """Return the part of each block that is among the samples, in positions. Blocks without samples are left out."""
        if blocks.longest <= 1:
            return EvenBlocks(self.count, 1)
        first, last = blocks.of(self.starts), blocks.of(self.stops - 1)
        if int((last - first + 1).sum()) > MOST_PIECES:
            raise ArgumentError(f"a subset of more than {MOST_PIECES} blocks is too large for batches")
        block, run = _expanded(first, last - first + 1)
        starts = blocks.starts(block)
        low = np.maximum(starts, self.starts[run])
        high = np.minimum(starts + blocks.sizes(block), self.stops[run])
        ends = np.cumsum(high - low)
        return _partition(ends[np.flatnonzero(np.diff(block, append=-1))])

    def whole(self, blocks: Blocks) -> bool:
        """Return True if each block is among the samples completely and once, or not at all."""
        if np.any(self.starts[1:] < self.stops[:-1]):
            return False
        last = blocks.of(self.stops - 1)
        return bool(
            np.all(blocks.starts(blocks.of(self.starts)) == self.starts)
            and np.all(blocks.starts(last) + blocks.sizes(last) == self.stops)
        )

    def digest(self) -> str:
        """Return a short digest of the samples, the same on every machine."""
        return digest_of(self.starts, self.sizes)


def digest_of(*arrays: np.ndarray) -> str:
    """Return a short digest of arrays of numbers, the same on every machine."""
    state = sha256()
    for array in arrays:
        state.update(array.astype(array.dtype.newbyteorder("<")).tobytes())
    return state.hexdigest()[:16]


def bounded(blocks: Blocks, longest: int) -> Blocks:
    """Divide the blocks that have more than `longest` samples."""
    if blocks.longest <= longest:
        return blocks
    sizes = blocks.sizes(np.arange(blocks.count))
    pieces = -(-sizes // longest)
    lengths = np.full(int(pieces.sum()), longest)
    lengths[np.cumsum(pieces) - 1] = sizes - (pieces - 1) * longest
    return _partition(np.cumsum(lengths))


def _partition(ends: IntArray) -> Blocks:
    """Return blocks that end at these positions."""
    sizes = np.diff(ends, prepend=0)
    if len(sizes) and np.all(sizes[:-1] == sizes[0]) and sizes[-1] <= sizes[0]:
        return EvenBlocks(int(ends[-1]), int(sizes[0]))
    return UnevenBlocks(ends)


def _expanded(first: IntArray, counts: IntArray) -> tuple[IntArray, IntArray]:
    """Return ``first[i], first[i] + 1, ...`` (`counts[i]` numbers) for each i, and the i of each number."""
    which = np.repeat(np.arange(len(counts)), counts)
    return np.arange(len(which)) - np.repeat(np.cumsum(counts) - counts, counts) + first[which], which
