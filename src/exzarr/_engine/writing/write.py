"""Write an array into chunks.

`write` moves a work array into the chunks of a plan. A covered chunk is encoded and put, without a read or a lock. A
partial chunk is read, patched and put by `Store.update`, which excludes concurrent updates of the same chunk.

A chunk that ends after the array is never covered. Another process may have appended to the array since its metadata
was read here, and its elements would be lost.

Chunks that hold only the fill value are not stored, and their keys are deleted. Settings can change this.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy
from functools import partial
from typing import Any

import numpy as np

from exzarr import config, telemetry
from exzarr._engine.planning.plan import Plan
from exzarr._engine.pool import WorkFeed, run
from exzarr._engine.remote.write_behind import WriteBehind
from exzarr._engine.run_buffer import RunBuffer, joined, neighbours_to_write, slots_for
from exzarr._engine.scratch import with_scratch
from exzarr._engine.shards import ShardLayout
from exzarr._engine.source import ChunkSource
from exzarr._typing import AnyArray
from exzarr.codecs.empty import is_fill
from exzarr.codecs.pipeline import BoundPipeline
from exzarr.errors import CodecError, StoreError
from exzarr.stores.base import Buffer, ValueReader

__all__ = ["write"]


GATHERED_NBYTES = 256 * 1024
"""Maximum size of neighboring chunks that are gathered together. More would not fit into a core's cache."""


class _Values:
    """The values of a write: the work array, and options."""

    __slots__ = ("deletes_patched", "field", "keep_empty", "plan", "shape", "source", "work")

    def __init__(
        self, source: ChunkSource, plan: Plan, work: AnyArray, field: str | None, keep_empty: bool
    ) -> None:
        self.source = source
        self.plan = plan
        self.work = work
        self.field = field
        self.keep_empty = keep_empty
        # An empty chunk may only be deleted if no other process has written to it since it was read.
        self.deletes_patched = not keep_empty and source.store.traits.conditional_delete
        self.shape: tuple[int, ...] = () if source.pipeline is None else source.pipeline.spec.shape

    def patch(self, chunk: AnyArray, chunk_index: Any, work_index: Any) -> None:
        """Assign the values for one chunk to it."""
        target = chunk if self.plan.permutation is None else chunk.transpose(self.plan.permutation)
        if self.field is not None:
            target = target[self.field]
        target[chunk_index] = self.work[work_index]

    def blank(self, shape: tuple[int, ...]) -> AnyArray:
        """Return a chunk that holds only the fill value."""
        chunk = np.empty(shape, self.source.dtype)
        chunk[...] = self.source.fill
        return chunk

    def together(self, pipeline: BoundPipeline | None) -> int:
        """Return how many neighboring chunks to gather together, in one pass over long rows."""
        if pipeline is None or not pipeline.spec.shape or not self.plan.sliced or self.field is not None:
            return 1
        return max(1, GATHERED_NBYTES // pipeline.spec.nbytes) if slots_for(pipeline.spec) else 1

    def put(self, key: str, chunk: AnyArray, pipeline: BoundPipeline) -> None:
        """Store a chunk. Delete its key if it holds only the fill value."""
        if not self.keep_empty and is_fill(chunk, pipeline.spec):
            self.source.store.delete(key)
        else:
            self.source.store.put(key, pipeline.encode(chunk))

    def to_patch(self, old: AnyArray) -> AnyArray:
        """Return a decoded chunk in writable, C-contiguous memory."""
        if old.flags.writeable and old.flags.c_contiguous:
            return old
        return np.array(old, dtype=self.source.dtype, order="C")


def write(
    source: ChunkSource, plan: Plan, work: AnyArray, *, field: str | None = None, write_empty: bool = False
) -> None:
    """Store `work`, of ``plan.work_shape`` and any strides, at the elements that `plan` selects.

    `field` writes only that field of a structured data type.
    """
    if not work.size:
        return
    if source.recorder is None and telemetry.hooks():
        from exzarr._engine.recording import recorded

        options = {"field": field, "write_empty": write_empty}
        recorded(telemetry.SelectionWritten, write, source, plan, work, **options)
        return
    if source.store.traits.concurrency and type(source.store) is not WriteBehind:
        ahead = copy(source)
        ahead.store = puts = WriteBehind(source.store)
        try:
            write(ahead, plan, work, field=field, write_empty=write_empty)
        finally:
            puts.finish()
        return
    chunks = plan.chunks
    settings = config.get()
    # Most of a chunk's cost is its file. Threads pay off from the second chunk on, except for little data.
    few = work.nbytes < settings.inline_bytes // 8 and chunks < 8
    workers = 1 if few or source.prefer_serial_write else settings.workers
    values = _Values(source, plan, work, field, write_empty or settings.write_empty_chunks)
    if not source.sharded:
        job = partial(with_scratch, partial(_chunks, values))
    elif chunks < workers:  # the workers share the inner chunks of each shard
        job = partial(_shards, values, workers)
        workers = 1
    else:
        job = partial(_shards, values, 1)
    if source.recorder is not None:
        job = partial(source.recorder.work, job)
    run(job, source.items(plan, covers=True), chunks, workers)


def _chunks(values: _Values, feed: WorkFeed) -> None:
    source, work = values.source, values.work
    fixed = source.pipeline
    most = values.together(fixed)
    run_buffer = RunBuffer(fixed.spec, values.plan) if fixed is not None and most > 1 else None
    scratch: AnyArray | None = None
    key = ""
    if source.recorder is not None:
        source.recorder.timer().where = lambda: (key, None)
    batch = feed.take()
    while batch:
        at = 0
        while at < len(batch):
            key, chunk_index, work_index, covers = batch[at]
            many = neighbours_to_write(batch, at, most, values.shape) if run_buffer is not None else 1
            pipeline = fixed or source.pipeline_at(key)
            shape = pipeline.spec.shape
            try:
                if run_buffer is not None and many > 1:
                    for chunk in run_buffer.take(many, work, joined(work_index, batch[at + many - 1][2]))[
                        :many
                    ]:
                        key = batch[at][0]
                        at += 1
                        values.put(key, chunk, pipeline)
                    continue
                covers = covers and values.field is None
                if not covers or (chunk := work[work_index]).shape != shape:
                    _patch_chunk(values, pipeline, key, chunk_index, work_index, covers)
                else:
                    if not chunk.flags.c_contiguous or chunk.dtype != source.dtype:
                        if scratch is None or scratch.shape != shape:
                            scratch = np.empty(shape, source.dtype)
                        chunk = scratch
                        values.patch(chunk, chunk_index, work_index)
                    values.put(key, chunk, pipeline)
                at += 1
            except CodecError as error:
                raise _not_encoded(source, source.index(key), key, error) from error
        batch = feed.take()


def _patch_chunk(
    values: _Values, pipeline: BoundPipeline, key: str, chunk_index: Any, work_index: Any, covers: bool
) -> None:
    """Change part of a chunk. `covers` is True for all of its elements inside the known shape of the array."""

    def patched(value: ValueReader | None) -> Sequence[Buffer] | None:
        old = None if value is None else _stored_chunk(values.source, pipeline, key, value, covers)
        chunk = values.blank(pipeline.spec.shape) if old is None else values.to_patch(old)
        values.patch(chunk, chunk_index, work_index)
        empty = values.deletes_patched and is_fill(chunk, pipeline.spec)
        try:
            return None if empty else [pipeline.encode(chunk)]
        except CodecError as error:
            raise _not_encoded(values.source, values.source.index(key), key, error) from error

    values.source.store.update(key, patched)


def _stored_chunk(
    source: ChunkSource, pipeline: BoundPipeline, key: str, value: ValueReader, covers: bool
) -> AnyArray | None:
    """Decode the chunk in `value`; None if it is damaged and the write covers it."""
    data = bytearray(value.size)
    try:
        value.read_into(memoryview(data), 0)
        return pipeline.decode(data)
    except (CodecError, StoreError) as error:
        if covers:
            return None
        raise source.corrupt(key, error) from error


def _shards(values: _Values, inner_workers: int, feed: WorkFeed) -> None:
    source = values.source
    store = source.store
    batch = feed.take()
    while batch:
        for item in batch:
            key, covers = item[0], item[3] and values.field is None
            layout = source.layout or source.layout_at(key)
            extents = source.extents_at(key, layout)
            plan = values.plan.within(item, layout.dims, extents)
            whole = covers and (*extents,) == layout.shape
            encode = partial(_shard, values, layout, key, plan, inner_workers, whole)
            if not whole:
                store.update(key, partial(_patched_shard, source, layout, key, covers, encode))
            elif (parts := encode({})) is None:
                store.delete(key)
            else:
                store.put_parts(key, parts)
        batch = feed.take()


def _shard(
    values: _Values,
    layout: ShardLayout,
    key: str,
    plan: Plan,
    workers: int,
    whole: bool,
    pieces: dict[int, Any],
) -> Sequence[Buffer] | None:
    """Return a shard of the encoded inner chunks `pieces`, changed by `plan`; None if it is empty."""
    job, recorder = (
        partial(with_scratch, partial(_inner_chunks, values, layout, key, pieces)),
        layout.recorder,
    )
    if recorder is not None:
        job = partial(recorder.work, job)
    run(job, plan.walk(layout.labels, sum, covers=True), plan.chunks, workers)
    if recorder is not None:
        recorder.timer().waited()  # for the other workers
    if (whole or values.source.store.traits.conditional_delete) and all(
        piece is None for piece in pieces.values()
    ):
        return None
    return layout.shards.parts([pieces.get(number) for number in range(layout.shards.count)], layout.order)


def _inner_chunks(
    values: _Values, layout: ShardLayout, key: str, pieces: dict[int, Any], feed: WorkFeed
) -> None:
    """Encode the inner chunks of one shard into `pieces`, which holds the stored ones."""
    source, work = values.source, values.work
    inner = layout.inner
    shape = inner.spec.shape
    most = values.together(inner)
    # Raw pieces are the memory of the chunk itself, which must not be reused.
    run_buffer = RunBuffer(inner.spec, values.plan, kept=not inner.raw) if most > 1 else None
    scratch: AnyArray | None = None
    number = -1
    if source.recorder is not None:
        source.recorder.timer().where = lambda: (key, number)
    batch = feed.take()
    try:
        while batch:
            at = 0
            while at < len(batch):
                number, chunk_index, work_index, covers = batch[at]
                many = neighbours_to_write(batch, at, most, shape) if run_buffer is not None else 1
                if run_buffer is not None and many > 1:
                    for chunk in run_buffer.take(many, work, joined(work_index, batch[at + many - 1][2]))[
                        :many
                    ]:
                        number = batch[at][0]
                        at += 1
                        empty = not values.keep_empty and is_fill(chunk, inner.spec)
                        pieces[number] = None if empty else inner.encode(chunk)
                    continue
                covers = covers and values.field is None
                if covers and work[work_index].shape == shape:
                    if scratch is None or inner.raw:
                        scratch = np.empty(shape, source.dtype)
                    chunk = scratch
                else:
                    data = pieces.get(number)
                    try:
                        chunk = values.blank(shape) if data is None else values.to_patch(inner.decode(data))
                    except CodecError as error:
                        if not covers:
                            raise layout.corrupt(source, key, number, error) from error
                        chunk = values.blank(shape)
                values.patch(chunk, chunk_index, work_index)
                empty = not values.keep_empty and is_fill(chunk, inner.spec)
                pieces[number] = None if empty else inner.encode(chunk)
                at += 1
            batch = feed.take()
    except CodecError as error:
        raise _not_encoded(source, layout.index_at(source, key, number), key, error) from error


def _patched_shard(
    source: ChunkSource,
    layout: ShardLayout,
    key: str,
    covers: bool,
    encode: Callable[[dict[int, Any]], Sequence[Buffer] | None],
    value: ValueReader | None,
) -> Sequence[Buffer] | None:
    return encode({} if value is None else _stored_pieces(source, layout, key, value, covers))


def _stored_pieces(
    source: ChunkSource, layout: ShardLayout, key: str, value: ValueReader, covers: bool
) -> dict[int, Any]:
    """Return the encoded inner chunks of the shard in `value`; none if it is damaged and the write covers it."""
    whole = memoryview(bytearray(value.size))
    try:
        starts, lengths = layout.index(key, value)
        value.read_into(whole, 0)
    except (CodecError, StoreError) as error:
        if covers:
            return {}
        raise layout.corrupt(source, key, -1, error) from error
    return {
        number: whole[start : start + length]
        for number, (start, length) in enumerate(zip(starts, lengths, strict=True))
        if length >= 0
    }


def _not_encoded(source: ChunkSource, index: tuple[int, ...], key: str, error: CodecError) -> CodecError:
    return CodecError(f"chunk {index} of array {source.path or '/'!r} (key {key!r}): {error}")
