"""Reads pieces: neighbouring chunks, each into memory of its own.

It differs from `engine.read` in what comes out: arrays that nobody else holds, one for each chunk,
instead of one for all; and in that a chunk that fails or is missing does so alone. The rest is the engine's.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from operator import itemgetter, mul
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from exzarr import config, telemetry
from exzarr.engine.grid_plan import GridPlan
from exzarr.engine.read import read
from exzarr.engine.reread import decode_again, read_again, wrong_size
from exzarr.engine.scratch import scratch, with_scratch
from exzarr.engine.selections import Span
from exzarr.engine.shards import coalesce
from exzarr.engine.source import ChunkSource
from exzarr.errors import ArgumentError, ChunkCorruptError, ChunkMissingError, CodecError
from exzarr.retrying import Retry, Stoppable
from exzarr.stream.failures import chunk_error
from exzarr.stream.grid import Entry
from exzarr.stream.memory import copied, fresh, fresh_array, mapped_from
from exzarr.stream.open_shards import OpenShards

if TYPE_CHECKING:
    from exzarr.stream.heard import HeardReader

__all__ = ["ChunkReader", "Missing", "Piece", "Result"]

AnyArray = npt.NDArray[Any]
Missing = Literal["fill", "skip"]

Piece = Sequence[Entry]
"""Neighbouring chunks; where there are shards, of one shard."""

Result = tuple[list[Any], int, int]
"""For each chunk of a piece its array, None where it is missing and left out, or the error it failed with;
how many are missing; how many attempts beyond the first it took."""


class _Absent:
    """Stands for a chunk that is not stored."""


_ABSENT = _Absent()


class ChunkReader:
    """Called with a piece, in any thread; holds no chunk.

    Parameters
    ----------
    source
        The array.
    missing
        What becomes of a chunk that is not stored: an array full of the fill value, or None. An array that
        was opened with ``missing="error"`` has errors instead of fill values.
    share
        How many threads read at once, for what they share.
    retry, stop
        When a chunk that failed is read again, and what ends that.
    window
        How many chunks may be in memory at once.
    alone
        Raise what a chunk failed with: whoever calls does so with single chunks, and tries again himself.
    """

    def __init__(
        self,
        source: ChunkSource,
        *,
        missing: Missing = "fill",
        share: int = 1,
        retry: Retry | None = None,
        stop: Stoppable | None = None,
        alone: bool = False,
        window: int = 0,
    ) -> None:
        if missing not in ("fill", "skip"):
            raise ArgumentError(f"missing is 'fill' or 'skip', not {missing!r}")
        self._source = source
        self._missing = missing
        self._retry = retry
        self._stop = stop
        self._alone = alone
        self._share, self._window = share, window
        self._mapped = mapped_from(window * source.nbytes)
        self._heard: HeardReader | None = None
        unit = source.unit
        self._shape = unit.spec.shape
        self._whole = tuple([slice(0, size, 1) for size in self._shape])
        self._dtype = source.dtype
        settings = config.get()
        self._gap, self._most = settings.coalesce_gap, settings.coalesce_max // share
        self._shards = OpenShards(source.store) if source.sharded else None
        # Plain functions: bound methods would make a cycle, and what is open would wait for the collector.
        kind = ChunkReader
        self._one = kind._varied if source.pipeline is None else kind._raw if unit.raw else kind._encoded

    def __call__(self, piece: Piece) -> Result:
        if telemetry.hooks() and not self._source.observed:
            return self._while_heard()(piece)
        return self._result(piece)

    def _result(self, piece: Piece) -> Result:
        values: list[Any] = []
        with_scratch(partial(self._read, values), piece)
        retried = 0
        for at, value in enumerate(values):
            if isinstance(value, Exception):
                if self._alone:
                    raise value
                if self._retry is not None:
                    values[at], more = self._again(piece[at], value)
                    retried += more
        missing = 0
        for at, value in enumerate(values):
            if value is _ABSENT:
                missing += 1
                values[at] = self._stand_in(piece[at])
        return values, missing, retried

    def close(self) -> None:
        """Let go of what is open."""
        if self._shards is not None:
            self._shards.close()
        if self._heard is not None:
            self._heard.close()

    def _while_heard(self) -> HeardReader:
        """What reads in this one's place while somebody listens."""
        from exzarr.stream.heard import HeardReader

        hooks = telemetry.hooks()
        heard = self._heard
        if heard is None or heard.hooks != hooks:
            if heard is not None:
                heard.close()
            heard = self._heard = HeardReader(
                self._source,
                hooks,
                missing=self._missing,
                share=self._share,
                retry=self._retry,
                stop=self._stop,
                alone=self._alone,
                window=self._window,
            )
        return heard

    # -- what is missing, what failed ------------------------------------------------

    def _stand_in(self, entry: Entry) -> Any:
        """What comes of a chunk that is not stored."""
        source = self._source
        if self._missing == "skip":
            return None
        if source.missing_error:
            reason = 'it is not stored, and the array was opened with missing="error"'
            error = ChunkMissingError(source.path, entry[1], entry[0], reason)
            if self._alone:
                raise error
            return error
        blank = fresh_array(_lengths(entry), self._dtype, self._mapped)
        blank[...] = source.fill
        return blank

    def _again(self, entry: Entry, error: Exception) -> tuple[Any, int]:
        """What comes of more attempts at a chunk that failed once, and how many there were."""
        assert self._retry is not None
        waits: list[Any] = []

        def once() -> Any:
            values: list[Any] = []
            with_scratch(partial(self._read, values), [entry])
            if isinstance(values[0], Exception):
                raise values[0]
            return values[0]

        try:
            value = self._retry.resume(error, once, stop=self._stop, note=lambda *why: waits.append(why))
        except Exception as last:  # noqa: BLE001 - it comes out where the chunk would
            value = last
        return value, len(waits)

    # -- reading ---------------------------------------------------------------------

    def _read(self, values: list[Any], piece: Piece) -> None:
        if self._shards is not None:
            self._of_shard(values, piece)
            return
        for entry in piece:
            try:
                values.append(self._one(self, entry))
            except Exception as error:  # noqa: BLE001 - it comes out where the chunk would
                values.append(self._failed(entry, error))

    def _failed(self, entry: Entry, error: Exception) -> BaseException:
        return chunk_error(self._source.path, entry[1], entry[0], error)

    def _raw(self, entry: Entry) -> Any:
        """A chunk that is stored as it lies in memory: read straight into place."""
        source, (key, _, within, _, _) = self._source, entry
        whole = within == self._whole
        if not whole and 2 * _size(entry) * self._dtype.itemsize < source.nbytes:
            return self._by_engine(entry)  # which reads only what is wanted
        memory = fresh(source.nbytes, self._mapped)
        got = source.store.read_into(key, memoryview(memory))
        if got != source.nbytes:
            if 0 <= got < source.nbytes:
                got = read_again(source, key, memoryview(memory))
            if got < 0:
                return _ABSENT
            if got != source.nbytes:
                raise source.corrupt(key, wrong_size(got, source.nbytes))
        chunk: AnyArray = np.ndarray(self._shape, self._dtype, memory)
        return chunk if whole else copied(chunk[within], self._mapped)

    def _encoded(self, entry: Entry) -> Any:
        """A chunk that must be decoded."""
        source, (key, _, within, _, _) = self._source, entry
        pipeline = source.unit
        room = source.room
        buffer = memoryview(scratch("encoded", room))
        got = source.store.read_into(key, buffer)
        data: Any = buffer[:got] if got <= room else source.store.get(key)
        if got < 0 or data is None:
            return _ABSENT
        try:
            if within == self._whole:
                chunk = fresh_array(self._shape, self._dtype, self._mapped)
                pipeline.decode_into(data, chunk)
                return chunk
            return copied(pipeline.decode(data)[within], self._mapped)
        except CodecError as error:
            return copied(decode_again(source, key, len(data), error)[within], self._mapped)

    def _varied(self, entry: Entry) -> Any:
        """A chunk of a grid that is not regular."""
        source, (key, _, within, _, _) = self._source, entry
        data = source.store.get(key)
        if data is None:
            return _ABSENT
        try:
            return copied(source.pipeline_at(key).decode(data)[within], self._mapped)
        except CodecError as error:
            raise source.corrupt(key, error) from error

    def _by_engine(self, entry: Entry) -> Any:
        """Any chunk, by `engine.read`, in this thread."""
        source, region = self._source, entry[3]
        out = fresh_array(_lengths(entry), self._dtype, self._mapped)
        spans = [Span(part.start, 1, part.stop - part.start) for part in region]
        plan = GridPlan(spans, source.dims, source.shape, out.shape)
        try:
            with config.override(workers=1):
                read(source.strict(), plan, out)
        except ChunkMissingError:
            return _ABSENT
        return out

    # -- shards ----------------------------------------------------------------------

    def _of_shard(self, values: list[Any], piece: Piece) -> None:
        """Inner chunks of one shard."""
        assert self._shards is not None
        source, key = self._source, piece[0][0]
        values.extend([_ABSENT] * len(piece))
        broken = True
        try:
            shard = self._shards.take(key)
        except Exception as error:  # noqa: BLE001 - it comes out where the chunks would
            values[:] = [self._failed(entry, error) for entry in piece]
            return
        try:
            if shard.reader is not None:
                self._inner_chunks(values, piece, shard.reader)
            broken = any(isinstance(value, Exception) for value in values)
        except Exception as error:  # noqa: BLE001 - as above
            reason = f"shard {source.index(key)}: {error}"
            for at, entry in enumerate(piece):
                failed = self._failed(entry, error)
                if isinstance(error, CodecError):
                    failed = ChunkCorruptError(source.path, entry[1], key, reason)
                    failed.__cause__ = error
                values[at] = failed
        finally:
            self._shards.give(key, shard, broken=broken)

    def _inner_chunks(self, values: list[Any], piece: Piece, reader: Any) -> None:
        source, key = self._source, piece[0][0]
        layout = source.layout or source.layout_at(key)
        starts, lengths = layout.index(key, reader)
        strides = layout.strides
        wanted = []
        for at, entry in enumerate(piece):
            number = sum(map(mul, entry[4], strides))  # type: ignore[arg-type]  # there are shards
            if lengths[number] >= 0:
                wanted.append((starts[number], lengths[number], at, number))
        wanted.sort(key=itemgetter(0))
        decode, decode_into = layout.inner.decode, layout.inner.decode_into
        for begin, end, first, until in coalesce(wanted, self._gap, self._most):
            group = wanted[first:until]
            buffer = memoryview(scratch("encoded", end - begin))
            try:
                reader.read_into(buffer, begin)
            except Exception as error:  # noqa: BLE001 - it comes out where the chunks would
                for _, _, at, _ in group:
                    values[at] = self._failed(piece[at], error)
                continue
            for start, length, at, number in group:
                data = buffer[start - begin : start - begin + length]
                try:
                    within = piece[at][2]
                    if within == self._whole:
                        chunk = fresh_array(self._shape, self._dtype, self._mapped)
                        decode_into(data, chunk)
                        values[at] = chunk
                    else:
                        values[at] = copied(decode(data)[within], self._mapped)
                except CodecError as error:
                    values[at] = layout.corrupt(source, key, number, error)
                    values[at].__cause__ = error


def _lengths(entry: Entry) -> tuple[int, ...]:
    return tuple([part.stop - part.start for part in entry[3]])


def _size(entry: Entry) -> int:
    n = 1
    for part in entry[3]:
        n *= part.stop - part.start
    return n
