"""Order of the samples of an epoch for each kind of shuffling. Pure functions: positions -> samples.

An epoch is one order of all samples. If the samples of each block stay together (``False``, ``"chunks"``,
``"window"``), the order is a `BlockOrder`, which is divided into *stages*. A stage is one or more whole windows of
blocks with at least as many samples as a batch. It is read before the first of its samples is needed and dropped
after the last. ``"full"`` is a `FullOrder`: any sample may come at any position.

Each rank has a contiguous part of that order. The order is never listed; only the current stage is in memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import numpy as np

from exzarr._stream.batches.blocks import Blocks, in_order
from exzarr._stream.batches.permutation import IntArray, draws, key_for, permutation

__all__ = ["BlockOrder", "FullOrder", "Shuffle", "Stage", "stretch"]

Shuffle = Literal[False, "chunks", "window", "full"]

BLOCKS, SAMPLES, ALL = 1, 2, 3
"""Purposes of random keys (`permutation.key_for`)."""
CELL_BITS = 20
"""Number of upper bits of the 64-bit sort keys that hold the number of the window."""
_MOST_CELLS = 1 << CELL_BITS


def stretch(samples: int, rank: int, world_size: int) -> tuple[int, int]:
    """Return the positions of one rank. The first ``samples % world_size`` ranks have one more."""
    each, more = divmod(samples, world_size)
    start = rank * each + min(rank, more)
    return start, start + each + (rank < more)


class Stage:
    """A part of a `BlockOrder` that is read at a time.

    Attributes
    ----------
    starts, stops
        Samples to read: ``range(start, stop)`` of each block, in the order of the epoch.
    order
        Index of each sample among those that were read, in the order of the epoch; None for the identity. Samples
        before `skipped` are not needed.
    size, skipped
        Number of samples that are read, and how many of them, at the start of the order, are not needed. Those come
        before the position at which the epoch is resumed.
    """

    __slots__ = ("order", "size", "skipped", "starts", "stops")

    def __init__(self, starts: IntArray, stops: IntArray, order: IntArray | None, skipped: int) -> None:
        self.starts = starts
        self.stops = stops
        self.order = order
        self.size = int((stops - starts).sum())
        self.skipped = skipped

    def samples(self, start: int, stop: int) -> IntArray:
        """Return the numbers of the samples from `start` to `stop` in the order of the stage."""
        where = np.arange(start, stop) if self.order is None else self.order[start:stop]
        ends = np.cumsum(self.stops - self.starts)
        block = np.searchsorted(ends, where, side="right")
        return where + (self.stops - ends)[block]


class BlockOrder:
    """Blocks in random order, with the samples of every `window` blocks shuffled together.

    Parameters
    ----------
    blocks
        Partition of the samples.
    window
        Number of consecutive blocks in this order whose samples are shuffled together; 0 for no shuffling at all.
    seed, epoch
        Select the order.
    start, stop
        Positions of this rank.
    """

    def __init__(self, blocks: Blocks, window: int, seed: int, epoch: int, start: int, stop: int) -> None:
        self.length = stop - start
        self._window = max(1, window)
        self._start, self._stop = start, stop
        self._key = key_for(seed, epoch, SAMPLES) if window else None
        order = permutation(blocks.count, key_for(seed, epoch, BLOCKS) if window else None)
        self._blocks = in_order(blocks, order)
        self._first = self._blocks.place(start) if self.length else 0
        self._last = self._blocks.place(stop - 1) + 1 if self.length else 0

    def stages(self, position: int, stop: int, first: int, least: int) -> Iterator[Stage]:
        """Yield stages from `position` to `stop`: whole windows with at least `least` samples, except for the last stage.

        The first stage has at least `first` samples: those that the first batch needs. The last stage ends with the
        window of `stop`.
        """
        if position >= stop:
            return
        place = self._window_of(position)
        last = min(self._last, self._window_of(stop - 1) + self._window)
        while place < last:
            until = min(last, self._until(place, first))
            begins = max(0, self._blocks.position(place) - self._start)
            yield self._stage(place, until, max(0, position - begins))
            place, first = until, least

    def _window_of(self, position: int) -> int:
        """Return the place of the first block of the window that contains `position`."""
        place = self._blocks.place(self._start + position) - self._first
        return self._first + place // self._window * self._window

    def _until(self, place: int, least: int) -> int:
        """Return the end of a stage that starts at `place`."""
        blocks, window = self._blocks, self._window
        begins = max(self._start, blocks.position(place))
        if self._stop - begins <= least:
            return self._last
        last = blocks.place(begins + max(1, least) - 1)
        return min(self._last, place + -((place - last - 1) // window) * window)

    def _stage(self, place: int, until: int, skipped: int) -> Stage:
        numbers = self._blocks.numbers(np.arange(place, until))
        starts = self._blocks.blocks.starts(numbers)
        stops = starts + self._blocks.blocks.sizes(numbers)
        # The first and the last block of a rank may also belong to another rank.
        starts[0] += max(0, self._start - self._blocks.position(place))
        stops[-1] -= max(0, self._blocks.position(until) - self._stop)
        if self._key is None:
            return Stage(starts, stops, None, skipped)
        return Stage(starts, stops, shuffled(self._key, starts, stops, self._window), skipped)

    def samples(self, start: int, stop: int) -> IntArray:
        """Return the samples at these positions. For many consecutive positions `stages` costs less."""
        parts = []
        for stage in self.stages(start, stop, 1, 1):
            many = min(stage.size - stage.skipped, stop - start)
            parts.append(stage.samples(stage.skipped, stage.skipped + many))
            start += many
            if start == stop:
                break
        return np.concatenate(parts) if parts else np.zeros(0, np.int64)


def shuffled(key: int, starts: IntArray, stops: IntArray, window: int) -> IntArray:
    """Return the order of the samples of some blocks, with the samples of each `window` blocks shuffled together.

    Each sample is sorted by a random number that does not depend on which other samples are read with it.
    """
    sizes = stops - starts
    ends = np.cumsum(sizes)
    cells = np.arange(len(sizes)) // window
    if cells[-1] >= _MOST_CELLS:  # too many for one sort
        cut = _MOST_CELLS * window
        head = shuffled(key, starts[:cut], stops[:cut], window)
        return np.concatenate([head, shuffled(key, starts[cut:], stops[cut:], window) + len(head)])
    samples = np.arange(ends[-1]) + np.repeat(stops - ends, sizes)
    words = draws(key, samples)
    words >>= np.uint64(CELL_BITS)
    words |= np.repeat(cells.astype(np.uint64) << np.uint64(64 - CELL_BITS), sizes)
    return np.argsort(words, kind="stable")


class FullOrder:
    """All samples in random order. A rank has the positions from `start` to `stop`."""

    def __init__(self, samples: int, seed: int, epoch: int, start: int, stop: int) -> None:
        self.length = stop - start
        self._start = start
        self._order = permutation(samples, key_for(seed, epoch, ALL))

    def samples(self, start: int, stop: int) -> IntArray:
        """Return the samples at these positions."""
        return self._order.at(np.arange(self._start + start, self._start + stop))
