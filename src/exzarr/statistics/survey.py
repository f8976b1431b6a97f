"""Which entries are proved: by one listing of the array's stored values, without reading them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import NamedTuple

import numpy as np

from exzarr._engine.planning.plan import Dimension
from exzarr._engine.remote.requests import asked
from exzarr._engine.source import ChunkSource
from exzarr._format.metadata import ArrayMetadata
from exzarr._nodes.stored import chunk_index, every_index
from exzarr._stream.chunks.grid import Region, StreamGrid
from exzarr._typing import AnyArray
from exzarr.errors import ListingUnsupportedError
from exzarr.statistics.identity import DIGEST_NBYTES, Digests, canonical, lasting
from exzarr.statistics.table import Table
from exzarr.stores.base import Listed
from exzarr.stores.instrument import instrument

MOST_LISTED = 16
"""If a region touches fewer of an array's values than one in this many, they are requested one by one instead of listed."""

__all__ = ["Place", "Prover", "Survey", "survey"]

Index = tuple[int, ...]


class Place(NamedTuple):
    """A chunk of a stored value: its index, and its number in C order of the grid."""

    chunk: Index
    number: int


@dataclass(frozen=True, slots=True, eq=False)
class Survey:
    """What a listing tells about the chunks of an array. Masks and arrays have the shape of the chunk grid.

    Attributes
    ----------
    stored
        True where the chunk is stored, or may be: in a shard that is not proved.
    proved
        True where the chunk has not changed since its entry was made. All chunks of a stored value are proved, or none.
    nbytes
        Bytes of stored chunks, encoded. Those of a shard that is not proved are spread evenly.
    keys
        Stored values that are not proved.
    """

    stored: AnyArray
    proved: AnyArray
    nbytes: AnyArray
    keys: list[str]


class Prover:
    """Compares the entries of an array with the versions of stored values.

    Parameters
    ----------
    source, meta
        The array.
    entries
        The stored entries.
    """

    def __init__(self, source: ChunkSource, meta: ArrayMetadata, entries: Table) -> None:
        self._source = source
        self._digests = Digests(meta)
        grid = StreamGrid(source)
        self._counts, self._dims = grid.counts, grid.dims
        self._strides = [
            int(np.prod(self._counts[d + 1 :], dtype=np.int64)) for d in range(len(self._counts))
        ]
        # The index and the shape of chunks, as identities have them.
        self._indexes = [[str(i) for i in range(count)] for count in self._counts]
        self._lengths = [
            [str(min(dim.size(i), n - dim.offset(i))) for i in range(count)]
            for dim, count, n in zip(grid.dims, self._counts, grid.shape, strict=True)
        ]
        self._values, self._size = entries.values(), entries.values_nbytes
        self._stored_digests = entries.columns["digest"].tobytes()
        self._starts: list[int] = entries.columns["start"].ravel().tolist()
        self.nbytes: list[int] = entries.columns["nbytes"].ravel().tolist()

    def places(self, index: Index) -> Sequence[Place]:
        """Return the chunks inside the array of the value at `index` of the grid of stored values."""
        if not self._source.sharded:
            return [Place(index, sum([i * stride for i, stride in zip(index, self._strides, strict=True)]))]
        ranges = [
            range(
                outer.offset(i) // dim.size(0), min(-(-(outer.offset(i) + outer.size(i)) // dim.size(0)), n)
            )
            for outer, dim, i, n in zip(self._source.dims, self._dims, index, self._counts, strict=True)
        ]
        numbers = product(
            *[[i * stride for i in part] for part, stride in zip(ranges, self._strides, strict=True)]
        )
        return [Place(chunk, sum(number)) for chunk, number in zip(product(*ranges), numbers, strict=True)]

    def proves(self, version: str, place: Place) -> bool:
        """Return True if the entry is about the chunk in a value with this version (`canonical`)."""
        chunk, number = place
        found = self._stored_digests[number * DIGEST_NBYTES : (number + 1) * DIGEST_NBYTES]
        values = self._values[number * self._size : (number + 1) * self._size]
        return self.digest(version, chunk, (self._starts[number], self.nbytes[number]), values) == found

    def digest(self, version: str, chunk: Index, place: tuple[int, int], values: bytes) -> bytes:
        """Return the digest of an entry; see `Digests.of`."""
        index = ",".join([names[i] for names, i in zip(self._indexes, chunk, strict=True)])
        shape = ",".join([lengths[i] for lengths, i in zip(self._lengths, chunk, strict=True)])
        return self._digests.of(version, index, shape, *place, values)


def survey(source: ChunkSource, prover: Prover, region: Region | None = None) -> Survey:
    """Compare the versions of an array's stored values with its entries.

    Parameters
    ----------
    source, prover
        The array, and its entries.
    region
        The part of the array to survey; None for all. Chunks outside of it seem not to be stored.
    """
    counts = StreamGrid(source).counts
    stored, proved = np.zeros(counts, bool), np.zeros(counts, bool)
    nbytes = np.zeros(counts, np.int64)
    flat_stored, flat_proved, flat_nbytes = (array.reshape(-1) for array in (stored, proved, nbytes))
    store, keys = source.store, []
    for found, index in _stored_values(source, region):
        places = prover.places(index)
        version = lasting(store, found.version)
        text = None if version is None else canonical(version)
        if text is not None and all(prover.proves(text, place) for place in places):
            for _, number in places:
                flat_proved[number] = True
                flat_nbytes[number] = size = prover.nbytes[number]
                flat_stored[number] = size >= 0
        else:
            keys.append(found.key)
            for _, number in places:
                flat_stored[number] = True
                flat_nbytes[number] = found.size // len(places)
    return Survey(stored, proved, np.maximum(nbytes, 0), keys)


def _stored_values(source: ChunkSource, region: Region | None) -> Iterator[tuple[Listed, Index]]:
    """Yield the stored values that a region touches, with their index, in any order."""
    ranges = [range(count) for count in source.grid.chunk_counts]
    whole = math.prod(source.grid.chunk_counts)
    if region is not None:
        ranges = [_touched(dim, part) for dim, part in zip(source.dims, region, strict=True)]
    keyed: Iterator[tuple[str, Index]] = ((source.key(index), index) for index in product(*ranges))
    if math.prod(map(len, ranges)) * MOST_LISTED >= whole:
        try:
            for found in instrument(source.store).list_values(source.path):
                index = chunk_index(source, found.key)
                if index is not None and all(map(range.__contains__, ranges, index)):
                    yield found, index
            return
        except ListingUnsupportedError as error:  # raised before the first value
            if region is None:
                keyed = every_index(source.grid.chunk_counts, source.key, error)

    def ask(item: tuple[str, Index]) -> tuple[Listed | None, Index]:
        found = instrument(source.store).fetch(item[0], (0, 0))
        return (None if found is None else Listed(item[0], found.size, found.version)), item[1]

    for listed, index in asked(source.store, ask, keyed):
        if listed is not None:
            yield listed, index


def _touched(dim: Dimension, part: slice) -> range:
    """Return the chunks along a dimension that have positions in `part`."""
    return (
        range(dim.index_of(part.start), dim.index_of(part.stop - 1) + 1)
        if part.start < part.stop
        else range(0)
    )
