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

from exzarr import config
from exzarr.codecs.empty import is_fill
from exzarr.engine.plan import Plan
from exzarr.engine.pool import Feed, run
from exzarr.engine.read import read_chunk
from exzarr.engine.shards import ShardLayout
from exzarr.engine.source import ChunkSource
from exzarr.errors import CodecError

__all__ = ["write"]

AnyArray = npt.NDArray[Any]


def write(
    source: ChunkSource, plan: Plan, work: AnyArray, *, field: str | None = None, write_empty: bool = False
) -> None:
    """Store `work`, of ``plan.work_shape`` and any strides, where `plan` selects.

    `field` writes only that field of a structured data type.
    """
    if not work.size:
        return
    chunks = plan.chunks
    settings = config.get()
    workers = settings.workers
    # A chunk's cost is its file's; threads pay from the second chunk on, unless all is tiny.
    if work.nbytes < settings.inline_bytes // 8 and chunks < 8:
        workers = 1
    keep_empty = write_empty or settings.write_empty_chunks
    if source.sharded:
        inner_workers = workers if chunks < workers else 1
        job = partial(_shards, source, plan, work, field, keep_empty, inner_workers)
        workers = 1 if inner_workers > 1 else workers
    else:
        job = partial(_chunks, source, plan, work, field, keep_empty)
    run(job, source.items(plan, covers=True), chunks, workers)


def _chunks(
    source: ChunkSource, plan: Plan, work: AnyArray, field: str | None, keep_empty: bool, feed: Feed
) -> None:
    store, fixed = source.store, source.pipeline
    scratch: AnyArray | None = None
    batch = feed.take()
    while batch:
        for key, chunk_index, work_index, covers in batch:
            pipeline = fixed or source.pipeline_at(key)
            shape = pipeline.spec.shape
            values = work[work_index] if work_index else work  # work[()] is a scalar
            try:
                if covers and field is None:
                    if values.shape == shape and values.flags.c_contiguous and values.dtype == source.dtype:
                        chunk = values
                    else:
                        if scratch is None or scratch.shape != shape:
                            scratch = np.empty(shape, source.dtype)
                        chunk = scratch
                        if values.shape != shape:  # the part of an edge chunk that lies outside the array
                            chunk[...] = source.fill
                        _patch(chunk, plan, chunk_index, values, None)
                else:
                    old = read_chunk(source, key, pipeline)
                    chunk = _writable(old, shape, source)
                    _patch(chunk, plan, chunk_index, values, field)
                if not keep_empty and is_fill(chunk, pipeline.spec):
                    store.delete(key)
                else:
                    store.put(key, pipeline.encode(chunk))
            except CodecError as error:
                raise CodecError(f"{_where(source, key)}: {error}") from error
        batch = feed.take()


def _shards(
    source: ChunkSource,
    plan: Plan,
    work: AnyArray,
    field: str | None,
    keep_empty: bool,
    inner_workers: int,
    feed: Feed,
) -> None:
    store = source.store
    batch = feed.take()
    while batch:
        for item in batch:
            key, covers = item[0], item[3] and field is None
            layout = source.layout or source.layout_at(key)
            old = {} if covers else _old_pieces(source, layout, key)
            sub = plan.within(item, layout.dims, _extents(source, layout, key))
            new: dict[int, Any] = {}
            job = partial(_inner, source, layout, key, sub, work, field, keep_empty, old, new)
            run(job, sub.walk(layout.labels, sum, covers=True), sub.chunks, inner_workers)
            pieces = {**old, **new}
            if any(piece is not None for piece in pieces.values()):
                count = layout.shards.count
                store.put_parts(key, layout.shards.parts([pieces.get(number) for number in range(count)]))
            else:
                store.delete(key)
        batch = feed.take()


def _inner(
    source: ChunkSource,
    layout: ShardLayout,
    key: str,
    plan: Plan,
    work: AnyArray,
    field: str | None,
    keep_empty: bool,
    old: dict[int, Any],
    new: dict[int, Any],
    feed: Feed,
) -> None:
    """Encode the inner chunks of one shard that `plan` touches, from `old` into `new`."""
    inner = layout.inner
    shape = inner.spec.shape
    number = -1
    chunk: AnyArray | None = None
    batch = feed.take()
    try:
        while batch:
            for number, chunk_index, work_index, covers in batch:
                values = work[work_index] if work_index else work  # work[()] is a scalar
                if covers and field is None:
                    if chunk is None or inner.raw:  # what a raw pipeline gives is the chunk's own memory
                        chunk = np.empty(shape, source.dtype)
                    if values.shape != shape:
                        chunk[...] = source.fill
                    _patch(chunk, plan, chunk_index, values, None)
                else:
                    data = old.get(number)
                    chunk = _writable(None if data is None else inner.decode(data), shape, source)
                    _patch(chunk, plan, chunk_index, values, field)
                new[number] = None if not keep_empty and is_fill(chunk, inner.spec) else inner.encode(chunk)
            batch = feed.take()
    except CodecError as error:
        raise layout.corrupt(source, key, number, error) from error


def _old_pieces(source: ChunkSource, layout: ShardLayout, key: str) -> dict[int, Any]:
    """The encoded inner chunks that the shard at `key` holds now."""
    value = source.store.open_value(key)
    if value is None:
        return {}
    try:
        starts, lengths = layout.index(key, value)
        whole = memoryview(bytearray(value.size))
        value.read_into(whole, 0)
    except CodecError as error:
        raise layout.corrupt(source, key, -1, error) from error
    finally:
        value.close()
    return {
        number: whole[start : start + length]
        for number, (start, length) in enumerate(zip(starts, lengths, strict=True))
        if length >= 0
    }


def _extents(source: ChunkSource, layout: ShardLayout, key: str) -> list[int]:
    """How much of the shard at `key` lies inside the array, in elements."""
    return [
        min(size, extent - dim.offset(i))
        for i, dim, size, extent in zip(
            source.index(key), source.dims, layout.shape, source.shape, strict=True
        )
    ]


def _patch(chunk: AnyArray, plan: Plan, chunk_index: Any, values: AnyArray, field: str | None) -> None:
    target = chunk if plan.permutation is None else chunk.transpose(plan.permutation)
    if field is not None:
        target = target[field]
    target[chunk_index] = values


def _writable(old: AnyArray | None, shape: tuple[int, ...], source: ChunkSource) -> AnyArray:
    """A chunk array to patch: the old one, or one full of the fill value."""
    if old is None:
        chunk = np.empty(shape, source.dtype)
        chunk[...] = source.fill
        return chunk
    if old.flags.writeable and old.flags.c_contiguous:
        return old
    return np.array(old, dtype=source.dtype, order="C")


def _where(source: ChunkSource, key: str) -> str:
    return f"chunk {source.index(key)} of array {source.path or '/'!r} (key {key!r})"
