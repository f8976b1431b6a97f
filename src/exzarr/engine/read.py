"""Chunks → array.

`read` moves what a plan touches from the store into a work array. One of three workers does
it, chosen once: `_raw` for chunks stored as they lie in memory, `_encoded` for all other
chunks, `_sharded` for inner chunks of shards. Each is one flat loop: no object, closure or
coroutine per chunk, one scratch buffer per worker.
"""

from __future__ import annotations

import math
from functools import partial
from operator import itemgetter
from typing import Any

import numpy as np
import numpy.typing as npt

from exzarr import config
from exzarr.codecs.pipeline import BoundPipeline
from exzarr.engine.plan import Plan
from exzarr.engine.pool import Feed, run
from exzarr.engine.shards import coalesce, split_shards
from exzarr.engine.source import ChunkSource
from exzarr.engine.stack import Stack, neighbours
from exzarr.errors import ChunkMissingError, CodecError, StoreError

__all__ = ["read", "read_chunk"]

AnyArray = npt.NDArray[Any]


def read(source: ChunkSource, plan: Plan, work: AnyArray) -> None:
    """Fill `work`, of ``plan.work_shape`` and any strides, with what `plan` selects."""
    if not work.size:
        return
    chunks = plan.chunks
    settings = config.get()
    # Handing a little work over would cost more than it saves.
    workers = settings.workers if _load(source, work, chunks) >= settings.inline_bytes else 1
    if source.light:
        workers = 1
    if source.sharded:
        items = source.items(plan)
        if workers > 1 and source.layout is not None:
            items, chunks = split_shards(items, chunks, source.layout, workers)
        job = partial(_sharded, source, plan, work)
    elif source.pipeline is None:
        items, job = source.items(plan), partial(_varied, source, plan, work)
    elif source.pipeline.raw and work.dtype == source.dtype:
        items, job = source.runs(plan), partial(_raw, source, plan, work)
    else:
        items, job = source.runs(plan), partial(_encoded, source, plan, work)
    run(job, items, chunks, workers)


def _load(source: ChunkSource, work: AnyArray, chunks: int) -> int:
    """About how many bytes will be decoded; what a chunk costs besides counts as 2 KiB."""
    return max(work.nbytes, source.nbytes if chunks == 1 else chunks * min(source.nbytes, 2048))


# -- the workers -----------------------------------------------------------------------


def _raw(source: ChunkSource, plan: Plan, work: AnyArray, feed: Feed) -> None:
    """Chunks that are stored as they lie in memory."""
    pipeline = source.pipeline
    assert pipeline is not None
    nbytes = source.nbytes
    read_into, read_each = source.store.read_into, source.store.read_each
    # Where the chunks are bands of whole rows, they are read straight into place.
    target = _bytes_of(work) if plan.rows and work.ndim else None
    row = nbytes // pipeline.spec.shape[0] if target is not None else 0
    stack = Stack(pipeline.spec, plan)
    batch = feed.take()
    while batch:
        for keys, chunk_index, work_index in batch:
            if target is not None and _is_band(chunk_index[0]):
                here, key = chunk_index[0], keys[0]
                start, length = here.start * row, (here.stop - here.start) * row
                at = work_index[0].start * row
                place = target[at : at + length]
                got = read_into(key, place, start)
                if 0 <= got < length:
                    got = _again(source, key, place, start)
                if got < 0:
                    work[work_index] = _absent(source, key)
                elif got < length or (got != length and length == nbytes):
                    raise source.corrupt(key, _wrong_size(start + got, nbytes))
                continue
            stack.reserve(len(keys))
            for slot, got in enumerate(read_each(keys, stack.buffers)):
                if got != nbytes:
                    key = keys[slot]
                    if 0 <= got < nbytes:
                        got = _again(source, key, stack.buffers[slot])
                    if got < 0:
                        stack.chunks[slot][...] = _absent(source, key)
                    elif got != nbytes:
                        raise source.corrupt(key, _wrong_size(got, nbytes))
            stack.move(len(keys), chunk_index, work, work_index)
        batch = feed.take()


def _encoded(source: ChunkSource, plan: Plan, work: AnyArray, feed: Feed) -> None:
    """Chunks that must be decoded, all of one shape."""
    pipeline = source.pipeline
    assert pipeline is not None
    store, read_each = source.store, source.store.read_each
    decode_into = pipeline.decode_into
    permutation = plan.permutation
    room = pipeline.max_encoded_size
    buffers = [memoryview(bytearray(room))]
    stack = Stack(pipeline.spec, plan) if source.slots > 1 else None
    # Where the chunks are bands of whole rows, they are decoded straight into place.
    in_place = plan.rows and work.ndim and work.dtype == source.dtype and work.flags.c_contiguous
    height = pipeline.spec.shape[0] if work.ndim else 0
    batch = feed.take()
    while batch:
        for keys, chunk_index, work_index in batch:
            many = len(keys)
            while len(buffers) < many:
                buffers.append(memoryview(bytearray(room)))
            if stack is not None:
                stack.reserve(many)
            for slot, got in enumerate(read_each(keys, buffers)):
                data: Any = buffers[slot][:got] if got <= room else store.get(keys[slot])
                if got < 0 or data is None:
                    if many == 1:
                        work[work_index] = _absent(source, keys[slot])
                    else:
                        stack.chunks[slot][...] = _absent(source, keys[slot])
                    continue
                try:
                    if many > 1:
                        decode_into(data, stack.chunks[slot])
                        continue
                    if in_place and _fills(work_index, height):
                        decode_into(data, work[work_index])
                        continue
                    chunk = pipeline.decode(data)
                except CodecError as error:
                    chunk = _decode_again(source, keys[slot], len(data), error)
                    if many > 1:
                        stack.chunks[slot][...] = chunk
                        continue
                if permutation is not None:
                    chunk = chunk.transpose(permutation)
                work[work_index] = chunk[chunk_index]
            if many > 1:
                stack.move(many, chunk_index, work, work_index)
        batch = feed.take()


def _varied(source: ChunkSource, plan: Plan, work: AnyArray, feed: Feed) -> None:
    """Chunks of a grid that is not regular: each may have a shape of its own."""
    batch = feed.take()
    while batch:
        for key, chunk_index, work_index in batch:
            chunk = read_chunk(source, key, source.pipeline_at(key))
            if chunk is None:
                work[work_index] = _absent(source, key)
                continue
            if plan.permutation is not None:
                chunk = chunk.transpose(plan.permutation)
            work[work_index] = chunk[chunk_index]
        batch = feed.take()


def _sharded(source: ChunkSource, plan: Plan, work: AnyArray, feed: Feed) -> None:
    """Inner chunks of shards: one index, then few coalesced ranges, for each shard.

    All ranges come from one opened value, so that a shard that is replaced meanwhile is
    read as it was or as it is, never as a mixture.
    """
    settings = config.get()
    gap, most = settings.coalesce_gap, settings.coalesce_max // settings.workers
    store = source.store
    permutation = plan.permutation
    scratch = memoryview(bytearray(1 << 16))
    slots = source.slots if plan.sliced and not plan.rows else 1
    stack: Stack | None = None
    batch = feed.take()
    while batch:
        for item in batch:
            key = item[0]
            value = store.open_value(key)
            if value is None:
                work[item[2]] = _absent(source, key)
                continue
            layout = source.layout or source.layout_at(key)
            if stack is None and slots > 1:
                stack = Stack(layout.inner.spec, plan)
            decode, decode_into = layout.inner.decode, layout.inner.decode_into
            number = -1
            try:
                wanted = []
                starts, lengths = layout.index(key, value)
                sub = plan.within(item, layout.dims, layout.shape)
                for number, chunk_index, work_index in sub.walk(layout.labels, sum):
                    length = lengths[number]
                    if length < 0:
                        work[work_index] = _absent(source, key)
                    else:
                        wanted.append((starts[number], length, number, chunk_index, work_index))
                wanted.sort(key=itemgetter(0))
                for begin, end, first, until in coalesce(wanted, gap, most):
                    if end - begin > len(scratch):
                        scratch = memoryview(bytearray(end - begin))
                    value.read_into(scratch[: end - begin], begin)
                    # From the order in the shard back to that in the array: it makes neighbours.
                    group = sorted(wanted[first:until], key=itemgetter(2))
                    at = 0
                    while at < len(group):
                        many = neighbours(group, at, slots, layout.width) if slots > 1 else 1
                        if many == 1:
                            start, length, number, chunk_index, work_index = group[at]
                            chunk = decode(scratch[start - begin : start - begin + length])
                            if permutation is not None:
                                chunk = chunk.transpose(permutation)
                            work[work_index] = chunk[chunk_index]
                        elif stack is not None:
                            stack.reserve(many)
                            for slot in range(many):
                                start, length, number, chunk_index, work_index = group[at + slot]
                                data = scratch[start - begin : start - begin + length]
                                decode_into(data, stack.chunks[slot])
                            band = slice(group[at][4][-1].start, work_index[-1].stop)
                            stack.move(many, chunk_index, work, (*work_index[:-1], band))
                        at += many
            except (CodecError, StoreError) as error:
                raise layout.corrupt(source, key, number, error) from error
            finally:
                value.close()
        batch = feed.take()


# -- one chunk -----------------------------------------------------------------------


def read_chunk(source: ChunkSource, key: str, pipeline: BoundPipeline) -> AnyArray | None:
    """The whole, uncropped chunk at `key`, decoded; None where it is absent. May be read-only."""
    data = source.store.get(key)
    if data is None:
        return None
    try:
        return pipeline.decode(data)
    except CodecError as error:
        raise source.corrupt(key, error) from error


def _again(source: ChunkSource, key: str, buffer: memoryview, start: int = 0) -> int:
    """Read once more, slowly, what came out short: see `Store.read_into`."""
    data = source.store.get(key, (start, len(buffer) + 1))
    if data is None:
        return -1
    if len(data) <= len(buffer):
        buffer[: len(data)] = data
    return len(data)


def _decode_again(source: ChunkSource, key: str, got: int, error: CodecError) -> AnyArray:
    """Decode the chunk from all of its bytes, where the first try had fewer."""
    data = source.store.get(key)
    if data is None or len(data) == got:
        raise source.corrupt(key, error) from error
    chunk = read_chunk(source, key, source.pipeline_at(key))
    if chunk is None:
        raise source.corrupt(key, error) from error
    return chunk


def _absent(source: ChunkSource, key: str) -> Any:
    """What stands for a chunk that is not stored."""
    if source.missing_error:
        reason = 'it is not stored, and the array was opened with missing="error"'
        raise ChunkMissingError(source.path, source.index(key), key, reason)
    return source.fill


def _is_band(index: Any) -> bool:
    """Whether an index of the first dimension takes neighbouring rows."""
    return type(index) is slice and index.step == 1


def _fills(work_index: Any, height: int) -> bool:
    """Whether a band of rows is a whole chunk's."""
    there = work_index[0]
    return type(there) is slice and there.stop - there.start == height


def _wrong_size(got: int, wanted: int) -> str:
    how = f"is {got}" if got < wanted else "is larger"
    return f"its size must be {wanted} bytes but {how}: it was truncated, or written for another array"


def _bytes_of(work: AnyArray) -> memoryview | None:
    """The memory of a C-contiguous array as bytes."""
    if not work.flags.c_contiguous or math.prod(work.shape) == 0:
        return None
    return memoryview(work.reshape(-1).view(np.uint8))
