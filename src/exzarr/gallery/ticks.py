"""Bars of any length from a cube of ticks (time × symbol × field), chunk by chunk."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from exzarr.array import Array
from exzarr.errors import ArgumentError

__all__ = ["COLUMNS", "Bars", "bars"]

AnyArray = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

COLUMNS = ("open", "high", "low", "close", "volume", "vwap", "trades")
"""What a bar has for each symbol."""


@dataclass(frozen=True, slots=True, eq=False)
class Bars:
    """Bars of equal length, for each symbol.

    Attributes
    ----------
    time
        When each begins, in the data type of the ticks' times. Bars in which there is no tick time, nights for
        example, are left out.
    open, high, low, close
        float64, shape (bars, symbols): the first, largest, smallest and last price; NaN where none was paid.
    volume
        float64: the sum of the volumes of rows that have a price, 0 where there is none.
    vwap
        float64: the mean price, each weighted by its volume; NaN where there is no volume.
    trades
        int64: how many prices there are.
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
    """Open, high, low, close, volume, VWAP and number of trades of each bar.

    Chunks are read once, several at a time, and in any number: what is in memory is ``workers`` chunks, a few more
    that are read ahead, and the bars. A bar may begin in one chunk and end in another, or cover many.

    Parameters
    ----------
    ticks
        Shape (time, symbol, field), numbers; NaN where there is no price. A chunk has all fields.
    time
        When each row of `ticks` is, in ascending order: datetime64, or integers.
    length
        Of a bar: a timedelta64, or an integer in the unit of `time`. The first bar begins with the first day, at
        midnight (of integers: at 0), and so do all others as multiples of `length` after it, as in pandas.
    price, volume
        Which fields these are.
    symbols
        Which symbols (a slice of step 1).
    workers
        As for `Array.parallel_chunk_map`.

    Raises
    ------
    ArgumentError
        An array of another shape, times that don't ascend, a length that is not positive.
    ChunkError
        A chunk that can't be read.
    """
    moments = np.asarray(time)
    _check(ticks, moments, price, volume)
    labels, starts = _bins(moments, length)
    first, stop, _ = symbols.indices(ticks.shape[1])
    if symbols.step not in (None, 1) or stop <= first:
        raise ArgumentError(f"symbols is a slice of step 1 with something in it, not {symbols}")
    merged = _Merger(len(labels), first, stop)
    # Which bar each row belongs to: the same for all symbols.
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
    """What one chunk adds to the bars `first`, `first` + 1, ... of the symbols from `symbol` on."""

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
    """The bars of a chunk; each has a row at least, and perhaps no price."""
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
        # Of what was paid, each bar has a stretch, which may be empty.
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
    """All bars, as chunks add to them in the order of time."""

    def __init__(self, count: int, first: int, stop: int) -> None:
        shape = (count, stop - first)
        self._first = first
        self._open, self._high, self._low, self._close = (np.full(shape, np.nan) for _ in range(4))
        self._volume, self._money = np.zeros(shape), np.zeros(shape)
        self._trades = np.zeros(shape, np.int64)

    def add(self, part: _Part) -> None:
        """The bar that a chunk begins with may be one that the chunk before has begun."""
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
    """When the bars begin that have a row, and with which row."""
    moments = time.astype(np.int64)
    origin = np.zeros(1, np.int64)
    if time.dtype.kind == "M":
        unit: np.timedelta64 = np.ones(1, time.dtype.str.replace("M8", "m8"))[0]
        step, rest = divmod(np.timedelta64(length), unit)
        if rest:
            raise ArgumentError(f"{length} is no multiple of {unit}, the unit of the times")
        origin = time[:1].astype("M8[D]").astype(time.dtype).astype(np.int64)
    else:
        step = length
    if step <= 0:
        raise ArgumentError(f"the length of a bar is positive, not {length}")
    if not len(moments):
        return time, np.empty(0, np.int64)
    back = np.flatnonzero(np.diff(moments) < 0)
    if len(back):
        row = int(back[0]) + 1
        raise ArgumentError(f"times have to ascend, and {time[row]} of row {row} is before {time[row - 1]}")
    numbers = (moments - origin) // int(step)
    starts = np.flatnonzero(np.diff(numbers, prepend=numbers[0] - 1))
    return (origin + numbers[starts] * int(step)).astype(time.dtype), starts


def _check(ticks: Array, time: AnyArray, price: int, volume: int) -> None:
    """ArgumentError for what can't be made bars of."""
    if len(ticks.shape) != 3 or ticks.dtype.kind not in "fiu":
        raise ArgumentError(
            f"ticks are numbers by time, symbol and field, not an array of shape {ticks.shape} and data type "
            f"{ticks.dtype}"
        )
    if ticks.chunks[2] < ticks.shape[2]:
        raise ArgumentError(
            f"chunks of {ticks.chunks[2]} fields part price from volume: they need all {ticks.shape[2]} fields"
        )
    if not (0 <= price < ticks.shape[2] and 0 <= volume < ticks.shape[2]):
        raise ArgumentError(f"fields are 0 to {ticks.shape[2] - 1}, and price is {price}, volume {volume}")
    if time.shape != ticks.shape[:1] or time.dtype.kind not in "Miu":
        raise ArgumentError(
            f"time is a datetime64 or an integer for each of {ticks.shape[0]} rows, not an array of shape "
            f"{time.shape} and data type {time.dtype}"
        )
