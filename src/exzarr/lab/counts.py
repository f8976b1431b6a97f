"""Requests, chunks and bytes of a pattern's reads under a layout, from exzarr's own plan."""

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
"""Most chunks of a planned read. Of a larger read, a part is planned and its counts are multiplied."""


@dataclass(frozen=True, slots=True)
class Counts:
    """Counts of one read, and how often a run of the pattern makes it.

    Attributes
    ----------
    requests, chunks
        Requests to the store, and decoded chunks (inner chunks).
    fetch_bytes, decode_bytes, result_bytes
        Bytes fetched, decoded, and selected.
    times
        Number of such reads in one run.
    steps
        Number of requests that must follow one another: 2 if the index of a shard gives the ranges to read.
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
        """Bytes decoded divided by bytes selected."""
        return self.decode_bytes / self.result_bytes if self.result_bytes else 0.0


def count_reads(array: Array, access: Access, seed: int) -> list[Counts]:
    """Count each of the reads of `access`. The chunks of `array` can be hypothetical."""
    stored = array.metadata.chunk_grid.chunk_shape
    reads = access.reads(array.shape, stored, np.random.default_rng(seed))
    return [_count(array, read) for read in reads]


def _count(array: Array, read: Read) -> Counts:
    chunks, stored = array.chunks, array.metadata.chunk_grid.chunk_shape
    part = _part(read, chunks, stored)
    plan = part.explained(array)
    shards = plan.shards or 0
    if part is read:
        chunks_more = values_more = results_more = 1.0
    else:
        chunks_more = _product(read, chunks) / _product(part, chunks)
        values_more = _product(read, stored) / _product(part, stored)
        results_more = _elements(read) / _elements(part)
    return Counts(
        requests=plan.requests * values_more,
        chunks=plan.chunks * chunks_more,
        fetch_bytes=(plan.fetch_bytes or 0) * chunks_more,
        decode_bytes=plan.decode_bytes * chunks_more,
        result_bytes=plan.result_bytes * results_more,
        times=read.times,
        steps=2 if shards and plan.requests > shards else 1,
    )


def _part(read: Read, chunks: Sequence[int], stored: Sequence[int]) -> Read:
    """Return a part of `read` that touches at most `MOST_CHUNKS` chunks; `read` itself if it does."""
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
            # Use whole stored chunks if there are several, so that partial ones at the ends do not count twice.
            if half > stored[d]:
                half = half // stored[d] * stored[d]
            selection[d] = slice(entry.start, entry.start + half)
        else:
            selection[d] = entry[: -(-len(entry) // 2)]
        touched[d] = _touched(selection[d], chunks[d])
        cut = True
    return replace(read, selection=tuple(selection)) if cut else read


def _product(read: Read, sizes: Sequence[int]) -> float:
    """Return the number of chunks of `sizes` that a read touches."""
    return math.prod(_touched(entry, size) for entry, size in zip(read.selection, sizes, strict=True))


def _elements(read: Read) -> float:
    return math.prod(
        entry.stop - entry.start if isinstance(entry, slice) else np.size(entry) for entry in read.selection
    )


def _touched(entry: Any, size: int) -> int:
    """Return the number of chunks that one entry of a selection touches along its dimension."""
    if isinstance(entry, slice):
        return int((entry.stop - 1) // size - entry.start // size + 1)
    return 1 if isinstance(entry, int) else len(np.unique(np.asarray(entry) // size))


def counted(counts: Sequence[Counts]) -> Counts:
    """Return the sum of all reads in one run of the pattern."""
    return Counts(
        requests=sum(c.requests * c.times for c in counts),
        chunks=sum(c.chunks * c.times for c in counts),
        fetch_bytes=sum(c.fetch_bytes * c.times for c in counts),
        decode_bytes=sum(c.decode_bytes * c.times for c in counts),
        result_bytes=sum(c.result_bytes * c.times for c in counts),
        steps=max((c.steps for c in counts), default=1),
    )
