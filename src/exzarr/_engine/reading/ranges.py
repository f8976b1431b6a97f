"""Read many ranges of rows in one plan."""

from __future__ import annotations

import numpy as np

from exzarr._engine.planning.grid_plan import GridPlan
from exzarr._engine.planning.selections import Axis, Ranges, SliceIndex, SliceIndexes
from exzarr._engine.reading.read import read
from exzarr._engine.source import ChunkSource
from exzarr._engine.strategy import takes_little
from exzarr._typing import AnyArray, IntArray

__all__ = ["plan_ranges", "read_ranges"]


def read_ranges(source: ChunkSource, starts: IntArray, counts: IntArray) -> AnyArray:
    """Return the rows of many ranges along the first dimension, one range after the other.

    Parameters
    ----------
    starts, counts
        First row and number of rows of each range, in any order. Ranges may overlap and may be empty.

    Returns
    -------
    ndarray
        The rows, with the shape ``(counts.sum(), *shape[1:])``. Each chunk is decoded once. Of raw chunks, only the
        selected rows are read.
    """
    plan = plan_ranges(source, starts, counts)
    work: AnyArray = np.empty(plan.work_shape, source.dtype)
    read(source, plan, work)
    return work


def plan_ranges(source: ChunkSource, starts: IntArray, counts: IntArray) -> GridPlan:
    """Return the plan of `read_ranges`."""
    rows = _axis(source, *_joined(starts, counts))
    axes: list[Axis] = [rows, *[SliceIndex(0, 1, n) for n in source.shape[1:]]]
    return GridPlan(axes, source.dims, source.shape, (rows.count, *source.shape[1:]))


def _joined(starts: IntArray, counts: IntArray) -> tuple[IntArray, IntArray]:
    """Join ranges that follow each other, and drop empty ones."""
    filled = counts > 0
    starts, counts = starts[filled], counts[filled]
    if not len(starts):
        return starts, counts
    first = np.flatnonzero(np.concatenate([[True], starts[1:] != starts[:-1] + counts[:-1]]))
    return starts[first], np.add.reduceat(counts, first)


def _axis(source: ChunkSource, starts: IntArray, counts: IntArray) -> Axis:
    if len(starts) == 1:
        return SliceIndex(int(starts[0]), 1, int(counts[0]))
    at = np.cumsum(counts) - counts
    ranges = Ranges(starts, counts, at)
    if len(starts) and _reads_rows(source, ranges):
        spans = zip(starts.tolist(), counts.tolist(), at.tolist(), strict=True)
        return SliceIndexes([SliceIndex(start, 1, count, place) for start, count, place in spans])
    return ranges


def _reads_rows(source: ChunkSource, ranges: Ranges) -> bool:
    """Return True if the rows of a range can be read without the rest of their chunks."""
    pipeline = source.pipeline
    if source.sharded or pipeline is None or not pipeline.raw or not pipeline.plain:
        return False
    if any(dim.size(0) != n for dim, n in zip(source.dims[1:], source.shape[1:], strict=True)):
        return False
    if not source.store.traits.concurrency:
        return True
    rest: list[Axis] = [SliceIndex(0, 1, n) for n in source.shape[1:]]
    shape = (ranges.count, *source.shape[1:])
    chunks = GridPlan([ranges, *rest], source.dims, source.shape, shape).chunks
    return takes_little(source, chunks, int(np.prod(shape)) * source.dtype.itemsize)
