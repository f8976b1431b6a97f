"""What of an array is stored: which chunks, and how many bytes they take."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from exzarr.engine.source import ChunkSource
from exzarr.errors import CodecError, StoreError
from exzarr.stores.watched import watched

__all__ = ["StoredChunks", "chunk_index", "stored_chunks", "stored_keys"]


@dataclass(frozen=True, slots=True)
class StoredChunks:
    """What is stored of an array.

    Attributes
    ----------
    chunks
        Stored chunks (inner chunks, where there are shards).
    shards
        Stored shards; None where the array has none.
    nbytes
        Bytes of all stored chunks, or shards.
    """

    chunks: int
    shards: int | None
    nbytes: int


def stored_chunks(source: ChunkSource) -> StoredChunks:
    """Count what is stored. Lists the array's keys once; of shards, reads the indexes."""
    files = chunks = nbytes = 0
    for key, index in stored_keys(source):
        if source.sharded:
            size, inner = _look_into(source, key, index)
            if size is None:  # deleted since it was listed
                continue
            chunks += inner
        else:
            size = watched(source.store).size(key)
            if size is None:
                continue
            chunks += 1
        files += 1
        nbytes += size
    return StoredChunks(chunks, files if source.sharded else None, nbytes)


def stored_keys(source: ChunkSource) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Key and index of every stored chunk (shard) of the grid, in no set order. One listing."""
    counts = source.grid.chunk_counts
    for key in watched(source.store).list(source.path):
        index = chunk_index(source, key)
        # What lies outside the grid is left over from before a resize by other software.
        if index is not None and all(i < n for i, n in zip(index, counts, strict=True)):
            yield key, index


def chunk_index(source: ChunkSource, key: str) -> tuple[int, ...] | None:
    """The index of the chunk at `key`, inside the grid or outside; None where `key` is no chunk's."""
    index = source.index(key)
    return index if len(index) == len(source.shape) and source.key(index) == key else None


def _look_into(source: ChunkSource, key: str, index: tuple[int, ...]) -> tuple[int | None, int]:
    """Bytes of the shard at `key` (None where it is absent), and how many of its inner chunks are stored."""
    value = watched(source.store).open_value(key)
    if value is None:
        return None, 0
    layout = source.layout or source.layout_at(key)
    try:
        _, lengths = layout.index(key, value)
        within = layout.counts
        # Only what the array has: inner chunks of a shard at the edge may lie outside.
        ends = [
            min(c, -(-(n - dim.offset(i)) // inner.size(0)))
            for c, n, dim, i, inner in zip(within, source.shape, source.dims, index, layout.dims, strict=True)
        ]
        if ends == [*within]:
            return value.size, sum(length >= 0 for length in lengths)
        numbers = [0]
        for end, label in zip(ends, layout.labels, strict=True):
            numbers = [number + label(i) for number in numbers for i in range(end)]
        return value.size, sum(lengths[number] >= 0 for number in numbers)
    except (CodecError, StoreError) as error:
        raise layout.corrupt(source, key, -1, error) from error
    finally:
        value.close()
