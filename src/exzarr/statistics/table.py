"""The entries of all chunks in memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from exzarr._typing import AnyArray
from exzarr.statistics.identity import DIGEST_NBYTES
from exzarr.statistics.values import ChunkStatistics, Summary, limits, sum_dtype

__all__ = ["COLUMNS", "VALUES", "Table"]

VALUES = ("min", "max", "sum", "count", "nans")
"""Names of the arrays with the values of entries, in the order in which digests cover them."""

COLUMNS = (*VALUES, "start", "nbytes", "digest")
"""Names of the arrays of a table, in memory and in the store."""

Index = tuple[int, ...]


class Table:
    """Entries of the chunks of a grid.

    Attributes
    ----------
    columns
        One array per name in `COLUMNS`, with the grid's shape; ``digest`` has another dimension of 16 bytes. ``start`` and
        ``nbytes`` are the place of the chunk's bytes in the stored value; -1 for an inner chunk that is not stored.
    """

    def __init__(self, counts: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        dtype = dtype.newbyteorder("=")
        low, high = limits(dtype)
        self.columns: dict[str, AnyArray] = {
            "min": np.full(counts, low, dtype),
            "max": np.full(counts, high, dtype),
            "sum": np.zeros(counts, sum_dtype(dtype)),
            "count": np.zeros(counts, np.int64),
            "nans": np.zeros(counts, np.int64),
            "start": np.full(counts, -1, np.int64),
            "nbytes": np.full(counts, -1, np.int64),
            "digest": np.zeros((*counts, DIGEST_NBYTES), np.uint8),
        }
        self._packed = np.dtype([(name, self.columns[name].dtype.newbyteorder("<")) for name in VALUES])

    @property
    def values_nbytes(self) -> int:
        """Length of the values of an entry, in bytes."""
        return self._packed.itemsize

    def values(self, chunks: Any = ...) -> bytes:
        """Return the values of the entries of some chunks, as digests cover them."""
        columns = [self.columns[name][chunks] for name in VALUES]
        packed = np.empty(columns[0].shape, self._packed)
        for name, column in zip(VALUES, columns, strict=True):
            packed[name] = column
        return packed.tobytes()

    def put(self, chunk: Index, summary: Summary, place: tuple[int, int]) -> None:
        """Set an entry. Its digest becomes zero."""
        for name, value in zip(COLUMNS, (*summary, *place, 0), strict=True):
            self.columns[name][chunk] = value

    def take_over(self, other: Table, chunks: Any) -> None:
        """Set the entries of some chunks to those of a table of the same grid."""
        for name, column in self.columns.items():
            column[chunks] = other.columns[name][chunks]

    def fit(self, stored: dict[str, AnyArray]) -> None:
        """Take over stored entries of the chunks that both grids have."""
        for name, column in self.columns.items():
            common = tuple([slice(min(n, m)) for n, m in zip(column.shape, stored[name].shape, strict=True)])
            column[common] = stored[name][common]

    def __iter__(self) -> Iterator[tuple[str, AnyArray]]:
        return iter(self.columns.items())

    def result(self, stored: AnyArray, proved: AnyArray) -> ChunkStatistics:
        """Return the values as users see them."""
        return ChunkStatistics(**{name: self.columns[name] for name in VALUES}, stored=stored, proved=proved)
