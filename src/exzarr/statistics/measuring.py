"""Compares the entries of one stored value with its chunks, and reads the chunks that are not proved."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from operator import itemgetter, mul
from typing import Any, NamedTuple

import numpy as np

from exzarr._engine.shards import ShardLayout
from exzarr._engine.source import ChunkSource
from exzarr._engine.strategy import ShardRequests
from exzarr._format.metadata import ArrayMetadata
from exzarr._stream.chunks.grid import StreamGrid
from exzarr._typing import AnyArray
from exzarr.errors import CodecError
from exzarr.statistics.identity import Digests, lasting, unsettled_for
from exzarr.statistics.table import Table
from exzarr.statistics.values import summarize
from exzarr.stores.base import ValueReader, whole_value
from exzarr.stores.instrument import instrument

__all__ = ["Measured", "Measurer"]

Index = tuple[int, ...]


class Part(NamedTuple):
    """A chunk in a stored value: its place (None without shards), its number in the shard, and its index and shape."""

    place: tuple[int, int] | None
    number: int
    chunk: Index
    shape: tuple[int, ...]


@dataclass(slots=True)
class Measured:
    """What was found at the keys of an array. Threads share it.

    Attributes
    ----------
    table
        The statistics of all stored chunks. The digest of a chunk without a lasting, settled identity is zero.
    stored, proved, lasting
        Masks of chunks: stored; proved by their entries; with an entry in `table` that will prove them later.
    waiting
        Keys of values that were read but are not settled, and the nanoseconds before they are.
    mortal
        A value whose version is not lasting; None if there is none.
    """

    table: Table
    stored: AnyArray
    proved: AnyArray
    lasting: AnyArray
    waiting: dict[str, int] = field(default_factory=dict)
    mortal: str | None = None


class Measurer:
    """Compares and reads the chunks of one array, in any thread.

    Parameters
    ----------
    source, meta
        The array.
    entries
        The stored entries.
    keep
        Make new entries. This asks once more for the version of each value that was read.
    """

    def __init__(self, source: ChunkSource, meta: ArrayMetadata, entries: Table, *, keep: bool) -> None:
        self._source = source
        self._store = instrument(source.store)
        self._grid = StreamGrid(source)
        self._digests = Digests(meta)
        self._entries = entries
        self._keeping = keep
        self._requests = ShardRequests.of(source)
        counts = self._grid.counts
        stored, proved, keeping = (np.zeros(counts, bool) for _ in range(3))
        self.found = Measured(Table(counts, source.dtype), stored, proved, keeping)

    def __call__(self, key: str, clock: int | None) -> None:
        """Measure the chunks of the value at `key`. `clock` is the file system's time before this call."""
        value = self._store.open_value(key)
        if value is None:
            return  # it was deleted after the listing
        try:
            found = self.found
            identity = lasting(self._source.store, value.version)
            if identity is None:
                found.mortal = key
            changed = []
            for part in self._parts(key, value):
                found.stored[part.chunk] = True
                if not self._prove(identity, part):
                    changed.append(part)
            if not changed:
                return
            for part, values in self._read(key, value, changed):
                inside = values[tuple([slice(n) for n in part.shape])]
                found.table.put(part.chunk, summarize(inside, self._source.fill))
                found.lasting[part.chunk] = False
        finally:
            value.close()
        if self._keeping and identity is not None:
            self._keep(key, identity, changed, clock)

    def _prove(self, identity: Sequence[Any] | None, part: Part) -> bool:
        """Take over the entry of a chunk if it is about the chunk as it is stored now."""
        if identity is None:
            return False
        summary = self._entries.summary(part.chunk)
        digest = self._digests.of(identity, part.chunk, part.shape, part.place, summary)
        if not np.array_equal(digest, self._entries.columns["digest"][part.chunk]):
            return False
        found = self.found
        found.table.put(part.chunk, summary)
        found.table.columns["digest"][part.chunk] = digest
        found.proved[part.chunk] = found.lasting[part.chunk] = True
        return True

    def _keep(self, key: str, identity: Sequence[Any], parts: Sequence[Part], clock: int | None) -> None:
        """Add digests to new entries, if the value is settled and has not changed while it was read."""
        wait = unsettled_for(identity, clock)
        after = self._store.fetch(key, (0, 0))
        if wait or after is None or lasting(self._source.store, after.version) != identity:
            self.found.waiting[key] = wait
            return
        table = self.found.table
        for part in parts:
            digest = self._digests.of(identity, part.chunk, part.shape, part.place, table.summary(part.chunk))
            table.columns["digest"][part.chunk] = digest
            self.found.lasting[part.chunk] = True

    # -- the chunks of one value -----------------------------------------------------

    def _parts(self, key: str, value: ValueReader) -> Iterator[Part]:
        """Yield the chunks in a value that are stored and inside the array."""
        source, outer = self._source, self._source.index(key)
        if not source.sharded:
            yield Part(None, 0, outer, self._shape(outer))
            return
        layout = source.layout_at(key)
        try:
            starts, lengths = layout.read_index(value)
        except CodecError as error:
            raise layout.corrupt(source, key, -1, error) from error
        first = [
            dim.offset(i) // inner.size(0)
            for dim, i, inner in zip(source.dims, outer, layout.dims, strict=True)
        ]
        inside = [min(n, m - at) for n, m, at in zip(layout.counts, self._grid.counts, first, strict=True)]
        for local in np.ndindex(*inside):
            number = sum(map(mul, local, layout.strides))
            if lengths[number] >= 0:
                chunk = tuple([at + i for at, i in zip(first, local, strict=True)])
                yield Part((starts[number], lengths[number]), number, chunk, self._shape(chunk))

    def _shape(self, chunk: Index) -> tuple[int, ...]:
        return tuple([part.stop - part.start for part in self._grid.region(chunk)])

    def _read(self, key: str, value: ValueReader, parts: list[Part]) -> Iterator[tuple[Part, AnyArray]]:
        """Yield the values of these chunks, all from one opened value."""
        source = self._source
        if not source.sharded:
            try:
                yield parts[0], source.pipeline_at(key).decode(whole_value(value))
            except CodecError as error:
                raise source.corrupt(key, error) from error
            return
        layout = source.layout_at(key)
        places = sorted([(*part.place, part) for part in parts if part.place], key=itemgetter(0))
        for begin, end, one, until in self._requests.ranges(places):
            buffer = memoryview(bytearray(end - begin))
            value.read_into(buffer, begin)
            for start, length, part in places[one:until]:
                yield part, self._inner(layout, key, part, buffer[start - begin : start - begin + length])

    def _inner(self, layout: ShardLayout, key: str, part: Part, data: memoryview) -> AnyArray:
        try:
            return layout.inner.decode(data)
        except CodecError as error:
            raise layout.corrupt(self._source, key, part.number, error) from error
