"""Compares the entries of one stored value with its chunks, and reads the chunks that are not proved."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any, NamedTuple

import numpy as np

from exzarr._engine.scratch import scratch
from exzarr._engine.shards import ShardLayout
from exzarr._engine.source import ChunkSource
from exzarr._engine.strategy import ShardRequests
from exzarr._stream.chunks.grid import StreamGrid
from exzarr._typing import AnyArray
from exzarr.codecs.pipeline import BoundPipeline
from exzarr.errors import CodecError
from exzarr.statistics.identity import canonical, lasting, unsettled_for
from exzarr.statistics.survey import Place, Prover, Survey
from exzarr.statistics.table import Table
from exzarr.statistics.values import nothing, summarize
from exzarr.stores.base import ValueReader
from exzarr.stores.instrument import instrument

__all__ = ["Measured", "Measurer"]

Index = tuple[int, ...]


class Part(NamedTuple):
    """A chunk in a stored value: its index, its place (-1, -1 if it is not stored), and its number in the shard."""

    chunk: Index
    place: tuple[int, int]
    number: int


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
    """Compares and reads the chunks of one array, in any thread (`engine.scratch.with_scratch`).

    Parameters
    ----------
    source
        The array.
    prover, entries
        The stored entries, and what compares them.
    keep
        Make new entries. This asks once more for the version of each value that was read.
    """

    def __init__(self, source: ChunkSource, prover: Prover, entries: Table, *, keep: bool) -> None:
        self._source = source
        self._store = instrument(source.store)
        self._grid = StreamGrid(source)
        self._prover = prover
        self._entries = entries
        self._keeping = keep
        self._requests = ShardRequests.of(source)
        counts = self._grid.counts
        stored, proved, keeping = (np.zeros(counts, bool) for _ in range(3))
        self.found = Measured(Table(counts, source.dtype), stored, proved, keeping)

    def take_over(self, survey: Survey) -> None:
        """Take over the entries that a survey has proved."""
        found, proved = self.found, survey.proved
        found.table.take_over(self._entries, proved)
        found.stored |= survey.stored & proved
        found.proved |= proved
        found.lasting |= proved

    def __call__(self, key: str, clock: int | None) -> None:
        """Measure the chunks of the value at `key`. `clock` is the file system's time before this call."""
        value = self._store.open_value(key)
        if value is None:
            return  # it was deleted after the listing
        try:
            identity = lasting(self._source.store, value.version)
            if identity is None:
                self.found.mortal = key
            version = None if identity is None else canonical(identity)
            changed = [
                place.chunk
                for place in self._prover.places(self._source.index(key))
                if not self._prove(version, place)
            ]
            if not changed:
                return
            parts = [*self._parts(key, value, changed)]
            for part, values in self._read(key, value, parts):
                self._measure(part, values)
        finally:
            value.close()
        if self._keeping and identity is not None:
            self._keep(key, identity, parts, clock)

    def _prove(self, version: str | None, place: Place) -> bool:
        """Take over the entry of a chunk if it is about the chunk as it is stored now."""
        if version is None or not self._prover.proves(version, place):
            return False
        found, chunk = self.found, place.chunk
        found.table.take_over(self._entries, chunk)
        found.stored[chunk] = self._prover.nbytes[place.number] >= 0
        found.proved[chunk] = found.lasting[chunk] = True
        return True

    def _measure(self, part: Part, values: AnyArray | None) -> None:
        """Make an entry without a digest. `values` is None for an inner chunk that is not stored."""
        found, chunk = self.found, part.chunk
        found.stored[chunk] = values is not None
        found.proved[chunk] = found.lasting[chunk] = False
        if values is None:
            summary = nothing(self._source.dtype)
        else:
            lengths = [side.stop - side.start for side in self._grid.region(chunk)]
            summary = summarize(values[tuple([slice(n) for n in lengths])], self._source.fill)
        found.table.put(chunk, summary, part.place)

    def _keep(self, key: str, identity: Sequence[Any], parts: Sequence[Part], clock: int | None) -> None:
        """Add digests to new entries, if the value is settled and has not changed while it was read."""
        wait = unsettled_for(identity, clock)
        after = self._store.fetch(key, (0, 0))
        if wait or after is None or lasting(self._source.store, after.version) != identity:
            self.found.waiting[key] = wait
            return
        table, version = self.found.table, canonical(identity)
        for part in parts:
            digest = self._prover.digest(version, part.chunk, part.place, table.values(part.chunk))
            table.columns["digest"][part.chunk] = np.frombuffer(digest, np.uint8)
            self.found.lasting[part.chunk] = True

    # -- the chunks of one value -----------------------------------------------------

    def _parts(self, key: str, value: ValueReader, chunks: Sequence[Index]) -> Iterator[Part]:
        """Yield the place of each of these chunks, all in one value."""
        source = self._source
        if not source.sharded:
            yield Part(chunks[0], (0, value.size), 0)
            return
        layout = source.layout_at(key)
        try:
            starts, lengths = layout.read_index(value)
        except CodecError as error:
            raise layout.corrupt(source, key, -1, error) from error
        corner = [dim.offset(i) for dim, i in zip(source.dims, source.index(key), strict=True)]
        first = [at // inner.size(0) for at, inner in zip(corner, layout.dims, strict=True)]
        for chunk in chunks:
            number = sum([(i - at) * n for i, at, n in zip(chunk, first, layout.strides, strict=True)])
            place = (starts[number], lengths[number]) if lengths[number] >= 0 else (-1, -1)
            yield Part(chunk, place, number)

    def _read(
        self, key: str, value: ValueReader, parts: Sequence[Part]
    ) -> Iterator[tuple[Part, AnyArray | None]]:
        """Yield the values of these chunks, all from one opened value; None for those that are not stored.

        The values are in scratch memory, until the next ones are requested.
        """
        source = self._source
        if not source.sharded:
            encoded = memoryview(scratch("encoded", value.size))
            value.read_into(encoded, 0)
            try:
                yield parts[0], self._decoded(source.pipeline_at(key), encoded)
            except CodecError as error:
                raise source.corrupt(key, error) from error
            return
        layout = source.layout_at(key)
        yield from [(part, None) for part in parts if part.place[0] < 0]
        places = sorted([(*part.place, part) for part in parts if part.place[0] >= 0], key=itemgetter(0))
        for begin, end, one, until in self._requests.ranges(places):
            buffer = memoryview(scratch("encoded", end - begin))
            value.read_into(buffer, begin)
            for start, length, part in places[one:until]:
                yield part, self._inner(layout, key, part, buffer[start - begin : start - begin + length])

    def _decoded(self, pipeline: BoundPipeline, data: memoryview) -> AnyArray:
        out = np.ndarray(pipeline.spec.shape, self._source.dtype, scratch("decoded", pipeline.spec.nbytes))
        pipeline.decode_into(data, out)
        return out

    def _inner(self, layout: ShardLayout, key: str, part: Part, data: memoryview) -> AnyArray:
        try:
            return self._decoded(layout.inner, data)
        except CodecError as error:
            raise layout.corrupt(self._source, key, part.number, error) from error
