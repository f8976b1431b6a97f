"""``out=``: decides which process writes the results of a map, and the order of the chunks.

The worker that calls the function also writes its result if no two chunks share a chunk of `out`, or if the store of
`out` makes updates of a chunk exclusive. Otherwise results return to the caller's process and go through `write_stream`,
which gathers those that share a chunk (in particular a shard) and writes them together.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from exzarr._engine.planning.grid_plan import GridPlan
from exzarr._engine.planning.projections import Dimension
from exzarr._engine.planning.selections import SliceIndex
from exzarr._stream.chunks.grid import Entry, Region, StreamGrid
from exzarr._stream.failures import chunk_error
from exzarr._stream.maps.map_stream import MapStream
from exzarr._stream.maps.map_task import fitting
from exzarr._stream.maps.runners import ExecutorLike
from exzarr._stream.options import StreamOptions
from exzarr._stream.stream import StreamStats
from exzarr._stream.writing.write_stream import write_stream
from exzarr.errors import ArgumentError

if TYPE_CHECKING:
    from exzarr._stream.stored_array import StoredArray

__all__ = ["by_shards_of", "gather", "workers_write"]

_MOST_CUTS = 1 << 20


def workers_write(grid: StreamGrid, out: StoredArray, executor: ExecutorLike) -> bool:
    """Return True if the workers that call the function write its results."""
    whole = out.chunk_source.dims
    if not _cuts(whole, grid.dims, grid.shape):
        return True  # no chunk is shared
    if out.chunk_source.sharded:
        return False  # the shard would be rewritten for each chunk in it
    alone = isinstance(executor, ThreadPoolExecutor) or executor == "threads"
    return alone or out.store.local_path("") is not None


def by_shards_of(out: StoredArray, grid: StreamGrid, region: Region) -> Iterator[Entry] | None:
    """Return the chunks that `region` touches, grouped by chunk (shard) of `out`.

    Return None if a chunk belongs to several chunks of `out`.
    """
    dims = out.chunk_source.dims
    if not grid.shape or _cuts(grid.dims, dims, grid.shape):
        return None
    spans = [SliceIndex(part.start, 1, max(0, part.stop - part.start), part.start) for part in region]
    outer = GridPlan(spans, dims, grid.shape, grid.shape)
    return (entry for _, _, place in outer.walk([int] * len(dims), tuple) for entry in grid.walk(place))


def _cuts(fine: Any, coarse: Any, shape: tuple[int, ...]) -> bool:
    """Return True if a chunk of the grid `coarse` begins inside a chunk of `fine`."""
    return any(_cuts_along(one, other, n) for one, other, n in zip(fine, coarse, shape, strict=True))


def _cuts_along(fine: Dimension, coarse: Dimension, length: int) -> bool:
    unit, size = fine.uniform, coarse.uniform
    if size is not None and unit is not None:
        return size < length and size % unit != 0
    count = coarse.count(length)
    if count > _MOST_CUTS:  # too many to check
        return True
    starts = np.array([coarse.offset(i) for i in range(count)], np.int64)
    return any(fine.offset(int(i)) != start for i, start in zip(fine.indices_of(starts), starts, strict=True))


def gather(stream: MapStream, out: StoredArray, grid: StreamGrid, options: StreamOptions) -> StreamStats:
    """Write the results in this process, those that share a chunk of `out` together."""

    def results() -> Iterator[tuple[Region, Any]]:
        for found in stream.results():
            try:
                values = fitting(found.region, found.value)
            except ArgumentError as error:
                stream.fail(chunk_error(stream.path, found.index, grid.key(found.index), error))
            else:
                yield found.region, values

    with stream:
        report = write_stream(
            out, results(), StreamOptions(retries=options.retries, on_error=options.on_error)
        )
    stats, lost = stream.stats, len(report.failed)
    return replace(stats, chunks=stats.chunks - lost, failed=stats.failed + lost)
