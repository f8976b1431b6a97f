"""Statistics of whole arrays, for ``exzarr stats``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np

from exzarr._nodes.array import Array
from exzarr._nodes.group import Group
from exzarr.errors import UnsupportedError
from exzarr.statistics.layout import announced, is_statistics
from exzarr.statistics.statistics import Statistics
from exzarr.statistics.values import ChunkStatistics, exact_sums

__all__ = ["ArrayOverview", "Overview", "overview"]


@dataclass(frozen=True, slots=True)
class ArrayOverview:
    """Statistics of one array.

    Attributes
    ----------
    path
        Path of the array.
    data_type
        Its data type.
    chunks, stored
        Number of chunks in the grid, and of stored chunks (inner chunks, if there are shards).
    read
        Number of chunks that were read, because their statistics were missing or not current.
    min, max
        Smallest and largest *valid* value: neither NaN nor the fill value. None if there is none.
    mean
        Mean of the valid values; None for times, if there is none, and if a sum of integers may exceed 64 bits.
    valid, nans, fills
        Number of valid values, of NaNs, and of fill values that are not NaN.
    """

    path: str
    data_type: str
    chunks: int
    stored: int
    read: int
    min: Any
    max: Any
    mean: float | None
    valid: int
    nans: int
    fills: int

    @classmethod
    def of(cls, array: Array, chunks: ChunkStatistics, read: int) -> Self:
        """Add up the statistics of chunks."""
        valid, nans = int(chunks.count.sum()), int(chunks.nans.sum())
        some = chunks.count > 0
        mean: float | None = None
        has_mean = array.dtype.kind not in "mM" and valid > 0
        with np.errstate(all="ignore"):  # infinities are results
            if has_mean and exact_sums(chunks.min, chunks.max, chunks.count).all():
                mean = float(chunks.sum[some].astype("f8").sum()) / valid
        return cls(
            path=array.name,
            data_type=str(array.dtype),
            chunks=chunks.count.size,
            stored=int(np.count_nonzero(chunks.stored)),
            read=read,
            min=chunks.min[some].min() if valid else None,
            max=chunks.max[some].max() if valid else None,
            mean=mean,
            valid=valid,
            nans=nans,
            fills=array.size - valid - nans,
        )


@dataclass(frozen=True, slots=True)
class Overview:
    """Statistics of the arrays of a hierarchy.

    Attributes
    ----------
    arrays
        The arrays with statistics.
    left_out
        What was left out, and why: arrays of other data types.
    """

    arrays: tuple[ArrayOverview, ...]
    left_out: tuple[str, ...]

    def asdict(self) -> dict[str, Any]:
        """Return the figures as a dict."""
        return asdict(self)


def overview(node: Array | Group, *, refresh: bool = False) -> Overview:
    """Return statistics of an array, or of all arrays below a group. Build those that are missing.

    Parameters
    ----------
    node
        An array or a group.
    refresh
        Store current entries of changed chunks. Otherwise they are read, and the stored entries stay as they are.

    Raises
    ------
    ReadOnlyError
        Statistics must be stored, and the node was opened for reading.
    UnsupportedError
        `node` is an array of another data type, or the store has no versions that later processes can compare.
    """
    found, left_out = [], []
    for array in _arrays(node):
        try:
            found.append(_of(array, refresh))
        except UnsupportedError as error:
            if array is node:
                raise
            left_out.append(f"{array.name}: {error}")
    return Overview(tuple(found), tuple(left_out))


def _arrays(node: Array | Group) -> Iterator[Array]:
    if isinstance(node, Array):
        yield node
    elif not is_statistics(node):
        for _, below in node.walk(0):
            yield from _arrays(below)


def _of(array: Array, refresh: bool) -> ArrayOverview:
    statistics, read = Statistics(array), 0
    if refresh or not announced(array):
        read = statistics.refresh().read
    chunks = statistics.read()
    return ArrayOverview.of(array, chunks, read + int(np.count_nonzero(chunks.stored & ~chunks.proved)))
