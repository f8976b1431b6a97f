"""Decoded chunks in memory that all parts of a loader share, and the limit on their bytes."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary, WeakSet

import numpy as np

from exzarr._stream.batches.blocks import Blocks
from exzarr._stream.batches.chunk_cache import ChunkCache, KeptWhole, Rows
from exzarr._stream.batches.permutation import IntArray
from exzarr._stream.batches.reading import SampleReader
from exzarr._stream.batches.runs import Runs
from exzarr._typing import AnyArray

if TYPE_CHECKING:
    from exzarr._stream.batches.epoch_plan import EpochPlan
    from exzarr._stream.batches.layout import RowLayout

__all__ = ["KeptBands", "MemoryCache", "shareable"]


def shareable(layouts: Sequence[RowLayout], nbytes: int) -> list[RowLayout]:
    """Return the layouts, and mark the arrays that fit into `nbytes` together, the smallest first.

    Arrays in a cache on disk are not marked, because each pass checks the versions of their chunks.
    """
    marked = [*layouts]
    for i in sorted(range(len(layouts)), key=lambda i: layouts[i].nbytes):
        layout = layouts[i]
        chunked = layout.blocks is not None and layout.bands.longest > 1
        if chunked and not layout.on_disk and layout.nbytes <= nbytes:
            marked[i] = replace(layout, shared=True)
            nbytes -= layout.nbytes
    return marked


@dataclass(frozen=True, slots=True)
class KeptBands:
    """Bands of chunks of a shared array that an epoch needs: their number, and how many are not in memory yet."""

    count: int
    missing: int


class MemoryCache:
    """Decoded chunks that a loader and its parts keep in this process. A copy in another process starts empty.

    Arrays that fit into memory as a whole are kept as long as the cache, and all passes share them. The caches of
    larger arrays belong to one pass. All of them together have at most `nbytes` bytes, except that the cache of a pass
    has at least one band of chunks for each array.

    Threads can share it.
    """

    def __init__(self, nbytes: int) -> None:
        self._nbytes = nbytes
        self._start()
        _caches.add(self)

    def _start(self) -> None:
        self._lock = threading.Lock()
        self._shared: dict[int, KeptWhole] = {}
        self._in_use: WeakKeyDictionary[Rows, int] = WeakKeyDictionary()

    def __reduce__(self) -> tuple[type[MemoryCache], tuple[int]]:
        return MemoryCache, (self._nbytes,)

    @property
    def nbytes(self) -> int:
        """Bytes of all caches in use."""
        return sum([*self._in_use.values()])

    def shared(self, i: int, layout: RowLayout, samples: SampleReader, runs: Runs | None) -> Rows | None:
        """Return a reader of array `i` that is kept as a whole; None if the caches of other passes leave no room.

        Parameters
        ----------
        i
            Number of the array.
        layout
            Layout of all its samples.
        samples
            Reader of all its samples.
        runs
            The samples that the returned reader has, by position. None: all.
        """
        with self._lock:
            kept = self._shared.get(i)
            if kept is None:
                if layout.nbytes > self._nbytes - self.nbytes:
                    return None
                kept = self._shared[i] = KeptWhole(samples, layout.bands)
                self._in_use[kept] = layout.nbytes
        return kept if runs is None else _Positions(kept, runs)

    def of_one_pass(self, samples: SampleReader, bands: Blocks, slots: int, row_nbytes: int) -> Rows:
        """Return a reader with a cache of `slots` bands, or as many as the limit leaves room for."""
        band = max(1, bands.longest * row_nbytes)
        with self._lock:
            slots = max(1, min(slots, bands.count, (self._nbytes - self.nbytes) // band))
            reader: Rows
            if slots == bands.count:
                reader = KeptWhole(samples, bands)
            else:
                reader = ChunkCache(samples, bands, slots)
            self._in_use[reader] = min(slots * band, bands.samples * row_nbytes)
        return reader

    def bands_of(self, i: int, layout: RowLayout, plan: EpochPlan) -> KeptBands:
        """Return the bands of shared array `i` that the samples of an epoch need."""
        needed = np.arange(layout.bands.count)
        if plan.runs is not None:
            pieces = plan.layouts[i].bands
            needed = np.unique(layout.bands.of(plan.runs.at(pieces.starts(np.arange(pieces.count)))))
        kept = self._shared.get(i)
        return KeptBands(len(needed), len(needed) if kept is None else kept.missing(needed))


class _Positions:
    """The samples of `runs` in another reader, by position."""

    __slots__ = ("_rows", "_runs")

    def __init__(self, rows: Rows, runs: Runs) -> None:
        self._rows = rows
        self._runs = runs

    def take(self, samples: IntArray) -> AnyArray:
        return self._rows.take(self._runs.at(samples))


_caches: WeakSet[MemoryCache] = WeakSet()


def _after_fork() -> None:
    for cache in list(_caches):
        cache._start()  # another thread may have held the lock, or have been reading into the memory


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
