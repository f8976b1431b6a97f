"""Read chunks into an array.

`read` moves the chunks of a plan from the store into a work array. `strategy.method_of` chooses one loop per read, from
the way the chunks are stored and their place in the result:

`read_contiguous_rows`               chunks that are contiguous rows of the result, read or decoded in place
`read_encoded_runs`, `read_raw_runs` other chunks of a regular grid, neighbors together
`read_raw_windows`                   the selected bytes of raw chunks
`read_shards`                        inner chunks of shards
`_one_by_one`                        chunks of a grid that is not regular, and huge chunks
`read_remote`                        all of these, in stores that are slow to answer

Each is one flat loop over batches of a `WorkFeed`, without an object, closure or coroutine per chunk. Each worker reuses
its scratch memory.
"""

from __future__ import annotations

from functools import partial

from exzarr import config, telemetry
from exzarr._engine.planning.plan import Plan
from exzarr._engine.pool import WorkFeed, run
from exzarr._engine.reading.rows import read_contiguous_rows
from exzarr._engine.reading.runs import read_encoded_runs, read_raw_runs, read_raw_windows
from exzarr._engine.reading.shards import read_shards
from exzarr._engine.scratch import with_scratch
from exzarr._engine.shards import split_shards
from exzarr._engine.source import ChunkSource
from exzarr._engine.strategy import method_of
from exzarr._typing import AnyArray
from exzarr.codecs.pipeline import BoundPipeline
from exzarr.errors import CodecError

__all__ = ["read", "read_chunk"]

SMALL_NBYTES = 64 * 1024
"""Up to this size, a single encoded chunk is read without scratch memory, whose preparation would take longer."""


def read(source: ChunkSource, plan: Plan, work: AnyArray) -> None:
    """Fill `work`, of ``plan.work_shape`` and any strides, with the elements that `plan` selects."""
    if not work.size:
        return
    recorder = source.recorder
    if recorder is None and telemetry.hooks():
        from exzarr._engine.recording import recorded

        recorded(telemetry.SelectionRead, read, source, plan, work)
        return
    chunks = plan.chunks
    settings = config.get()
    # Sharing out little work would cost more than it saves. With shards, count inner chunks.
    pieces = max(chunks, work.nbytes // source.nbytes) if source.sharded and source.nbytes else chunks
    workers = (
        settings.workers
        if pieces * source.chunk_cost >= settings.inline_bytes and not source.prefer_serial
        else 1
    )
    if source.store.traits.concurrency:
        from exzarr._engine.remote.read import read_remote

        read_remote(source, plan, work, workers)
        return
    only = source.pipeline if chunks == 1 and recorder is None else None
    if only is not None and not only.raw and source.nbytes <= SMALL_NBYTES:
        _one_by_one(source, plan, work, WorkFeed(source.items(plan), 1))
        return
    # Shorter runs if longer ones would leave a worker without work.
    slots = source.slots if workers == 1 else min(source.slots, max(1, chunks // (2 * workers)))
    method = method_of(source, plan, chunks, work.nbytes, work)
    if method == "shards":
        items = source.items(plan)
        if workers > 1 and source.layout is not None:
            items, chunks = split_shards(items, chunks, source.layout, workers)
        job = partial(read_shards, source, plan, work)
    elif method == "rows":
        items, job = source.items(plan), partial(read_contiguous_rows, source, work)
    elif method == "windows":
        items, job = source.items(plan), partial(read_raw_windows, source, work)
    elif method == "chunks":
        items, job = source.items(plan), partial(_one_by_one, source, plan, work)
    else:
        read_runs = (
            read_raw_runs if source.inner_pipeline.raw and work.dtype == source.dtype else read_encoded_runs
        )
        items, job = source.runs(plan, slots), partial(read_runs, source, plan, work)
    job = partial(with_scratch, job)
    run(job if recorder is None else partial(recorder.work, job), items, chunks, workers)


def _one_by_one(source: ChunkSource, plan: Plan, work: AnyArray, feed: WorkFeed) -> None:
    """Read a single chunk, chunks of a grid that is not regular, which have different shapes, and huge chunks."""
    batch = feed.take()
    while batch:
        for key, chunk_index, work_index in batch:
            chunk = read_chunk(source, key, source.pipeline_at(key))
            if chunk is None:
                work[work_index] = source.absent(key)
                continue
            if plan.permutation is not None:
                chunk = chunk.transpose(plan.permutation)
            work[work_index] = chunk[chunk_index]
            del chunk  # free its memory before the next chunk is read
        batch = feed.take()


def read_chunk(source: ChunkSource, key: str, pipeline: BoundPipeline) -> AnyArray | None:
    """Read and decode the whole, uncropped chunk at `key`; None if it is missing. It may be read-only."""
    data = source.store.get(key)
    if data is None:
        return None
    try:
        return pipeline.decode(data)
    except CodecError as error:
        raise source.corrupt(key, error) from error
