"""Stored chunks, moved from one array to another as they are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from exzarr.engine.pool import Feed, in_flight, run
from exzarr.stores.watched import watched

if TYPE_CHECKING:
    from exzarr.format.metadata import ArrayMetadata
    from exzarr.hierarchy import Location
    from exzarr.tools.copy_plan import NodePlan
    from exzarr.tools.report import Tally

__all__ = ["move_chunks", "stored_indices"]


def stored_indices(location: Location, meta: ArrayMetadata) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Key and chunk index of every chunk of the array that is stored, in no set order.

    What lies outside the grid (left over from before a resize, say) is no chunk.
    """
    counts = meta.chunk_grid.chunk_counts
    decode = meta.chunk_key_encoding.decode
    prefix = location.key("")
    ndim, skip = meta.ndim, len(prefix)
    for key in watched(location.store).list(location.path):
        index = decode(key[skip:], ndim)
        if index is not None and all(i < n for i, n in zip(index, counts, strict=True)):
            yield key, index


def move_chunks(node: NodePlan, tally: Tally) -> None:
    """Put every stored chunk of the source array where the target keeps it. Memory: a chunk per worker."""
    meta, target = node.array_meta, node.target
    get, put = watched(node.source.store).get, watched(target.store).put
    encode, prefix = node.target_array_meta.chunk_key_encoding.encode, target.key("")
    grid = meta.chunk_grid
    nbytes = meta.data_type.dtype.itemsize
    for size in grid.max_chunk_shape:
        nbytes *= size

    def work(feed: Feed) -> None:
        while batch := feed.take():
            for key, index in batch:
                value = get(key)
                if value is not None:  # else somebody deleted it since it was listed
                    put(prefix + encode(index), value)
                    tally.written(1, len(value))
                tally.advance(nbytes)

    workers = max(in_flight(store, nbytes) for store in (node.source.store, target.store))
    run(work, stored_indices(node.source, meta), grid.nchunks, workers)
