"""Readers of arbitrary samples of one array, with caches of decoded chunks.

Each reader has ``take(samples)``, which returns a new array. The memory available and the array's storage determine
the reader:

`InMemory`      a NumPy array
`KeptWhole`     an array that fits in memory: every chunk is read once
`ChunkCache`    a larger array: as many chunks as fit, the oldest is evicted first
`RowReader`     chunks not worth caching: they hold one sample each, or their rows can be read alone
"""

from __future__ import annotations

import threading
from typing import Protocol

import numpy as np

from exzarr._stream.batches.aligned import aligned_empty
from exzarr._stream.batches.blocks import Blocks
from exzarr._stream.batches.permutation import IntArray
from exzarr._stream.batches.reading import SampleReader, sample_shape
from exzarr._stream.batches.runs import Runs
from exzarr._typing import AnyArray

__all__ = ["ChunkCache", "InMemory", "KeptWhole", "RowReader", "Rows", "gather"]


class Rows(Protocol):
    """A reader of samples."""

    def take(self, samples: IntArray) -> AnyArray:
        """Return a new array of these samples, in their order."""
        ...


def gather(array: AnyArray, where: IntArray, axis: int, out: AnyArray) -> None:
    """Assign ``array.take(where, axis)`` to `out` without a temporary buffer. `where` must be in bounds."""
    if array.dtype.kind in "OT":
        out[...] = np.take(array, where, axis)
    else:
        np.take(array, where, axis, out, "clip")


class InMemory:
    """Samples of a NumPy array."""

    __slots__ = ("_array", "_axis", "_runs")

    def __init__(self, array: AnyArray, axis: int, runs: Runs | None = None) -> None:
        self._array = array
        self._axis = axis
        self._runs = runs

    def take(self, samples: IntArray) -> AnyArray:
        if self._runs is not None:
            samples = self._runs.at(samples)
        shape = sample_shape(self._array.shape, self._axis, len(samples))
        result = aligned_empty(shape, self._array.dtype)
        gather(self._array, samples, self._axis, result)
        return result


class RowReader:
    """Samples that are read on each request."""

    __slots__ = ("_samples",)

    def __init__(self, samples: SampleReader) -> None:
        self._samples = samples

    def take(self, samples: IntArray) -> AnyArray:
        result = self._samples.empty(len(samples))
        self._samples.read_rows(samples, result)
        return result


class KeptWhole:
    """Bands of chunks, read on first use and kept in one array. Threads can share it."""

    __slots__ = ("__weakref__", "_array", "_bands", "_lock", "_missing", "_samples", "_there")

    def __init__(self, samples: SampleReader, bands: Blocks) -> None:
        self._samples = samples
        self._bands = bands
        self._there = np.zeros(bands.count, bool)
        self._lock = threading.Lock()
        self._missing = bands.count
        self._array: AnyArray | None = None

    def take(self, samples: IntArray) -> AnyArray:
        if self._missing or self._array is None:
            with self._lock:
                self._load(self._bands.of(samples))
        result = self._samples.empty(len(samples))
        assert self._array is not None
        gather(self._array, samples, self._samples.axis, result)
        return result

    def missing(self, bands: IntArray) -> int:
        """Return how many of these bands have not been read yet."""
        return int(np.count_nonzero(~self._there[bands]))

    def _load(self, bands: IntArray) -> None:
        if self._array is None:
            self._array = self._samples.empty(self._bands.samples)
        absent = np.unique(bands[~self._there[bands]])
        if len(absent):
            starts = self._bands.starts(absent)
            self._samples.read_ranges(starts, starts + self._bands.sizes(absent), self._array, starts)
            self._there[absent] = True
            self._missing -= len(absent)


class ChunkCache:
    """Bands of chunks in a fixed number of slots. The slot that was filled longest ago is refilled first.

    One call of `take` reads each band at most once, however many samples it requests.
    """

    __slots__ = ("__weakref__", "_array", "_bands", "_hand", "_held", "_samples", "_slot_of", "_slots")

    def __init__(self, samples: SampleReader, bands: Blocks, slots: int) -> None:
        self._samples = samples
        self._bands = bands
        self._slots = max(1, min(slots, bands.count))
        self._array: AnyArray | None = None
        self._slot_of: dict[int, int] = {}
        self._held = np.full(self._slots, -1)  # the band in each slot
        self._hand = 0

    def take(self, samples: IntArray) -> AnyArray:
        axis, bands = self._samples.axis, self._bands
        if self._array is None:
            self._array = self._samples.empty(self._slots * bands.longest)
        result = self._samples.empty(len(samples))
        wanted, which = np.unique(bands.of(samples), return_inverse=True)
        local = samples - bands.starts(wanted)[which]
        if len(wanted) <= self._slots:
            slots = self._load(wanted)
            gather(self._array, slots[which] * bands.longest + local, axis, result)
            return result
        # Take samples of cached bands first, before other bands replace them.
        absent = np.array([band not in self._slot_of for band in wanted.tolist()])
        turn = np.empty(len(wanted), np.int64)
        turn[np.argsort(absent, kind="stable")] = np.arange(len(wanted))
        for first in range(0, len(wanted), self._slots):
            these = (turn >= first) & (turn < first + self._slots)
            slots = np.zeros(len(wanted), np.int64)
            slots[these] = self._load(wanted[these])
            mine = np.flatnonzero(these[which])
            shape = sample_shape(result.shape, axis, len(mine))
            part = np.empty(shape, result.dtype)
            gather(self._array, slots[which[mine]] * bands.longest + local[mine], axis, part)
            result[(slice(None),) * axis + (mine,)] = part
        return result

    def _load(self, wanted: IntArray) -> IntArray:
        """Load these bands and return their slots. The bands are distinct and no more than the slots."""
        slot_of = self._slot_of
        slots = np.array([slot_of.get(band, -1) for band in wanted.tolist()])
        absent = slots < 0
        many = int(np.count_nonzero(absent))
        if many:
            slots[absent] = free = self._free(many, slots[~absent])
            new = wanted[absent]
            for band in self._held[free].tolist():
                slot_of.pop(band, None)
            self._held[free] = -1
            starts, length = self._bands.starts(new), self._bands.longest
            assert self._array is not None
            self._samples.read_ranges(starts, starts + self._bands.sizes(new), self._array, free * length)
            self._held[free] = new
            slot_of.update(zip(new.tolist(), free.tolist(), strict=True))
        return slots

    def _free(self, many: int, used: IntArray) -> IntArray:
        """Return the next `many` slots to fill, none of them in `used`."""
        turn = (self._hand + np.arange(min(self._slots, many + len(used)))) % self._slots
        free = turn[~np.isin(turn, used)][:many]
        self._hand = (int(free[-1]) + 1) % self._slots
        return free
