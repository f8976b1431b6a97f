"""What is computed from the arrays: never more than one block of one array in memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from exzarr.array import Array
    from exzarr.group import Group

__all__ = [
    "KELVIN",
    "NINO_34",
    "MonthlyMeans",
    "monthly_means",
    "months_of",
    "period_means",
    "stream",
    "window_of",
]

AnyArray = npt.NDArray[Any]

KELVIN = 273.15
"""0 °C in K."""

NINO_34 = (190.0, 240.0)
"""Degrees east between which, from 5° S to 5° N, the Niño 3.4 index is measured."""


def months_of(time: AnyArray) -> npt.NDArray[np.datetime64]:
    """``hours since 1970-01-01 00:00:00`` (Gregorian) as months."""
    return (np.datetime64("1970-01-01", "h") + time.astype("m8[h]")).astype("M8[M]")


def window_of(months: AnyArray, longitude: AnyArray, first: str, last: str) -> tuple[slice, slice, slice]:
    """The months from `first` to `last` of the Niño 3.4 region, all latitudes."""
    times = np.flatnonzero((months >= np.datetime64(first)) & (months <= np.datetime64(last)))
    east = np.flatnonzero((longitude >= NINO_34[0]) & (longitude <= NINO_34[1]))
    return (
        slice(int(times[0]), int(times[-1]) + 1),
        slice(None),
        slice(int(east[0]), int(east[-1]) + 1),
    )


def stream(array: Array) -> Iterator[tuple[slice, AnyArray]]:
    """The array in blocks along its first dimension, as long as its shards (or chunks): one at a time."""
    step = (array.shards or array.chunks)[0]
    for start in range(0, array.shape[0], step):
        rows = slice(start, min(start + step, array.shape[0]))
        yield rows, array[rows]


@dataclass(frozen=True)
class MonthlyMeans:
    """The mean of each calendar month.

    Attributes
    ----------
    values
        Shape (12, latitude, longitude), float32, in the array's own units; its fill value where
        there is no data.
    blocks, block_bytes
        How many blocks were read, and the bytes of the largest.
    """

    values: AnyArray
    blocks: int
    block_bytes: int


def monthly_means(array: Array, months: AnyArray) -> MonthlyMeans:
    """The mean of each calendar month of an array (time, latitude, longitude), block by block."""
    calendar = months.astype("M8[M]").astype(int) % 12
    total = np.zeros((12, *array.shape[1:]))
    count = np.zeros((12, *array.shape[1:]), np.int64)
    fill = array.fill_value
    blocks = largest = 0
    for rows, block in stream(array):
        valid = block != fill
        np.add.at(total, calendar[rows], np.where(valid, block, 0.0))
        np.add.at(count, calendar[rows], valid)
        blocks, largest = blocks + 1, max(largest, block.nbytes)
    with np.errstate(invalid="ignore"):
        means = total / count
    return MonthlyMeans(np.where(count > 0, means, fill).astype(array.dtype), blocks, largest)


def write_monthly_means(root: Group, source: Array, means: MonthlyMeans) -> Array:
    """Store the means of `source` beside it."""
    array = root.create_array(
        f"{source.path}_monthly_mean",
        shape=means.values.shape,
        dtype=means.values.dtype,
        chunks=(1, *means.values.shape[1:]),
        fill_value=source.fill_value,
        dimension_names=("month", *(source.dimension_names or ())[1:]),
        attributes={**source.attrs, "cell_methods": "time: mean over years", "month": "1 (January) to 12"},
    )
    array[...] = means.values
    return array


def period_means(array: Array, years: AnyArray, *periods: tuple[int, int]) -> list[AnyArray]:
    """The mean over each of `periods` (first and last year) of an array (time, ...), block by block."""
    totals = [np.zeros(array.shape[1:]) for _ in periods]
    counts = [0] * len(periods)
    for rows, block in stream(array):
        for i, (first, last) in enumerate(periods):
            wanted = (years[rows] >= first) & (years[rows] <= last)
            totals[i] += block[wanted].sum(axis=0, dtype="f8")
            counts[i] += int(wanted.sum())
    return [total / max(1, count) for total, count in zip(totals, counts, strict=True)]
