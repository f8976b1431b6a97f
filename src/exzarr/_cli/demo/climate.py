"""Computations on the arrays, with only a few chunks of one array in memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from exzarr._typing import AnyArray

if TYPE_CHECKING:
    from exzarr._nodes.array import Array
    from exzarr._nodes.group import Group

__all__ = [
    "KELVIN",
    "NINO_34",
    "MonthlyMeans",
    "monthly_means",
    "months_of",
    "period_means",
    "window_of",
]


KELVIN = 273.15
"""0 °C in K."""

NINO_34 = (190.0, 240.0)
"""Longitudes (degrees east) of the Niño 3.4 region, between 5° S and 5° N."""


def months_of(time: AnyArray) -> npt.NDArray[np.datetime64]:
    """Convert ``hours since 1970-01-01 00:00:00`` (Gregorian) to months."""
    return (np.datetime64("1970-01-01", "h") + time.astype("m8[h]")).astype("M8[M]")


def window_of(months: AnyArray, longitude: AnyArray, first: str, last: str) -> tuple[slice, slice, slice]:
    """Select the months from `first` to `last` of the Niño 3.4 region, at all latitudes."""
    times = np.flatnonzero((months >= np.datetime64(first)) & (months <= np.datetime64(last)))
    east = np.flatnonzero((longitude >= NINO_34[0]) & (longitude <= NINO_34[1]))
    return (
        slice(int(times[0]), int(times[-1]) + 1),
        slice(None),
        slice(int(east[0]), int(east[-1]) + 1),
    )


@dataclass(frozen=True)
class MonthlyMeans:
    """Means of the calendar months.

    Attributes
    ----------
    values
        Shape (12, latitude, longitude), float32, in the array's units. Missing data have its fill value.
    chunks, chunk_bytes
        Number of chunks read, and the bytes of the largest.
    """

    values: AnyArray
    chunks: int
    chunk_bytes: int


def monthly_means(array: Array, months: AnyArray, *, progress: bool = False) -> MonthlyMeans:
    """Compute the mean of each calendar month of an array (time, latitude, longitude), chunk by chunk."""
    calendar = months.astype("M8[M]").astype(int) % 12
    total = np.zeros((12, *array.shape[1:]))
    count = np.zeros((12, *array.shape[1:]), np.int64)
    largest = 0
    with array.chunk_stream(progress=progress) as stream:
        for chunk in stream:
            times, *place = chunk.region
            here = (slice(None), *place)
            valid = chunk.data != array.fill_value
            np.add.at(total[here], calendar[times], np.where(valid, chunk.data, 0.0))
            np.add.at(count[here], calendar[times], valid)
            largest = max(largest, chunk.data.nbytes)
    with np.errstate(invalid="ignore"):
        means = total / count
    means = np.where(count > 0, means, array.fill_value).astype(array.dtype)
    return MonthlyMeans(means, stream.stats.chunks, largest)


def write_monthly_means(root: Group, source: Array, means: MonthlyMeans) -> Array:
    """Store the means of `source` in the same group."""
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
    """Compute the mean over each of `periods` (first and last year) of an array (time, ...), slice by slice."""
    totals = [np.zeros(array.shape[1:]) for _ in periods]
    counts = [0] * len(periods)
    for moment in array.slice_stream("time"):
        for i, (first, last) in enumerate(periods):
            if first <= years[moment.index] <= last:
                totals[i] += moment.data
                counts[i] += 1
    return [total / max(1, count) for total, count in zip(totals, counts, strict=True)]
