"""Read chunks into an array, from stores that are slow to answer.

Fetching and decoding are separate. The process's request threads wait for the store (`remote.requests`), and the
workers decode the results. A chunk takes one request. Raw chunks are fetched only in the selected bytes. A shard takes
one request for its index, then one for each group of neighboring ranges. If most of the shard is selected, one request
fetches it all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from exzarr import config
from exzarr._engine.planning.plan import Plan
from exzarr._engine.pool import WorkFeed, run
from exzarr._engine.reading.short_reads import wrong_size
from exzarr._engine.remote.requests import NOTHING, Item, RequestWindow
from exzarr._engine.remote.shards import RemoteShards
from exzarr._engine.scratch import with_scratch
from exzarr._engine.source import ChunkSource
from exzarr._engine.strategy import method_of, window
from exzarr._typing import AnyArray
from exzarr.errors import CodecError
from exzarr.stores.base import Buffer

__all__ = ["read_remote"]


def read_remote(source: ChunkSource, plan: Plan, work: AnyArray, workers: int) -> None:
    """Fill `work` with the elements that `plan` selects."""
    settings = config.get()
    if source.sharded:
        shards = RemoteShards(source, plan, work)
        requests: Any = RequestWindow(
            shards.items(), shards.fetch, source.store.traits.concurrency, settings.fetch_bytes
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
        requests = RequestWindow(items, ask, source.store.traits.concurrency, settings.fetch_bytes)
        decoder = partial(partial, place, source, plan, work)
    if source.recorder is not None:
        requests = source.recorder.waiting_for(requests)
    run(
        partial(with_scratch, partial(_decode_all, requests, decoder)), iter(range(workers)), workers, workers
    )


def _decode_all(requests: Any, decoder: Any, feed: WorkFeed) -> None:
    """Decode fetched chunks in one worker until there are no more."""
    feed.take()
    decode = decoder()
    try:
        while (fetched := requests.take()) is not NOTHING:
            decode(*fetched)
            del fetched  # free its memory before the next one arrives
    except BaseException as error:
        requests.stop(error)
        raise


# -- whole chunks ------------------------------------------------------------------------------


def _chunks(source: ChunkSource, plan: Plan) -> Iterator[Item]:
    room = source.buffer_size
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


# -- raw chunks, from the first to the last selected byte ---------------------------------------


def _windows(source: ChunkSource, plan: Plan) -> Iterator[Item]:
    assert source.pipeline is not None
    shape, itemsize = source.pipeline.spec.shape, source.dtype.itemsize
    for item in source.items(plan):
        start, end, steps = window(item[1], shape, itemsize)
        yield end - start, (item, start, end, steps)


def _fetch_window(source: ChunkSource, wanted: Any, _: RequestWindow) -> Any:
    item, start, end, _ = wanted
    # If the window ends with the chunk, fetch one byte more: a chunk that is too long is of another array.
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
