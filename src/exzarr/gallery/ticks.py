"""Bars of any length from a cube of ticks (time × symbol × field), chunk by chunk."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from exzarr._nodes.array import Array
from exzarr._typing import AnyArray
from exzarr.errors import ArgumentError

__all__ = ["COLUMNS", "Bars", "bars"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

COLUMNS = ("open", "high", "low", "close", "volume", "vwap", "trades")
"""Columns of a bar, one value for each symbol."""


@dataclass(frozen=True, slots=True, eq=False)
class Bars:
    """Bars of equal length, for each symbol.

    Attributes
    ----------
    time
        Begin of each bar, in the data type of the ticks' times. Bars without any tick time, such as nights, are left
        out.
    open, high, low, close
        float64, shape (bars, symbols): the first, largest, smallest and last price; NaN without any price.
    volume
        float64: the sum of the volumes of rows that have a price; 0 without any price.
    vwap
        float64: the mean price, weighted by volume; NaN without any volume.
    trades
        int64: the number of prices.
    """

    time: AnyArray
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats
    vwap: Floats
    trades: Ints


def bars(
    ticks: Array,
    time: npt.ArrayLike,
    length: Any,
    *,
    price: int = 0,
    volume: int = 1,
    symbols: slice = slice(None),
    workers: int | None = None,
) -> Bars:
    """Compute open, high, low, close, volume, VWAP and number of trades for bars of equal length.

    Each chunk is read once, and several chunks are processed concurrently. Memory holds ``workers`` chunks, a few
    chunks that are read ahead, and the bars. A bar may begin in one chunk and end in another, or cover many chunks.

    Parameters
    ----------
    ticks
        Numbers, shape (time, symbol, field); NaN where there is no price. Each chunk must contain all fields.
    time
        Time of each row of `ticks`, in ascending order: datetime64, or integers.
    length
        Length of a bar: a timedelta64, or an integer in the unit of `time`. Bars begin at multiples of `length` after
        midnight of the first day (for integers: after 0), as in pandas.
    price, volume
        Positions of these fields.
    symbols
        A slice of step 1 that selects symbols.
    workers
        As for `Array.parallel_chunk_map`.

    Returns
    -------
    Bars
        The bars of all selected symbols.

    Raises
    ------
    ArgumentError
        `ticks` has another shape, `time` does not ascend, or `length` is not positive.
    ChunkError
        A chunk cannot be read.
    """
    moments = np.asarray(time)
    _check(ticks, moments, price, volume)
    labels, starts = _bins(moments, length)
    first, stop, _ = symbols.indices(ticks.shape[1])
    if symbols.step not in (None, 1) or stop <= first:
        raise ArgumentError(
            f"symbols must be a slice of step 1 that selects at least one symbol, not {symbols}"
        )
    merged = _Merger(len(labels), first, stop)
    # The bar of each row, which is the same for all symbols.
    of_row = np.repeat(np.arange(len(labels)), np.diff([*starts, len(moments)]))

    def partial(chunk: Any) -> _Part:
        rows, columns, _ = chunk.region
        return _part(chunk.data, of_row[rows], columns.start, price, volume)

    if len(labels):
        region = (slice(None), slice(first, stop), slice(None))
        with ticks.parallel_chunk_map(partial, with_chunk=True, region=region, workers=workers) as parts:
            for part in parts:  # in the order of time
                merged.add(part)
    return merged.bars(labels)


@dataclass(frozen=True, slots=True, eq=False)
class _Part:
    """Contribution of one chunk to the bars `first`, `first` + 1, ... of the symbols from `symbol` on."""

    first: int
    symbol: int
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats
    money: Floats
    trades: Ints


def _part(data: AnyArray, of_row: Ints, symbol: int, price: int, volume: int) -> _Part:
    """Compute the partial bars of a chunk; each has at least one row, but may have no price."""
    begins = np.flatnonzero(np.diff(of_row, prepend=-1))
    shape = (len(begins), data.shape[1])
    opened, high, low, close = (np.full(shape, np.nan) for _ in range(4))
    traded, money = np.zeros(shape), np.zeros(shape)
    trades = np.zeros(shape, np.int64)
    for column in range(data.shape[1]):
        prices = np.ascontiguousarray(data[:, column, price], np.float64)
        paid = np.flatnonzero(~np.isnan(prices))
        prices = prices[paid]
        volumes = np.nan_to_num(data[paid, column, volume].astype(np.float64))
        # Each bar has a contiguous range of the paid prices, which may be empty.
        first = np.searchsorted(paid, begins)
        stop = np.append(first[1:], len(paid))
        some = np.flatnonzero(first < stop)
        if len(some):
            at = first[some]
            opened[some, column] = prices[at]
            high[some, column] = np.maximum.reduceat(prices, at)
            low[some, column] = np.minimum.reduceat(prices, at)
            close[some, column] = prices[stop[some] - 1]
            traded[some, column] = np.add.reduceat(volumes, at)
            money[some, column] = np.add.reduceat(prices * volumes, at)
            trades[:, column] = stop - first
    return _Part(int(of_row[0]), symbol, opened, high, low, close, traded, money, trades)


class _Merger:
    """All bars, to which chunks are added in the order of time."""

    def __init__(self, count: int, first: int, stop: int) -> None:
        shape = (count, stop - first)
        self._first = first
        self._open, self._high, self._low, self._close = (np.full(shape, np.nan) for _ in range(4))
        self._volume, self._money = np.zeros(shape), np.zeros(shape)
        self._trades = np.zeros(shape, np.int64)

    def add(self, part: _Part) -> None:
        """Merge the bars of a chunk; its first bar may have begun in the chunk before."""
        at = part.symbol - self._first
        here = (slice(part.first, part.first + len(part.open)), slice(at, at + part.open.shape[1]))
        self._open[here] = np.where(np.isnan(self._open[here]), part.open, self._open[here])
        self._high[here] = np.fmax(self._high[here], part.high)
        self._low[here] = np.fmin(self._low[here], part.low)
        self._close[here] = np.where(np.isnan(part.close), self._close[here], part.close)
        self._volume[here] += part.volume
        self._money[here] += part.money
        self._trades[here] += part.trades

    def bars(self, time: AnyArray) -> Bars:
        vwap = np.full_like(self._money, np.nan)
        np.divide(self._money, self._volume, out=vwap, where=self._volume > 0)
        return Bars(time, self._open, self._high, self._low, self._close, self._volume, vwap, self._trades)


def _bins(time: AnyArray, length: Any) -> tuple[AnyArray, Ints]:
    """Return the begin and the first row of each bar that has a row."""
    moments = time.astype(np.int64)
    origin = np.zeros(1, np.int64)
    if time.dtype.kind == "M":
        unit: np.timedelta64 = np.ones(1, time.dtype.str.replace("M8", "m8"))[0]
        step, rest = divmod(np.timedelta64(length), unit)
        if rest:
            raise ArgumentError(f"length must be a multiple of {unit}, the unit of the times, not {length}")
        origin = time[:1].astype("M8[D]").astype(time.dtype).astype(np.int64)
    else:
        step = length
    if step <= 0:
        raise ArgumentError(f"length must be positive, not {length}")
    if not len(moments):
        return time, np.empty(0, np.int64)
    back = np.flatnonzero(np.diff(moments) < 0)
    if len(back):
        row = int(back[0]) + 1
        raise ArgumentError(
            f"times must ascend, but {time[row]} of row {row} is before {time[row - 1]}: sort the ticks by time"
        )
    numbers = (moments - origin) // int(step)
    starts = np.flatnonzero(np.diff(numbers, prepend=numbers[0] - 1))
    return (origin + numbers[starts] * int(step)).astype(time.dtype), starts


def _check(ticks: Array, time: AnyArray, price: int, volume: int) -> None:
    """Raise ArgumentError if the arguments do not fit together."""
    if len(ticks.shape) != 3 or ticks.dtype.kind not in "fiu":
        raise ArgumentError(
            f"ticks must be numbers by time, symbol and field, not an array of shape {ticks.shape} and data type "
            f"{ticks.dtype}"
        )
    if ticks.chunks[2] < ticks.shape[2]:
        raise ArgumentError(
            f"chunks of {ticks.chunks[2]} fields separate price from volume: store the ticks with chunks of all "
            f"{ticks.shape[2]} fields"
        )
    if not (0 <= price < ticks.shape[2] and 0 <= volume < ticks.shape[2]):
        raise ArgumentError(
            f"fields are 0 to {ticks.shape[2] - 1}, but price is {price} and volume is {volume}"
        )
    if time.shape != ticks.shape[:1] or time.dtype.kind not in "Miu":
        raise ArgumentError(
            f"time must have a datetime64 or an integer for each of {ticks.shape[0]} rows, not shape "
            f"{time.shape} and data type {time.dtype}"
        )
