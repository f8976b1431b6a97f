"""Array → chunks.

`write` moves a work array into the chunks that a plan touches. A chunk that is covered is
encoded and put, with no read. A partly covered one is read, patched and put. Chunks that hold
nothing but the fill value are not stored (unless the settings ask for it): their key is deleted.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from exzarr import config, telemetry
from exzarr.codecs.empty import is_fill
from exzarr.engine.plan import Plan
from exzarr.engine.pool import Feed, run
from exzarr.engine.read import read_chunk
from exzarr.engine.shards import ShardLayout
from exzarr.engine.source import ChunkSource
from exzarr.errors import CodecError, StoreError

__all__ = ["write"]

AnyArray = npt.NDArray[Any]


class _Values:
    """What is to be written: the work array, and how."""

    __slots__ = ("field", "keep_empty", "plan", "source", "work")

    def __init__(
        self, source: ChunkSource, plan: Plan, work: AnyArray, field: str | None, keep_empty: bool
    ) -> None:
        self.source = source
        self.plan = plan
        self.work = work
        self.field = field
        self.keep_empty = keep_empty

    def patch(self, chunk: AnyArray, chunk_index: Any, work_index: Any) -> None:
        """Put the values for one chunk into it."""
        target = chunk if self.plan.permutation is None else chunk.transpose(self.plan.permutation)
        if self.field is not None:
            target = target[self.field]
        target[chunk_index] = self.work[work_index]

    def blank(self, shape: tuple[int, ...]) -> AnyArray:
        """A chunk full of the fill value."""
        chunk = np.empty(shape, self.source.dtype)
        chunk[...] = self.source.fill
        return chunk

    def to_patch(self, old: AnyArray) -> AnyArray:
        """A chunk that was decoded, in memory that may be changed."""
        if old.flags.writeable and old.flags.c_contiguous:
            return old
        return np.array(old, dtype=self.source.dtype, order="C")


def write(
    source: ChunkSource, plan: Plan, work: AnyArray, *, field: str | None = None, write_empty: bool = False
) -> None:
    """Store `work`, of ``plan.work_shape`` and any strides, where `plan` selects.

    `field` writes only that field of a structured data type.
    """
    if not work.size:
        return
    if telemetry.hooks() and not source.observed:
        from exzarr.engine.observed import observed

        options = {"field": field, "write_empty": write_empty}
        observed(telemetry.SelectionWritten, write, source, plan, work, **options)
        return
    chunks = plan.chunks
    settings = config.get()
    workers = settings.workers
    # A chunk's cost is its file's; threads pay from the second chunk on, unless all is tiny.
    if work.nbytes < settings.inline_bytes // 8 and chunks < 8:
        workers = 1
    values = _Values(source, plan, work, field, write_empty or settings.write_empty_chunks)
    if not source.sharded:
        job = partial(_chunks, values)
    elif chunks < workers:  # then the inner chunks of each shard keep the workers busy
        job = partial(_shards, values, workers)
        workers = 1
    else:
        job = partial(_shards, values, 1)
    run(job, source.items(plan, covers=True), chunks, workers)


def _chunks(values: _Values, feed: Feed) -> None:
    source, work = values.source, values.work
    store, fixed = source.store, source.pipeline
    scratch: AnyArray | None = None
    batch = feed.take()
    while batch:
        for key, chunk_index, work_index, covers in batch:
            pipeline = fixed or source.pipeline_at(key)
            shape = pipeline.spec.shape
            try:
                if covers and values.field is None:
                    chunk = work[work_index]
                    if chunk.shape != shape:  # at the array's edge: the rest of the chunk lies outside
                        chunk = values.blank(shape)
                        values.patch(chunk, chunk_index, work_index)
                    elif not chunk.flags.c_contiguous or chunk.dtype != source.dtype:
                        if scratch is None or scratch.shape != shape:
                            scratch = np.empty(shape, source.dtype)
                        chunk = scratch
                        values.patch(chunk, chunk_index, work_index)
                else:
                    old = read_chunk(source, key, pipeline)
                    chunk = values.blank(shape) if old is None else values.to_patch(old)
                    values.patch(chunk, chunk_index, work_index)
                if not values.keep_empty and is_fill(chunk, pipeline.spec):
                    store.delete(key)
                else:
                    store.put(key, pipeline.encode(chunk))
            except CodecError as error:
                raise _not_encoded(source, source.index(key), key, error) from error
        batch = feed.take()


def _shards(values: _Values, inner_workers: int, feed: Feed) -> None:
    source = values.source
    store = source.store
    batch = feed.take()
    while batch:
        for item in batch:
            key, covers = item[0], item[3] and values.field is None
            layout = source.layout or source.layout_at(key)
            pieces = {} if covers else _stored_pieces(source, layout, key)
            plan = values.plan.within(item, layout.dims, source.extents_at(key, layout))
            job = partial(_inner_chunks, values, layout, key, pieces)
            run(job, plan.walk(layout.labels, sum, covers=True), plan.chunks, inner_workers)
            if any(piece is not None for piece in pieces.values()):
                count = layout.shards.count
                store.put_parts(key, layout.shards.parts([pieces.get(number) for number in range(count)]))
            else:
                store.delete(key)
        batch = feed.take()


def _inner_chunks(values: _Values, layout: ShardLayout, key: str, pieces: dict[int, Any], feed: Feed) -> None:
    """Encode the inner chunks of one shard into `pieces`, which holds those that are stored now."""
    source, work = values.source, values.work
    inner = layout.inner
    shape = inner.spec.shape
    scratch: AnyArray | None = None
    number = -1
    batch = feed.take()
    try:
        while batch:
            for number, chunk_index, work_index, covers in batch:
                if covers and values.field is None:
                    if work[work_index].shape != shape:
                        chunk = values.blank(shape)
                    elif scratch is None or inner.raw:  # raw pieces are the chunk's own memory
                        chunk = scratch = np.empty(shape, source.dtype)
                    else:
                        chunk = scratch
                else:
                    data = pieces.get(number)
                    try:
                        chunk = values.blank(shape) if data is None else values.to_patch(inner.decode(data))
                    except CodecError as error:
                        raise layout.corrupt(source, key, number, error) from error
                values.patch(chunk, chunk_index, work_index)
                empty = not values.keep_empty and is_fill(chunk, inner.spec)
                pieces[number] = None if empty else inner.encode(chunk)
            batch = feed.take()
    except CodecError as error:
        raise _not_encoded(source, layout.index_at(source, key, number), key, error) from error


def _stored_pieces(source: ChunkSource, layout: ShardLayout, key: str) -> dict[int, Any]:
    """The encoded inner chunks that the shard at `key` holds now."""
    value = source.store.open_value(key)
    if value is None:
        return {}
    try:
        starts, lengths = layout.index(key, value)
        whole = memoryview(bytearray(value.size))
        value.read_into(whole, 0)
    except (CodecError, StoreError) as error:
        raise layout.corrupt(source, key, -1, error) from error
    finally:
        value.close()
    return {
        number: whole[start : start + length]
        for number, (start, length) in enumerate(zip(starts, lengths, strict=True))
        if length >= 0
    }


def _not_encoded(source: ChunkSource, index: tuple[int, ...], key: str, error: CodecError) -> CodecError:
    return CodecError(f"chunk {index} of array {source.path or '/'!r} (key {key!r}): {error}")
