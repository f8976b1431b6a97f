"""Reads pieces, and handles missing and failing chunks."""

from __future__ import annotations

import math
from functools import partial
from operator import mul
from typing import TYPE_CHECKING, Any

import numpy as np

from exzarr import telemetry
from exzarr._engine.scratch import with_scratch
from exzarr._engine.source import ChunkSource
from exzarr._retrying import Retry, Stoppable
from exzarr._stream.chunks.grid import Entry
from exzarr._stream.chunks.matching import is_match
from exzarr._stream.chunks.pieces import MISSING_CHUNK, Piece, PieceReader, lengths, piece_reader
from exzarr._stream.memory import fresh_array, mapped_from
from exzarr._stream.options import Missing
from exzarr.errors import ChunkMissingError

if TYPE_CHECKING:
    from exzarr._engine.recorder import ChunkRecorder
    from exzarr._predicates.predicates import Predicate

__all__ = ["ChunkReader", "Piece", "Result"]

Result = tuple[list[Any], int, int]
"""For each chunk of a piece: its array, None if it is left out, or its error. Then the number of missing
chunks and the number of retries."""


class ChunkReader:
    """Reads a piece when called, in any thread. It keeps no chunk.

    Parameters
    ----------
    source
        The array.
    missing
        ``"fill"``: a missing chunk is an array of the fill value. ``"skip"``: it is None. If the array was opened with
        ``missing="error"``, it is an error instead of the fill value.
    share
        Number of threads that read concurrently.
    retry, stop
        Policy for retries of a failing chunk, and the flag that ends them.
    window
        Maximum number of chunks in memory.
    matching
        Leave out chunks in which no element matches this predicate.
    alone
        Raise the error of a chunk. The caller passes single chunks and retries itself.
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
        matching: Predicate | None = None,
    ) -> None:
        self._source = source
        self._missing = missing
        self._retry = retry
        self._stop = stop
        self._alone = alone
        self._matching = matching
        self._share = share
        self._mapped = mapped_from(window * source.nbytes)
        self._pieces = piece_reader(source, self._mapped, share)
        self._recorded: tuple[ChunkRecorder, PieceReader] | None = None

    def __call__(self, piece: Piece) -> Result:
        hooks = telemetry.hooks()
        return self._record(piece, hooks) if hooks else self._result(piece, self._pieces, None)

    def _result(self, piece: Piece, pieces: PieceReader, recorder: ChunkRecorder | None) -> Result:
        values: list[Any] = []
        with_scratch(partial(pieces.read, values), piece)
        retried = 0
        for at, value in enumerate(values):
            if isinstance(value, Exception):
                if self._alone:
                    raise value
                if self._retry is not None:
                    values[at], more = self._retry_chunk(piece[at], value, pieces)
                    retried += more
        missing = 0
        for at, value in enumerate(values):
            if value is MISSING_CHUNK:
                missing += 1
                values[at] = self._missing_value(piece[at])
                if recorder is not None and not isinstance(values[at], Exception):
                    recorder.absent(piece[at][0], self._number(piece[at]))
        if self._matching is not None:
            values = [self._if_matching(value) for value in values]
        return values, missing, retried

    def close(self) -> None:
        """Release open resources."""
        self._pieces.close()
        if self._recorded is not None:
            self._recorded[1].close()

    # -- while a hook is registered --------------------------------------------------

    def _record(self, piece: Piece, hooks: telemetry.Hooks) -> Result:
        """Read a piece and emit events for its chunks and for the piece, which counts as a selection."""
        from exzarr._engine.recording import recorded_source, selection

        recorded = self._recorded
        if recorded is None or recorded[0].hooks != hooks:
            if recorded is not None:
                recorded[1].close()
            source, new = recorded_source(self._source, hooks, writing=False)
            recorded = self._recorded = new, piece_reader(source, self._mapped, self._share)
        recorder, pieces = recorded
        timer = recorder.timer()
        timer.resume()  # this thread was idle since its last piece
        nbytes = sum([math.prod(lengths(entry)) for entry in piece]) * self._source.dtype.itemsize
        with selection(recorder, telemetry.SelectionRead, len(piece), nbytes) as outcome:
            try:
                result = self._result(piece, pieces, recorder)
                outcome.failure = next(
                    (value for value in result[0] if isinstance(value, BaseException)), None
                )
                return result
            finally:
                timer.own()
                recorder.settle(timer)

    def _number(self, entry: Entry) -> int | None:
        """Return the number of an inner chunk in its shard; None if there are no shards."""
        if entry[4] is None:
            return None
        number: int = sum(map(mul, entry[4], self._source.layout_at(entry[0]).strides))
        return number

    def _if_matching(self, value: Any) -> Any:
        """Return an array if an element matches, else None. Errors are returned."""
        assert self._matching is not None
        return value if not isinstance(value, np.ndarray) or is_match(self._matching, value) else None

    # -- missing and failing chunks ----------------------------------------------------

    def _missing_value(self, entry: Entry) -> Any:
        """Return the result for a chunk that is not stored."""
        source = self._source
        if self._missing == "skip":
            return None
        if source.missing_error:
            reason = 'it is not stored, and the array was opened with missing="error"'
            error = ChunkMissingError(source.path, entry[1], entry[0], reason)
            if self._alone:
                raise error
            return error
        blank = fresh_array(lengths(entry), source.dtype, self._mapped)
        blank[...] = source.fill
        return blank

    def _retry_chunk(self, entry: Entry, error: Exception, pieces: PieceReader) -> tuple[Any, int]:
        """Retry a chunk that failed. Return the result and the number of retries."""
        assert self._retry is not None
        waits: list[Any] = []

        def once() -> Any:
            values: list[Any] = []
            with_scratch(partial(pieces.read, values), [entry])
            if isinstance(values[0], Exception):
                raise values[0]
            return values[0]

        try:
            value = self._retry.resume(error, once, stop=self._stop, note=lambda *why: waits.append(why))
        except Exception as last:  # noqa: BLE001 - reported in place of the chunk
            value = last
        return value, len(waits)
