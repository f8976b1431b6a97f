"""Reads samples of one array into memory with the engine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from exzarr._engine.planning.grid_plan import GridPlan
from exzarr._engine.planning.selections import Axis, IntegerIndex, SliceIndex, SliceIndexes
from exzarr._engine.reading.read import read
from exzarr._stream.batches.aligned import aligned_empty
from exzarr._stream.batches.blocks import Blocks
from exzarr._stream.batches.permutation import IntArray
from exzarr._stream.batches.runs import Runs
from exzarr._typing import AnyArray

if TYPE_CHECKING:
    from exzarr._engine.source import ChunkSource

__all__ = ["PositionReader", "SampleReader", "Samples", "sample_shape"]


def sample_shape(shape: Sequence[int], axis: int, count: int) -> tuple[int, ...]:
    """Return `shape` with `count` samples along `axis`."""
    return (*shape[:axis], count, *shape[axis + 1 :])


class SampleReader(Protocol):
    """One array as a sequence of samples along `axis`."""

    axis: int
    dtype: np.dtype[Any]

    def empty(self, count: int) -> AnyArray:
        """Return an uninitialized array for `count` samples."""
        ...

    def read_ranges(self, starts: IntArray, stops: IntArray, into: AnyArray, at: IntArray) -> None:
        """Read each ``range(start, stop)`` to its position `at`. No chunk may lie in two ranges."""
        ...

    def read_rows(self, samples: IntArray, into: AnyArray, at: IntArray | None = None) -> None:
        """Read single samples in any order. The samples of one chunk are read together."""
        ...


class Samples:
    """The samples of a stored array."""

    __slots__ = ("_before", "_after", "axis", "dtype", "shape", "source")

    def __init__(self, source: ChunkSource, axis: int) -> None:
        self.source = source
        self.axis = axis
        self.shape = source.shape
        self.dtype = source.dtype
        spans: list[Axis] = [SliceIndex(0, 1, n) for n in source.shape]
        self._before, self._after = spans[:axis], spans[axis + 1 :]

    def empty(self, count: int) -> AnyArray:
        return aligned_empty(sample_shape(self.shape, self.axis, count), self.dtype)

    def read_ranges(self, starts: IntArray, stops: IntArray, into: AnyArray, at: IntArray) -> None:
        spans: list[SliceIndex] = []
        end = there = -1
        for start, stop, where in zip(starts.tolist(), stops.tolist(), at.tolist(), strict=True):
            if start == end and where == there:
                spans[-1].count += stop - start
            else:
                spans.append(SliceIndex(start, 1, stop - start, where))
            end, there = stop, where + stop - start
        if self.source.sharded and len(spans) > 2 * self._shards(spans):
            # Read the ranges of one shard together, so that the shard is opened once.
            sizes = stops - starts
            within = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
            self.read_rows(np.repeat(starts, sizes) + within, into, np.repeat(at, sizes) + within)
        elif len(spans) == 1:
            span = spans[0]
            before = (slice(None),) * self.axis
            into = into[(*before, slice(span.at, span.at + span.count))]
            self._read(SliceIndex(span.start, 1, span.count), into)
        else:
            self._read(SliceIndexes(spans), into)

    def _shards(self, spans: Sequence[SliceIndex]) -> int:
        """Return the number of (bands of) shards in which the spans begin."""
        starts = np.array([span.start for span in spans])
        return len(np.unique(self.source.dims[self.axis].indices_of(starts)))

    def read_rows(self, samples: IntArray, into: AnyArray, at: IntArray | None = None) -> None:
        self._read(IntegerIndex(samples, at), into)

    def _read(self, samples: Axis, into: AnyArray) -> None:
        source = self.source
        axes = (*self._before, samples, *self._after)
        # Not `into.shape`: `into` may be larger.
        shape = sample_shape(self.shape, self.axis, samples.count)
        read(source, GridPlan(axes, source.dims, source.shape, shape), into)


class PositionReader:
    """The samples of `runs`, by position.

    Parameters
    ----------
    inner
        Reader of the array.
    runs
        The samples.
    bands
        Ranges of samples that share chunks of the array.
    """

    __slots__ = ("_inner", "_runs", "_whole", "axis", "dtype", "empty")

    def __init__(self, inner: SampleReader, runs: Runs, bands: Blocks) -> None:
        self.axis, self.dtype, self.empty = inner.axis, inner.dtype, inner.empty
        self._inner = inner
        self._runs = runs
        self._whole = runs.whole(bands)  # otherwise several ranges may lie in one chunk

    def read_ranges(self, starts: IntArray, stops: IntArray, into: AnyArray, at: IntArray) -> None:
        sizes = stops - starts
        before = np.cumsum(sizes) - sizes
        if self._whole:
            begins, ends, there = self._runs.ranges(starts, stops)
            which = np.searchsorted(before, there, side="right") - 1
            self._inner.read_ranges(begins, ends, into, there + (at - before)[which])
        else:
            within = np.arange(sizes.sum())
            self.read_rows(
                within + np.repeat(starts - before, sizes), into, within + np.repeat(at - before, sizes)
            )

    def read_rows(self, samples: IntArray, into: AnyArray, at: IntArray | None = None) -> None:
        self._inner.read_rows(self._runs.at(samples), into, at)
