"""Find the stored chunks of an array, and their sizes.

If a store cannot list its keys, exzarr sends one request for every chunk of the grid.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from exzarr._engine.remote.requests import asked
from exzarr._engine.source import ChunkSource
from exzarr._format.metadata import ArrayMetadata
from exzarr._nodes.hierarchy import Location
from exzarr.errors import CodecError, ListingUnsupportedError, StoreError
from exzarr.stores.base import Store
from exzarr.stores.instrument import instrument
from exzarr.stores.listing import listed

__all__ = [
    "Candidates",
    "StoredChunks",
    "candidates",
    "chunk_index",
    "every_index",
    "sizes",
    "stored_chunks",
    "stored_indices",
]

Index = tuple[int, ...]
Keyed = tuple[str, Index]

MOST_PROBES = 10_000_000
"""Maximum number of chunks of a grid for which single requests are sent."""


@dataclass(frozen=True, slots=True)
class StoredChunks:
    """Number and size of an array's stored chunks.

    Attributes
    ----------
    chunks
        Number of stored chunks (inner chunks, if the array has shards).
    shards
        Number of stored shards; None if the array has none.
    nbytes
        Size of all stored chunks, or shards, in bytes.
    """

    chunks: int
    shards: int | None
    nbytes: int


@dataclass(frozen=True, slots=True)
class Candidates:
    """The chunks (shards) of an array that may be stored.

    Attributes
    ----------
    keys
        Key and index of each, in any order, as an iterator.
    listed
        True if the store has listed them. Otherwise they are all chunks of the grid.
    """

    keys: Iterator[Keyed]
    listed: bool


def candidates(location: Location, meta: ArrayMetadata) -> Candidates:
    """Return the chunks that the store lists, or all chunks of the grid if it cannot list.

    Chunks outside of the grid, such as leftovers of a resize, are excluded.

    Raises
    ------
    ListingUnsupportedError
        The store cannot list, and the grid has more than `MOST_PROBES` chunks.
    """
    encode, decode, ndim = meta.chunk_key_encoding.encode, meta.chunk_key_encoding.decode, meta.ndim
    prefix = location.key("")
    skip = len(prefix)
    return _candidates(
        location.store,
        location.path,
        meta.chunk_grid.chunk_counts,
        lambda key: decode(key[skip:], ndim),
        lambda index: prefix + encode(index),
    )


def stored_indices(location: Location, meta: ArrayMetadata) -> Iterator[Keyed]:
    """Iterate over key and index of every stored chunk (shard), in any order; see `candidates`."""
    found = candidates(location, meta)
    if found.listed:
        return found.keys
    return ((key, index) for key, index, _ in sizes(location.store, found.keys))


def sizes(store: Store, keys: Iterator[Keyed]) -> Iterator[tuple[str, Index, int]]:
    """Iterate over those of `keys` that are stored, with the length of their values in bytes, in any order."""

    def ask(item: Keyed) -> tuple[Keyed, int | None]:
        return item, instrument(store).size(item[0])

    for (key, index), size in asked(store, ask, keys):
        if size is not None:
            yield key, index, size


def stored_chunks(source: ChunkSource) -> StoredChunks:
    """Count stored chunks. This lists the array's keys once, and reads the indexes of shards."""

    def look(item: Keyed) -> tuple[int | None, int]:
        key, index = item
        return _look_into(source, key, index) if source.sharded else (instrument(source.store).size(key), 1)

    def index_of(key: str) -> Index | None:
        return chunk_index(source, key)

    found = _candidates(source.store, source.path, source.grid.chunk_counts, index_of, source.key)
    files = chunks = nbytes = 0
    for size, inner in asked(source.store, look, found.keys):
        if size is not None:  # else it is not stored, or was deleted after the listing
            files += 1
            chunks += inner
            nbytes += size
    return StoredChunks(chunks, files if source.sharded else None, nbytes)


def chunk_index(source: ChunkSource, key: str) -> Index | None:
    """Return the chunk index of `key`, inside the grid or outside, or None if `key` is not a chunk's."""
    index = source.index(key)
    return index if len(index) == len(source.shape) and source.key(index) == key else None


def _candidates(
    store: Store,
    path: str,
    counts: Sequence[int],
    index_of: Callable[[str], Index | None],
    key_of: Callable[[Index], str],
) -> Candidates:
    try:
        keys = listed(instrument(store), path)
    except ListingUnsupportedError as error:
        return Candidates(every_index(counts, key_of, error), False)

    def inside() -> Iterator[Keyed]:
        for key in keys:
            index = index_of(key)
            if index is not None and all(map(int.__lt__, index, counts)):
                yield key, index

    return Candidates(inside(), True)


def every_index(
    counts: Sequence[int], key_of: Callable[[Index], str], error: ListingUnsupportedError
) -> Iterator[Keyed]:
    """Iterate over key and index of every chunk of a grid, for a store that cannot list and raised `error`."""
    total = math.prod(counts)
    if total > MOST_PROBES:
        raise ListingUnsupportedError(
            f"{error}. exzarr then sends one request per chunk, but this array has {total:,} chunks, more "
            f"than {MOST_PROBES:,}: read the parts that you need"
        )
    return ((key_of(index), index) for index in np.ndindex(*counts))


def _look_into(source: ChunkSource, key: str, index: Index) -> tuple[int | None, int]:
    """Return the size of the shard at `key` (None if absent), and the number of its stored inner chunks."""
    value = instrument(source.store).open_value(key)
    if value is None:
        return None, 0
    layout = source.layout or source.layout_at(key)
    try:
        _, lengths = layout.index(key, value)
        within = layout.counts
        # Inner chunks of a shard at the edge may be outside of the array: exclude them.
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
