"""Readers of neighbouring chunks, one class per kind of chunk storage. Each chunk gets memory of its own.

The result differs from that of `engine.read`: one separate array per chunk instead of one array for all. A chunk that
fails or is missing does not affect the others. Chunks are read together if that is cheaper: files one after the other,
small compressed chunks in one call of the codec. `chunks.shard_pieces` reads inner chunks of shards.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Sequence
from itertools import repeat
from typing import Any, Final

import numpy as np

from exzarr import config
from exzarr._engine.planning.grid_plan import GridPlan
from exzarr._engine.planning.selections import SliceIndex
from exzarr._engine.reading.batch_decode import BATCH_NBYTES, read_batches
from exzarr._engine.reading.read import read
from exzarr._engine.reading.short_reads import complete, decode_again
from exzarr._engine.source import ChunkSource
from exzarr._engine.strategy import takes_little
from exzarr._stream.chunks.grid import Entry
from exzarr._stream.failures import chunk_error
from exzarr._stream.memory import copied, fresh, fresh_array
from exzarr._typing import AnyArray
from exzarr.errors import ChunkMissingError, CodecError

__all__ = ["MISSING_CHUNK", "Piece", "PieceReader", "lengths", "piece_reader"]


Piece = Sequence[Entry]
"""Entries of neighbouring chunks."""


class MissingChunk(enum.Enum):
    """Type of `MISSING_CHUNK`."""

    MISSING_CHUNK = "missing chunk"


MISSING_CHUNK: Final = MissingChunk.MISSING_CHUNK
"""Stands for a chunk that is not stored."""


class PieceReader:
    """Reads chunks. It can be called in any thread and keeps no chunk.

    Parameters
    ----------
    source
        The array.
    mapped
        Size in bytes from which chunks get separately mapped memory (`_stream.memory`).
    """

    def __init__(self, source: ChunkSource, mapped: int) -> None:
        self._source = source
        self._mapped = mapped
        self._shape = source.inner_pipeline.spec.shape
        self._whole = tuple([slice(0, size, 1) for size in self._shape])
        self._dtype = source.dtype

    def read(self, values: list[Any], piece: Piece) -> None:
        """Append for each chunk its array, MISSING_CHUNK, or its error to `values`.

        Uses the scratch memory of the thread (`engine.scratch.with_scratch`).
        """
        values.extend([self._read_or_error(entry) for entry in piece])

    def close(self) -> None:
        """Release open resources."""

    def _read_or_error(self, entry: Entry) -> Any:
        """Read one chunk; return its error if it fails."""
        try:
            return self._one(entry)
        except Exception as error:  # noqa: BLE001 - reported in place of the chunk
            return self._failed(entry, error)

    def _one(self, entry: Entry) -> Any:
        """Read one chunk; raise its error if it fails."""
        raise NotImplementedError

    def _failed(self, entry: Entry, error: Exception) -> BaseException:
        return chunk_error(self._source.path, entry[1], entry[0], error)


class RawPieces(PieceReader):
    """Reads raw chunks directly into their final memory."""

    def read(self, values: list[Any], piece: Piece) -> None:
        whole, nbytes = self._whole, self._source.nbytes
        if len(piece) == 1 or not all(entry[2] == whole for entry in piece):
            super().read(values, piece)
            return
        memories = [fresh(nbytes, self._mapped) for _ in piece]
        keys, recorder = [entry[0] for entry in piece], self._source.recorder
        sizes = self._source.store.try_each(keys, [memoryview(memory) for memory in memories])
        if recorder is not None:
            recorder.timer().read_raw(
                keys, [-1 if isinstance(n, Exception) else n for n in sizes], repeat(nbytes)
            )
        shape, dtype, ndarray = self._shape, self._dtype, np.ndarray
        for entry, memory, got in zip(piece, memories, sizes, strict=True):
            values.append(
                ndarray(shape, dtype, memory) if got == nbytes else self._unexpected(entry, memory, got)
            )

    def _one(self, entry: Entry) -> Any:
        source, (key, _, within, _, _) = self._source, entry
        whole = within == self._whole
        if not whole and takes_little(source, 1, math.prod(lengths(entry)) * self._dtype.itemsize):
            return self._by_engine(entry)  # reads only the wanted part
        memory = fresh(source.nbytes, self._mapped)
        got = source.store.read_into(key, memoryview(memory))
        if source.recorder is not None:
            source.recorder.timer().read_raw((key,), (got,), (source.nbytes,))
        chunk = self._checked(entry, memory, got)
        return chunk if whole or chunk is MISSING_CHUNK else copied(chunk[within], self._mapped)

    def _unexpected(self, entry: Entry, memory: AnyArray, got: int | Exception) -> Any:
        """Return a whole chunk for which an unexpected number of bytes was read, or its error."""
        try:
            return self._checked(entry, memory, got)
        except Exception as error:  # noqa: BLE001 - reported in place of the chunk
            return self._failed(entry, error)

    def _checked(self, entry: Entry, memory: AnyArray, got: int | Exception) -> Any:
        """Return the chunk of which `got` bytes were read into `memory`, or raise its error."""
        source, key = self._source, entry[0]
        if isinstance(got, Exception):
            raise got
        if got != source.nbytes and not complete(source, key, memoryview(memory), got):
            return MISSING_CHUNK
        return np.ndarray(self._shape, self._dtype, memory)

    def _by_engine(self, entry: Entry) -> Any:
        """Read any chunk with `engine.read`, in this thread."""
        source, region = self._source, entry[3]
        out = fresh_array(lengths(entry), self._dtype, self._mapped)
        spans = [SliceIndex(part.start, 1, part.stop - part.start) for part in region]
        plan = GridPlan(spans, source.dims, source.shape, out.shape)
        try:
            with config.override(workers=1):
                read(source.strict(), plan, out)
        except ChunkMissingError:
            return MISSING_CHUNK
        return out


class EncodedPieces(PieceReader):
    """Reads chunks that must be decoded."""

    def read(self, values: list[Any], piece: Piece) -> None:
        source = self._source
        # No more chunks than the codec decodes together: the bytes read are then still in the core's cache.
        count = max(1, BATCH_NBYTES // max(1, source.nbytes))
        for batch, found in read_batches(source, piece, count, source.store.try_each):
            if found is None:
                values.extend([self._decoded(entry, buffer, got) for entry, buffer, got in batch])
            else:
                values.extend(
                    [self._copied(entry, data) for (entry, _, _), data in zip(batch, found, strict=False)]
                )

    def _copied(self, entry: Entry, data: Any) -> AnyArray:
        """Copy the wanted part of a decoded chunk to memory of its own."""
        chunk: AnyArray = np.ndarray(self._shape, self._dtype, data)
        return chunk.copy() if entry[2] == self._whole else copied(chunk[entry[2]], self._mapped)

    def _decoded(self, entry: Entry, buffer: memoryview, got: int | Exception) -> Any:
        """Return the chunk of which `got` bytes were read into `buffer`, or its error."""
        source, (key, _, within, _, _) = self._source, entry
        try:
            if isinstance(got, Exception):
                raise got
            data: Any = buffer[:got] if got <= len(buffer) else source.store.get(key)
            if got < 0 or data is None:
                return MISSING_CHUNK
            try:
                if within == self._whole:
                    chunk = fresh_array(self._shape, self._dtype, self._mapped)
                    source.inner_pipeline.decode_into(data, chunk)
                    return chunk
                return copied(source.inner_pipeline.decode(data)[within], self._mapped)
            except CodecError as error:
                return copied(decode_again(source, key, len(data), error)[within], self._mapped)
        except Exception as error:  # noqa: BLE001 - reported in place of the chunk
            return self._failed(entry, error)


class VariedPieces(PieceReader):
    """Reads chunks of a rectilinear grid."""

    def _one(self, entry: Entry) -> Any:
        source, (key, _, within, _, _) = self._source, entry
        data = source.store.get(key)
        if data is None:
            return MISSING_CHUNK
        try:
            return copied(source.pipeline_at(key).decode(data)[within], self._mapped)
        except CodecError as error:
            raise source.corrupt(key, error) from error


def piece_reader(source: ChunkSource, mapped: int, share: int) -> PieceReader:
    """Return the reader for an array's chunks. `share` is the number of concurrent threads."""
    if source.sharded:
        from exzarr._stream.chunks.shard_pieces import ShardPieces

        return ShardPieces(source, mapped, share)
    if source.pipeline is None:
        return VariedPieces(source, mapped)
    return (RawPieces if source.inner_pipeline.raw else EncodedPieces)(source, mapped)


def lengths(entry: Entry) -> tuple[int, ...]:
    """Return the shape of the wanted part of a chunk."""
    return tuple([part.stop - part.start for part in entry[3]])
