"""Reading pieces while somebody listens: the same reader, over an observed source."""

from __future__ import annotations

from operator import mul
from time import perf_counter
from typing import Any

from exzarr import telemetry
from exzarr.engine.observed import ObservedSource
from exzarr.engine.source import ChunkSource
from exzarr.stream.grid import Entry
from exzarr.stream.reader import ChunkReader, Piece, Result
from exzarr.telemetry import SelectionRead

__all__ = ["HeardReader"]


class HeardReader(ChunkReader):
    """A `ChunkReader` that tells `hooks` of each chunk, and of each piece as a selection that was read."""

    def __init__(self, source: ChunkSource, hooks: telemetry.Hooks, **options: Any) -> None:
        told = ObservedSource(source, hooks, writing=False)
        super().__init__(told, **options)
        self.hooks = hooks
        self._told = told

    def __call__(self, piece: Piece) -> Result:
        ledger = self._told.ledger
        watch = ledger.watch()
        watch.resume()  # since its last piece this thread has waited
        start, failure = perf_counter(), ""
        try:
            result = self._result(piece)
            failure = next((_text(value) for value in result[0] if isinstance(value, BaseException)), "")
            return result
        except BaseException as error:
            failure = _text(error)
            raise
        finally:
            watch.begin()
            ledger.settle(watch)
            telemetry.emit(
                SelectionRead(
                    self._told.store.url,
                    self._told.path,
                    len(piece),
                    sum([_size(entry) for entry in piece]) * self._told.dtype.itemsize,
                    perf_counter() - start,
                    failure,
                ),
                self.hooks,
            )

    def _stand_in(self, entry: Entry) -> Any:
        value = super()._stand_in(entry)
        if not isinstance(value, Exception):
            key, local, source = entry[0], entry[4], self._told
            layout = None if local is None else source.layout or source.layout_at(key)
            number = None if layout is None else sum(map(mul, local or (), layout.strides))
            source.ledger.absent(key, number)
        return value


def _text(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"


def _size(entry: Entry) -> int:
    n = 1
    for part in entry[3]:
        n *= part.stop - part.start
    return n
