"""The task of a worker: read a chunk, call the function, and store or return the result."""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from exzarr._engine.source import ChunkSource
from exzarr._stop import Stop
from exzarr._stream.chunks.chunk_stream import Chunk
from exzarr._stream.chunks.grid import Entry, Region, StreamGrid
from exzarr._stream.chunks.matching import is_match
from exzarr._stream.chunks.reader import ChunkReader
from exzarr._stream.options import Missing
from exzarr._stream.processes.failure import Failed
from exzarr._typing import AnyArray
from exzarr.errors import ArgumentError

if TYPE_CHECKING:
    from exzarr._predicates.predicates import Predicate
    from exzarr._stream.stored_array import StoredArray

__all__ = ["LEFT_OUT", "MapTask", "fitting"]


class LeftOut(enum.Enum):
    """Type of `LEFT_OUT`."""

    LEFT_OUT = "left out"


LEFT_OUT: Final = LeftOut.LEFT_OUT
"""Result of a chunk that is left out: it is not stored, or no element matches."""


class MapTask:
    """Maps the entry of one chunk. It can be called in any thread and pickled for any process.

    Parameters
    ----------
    fn
        Function that gets the data of each array, or with `with_chunk` a `Chunk` of each.
    arrays
        Arrays of one shape. The entries belong to the grid of the first one; the others may have other grids.
    missing
        ``"skip"`` leaves out a chunk if no array with the first one's grid has it stored.
    out
        Array to write results to; None returns them.
    matching
        Leave out chunks in which no element of the first array matches this predicate.

    Attributes
    ----------
    share
        Number of threads of this process that call the task.
    """

    def __init__(
        self,
        fn: Callable[..., Any],
        arrays: Sequence[StoredArray],
        *,
        missing: Missing,
        with_chunk: bool,
        out: StoredArray | None,
        matching: Predicate | None = None,
    ) -> None:
        self._fn = fn
        self._arrays = tuple(arrays)
        self._missing: Missing = missing
        self._with_chunk = with_chunk
        self._out = out
        self._matching = matching
        self.share = 1
        self._readers: list[_Reader] | None = None

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        for array in self._arrays:
            array.store  # noqa: B018 - raise once, now, if the store is out of this process's reach

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_readers": None, "share": 1}

    def __call__(self, entry: Entry) -> tuple[Any, int]:
        """Return the result for one chunk, and how many chunks of the arrays are not stored.

        Errors of reading and of `fn` are raised.
        """
        (found,), missing = self.each([entry])
        if isinstance(found, Failed):
            raise found.error
        return found, missing

    def each(self, piece: Sequence[Entry], stop: Stop | None = None) -> tuple[list[Any], int]:
        """Map several chunks that are read together. Return their results (or LEFT_OUT or Failed) and the missing count.

        Once `stop` is set, the remaining chunks are left out.
        """
        readers = self._readers
        if readers is None:
            first = self._arrays[0].chunk_source
            readers = [_Reader(array, first, self._missing, self.share) for array in self._arrays]
            self._readers = readers
        columns, missing = [], 0
        for reader in readers:
            parts, more = reader(piece)
            columns.append(parts)
            missing += more
        results = []
        for entry, *parts in zip(piece, *columns, strict=True):
            if stop is not None and stop.is_set():
                break
            results.append(self._one(entry, parts))
        return results, missing

    def close(self) -> None:
        """Release open resources."""
        for reader in self._readers or ():
            reader.close()

    def _one(self, entry: Entry, parts: list[Any]) -> Any:
        region = entry[3]
        for part in parts:
            if isinstance(part, Exception):
                return Failed(part)
        try:
            if self._missing == "skip" and not self._complete(parts, region):
                return LEFT_OUT
            if self._matching is not None and not is_match(self._matching, parts[0]):
                return LEFT_OUT
            if self._with_chunk:
                parts = [Chunk(entry[1], region, data) for data in parts]
            value = self._fn(*parts)
            if self._out is None:
                return value
            self._out[(*region, Ellipsis)] = fitting(region, value)
            return None
        except Exception as error:  # noqa: BLE001 - reported in place of the result
            return Failed(error)

    def _complete(self, parts: list[Any], region: Region) -> bool:
        """Return False if no array has data there. Otherwise fill in the missing parts and return True."""
        assert self._readers is not None
        if all(part is None for part, reader in zip(parts, self._readers, strict=True) if reader.alike):
            return False
        for at, (part, array) in enumerate(zip(parts, self._arrays, strict=True)):
            if part is None:
                parts[at] = np.empty([side.stop - side.start for side in region], array.chunk_source.dtype)
                parts[at][...] = array.chunk_source.fill
        return True


def fitting(region: Region, result: Any) -> AnyArray:
    """Convert the result for `region` to an array for `out`. Raise ArgumentError if its shape is wrong."""
    values = np.asarray(result)
    shape = tuple([part.stop - part.start for part in region])
    if values.shape != shape:
        what = "None" if result is None else f"a result of shape {values.shape}"
        raise ArgumentError(
            f"fn returned {what} for a region of shape {shape}, and out takes results of that shape"
        )
    return values


class _Reader:
    """Reads the regions of a piece from one of the arrays.

    Attributes
    ----------
    alike
        True if the array has the grid of the first array.
    """

    def __init__(self, array: StoredArray, first: ChunkSource, missing: Missing, share: int) -> None:
        source = array.chunk_source
        self._array = array
        self._grid, grid = StreamGrid(source), StreamGrid(first)
        self._is_first = source is first
        self.alike = [*self._grid.dims] == [*grid.dims]
        self._reader = ChunkReader(source, missing=missing, share=share)

    def __call__(self, piece: Sequence[Entry]) -> tuple[list[Any], int]:
        """Return arrays, errors, or None for missing chunks to leave out; and the number of missing chunks."""
        if self._is_first:
            values, missing, _ = self._reader(piece)
            return values, missing
        read = self._one if self.alike else self._other
        found = [read(entry) for entry in piece]
        return [value for value, _ in found], sum(missing for _, missing in found)

    def _one(self, entry: Entry) -> tuple[Any, int]:
        ours = self._grid.pick(entry[3], np.array([entry[1]], np.int64))
        values, missing, _ = self._reader([*ours])
        return values[0], missing

    def _other(self, entry: Entry) -> tuple[Any, int]:
        try:
            return self._array[(*entry[3], Ellipsis)], 0
        except Exception as error:  # noqa: BLE001 - reported in place of the data
            return error, 0

    def close(self) -> None:
        self._reader.close()
