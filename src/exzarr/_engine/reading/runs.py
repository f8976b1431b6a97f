"""Read chunks of a regular grid, neighbors along the last dimension together (see `run_buffer`)."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import repeat
from typing import Any

import numpy as np

from exzarr._engine.planning.plan import Plan
from exzarr._engine.pool import WorkFeed
from exzarr._engine.reading.batch_decode import decode_batch
from exzarr._engine.reading.short_reads import complete, decode_again
from exzarr._engine.run_buffer import LARGE_NBYTES, RunBuffer
from exzarr._engine.scratch import pieces, scratch
from exzarr._engine.source import ChunkSource
from exzarr._engine.strategy import window
from exzarr._typing import AnyArray
from exzarr.errors import CodecError

__all__ = ["read_encoded_runs", "read_raw_runs", "read_raw_windows"]


def read_raw_runs(source: ChunkSource, plan: Plan, work: AnyArray, feed: WorkFeed) -> None:
    """Read raw chunks, which are stored as in memory."""
    pipeline = source.pipeline
    assert pipeline is not None
    nbytes = source.nbytes
    read_each = source.store.read_each
    timer = None if source.recorder is None else source.recorder.timer()
    run_buffer = RunBuffer(pipeline.spec, plan)
    batch = feed.take()
    while batch:
        for keys, chunk_index, work_index in batch:
            slots = run_buffer.reserve(len(keys))
            sizes = read_each(keys, run_buffer.buffers)
            if timer is not None:
                timer.read_raw(keys, sizes, repeat(nbytes))
            for slot, got in enumerate(sizes):
                if got != nbytes and not complete(source, keys[slot], run_buffer.buffers[slot], got):
                    slots[slot][...] = source.absent(keys[slot])
            run_buffer.move(len(keys), chunk_index, work, work_index)
        batch = feed.take()


def read_raw_windows(source: ChunkSource, work: AnyArray, feed: WorkFeed) -> None:
    """Read raw chunks from the first to the last selected byte, for plans of slices.

    No more than that is held in memory, even if the chunk is larger.
    """
    pipeline = source.pipeline
    assert pipeline is not None
    shape, dtype = pipeline.spec.shape, source.dtype
    itemsize, read_into = dtype.itemsize, source.store.read_into
    if source.recorder is not None:
        read_into = source.recorder.timer().reading_raw(read_into)
    batch = feed.take()
    while batch:
        for key, chunk_index, work_index in batch:
            start, end, steps = window(chunk_index, shape, itemsize)
            place = scratch("decoded", end - start)
            got = read_into(key, memoryview(place), start)
            if got == end - start or complete(source, key, memoryview(place), got, start):
                count = [there.stop - there.start for there in work_index]
                work[work_index] = np.ndarray(count, dtype, place, 0, steps)
            else:
                work[work_index] = source.absent(key)
        batch = feed.take()


def read_encoded_runs(source: ChunkSource, plan: Plan, work: AnyArray, feed: WorkFeed) -> None:
    """Read chunks that must be decoded."""
    pipeline = source.pipeline
    assert pipeline is not None
    store, read_into, read_each = source.store, source.store.read_into, source.store.read_each
    decode_into, decode_each = pipeline.decode_into, pipeline.decode_each
    permutation = plan.permutation
    room = source.buffer_size
    buffers: list[memoryview] = []
    run_buffer = RunBuffer(pipeline.spec, plan) if source.slots else None
    large = source.nbytes >= LARGE_NBYTES
    timer = None if source.recorder is None else source.recorder.timer()
    batch = feed.take()
    while batch:
        for keys, chunk_index, work_index in batch:
            if len(buffers) < len(keys):
                # Large chunks share one buffer: each is read after the previous one was decoded.
                buffers = pieces(1, room) * len(keys) if large else pieces(len(keys), room)
            slots = run_buffer.reserve(len(keys)) if run_buffer is not None and len(keys) > 1 else None
            sizes: Iterable[int] = map(read_into, keys, buffers) if large else read_each(keys, buffers)
            if slots is not None and run_buffer is not None and decode_each is not None:
                sizes = [*sizes]
                found = decode_batch(decode_each, buffers, sizes, room)
                if found is not None:
                    if timer is not None:
                        timer.read(keys, sizes, source.nbytes)
                    for buffer, decoded in zip(run_buffer.buffers, found, strict=False):
                        buffer[:] = decoded
                    run_buffer.move(len(keys), chunk_index, work, work_index)
                    continue
            if timer is not None:
                sizes = timer.each(keys, sizes)
            for slot, got in enumerate(sizes):
                data: Any = buffers[slot][:got] if got <= room else store.get(keys[slot])
                if got < 0 or data is None:
                    if slots is None:
                        work[work_index] = source.absent(keys[slot])
                    else:
                        slots[slot][...] = source.absent(keys[slot])
                    continue
                if large and run_buffer is not None:
                    # Decode into a reused buffer; new memory causes page faults.
                    slots = run_buffer.reserve(1)
                try:
                    if slots is not None:
                        decode_into(data, slots[slot])
                        continue
                    chunk = pipeline.decode(data)
                except CodecError as error:
                    chunk = decode_again(source, keys[slot], len(data), error)
                    if slots is not None:
                        slots[slot][...] = chunk
                        continue
                if permutation is not None:
                    chunk = chunk.transpose(permutation)
                work[work_index] = chunk[chunk_index]
            if slots is not None and run_buffer is not None:
                run_buffer.move(len(keys), chunk_index, work, work_index)
        batch = feed.take()
