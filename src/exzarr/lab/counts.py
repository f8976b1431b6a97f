"""What the reads of a pattern come to under a layout, by exzarr's own plan."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from exzarr._nodes.array import Array
from exzarr.lab.access import Access, Read

__all__ = ["Counts", "count_reads", "counted"]

MOST_CHUNKS = 1500
"""A read of more chunks than this is planned in part, and the part's counts are multiplied."""


@dataclass(frozen=True, slots=True)
class Counts:
    """What one read does, and how often it is made in one go of the pattern.

    Attributes
    ----------
    requests, chunks
        Requests to the store; chunks (inner chunks) that are decoded.
    fetch_bytes, decode_bytes, result_bytes
        Bytes that are fetched, that come out of the codecs, and that were wanted.
    times
        Such reads in one go.
    steps
        Requests that have to wait for another's answer, one after the other: 2 where a shard's index tells where
        to read on.
    """

    requests: float
    chunks: float
    fetch_bytes: float
    decode_bytes: float
    result_bytes: float
    times: float = 1.0
    steps: int = 1

    @property
    def amplification(self) -> float:
        """Bytes decoded for each byte that was wanted."""
        return self.decode_bytes / self.result_bytes if self.result_bytes else 0.0


def count_reads(array: Array, access: Access, seed: int) -> list[Counts]:
    """What each of the reads of `access` does; `array` may be one whose chunks are only supposed to be there."""
    stored = array.metadata.chunk_grid.chunk_shape
    reads = access.reads(array.shape, stored, np.random.default_rng(seed))
    return [_count(array, read) for read in reads]


def _count(array: Array, read: Read) -> Counts:
    chunks, stored = array.chunks, array.metadata.chunk_grid.chunk_shape
    part = _part(read, chunks, stored)
    told = part.explained(array)
    shards = told.shards or 0
    if part is read:
        chunks_more = values_more = results_more = 1.0
    else:
        chunks_more = _product(read, chunks) / _product(part, chunks)
        values_more = _product(read, stored) / _product(part, stored)
        results_more = _elements(read) / _elements(part)
    return Counts(
        requests=told.requests * values_more,
        chunks=told.chunks * chunks_more,
        fetch_bytes=(told.fetch_bytes or 0) * chunks_more,
        decode_bytes=told.decode_bytes * chunks_more,
        result_bytes=told.result_bytes * results_more,
        times=read.times,
        steps=2 if shards and told.requests > shards else 1,
    )


def _part(read: Read, chunks: Sequence[int], stored: Sequence[int]) -> Read:
    """A part of `read` that touches few enough chunks; `read` itself where it does."""
    if read.how == "vindex":
        return read
    touched = [_touched(entry, size) for entry, size in zip(read.selection, chunks, strict=True)]
    selection = [*read.selection]
    cut = False
    while math.prod(touched) > MOST_CHUNKS:
        d = max(range(len(touched)), key=lambda d: (touched[d], -d))
        entry = selection[d]
        if isinstance(entry, slice):
            half = -(-(entry.stop - entry.start) // 2)
            # Whole chunks (shards) of it, where it has several: what lies at its ends is not to count twice.
            if half > stored[d]:
                half = half // stored[d] * stored[d]
            selection[d] = slice(entry.start, entry.start + half)
        else:
            selection[d] = entry[: -(-len(entry) // 2)]
        touched[d] = _touched(selection[d], chunks[d])
        cut = True
    return replace(read, selection=tuple(selection)) if cut else read


def _product(read: Read, sizes: Sequence[int]) -> float:
    """How many chunks of `sizes` a read touches."""
    return math.prod(_touched(entry, size) for entry, size in zip(read.selection, sizes, strict=True))


def _elements(read: Read) -> float:
    return math.prod(
        entry.stop - entry.start if isinstance(entry, slice) else np.size(entry) for entry in read.selection
    )


def _touched(entry: Any, size: int) -> int:
    """How many chunks one entry of a selection touches along its dimension."""
    if isinstance(entry, slice):
        return int((entry.stop - 1) // size - entry.start // size + 1)
    return 1 if isinstance(entry, int) else len(np.unique(np.asarray(entry) // size))


def counted(counts: Sequence[Counts]) -> Counts:
    """One go of the pattern: the sum of its reads, each as often as it is made."""
    return Counts(
        requests=sum(c.requests * c.times for c in counts),
        chunks=sum(c.chunks * c.times for c in counts),
        fetch_bytes=sum(c.fetch_bytes * c.times for c in counts),
        decode_bytes=sum(c.decode_bytes * c.times for c in counts),
        result_bytes=sum(c.result_bytes * c.times for c in counts),
        steps=max((c.steps for c in counts), default=1),
    )
