"""Move stored chunks unchanged from one array to another."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exzarr._engine.pool import WorkFeed, in_flight, run
from exzarr._nodes.stored import candidates
from exzarr.stores.instrument import instrument

if TYPE_CHECKING:
    from exzarr._tools.copy_plan import NodePlan
    from exzarr._tools.report import Tally

__all__ = ["move_chunks"]


def move_chunks(node: NodePlan, tally: Tally) -> None:
    """Copy every stored chunk of the source array to its key in the target. Uses memory for one chunk per worker."""
    meta, target = node.array_meta, node.target
    get, put = instrument(node.source.store).get, instrument(target.store).put
    encode, prefix = node.target_array_meta.chunk_key_encoding.encode, target.key("")
    grid = meta.chunk_grid
    nbytes = meta.data_type.dtype.itemsize
    for size in grid.max_chunk_shape:
        nbytes *= size

    def work(feed: WorkFeed) -> None:
        while batch := feed.take():
            for key, index in batch:
                value = get(key)
                if value is not None:  # None: it was deleted since it was listed, or is not stored
                    put(prefix + encode(index), value)
                    tally.written(1, len(value))
                tally.advance(nbytes)

    workers = max(in_flight(store, nbytes) for store in (node.source.store, target.store))
    run(work, candidates(node.source, meta).keys, grid.nchunks, workers)
