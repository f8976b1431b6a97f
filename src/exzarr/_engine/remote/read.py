"""Chunks → array, from stores that take long to answer.

Fetching and decoding are apart: the process's request threads wait for the store (`engine.requests`), the
workers decode what has come. A chunk is one request; of raw chunks only the wanted bytes are asked for. A shard
is two, its index and then the wanted ranges, those that lie close together in one; or one, where most of it
is wanted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from exzarr import config
from exzarr._engine.planning.plan import Plan
from exzarr._engine.pool import WorkFeed, run
from exzarr._engine.reading.short_reads import wrong_size
from exzarr._engine.remote.requests import NOTHING, Item, RequestWindow
from exzarr._engine.remote.shards import RemoteShards
from exzarr._engine.scratch import with_scratch
from exzarr._engine.source import ChunkSource
from exzarr._engine.strategy import method_of, window
from exzarr.errors import CodecError
from exzarr.stores.base import Buffer

__all__ = ["read_remote"]

AnyArray = npt.NDArray[Any]


def read_remote(source: ChunkSource, plan: Plan, work: AnyArray, workers: int) -> None:
    """Fill `work` with what `plan` selects."""
    settings = config.get()
    if source.sharded:
        shards = RemoteShards(source, plan, work)
        flight: Any = RequestWindow(
            shards.items(), shards.fetch, source.store.concurrency, settings.fetch_bytes
        )
        decoder: Any = shards.decoder
    else:
        fetch: Callable[..., Any]
        place: Callable[..., None]
        if method_of(source, plan, plan.chunks, work.nbytes, work) == "windows":
            items, fetch, place = _windows(source, plan), _fetch_window, _place_window
        else:
            items, fetch, place = _chunks(source, plan), _fetch, _place
        ask = partial(fetch, source)
        flight = RequestWindow(items, ask, source.store.concurrency, settings.fetch_bytes)
        decoder = partial(partial, place, source, plan, work)
    if source.recorder is not None:
        flight = source.recorder.waiting_for(flight)
    run(partial(with_scratch, partial(_decode_all, flight, decoder)), iter(range(workers)), workers, workers)


def _decode_all(flight: Any, decoder: Any, feed: WorkFeed) -> None:
    """One worker's: whatever comes, until nothing does."""
    feed.take()
    decode = decoder()
    try:
        while (fetched := flight.take()) is not NOTHING:
            decode(*fetched)
            del fetched  # before the next one is there
    except BaseException as error:
        flight.stop(error)
        raise


# -- whole chunks ------------------------------------------------------------------------------


def _chunks(source: ChunkSource, plan: Plan) -> Iterator[Item]:
    room = source.room
    return ((room, item) for item in source.items(plan))


def _fetch(source: ChunkSource, item: Any, _: RequestWindow) -> Any:
    return item, source.store.get(item[0])


def _place(source: ChunkSource, plan: Plan, work: AnyArray, item: Any, data: Buffer | None) -> None:
    key, chunk_index, work_index = item
    if data is None:
        work[work_index] = source.absent(key)
        return
    pipeline = source.pipeline_at(key)
    if source.recorder is not None:
        source.recorder.timer().at(key)
    target = work[work_index] if plan.permutation is None else None
    try:
        if (
            isinstance(target, np.ndarray)
            and target.shape == pipeline.spec.shape
            and target.dtype == pipeline.spec.dtype
            and target.flags.c_contiguous
            and not pipeline.raw
            and plan.sliced
            and all(index.step == 1 for index in chunk_index)
        ):
            pipeline.decode_into(data, target)
            return
        chunk = pipeline.decode(data)
    except CodecError as error:
        raise source.corrupt(key, error) from error
    if plan.permutation is not None:
        chunk = chunk.transpose(plan.permutation)
    work[work_index] = chunk[chunk_index]


# -- of raw chunks, the bytes from the first to the last that is wanted ---------------------------


def _windows(source: ChunkSource, plan: Plan) -> Iterator[Item]:
    assert source.pipeline is not None
    shape, itemsize = source.pipeline.spec.shape, source.dtype.itemsize
    for item in source.items(plan):
        start, end, steps = window(item[1], shape, itemsize)
        yield end - start, (item, start, end, steps)


def _fetch_window(source: ChunkSource, wanted: Any, _: RequestWindow) -> Any:
    item, start, end, _ = wanted
    # To its end, where that is wanted, and a byte more: one that is too long is of another array.
    more = 1 if end == source.nbytes else 0
    return wanted, source.store.get(item[0], (start, end - start + more))


def _place_window(source: ChunkSource, _: Plan, work: AnyArray, wanted: Any, data: Buffer | None) -> None:
    (key, _, work_index), start, end, steps = wanted
    if data is None:
        work[work_index] = source.absent(key)
        return
    if len(data) != end - start:
        raise source.corrupt(key, wrong_size(start + len(data), source.nbytes))
    if source.recorder is not None:
        source.recorder.timer().read_raw((key,), (len(data),), (len(data),))
    count = work[work_index].shape
    work[work_index] = np.ndarray(count, source.dtype, data, 0, steps)
