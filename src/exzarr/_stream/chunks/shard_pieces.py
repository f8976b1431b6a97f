"""Reads neighbouring inner chunks of shards, each into memory of its own (see `chunks.pieces`)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from operator import itemgetter, mul
from typing import Any

import numpy as np

from exzarr._engine.reading.batch_decode import BATCH_NBYTES, decode_group
from exzarr._engine.scratch import scratch
from exzarr._engine.shards import ShardLayout
from exzarr._engine.source import ChunkSource
from exzarr._engine.strategy import ShardRequests, adjacent
from exzarr._stream.chunks.open_shards import OpenShards
from exzarr._stream.chunks.pieces import MISSING_CHUNK, Piece, PieceReader
from exzarr._stream.memory import copied, fresh, fresh_array
from exzarr.errors import ChunkCorruptError, CodecError
from exzarr.stores.base import ValueReader

__all__ = ["ShardPieces"]

Wanted = tuple[int, int, int, int]
"""``(start, length, place in the piece, number)`` of an inner chunk."""

Scatter = Callable[[Sequence[memoryview], int], None]


class ShardPieces(PieceReader):
    """Reads inner chunks of shards: per shard one index and a few coalesced ranges."""

    def __init__(self, source: ChunkSource, mapped: int, share: int) -> None:
        super().__init__(source, mapped)
        self._requests = ShardRequests.of(source, share)
        self._shards = OpenShards(source.store)

    def read(self, values: list[Any], piece: Piece) -> None:
        values.extend([MISSING_CHUNK] * len(piece))
        # In grid order, rows of one shard alternate with others: read all chunks of a shard together.
        places: dict[str, list[int]] = {}
        for at, entry in enumerate(piece):
            places.setdefault(entry[0], []).append(at)
        for key, of_shard in places.items():
            self._of_shard(values, piece, key, of_shard)

    def close(self) -> None:
        self._shards.close()

    def _of_shard(self, values: list[Any], piece: Piece, key: str, places: Sequence[int]) -> None:
        """Read the chunks of a piece that lie in one shard."""
        try:
            shard = self._shards.take(key)
        except Exception as error:  # noqa: BLE001 - reported in place of the chunks
            for at in places:
                values[at] = self._failed(piece[at], error)
            return
        broken = True
        try:
            if shard.reader is not None:
                self._inner_chunks(values, piece, key, places, shard.reader)
            broken = any(isinstance(values[at], Exception) for at in places)
        except Exception as error:  # noqa: BLE001 - as above
            source = self._source
            reason = f"shard {source.index(key)}: {error}"
            for at in places:
                failed = self._failed(piece[at], error)
                if isinstance(error, CodecError):
                    failed = ChunkCorruptError(source.path, piece[at][1], key, reason)
                    failed.__cause__ = error
                values[at] = failed
        finally:
            self._shards.give(key, shard, broken=broken)

    def _inner_chunks(
        self, values: list[Any], piece: Piece, key: str, places: Sequence[int], reader: ValueReader
    ) -> None:
        source = self._source
        layout = source.layout or source.layout_at(key)
        starts, lengths = layout.index(key, reader)
        strides = layout.strides
        wanted: list[Wanted] = []
        for at in places:
            number = sum(map(mul, piece[at][4], strides))  # type: ignore[arg-type]  # there are shards
            if lengths[number] >= 0:
                wanted.append((starts[number], lengths[number], at, number))
        wanted.sort(key=itemgetter(0))
        # An instrumented value has no such method: each of its reads is measured.
        scatter = getattr(reader, "read_scattered", None) if layout.inner.raw else None
        for begin, end, first, until in self._requests.ranges(wanted):
            group = wanted[first:until]
            try:
                if scatter is not None and self._in_a_row(group, piece):
                    self._scattered(values, group, scatter)
                    continue
                buffer = memoryview(scratch("encoded", end - begin))
                reader.read_into(buffer, begin)
            except Exception as error:  # noqa: BLE001 - reported in place of the chunks
                for _, _, at, _ in group:
                    values[at] = self._failed(piece[at], error)
                continue
            self._decode(values, piece, key, layout, group, begin, buffer)

    def _in_a_row(self, group: Sequence[Wanted], piece: Piece) -> bool:
        """Return True for whole raw chunks of the right size that lie directly behind one another."""
        nbytes, whole = self._source.nbytes, self._whole
        return nbytes > 0 and adjacent(group, nbytes) and all(piece[at][2] == whole for _, _, at, _ in group)

    def _scattered(self, values: list[Any], group: Sequence[Wanted], scatter: Scatter) -> None:
        """Read adjacent whole raw chunks directly into their final memory."""
        nbytes, shape, dtype = self._source.nbytes, self._shape, self._dtype
        memories = [fresh(nbytes, self._mapped) for _ in group]
        scatter([memoryview(memory) for memory in memories], group[0][0])
        for (_, _, at, _), memory in zip(group, memories, strict=True):
            values[at] = np.ndarray(shape, dtype, memory)

    def _decode(
        self,
        values: list[Any],
        piece: Piece,
        key: str,
        layout: ShardLayout,
        group: Sequence[Wanted],
        begin: int,
        buffer: memoryview,
    ) -> None:
        """Decode inner chunks from `buffer`, which holds the shard's bytes from `begin` on."""
        inner, whole, shape, dtype = layout.inner, self._whole, self._shape, self._dtype
        recorder = self._source.recorder
        count = max(1, BATCH_NBYTES // max(1, inner.spec.nbytes))
        for first in range(0, len(group), count):
            part = group[first : first + count]
            found = decode_group(inner.decode_each, part, buffer, begin)
            chunks: Iterable[Wanted] = part
            if recorder is not None:
                numbers, sizes = [number for *_, number in part], [length for _, length, *_ in part]
                chunks = recorder.timer().decoding(numbers, part, sizes, found, inner.spec.nbytes, key)
            for i, (start, length, at, number) in enumerate(chunks):
                within, data = piece[at][2], buffer[start - begin : start - begin + length]
                try:
                    if found is not None:
                        decoded: Any = np.ndarray(shape, dtype, found[i])
                        values[at] = decoded.copy() if within == whole else copied(decoded[within])
                    elif within == whole:
                        chunk = fresh_array(shape, dtype, self._mapped)
                        inner.decode_into(data, chunk)
                        values[at] = chunk
                    else:
                        values[at] = copied(inner.decode(data)[within], self._mapped)
                except CodecError as error:
                    values[at] = layout.corrupt(self._source, key, number, error)
                    values[at].__cause__ = error
