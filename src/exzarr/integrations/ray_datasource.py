"""Data sources of Ray Data for stored arrays."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import partial
from typing import Any

import numpy as np
from ray.data import DataContext
from ray.data.block import BlockAccessor, BlockMetadata
from ray.data.datasource import Datasource, ReadTask

from exzarr import config
from exzarr._nodes.array import Array
from exzarr._typing import IntArray

__all__ = ["ChunkDatasource", "SampleDatasource"]

BLOCK_NBYTES = 128 * 1024 * 1024
"""Bytes of a block, if Ray's own target is unlimited."""


class _Source(Datasource):  # type: ignore[misc]  # Ray is not typed here
    """Reads units in contiguous ranges, each in one task.

    Attributes
    ----------
    ends
        For each unit, the number of rows up to its end.
    nbytes
        Bytes of all rows in memory.
    """

    ends: IntArray
    nbytes: int

    def _read(self, first: int, last: int) -> Callable[[], Iterator[Any]]:
        """Return the function that reads units `first` to `last` (exclusive) in a worker."""
        raise NotImplementedError

    def estimate_inmemory_data_size(self) -> int:
        return self.nbytes

    @property
    def task_memory(self) -> int:
        """Bytes that a task needs: for a block as it is read and as Ray holds it, and for chunks that are decoded."""
        rows, units = int(self.ends[-1]) if len(self.ends) else 0, max(1, len(self.ends))
        largest = int(np.diff(self.ends, prepend=0).max()) if len(self.ends) else 0
        row = self.nbytes // max(1, rows)
        return 2 * min(self.nbytes, max(_block_nbytes(), row)) + max(largest * row, self.nbytes // units)

    def get_read_tasks(
        self, parallelism: int, per_task_row_limit: int | None = None, data_context: Any = None
    ) -> list[ReadTask]:
        if not len(self.ends):
            return []
        rows = int(self.ends[-1])
        # The ends of units that are nearest to equal shares of the rows.
        wanted = np.arange(1, parallelism + 1) * rows / parallelism
        lasts = np.unique(np.clip(np.searchsorted(self.ends, wanted - 1e-9) + 1, 1, len(self.ends)))
        tasks, first, before = [], 0, 0
        for last in lasts.tolist():
            count = int(self.ends[last - 1]) - before
            metadata = _metadata(count, self.nbytes * count // max(1, rows))
            options = {} if per_task_row_limit is None else {"per_task_row_limit": per_task_row_limit}
            tasks.append(ReadTask(self._read(first, last), metadata, **options))
            first, before = last, before + count
        return tasks


class SampleDatasource(_Source):
    """Rows are positions along one dimension of each array. A unit is the rows of one stored chunk of the largest array."""

    def __init__(self, arrays: Mapping[str, Array], axes: Mapping[str, int], row_number: str | None) -> None:
        super().__init__()
        self._columns = [_Column(name, array, axes[name]) for name, array in arrays.items()]
        self._row_number = row_number
        largest = max(self._columns, key=lambda column: column.array.nbytes)
        sizes = largest.array.write_chunk_sizes[largest.axis]
        self.ends = np.cumsum(np.asarray(sizes, np.int64))
        self.nbytes = sum(column.array.nbytes for column in self._columns)

    def get_name(self) -> str:
        return "Exzarr"

    def _read(self, first: int, last: int) -> Callable[[], Iterator[Any]]:
        ends = [0, *self.ends.tolist()]
        row = max(1, self.nbytes // max(1, ends[-1]))
        return partial(_read_samples, self._columns, self._row_number, ends[first : last + 1], row)


@dataclass(frozen=True, slots=True)
class _Column:
    name: str
    array: Array
    axis: int

    def read(self, start: int, stop: int) -> Any:
        values = self.array[(*[slice(None)] * self.axis, slice(start, stop), Ellipsis)]
        return _plain(np.moveaxis(values, self.axis, 0))


def _read_samples(
    columns: Sequence[_Column], row_number: str | None, ends: Sequence[int], row_nbytes: int
) -> Iterator[Any]:
    """Yield blocks of whole units, or of parts of a unit that is larger than a block."""
    most = max(1, _block_nbytes() // row_nbytes)
    for start, stop in _cut(ends, most):
        with config.override(workers=1):  # Ray runs a task on each core
            block = {column.name: column.read(start, stop) for column in columns}
        if row_number is not None:
            block[row_number] = np.arange(start, stop)
        yield BlockAccessor.batch_to_block(block)


def _cut(ends: Sequence[int], most: int) -> Iterator[tuple[int, int]]:
    """Cut ranges between `ends` into pieces of up to `most` rows, at the ends where possible."""
    start = at = ends[0]
    for end in ends[1:]:
        if end - start > most and at > start:
            yield start, at
            start = at
        while end - start > most:
            yield start, start + most
            start += most
        at = end
    if at > start:
        yield start, at


class ChunkDatasource(_Source):
    """Rows are the stored chunks (shards) of one array, in grid order. A unit is one chunk."""

    def __init__(self, array: Array) -> None:
        super().__init__()
        self._array = array
        self._counts = tuple(map(len, array.write_chunk_sizes))
        self.ends = np.arange(1, math.prod(self._counts) + 1)
        self.nbytes = array.nbytes

    def get_name(self) -> str:
        return "ExzarrChunks"

    def _read(self, first: int, last: int) -> Callable[[], Iterator[Any]]:
        return partial(_read_chunks, self._array, self._counts, first, last)


def _read_chunks(array: Array, counts: tuple[int, ...], first: int, last: int) -> Iterator[Any]:
    starts = [np.cumsum([0, *sizes]) for sizes in array.write_chunk_sizes]
    for number in range(first, last):
        index = np.unravel_index(number, counts) if counts else ()
        region = tuple([slice(int(at[i]), int(at[i + 1])) for at, i in zip(starts, index, strict=True)])
        with config.override(workers=1):
            values = np.asarray(array[(*region, Ellipsis)])
        yield BlockAccessor.batch_to_block(
            {
                "index": np.asarray([index], np.int64),
                "start": np.asarray([[part.start for part in region]], np.int64),
                "data": _plain(values)[np.newaxis],
            }
        )


def _plain(values: Any) -> Any:
    """Return values of a type that Ray takes: text as Python objects."""
    return values.astype(object) if values.dtype.kind == "T" else values


def _block_nbytes() -> int:
    return DataContext.get_current().target_max_block_size or BLOCK_NBYTES


def _metadata(rows: int, nbytes: int) -> BlockMetadata:
    known: dict[str, Any] = dict.fromkeys([one.name for one in fields(BlockMetadata)])
    return BlockMetadata(**{**known, "num_rows": rows, "size_bytes": nbytes})
