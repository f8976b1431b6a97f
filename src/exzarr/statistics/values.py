"""Statistics of the values of chunks. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from exzarr._typing import AnyArray
from exzarr.errors import UnsupportedError

__all__ = ["ChunkStatistics", "Summary", "exact_sums", "limits", "nothing", "sum_dtype", "summarize"]


class Summary(NamedTuple):
    """Statistics of one chunk, in the order of `table.COLUMNS`. `valid` is `ChunkStatistics.count`."""

    min: Any
    max: Any
    sum: Any
    valid: int
    nans: int


@dataclass(frozen=True, slots=True, eq=False)
class ChunkStatistics:
    """Statistics of all chunks of an array.

    All attributes are NumPy arrays with the shape of the chunk grid (`Array.cdata_shape`); of the grid of inner chunks, if
    the array has shards. `min`, `max`, `sum` and `count` are about the *valid* values of a chunk: those that are neither
    the fill value nor NaN. Elements outside of the array do not count.

    Attributes
    ----------
    min, max
        Smallest and largest valid value, in the array's data type and unit. Without a valid value, `min` is the
        largest value of the data type, or infinity, and `max` the smallest.
    sum
        Sum of the valid values, in the array's unit: float64 for floats, int64 or uint64 for integers and booleans, where
        it wraps at 2**64 as `numpy.sum` does. For times, the sum of their integers.
    count
        Number of valid values.
    nans
        Number of values that are NaN, or NaT. If the fill value is NaN, they include the fill values.
    stored
        True where the chunk is stored. The others have fill values only.
    proved
        True where the statistics come from entries whose chunks have not changed, or from the absence of the chunk. The
        other chunks were read.
    """

    min: AnyArray
    max: AnyArray
    sum: AnyArray
    count: AnyArray
    nans: AnyArray
    stored: AnyArray
    proved: AnyArray


def sum_dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return the data type of sums. Raise UnsupportedError if values of `dtype` have no statistics."""
    if dtype.kind not in "biufmM" or dtype.itemsize > 8:
        raise UnsupportedError(
            f"values of data type {dtype} have no statistics: booleans, integers, floats of up to 64 bits, datetime64 and "
            "timedelta64 have"
        )
    return np.dtype({"f": "f8", "b": "u8", "u": "u8"}.get(dtype.kind, "i8"))


def exact_sums(low: AnyArray, high: AnyArray, count: AnyArray) -> AnyArray:
    """Return True where the sum of `count` valid values from `low` to `high` has not wrapped. Those of floats never do."""
    if low.dtype.kind == "f":
        return np.ones(low.shape, bool)
    largest = np.maximum(np.abs(low.astype("f8")), np.abs(high.astype("f8")))
    return np.asarray((count == 0) | (largest * count < 2.0**62))


def limits(dtype: np.dtype[Any]) -> tuple[Any, Any]:
    """Return the minimum and the maximum of no values. Raise UnsupportedError as `sum_dtype` does."""
    sum_dtype(dtype)
    if dtype.kind == "f":
        return dtype.type(np.inf), dtype.type(-np.inf)
    if dtype.kind == "b":
        return np.True_, np.False_
    if dtype.kind in "mM":  # the smallest integer is NaT
        most = np.iinfo(np.int64).max
        low, high = np.array([most, -most]).view(dtype)
        return low, high
    return np.iinfo(dtype).max, np.iinfo(dtype).min


def nothing(dtype: np.dtype[Any]) -> Summary:
    """Return the statistics of no values."""
    return Summary(*limits(dtype), sum_dtype(dtype).type(0), 0, 0)


BLOCK = 1 << 17
"""Number of values that are summarized together: they stay in the processor's cache."""


def summarize(values: AnyArray, fill: Any) -> Summary:
    """Return the statistics of `values`."""
    values = np.asarray(values, values.dtype.newbyteorder("="))
    flat = values.reshape(-1)
    total = nothing(values.dtype)
    with np.errstate(all="ignore"):  # infinities and overflow are results, as in NumPy
        for start in range(0, flat.size, BLOCK):
            total = _joined(total, _summarize_block(flat[start : start + BLOCK], fill))
    return total


def _joined(one: Summary, other: Summary) -> Summary:
    return Summary(
        min(one.min, other.min),
        max(one.max, other.max),
        one.sum + other.sum,
        one.valid + other.valid,
        one.nans + other.nans,
    )


def _summarize_block(values: AnyArray, fill: Any) -> Summary:
    """Return the statistics of one block. Selecting elements by a mask costs much more than all the rest: avoid it."""
    nans = 0
    low, high = values.min(), values.max()  # NaN, or NaT, if there is one
    if low != low:
        nan = np.isnan(values)
        nans = int(np.count_nonzero(nan))
        if nans == values.size:
            return nothing(values.dtype)._replace(nans=nans)
        values = np.compress(~nan, values)
        low, high = values.min(), values.max()
    if fill != fill or fill < low or fill > high:
        return Summary(low, high, _sum(values), values.size, nans)
    count = int(np.count_nonzero(values != fill))
    if not count:
        return nothing(values.dtype)._replace(nans=nans)
    if count < values.size:
        inner = _without_bound(values, fill, low, high)
        if inner is None:
            values = np.compress(values != fill, values)
            inner = values.min(), values.max()
        low, high = inner
    return Summary(low, high, _sum(values, fill), count, nans)


def _without_bound(values: AnyArray, fill: Any, low: Any, high: Any) -> tuple[Any, Any] | None:
    """Return smallest and largest value but `fill`, which occurs, without selecting elements; None if that is not possible."""
    if low < fill < high:
        return low, high
    if fill == low == 0 and values.dtype.kind in "fu":
        # As unsigned integers, values from zero on have the same order. One less, and zero (also -0.0) becomes the largest.
        bits = values.view(f"u{values.itemsize}")
        least = (bits - bits.dtype.type(1)).min(keepdims=True) + bits.dtype.type(1)
        return least.view(values.dtype)[0], high
    return None


def _sum(values: AnyArray, fill: Any = None) -> Any:
    """Return the sum of `values` that are not `fill`."""
    total = sum_dtype(values.dtype)
    integers = values.view(np.int64) if values.dtype.kind in "mM" else values
    if fill is not None and fill != np.zeros((), values.dtype)[()]:
        integers = np.compress(values != fill, integers)
    return integers.sum(dtype=total)
