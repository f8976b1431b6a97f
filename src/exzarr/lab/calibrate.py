"""Measurement of the speeds of this machine and of a store, in about a second."""

from __future__ import annotations

import math
import os
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from exzarr import config
from exzarr._creation.auto_chunks import auto_chunks
from exzarr._creation.metadata import array_metadata
from exzarr._format import fill_values
from exzarr._nodes.array import Array
from exzarr._nodes.hierarchy import Location
from exzarr._typing import AnyArray
from exzarr.codecs.pipeline import BoundPipeline, pipeline_for
from exzarr.lab.speeds import Speeds
from exzarr.stores.base import Store
from exzarr.stores.memory import MemoryStore

__all__ = ["decode_speeds", "store_speeds"]


SMALL, LARGE = 16 * 1024, 1024 * 1024
"""Bytes of the chunks that are decoded for timing."""

PATIENCE = 0.15
"""Seconds to measure one figure."""


def decode_speeds(speeds: Speeds, sample: AnyArray, codecs: dict[str, Any]) -> Speeds:
    """Return `speeds` with measured costs of decoding chunks of the sample, and of the smallest read."""
    timed = []
    for nbytes in (SMALL, LARGE):
        pipeline, encoded = _encoded(sample, nbytes, codecs)
        size = pipeline.spec.nbytes
        out = np.empty(pipeline.spec.shape, pipeline.spec.dtype)
        each = _timed([partial(pipeline.decode_into, data, out) for data in encoded])
        stored = sum(map(len, encoded)) / len(encoded)
        timed.append((size, each, size / max(1.0, stored)))
    (small, quick, _), (large, slow, ratio) = timed
    # Fit a line through both: a fixed cost per chunk, and a cost per byte.
    if large > 2 * small and slow > quick:
        rate = (large - small) / (slow - quick)
        fixed = max(0.0, quick - small / rate)
    else:
        rate, fixed = large / slow, 0.0
    raw = pipeline.raw
    return replace(
        speeds,
        call=_call_seconds(),
        chunk=_chunk_seconds() + (0.0 if raw else fixed),
        decode=math.inf if raw else rate,
        ratio=1.0 if raw else ratio,
        workers=config.get().workers,
    )


def _encoded(sample: AnyArray, nbytes: int, codecs: dict[str, Any]) -> tuple[BoundPipeline, Sequence[Any]]:
    """Return some encoded chunks of the sample, of about `nbytes` each."""
    shape = auto_chunks(sample.shape, sample.dtype.itemsize, nbytes)
    meta = array_metadata(shape=sample.shape, dtype=sample.dtype, chunks=shape, **codecs)
    source = Array(Location(MemoryStore(), ""), meta).chunk_source
    pipeline = pipeline_for(meta).bind(source.spec)
    fill = fill_values.default(meta.data_type)
    rng = np.random.default_rng(0)
    encoded = []
    for _ in range(8):
        at = [int(rng.integers(0, max(1, n - c + 1))) for n, c in zip(sample.shape, shape, strict=True)]
        part = sample[tuple([slice(a, a + c) for a, c in zip(at, shape, strict=True)])]
        chunk = np.full(shape, fill, pipeline.spec.dtype)
        chunk[tuple([slice(0, n) for n in part.shape])] = part
        encoded.append(bytes(pipeline.encode(chunk)))
    return pipeline, encoded


def _call_seconds() -> float:
    array = Array(Location(MemoryStore(), ""), array_metadata(shape=(4,), dtype="u1", compressors=None))
    array[...] = 1
    return _timed([lambda: array[2]])


def _chunk_seconds() -> float:
    """Return the seconds that the engine adds for each small chunk."""
    meta = array_metadata(shape=(512, 16), dtype="u1", chunks=(1, 8), compressors=None)
    array = Array(Location(MemoryStore(), ""), meta)
    array[...] = 1
    with config.override(workers=1):
        return _timed([lambda: array[...]]) / 1024


def store_speeds(store: Store, prefix: str, *, source: str) -> Speeds:
    """Measure requests and bandwidth of `store`, with values that are put below `prefix` and then deleted."""
    payload = os.urandom(4 * 2**20)
    keys = [f"{prefix}/speed/{i}" for i in range(16)]
    large = f"{prefix}/speed/large"
    try:
        for key in keys:
            store.put(key, payload[:1024])
        store.put(large, payload)
        request = _timed([partial(store.get, key) for key in keys])
        whole = _timed([lambda: store.get(large)])
    finally:
        for key in (*keys, large):
            store.delete(key)
    bandwidth = len(payload) / max(whole - request, whole / 100)
    # Assumes that requests in flight do not share a lower limit: measuring that takes long.
    return Speeds(request=request, bandwidth=bandwidth, concurrency=store.traits.concurrency, source=source)


def _timed(calls: Sequence[Callable[[], Any]]) -> float:
    """Return the median seconds of one call, over repeated rounds of `calls`."""
    for call in calls[:2]:
        call()
    seconds: list[float] = []
    end = time.perf_counter() + PATIENCE
    while True:
        for call in calls:
            begin = time.perf_counter()
            call()
            now = time.perf_counter()
            seconds.append(now - begin)
            if now > end:
                return statistics.median(seconds)
        if len(seconds) > 2000:
            return statistics.median(seconds)
