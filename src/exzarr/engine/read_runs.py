"""Chunks of a regular grid, neighbours along the last dimension together (see `engine.stack`)."""

from __future__ import annotations

from typing import Any

import numpy.typing as npt

from exzarr.engine.plan import Plan
from exzarr.engine.pool import Feed
from exzarr.engine.reread import decode_again, read_again, wrong_size
from exzarr.engine.scratch import pieces
from exzarr.engine.source import ChunkSource
from exzarr.engine.stack import Stack
from exzarr.errors import CodecError

__all__ = ["read_encoded_runs", "read_raw_runs"]

AnyArray = npt.NDArray[Any]


def read_raw_runs(source: ChunkSource, plan: Plan, work: AnyArray, sparse: bool, feed: Feed) -> None:
    """Chunks that are stored as they lie in memory.

    `sparse` reads of each chunk only the bytes from the first to the last that is wanted.
    """
    pipeline = source.pipeline
    assert pipeline is not None
    nbytes = source.nbytes
    read_into, read_each = source.store.read_into, source.store.read_each
    stack = Stack(pipeline.spec, plan)
    strides = stack.chunks[0].strides
    batch = feed.take()
    while batch:
        for keys, chunk_index, work_index in batch:
            if sparse:
                start = end = 0
                for index, stride in zip(chunk_index, strides, strict=True):
                    start += index.start * stride
                    end += (index.stop - 1) * stride
                end += work.itemsize
                if 2 * (end - start) < nbytes:
                    key, place = keys[0], stack.buffers[0][start:end]
                    got = read_into(key, place, start)
                    if 0 <= got < end - start:
                        got = read_again(source, key, place, start)
                    if got < 0:
                        work[work_index] = source.absent(key)
                    elif got < end - start:
                        raise source.corrupt(key, wrong_size(start + got, nbytes))
                    else:
                        work[work_index] = stack.chunks[0][chunk_index]
                    continue
            stack.reserve(len(keys))
            for slot, got in enumerate(read_each(keys, stack.buffers)):
                if got != nbytes:
                    key = keys[slot]
                    if 0 <= got < nbytes:
                        got = read_again(source, key, stack.buffers[slot])
                    if got < 0:
                        stack.chunks[slot][...] = source.absent(key)
                    elif got != nbytes:
                        raise source.corrupt(key, wrong_size(got, nbytes))
            stack.move(len(keys), chunk_index, work, work_index)
        batch = feed.take()


def read_encoded_runs(source: ChunkSource, plan: Plan, work: AnyArray, feed: Feed) -> None:
    """Chunks that must be decoded."""
    pipeline = source.pipeline
    assert pipeline is not None
    store, read_each = source.store, source.store.read_each
    decode_into = pipeline.decode_into
    permutation = plan.permutation
    room = source.room
    buffers: list[memoryview] = []
    stack = Stack(pipeline.spec, plan) if source.slots else None
    large = source.slots == 1
    batch = feed.take()
    while batch:
        for keys, chunk_index, work_index in batch:
            if len(buffers) < len(keys):
                buffers = pieces(len(keys), room)
            # A large chunk goes to kept memory as well: fresh memory costs page faults.
            slots = stack.reserve(len(keys)) if stack is not None and (large or len(keys) > 1) else None
            for slot, got in enumerate(read_each(keys, buffers)):
                data: Any = buffers[slot][:got] if got <= room else store.get(keys[slot])
                if got < 0 or data is None:
                    if slots is None:
                        work[work_index] = source.absent(keys[slot])
                    else:
                        slots[slot][...] = source.absent(keys[slot])
                    continue
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
            if slots is not None and stack is not None:
                stack.move(len(keys), chunk_index, work, work_index)
        batch = feed.take()
