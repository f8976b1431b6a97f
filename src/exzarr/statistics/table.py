"""The entries of all chunks in memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from exzarr._typing import AnyArray
from exzarr.statistics.identity import DIGEST_NBYTES
from exzarr.statistics.values import ChunkStatistics, Summary, limits, sum_dtype

__all__ = ["COLUMNS", "Table"]

COLUMNS = ("min", "max", "sum", "count", "nans", "digest")
"""Names of the arrays of a table, in memory and in the store."""

Index = tuple[int, ...]


class Table:
    """Entries of the chunks of a grid.

    Attributes
    ----------
    columns
        One array per name in `COLUMNS`, with the grid's shape; ``digest`` has another dimension of 16 bytes.
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
            "digest": np.zeros((*counts, DIGEST_NBYTES), np.uint8),
        }

    def summary(self, chunk: Index) -> Summary:
        """Return the values of an entry, in the data types of the columns."""
        return Summary(*[self.columns[name][chunk] for name in COLUMNS[:-1]])

    def put(self, chunk: Index, summary: Summary) -> None:
        """Set the values of an entry."""
        for name, value in zip(COLUMNS, summary, strict=False):
            self.columns[name][chunk] = value

    def fit(self, stored: dict[str, AnyArray]) -> None:
        """Take over stored entries of the chunks that both grids have."""
        for name, column in self.columns.items():
            common = tuple([slice(min(n, m)) for n, m in zip(column.shape, stored[name].shape, strict=True)])
            column[common] = stored[name][common]

    def __iter__(self) -> Iterator[tuple[str, AnyArray]]:
        return iter(self.columns.items())

    def result(self, stored: AnyArray, proved: AnyArray) -> ChunkStatistics:
        """Return the values as users see them."""
        columns = {name: column for name, column in self.columns.items() if name != "digest"}
        return ChunkStatistics(**columns, stored=stored, proved=proved)
