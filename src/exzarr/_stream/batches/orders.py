"""In which order the samples of an epoch come, for each way to shuffle. Pure: positions -> samples.

An epoch is one long order of all samples. Where the samples of each block stay together (``False``,
``"chunks"``, ``"window"``), it is a `BlockOrder`, which comes in *stages*: whole windows of blocks, at
least as many samples as a batch has, that can be read before the first of their samples is needed and
forgotten after the last. ``"full"`` is a `FullOrder`: any sample may stand anywhere.

A rank has a stretch of that order. Nothing is listed: what is kept is a stage at a time.
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
"""What keys are for (`permutation.key_for`)."""
CELL_BITS = 20
"""Of the 64 bits that samples are sorted by, those that tell which window they are in."""
_MOST_CELLS = 1 << CELL_BITS


def stretch(samples: int, rank: int, world_size: int) -> tuple[int, int]:
    """The positions of an epoch that one rank has: the first ``samples % world_size`` ranks have one more."""
    each, more = divmod(samples, world_size)
    start = rank * each + min(rank, more)
    return start, start + each + (rank < more)


class Stage:
    """A piece of a `BlockOrder`.

    Attributes
    ----------
    starts, stops
        The samples to read: ``range(start, stop)`` of each block, in the order of the epoch.
    order
        Where each sample stands among those that were read, in the order of the epoch; None where
        that is the same. What comes before `skipped` is not wanted.
    size, skipped
        How many samples are read, and how many of them, in the order of the epoch, are not wanted:
        they came before the place where the epoch is taken up again.
    """

    __slots__ = ("order", "size", "skipped", "starts", "stops")

    def __init__(self, starts: IntArray, stops: IntArray, order: IntArray | None, skipped: int) -> None:
        self.starts = starts
        self.stops = stops
        self.order = order
        self.size = int((stops - starts).sum())
        self.skipped = skipped

    def samples(self, start: int, stop: int) -> IntArray:
        """Numbers of the samples from `start` to `stop` in the order of the stage."""
        where = np.arange(start, stop) if self.order is None else self.order[start:stop]
        ends = np.cumsum(self.stops - self.starts)
        block = np.searchsorted(ends, where, side="right")
        return where + (self.stops - ends)[block]


class BlockOrder:
    """Blocks in a random order, the samples of every `window` of them in a random order.

    Parameters
    ----------
    blocks
        How samples are parted.
    window
        How many neighbours in the order of blocks have their samples shuffled together; 0 for no
        shuffling at all.
    seed, epoch
        Choose the order.
    start, stop
        The positions that are this rank's.
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
        """From `position` to `stop`: whole windows, with `least` samples or more but for the last stage.

        The first stage has `first` or more: what must be there before the first batch can be. The last
        one ends with the window that `stop` is in.
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
        """The place where the window begins that `position` is in."""
        place = self._blocks.place(self._start + position) - self._first
        return self._first + place // self._window * self._window

    def _until(self, place: int, least: int) -> int:
        """Where a stage ends that starts at `place`."""
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
        # The first and the last block of a rank may be another's, too.
        starts[0] += max(0, self._start - self._blocks.position(place))
        stops[-1] -= max(0, self._blocks.position(until) - self._stop)
        if self._key is None:
            return Stage(starts, stops, None, skipped)
        return Stage(starts, stops, shuffled(self._key, starts, stops, self._window), skipped)

    def samples(self, start: int, stop: int) -> IntArray:
        """The samples at these positions. `stages` costs less where many are wanted one after the other."""
        parts = []
        for stage in self.stages(start, stop, 1, 1):
            many = min(stage.size - stage.skipped, stop - start)
            parts.append(stage.samples(stage.skipped, stage.skipped + many))
            start += many
            if start == stop:
                break
        return np.concatenate(parts) if parts else np.zeros(0, np.int64)


def shuffled(key: int, starts: IntArray, stops: IntArray, window: int) -> IntArray:
    """The order of what was read of some blocks, where each `window` of them are shuffled together.

    Every sample has a random number, the same whatever is read with it, and is sorted by that.
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
    """All samples in random order, of which a rank has the positions from `start` to `stop`."""

    def __init__(self, samples: int, seed: int, epoch: int, start: int, stop: int) -> None:
        self.length = stop - start
        self._start = start
        self._order = permutation(samples, key_for(seed, epoch, ALL))

    def samples(self, start: int, stop: int) -> IntArray:
        """The samples at these positions."""
        return self._order.at(np.arange(self._start + start, self._start + stop))
