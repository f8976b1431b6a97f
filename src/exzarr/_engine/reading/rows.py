"""Read chunks that are contiguous rows of the result.

The result takes these chunks whole along every dimension except the first. Therefore the selected elements are
contiguous, in the chunk and in the result. This is the case for chunks along the first dimension, for 1-dimensional
arrays, and for rows that ``oindex`` selects. Raw chunks are read directly into the result, and only in the
selected rows.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from exzarr._engine.pool import WorkFeed
from exzarr._engine.reading.batch_decode import read_batches
from exzarr._engine.reading.short_reads import complete, decode_again
from exzarr._engine.source import ChunkSource
from exzarr._typing import AnyArray
from exzarr.errors import CodecError

__all__ = ["read_contiguous_rows"]

Rows = tuple[str, slice, slice]
"""Contiguous rows: (key, rows of the chunk, rows of the result)."""

BUFFER_NBYTES = 256 * 1024
"""Encoded bytes that are read before they are decoded."""

IN_PLACE_NBYTES = 64 * 1024
"""From this size on, decoding in place saves more time than it costs."""


def read_contiguous_rows(source: ChunkSource, work: AnyArray, feed: WorkFeed) -> None:
    """Fill the C-contiguous `work` from a feed of ``(key, chunk_index, work_index)``."""
    pipeline = source.pipeline
    assert pipeline is not None
    target = memoryview(work.reshape(-1).view(np.uint8))
    read = _raw if pipeline.raw else _encoded
    batch = feed.take()
    while batch:
        contiguous: list[Rows] = []
        for key, chunk_index, work_index in batch:
            here, there = chunk_index[0], work_index[0]
            if type(here) is slice and here.step == 1:
                contiguous.append((key, here, there))
                continue
            data = source.store.get(key)
            try:
                rows = source.absent(key) if data is None else pipeline.decode(data)[here]
            except CodecError as error:
                raise source.corrupt(key, error) from error
            work[there] = rows
        if contiguous:
            read(source, contiguous, work, target)
        batch = feed.take()


def _raw(source: ChunkSource, contiguous: list[Rows], work: AnyArray, target: memoryview) -> None:
    nbytes = source.nbytes
    row = nbytes // source.dims[0].size(0)
    places = [target[there.start * row : there.stop * row] for _, _, there in contiguous]
    starts = [here.start * row for _, here, _ in contiguous]
    keys = [key for key, _, _ in contiguous]
    sizes = source.store.read_each(keys, places, starts)
    if source.recorder is not None:
        source.recorder.timer().read_raw(keys, sizes, map(len, places))
    for (key, _, there), place, start, got in zip(contiguous, places, starts, sizes, strict=True):
        # More bytes behind the selected rows are an error only where the whole chunk is read.
        wrong = got < len(place) or got > len(place) == nbytes
        if wrong and not complete(source, key, place, got, start):
            work[there] = source.absent(key)


def _encoded(source: ChunkSource, contiguous: list[Rows], work: AnyArray, target: memoryview) -> None:
    pipeline = source.pipeline
    assert pipeline is not None
    decode_bytes, nbytes, room = pipeline.decode_bytes, source.nbytes, source.buffer_size
    row = nbytes // source.dims[0].size(0)
    for read, found in read_batches(
        source, contiguous, max(1, BUFFER_NBYTES // room), source.store.read_each
    ):
        for i, ((key, here, there), buffer, got) in enumerate(read):
            start, stop = here.start * row, here.stop * row
            if found is not None:
                target[there.start * row : there.stop * row] = memoryview(found[i])[start:stop]
                continue
            data: Any = buffer[:got] if got <= room else source.store.get(key)
            if got < 0 or data is None:
                work[there] = source.absent(key)
                continue
            try:
                if stop - start == nbytes >= IN_PLACE_NBYTES:
                    pipeline.decode_into(data, work[there])
                    continue
                decoded = memoryview(decode_bytes(data))
            except CodecError as error:
                work[there] = decode_again(source, key, len(data), error)[here]
                continue
            target[there.start * row : there.stop * row] = decoded[start:stop]
