"""exzarr.gallery.ticks: bars equal those of pandas' `resample`, for any chunks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st

import exzarr
from exzarr.gallery.tick_data import FIELDS, SECONDS, Market, session_times
from exzarr.gallery.ticks import COLUMNS, Bars, bars
from exzarr.stores.memory import MemoryStore

pd = pytest.importorskip("pandas")


def by_pandas(ticks: np.ndarray, time: np.ndarray, length: np.timedelta64, symbol: int) -> Any:
    """Return the bars of one symbol, with a row for each bar that contains a tick time."""
    index = pd.DatetimeIndex(time)
    price = pd.Series(ticks[:, symbol, 0], index).astype("f8")
    volume = pd.Series(ticks[:, symbol, 1], index).astype("f8").where(price.notna())
    every = pd.Timedelta(length)
    parts = price.resample(every).agg(["first", "max", "min", "last", "count"])
    weight = volume.resample(every).sum()
    money = (price * volume).resample(every).sum()
    rows = pd.Series(1, index).resample(every).sum()
    parts["volume"], parts["vwap"] = weight, money / weight.where(weight > 0)
    return parts[rows > 0]


def check(made: Bars, ticks: np.ndarray, time: np.ndarray, length: np.timedelta64) -> None:
    for symbol in range(ticks.shape[1]):
        expected = by_pandas(ticks, time, length, symbol)
        np.testing.assert_array_equal(made.time, expected.index.to_numpy().astype(made.time.dtype))
        for ours, theirs in (
            ("open", "first"),
            ("high", "max"),
            ("low", "min"),
            ("close", "last"),
            ("trades", "count"),
        ):
            np.testing.assert_array_equal(getattr(made, ours)[:, symbol], expected[theirs].to_numpy(), ours)
        np.testing.assert_allclose(made.volume[:, symbol], expected["volume"], rtol=1e-12)
        np.testing.assert_allclose(made.vwap[:, symbol], expected["vwap"], rtol=1e-12)


@st.composite
def tick_arrays(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Draw ticks with gaps, at times with gaps and duplicates."""
    n, symbols = draw(st.integers(1, 80)), draw(st.integers(1, 4))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    gaps = rng.choice([0, 1, 1, 1, 5, 40_000], n, p=[0.1, 0.3, 0.3, 0.2, 0.07, 0.03])
    start = np.datetime64("2024-02-28T00:00:00") + np.timedelta64(draw(st.integers(0, 86_399)), "s")
    ticks = np.round(rng.uniform(1, 9, (n, symbols, 3)), 2)
    ticks[rng.random((n, symbols)) < draw(st.sampled_from([0, 0.3, 0.9, 1]))] = np.nan
    return ticks, start + np.cumsum(gaps).astype("m8[s]")


@given(made=tick_arrays(), length=st.one_of(st.integers(1, 50), st.integers(50, 200_000)), data=st.data())
def test_bars_equal_pandas_for_any_length_and_chunks(
    made: tuple[np.ndarray, np.ndarray], length: int, data: st.DataObject
) -> None:
    ticks, time = made
    chunks = (data.draw(st.integers(1, len(ticks))), data.draw(st.integers(1, ticks.shape[1])), 3)
    array = exzarr.create_array(MemoryStore(), data=ticks, chunks=chunks, fill_value=np.nan)
    every = np.timedelta64(length, "s")
    check(bars(array, time, every, workers=2), ticks, time, every)


def test_bars_of_a_market_of_three_days(tmp_path: Path) -> None:
    time = session_times("2024-03-07", 3)
    ticks = np.concatenate([*Market(3, seed=5).sessions(3)])
    array = exzarr.create_array(tmp_path / "t.zarr", data=ticks, chunks=(7000, 2, 4), shards=(14000, 4, 4))
    for length in (np.timedelta64(60, "s"), np.timedelta64(7, "m"), np.timedelta64(1, "D")):
        check(bars(array, time, length), ticks, time, length)
    few = bars(array, time, np.timedelta64(1, "h"), symbols=slice(1, 3))
    check(few, ticks[:, 1:3], time, np.timedelta64(1, "h"))


def test_bars_shorter_than_a_second() -> None:
    time = np.datetime64("2024-01-02T09:30:00", "ms") + np.arange(0, 5000, 250).astype("m8[ms]")
    ticks = np.random.default_rng(0).uniform(1, 2, (20, 1, 2))
    array = exzarr.create_array(MemoryStore(), data=ticks, chunks=(3, 1, 2))
    check(bars(array, time, np.timedelta64(500, "ms")), ticks, time, np.timedelta64(500, "ms"))


def test_bars_with_integer_times_and_other_fields() -> None:
    """Integer times can be block numbers: each bar has 10 of them, counted from 0."""
    ticks = np.arange(24, dtype="i4").reshape(6, 1, 4)
    array = exzarr.create_array(MemoryStore(), data=ticks, chunks=(4, 1, 4))
    made = bars(array, [8, 9, 10, 25, 29, 30], 10, price=3, volume=2)
    assert made.time.tolist() == [0, 10, 20, 30]
    assert made.open[:, 0].tolist() == [3, 11, 15, 23]
    assert made.close[:, 0].tolist() == [7, 11, 19, 23]
    assert made.volume[:, 0].tolist() == [2 + 6, 10, 14 + 18, 22]
    assert made.vwap[0, 0] == (3 * 2 + 7 * 6) / 8
    assert made.trades[:, 0].tolist() == [2, 1, 2, 1]


def test_no_ticks_give_no_bars() -> None:
    array = exzarr.create_array(MemoryStore(), shape=(0, 2, 2), chunks=(4, 2, 2), dtype="f8")
    made = bars(array, np.empty(0, "M8[s]"), np.timedelta64(1, "m"))
    assert all(getattr(made, name).shape == (0, 2) for name in COLUMNS)


@pytest.mark.parametrize(
    ("shape", "chunks", "options", "says"),
    [
        ((6, 2), (6, 2), {}, "by time, symbol and field"),
        ((6, 1, 2), (6, 1, 1), {}, "separate price from volume"),
        ((6, 1, 2), (6, 1, 2), {"volume": 2}, "fields are 0 to 1"),
        ((5, 1, 2), (6, 1, 2), {}, "for each of 5 rows"),
        ((6, 1, 2), (6, 1, 2), {"length": 0}, "positive"),
        ((6, 1, 2), (6, 1, 2), {"length": np.timedelta64(1500, "ms")}, "multiple of 1 second"),
        ((6, 1, 2), (6, 1, 2), {"time": np.array([0, 1, 2, 3, 2, 4], "M8[s]")}, "row 4"),
        ((6, 1, 2), (6, 1, 2), {"symbols": slice(1, 1)}, "symbols"),
    ],
)
def test_invalid_bar_arguments_are_errors(
    shape: tuple[int, ...], chunks: tuple[int, ...], options: dict[str, Any], says: str
) -> None:
    array = exzarr.create_array(MemoryStore(), shape=shape, chunks=chunks, dtype="f8")
    given = {"time": np.arange(6).astype("M8[s]"), "length": np.timedelta64(2, "s"), **options}
    with pytest.raises(exzarr.ArgumentError, match=says):
        bars(array, given.pop("time"), given.pop("length"), **given)


def test_market_depends_on_the_seed_and_is_plausible() -> None:
    one, other = next(Market(8, seed=1).sessions(1)), next(Market(8, seed=1).sessions(1))
    np.testing.assert_array_equal(one, other)
    assert not np.array_equal(one, next(Market(8, seed=2).sessions(1)), equal_nan=True)
    assert one.shape == (SECONDS, 8, len(FIELDS))
    price, volume, bid, ask = np.moveaxis(one, -1, 0)
    assert np.array_equal(np.isnan(price), np.isnan(volume))
    quoted = ~np.isnan(bid)
    assert (bid[quoted] < ask[quoted]).all()
    paid = ~np.isnan(price)
    assert ((price == bid) | (price == ask))[paid].all()
    assert (volume[paid] % 100 == 0).all()
    assert (np.diff(paid.mean(axis=0)) < 0).all()


def test_sessions_skip_weekends() -> None:
    time = session_times("2024-03-08", 2)  # a Friday
    assert time[0] == np.datetime64("2024-03-08T09:30:00")
    assert time[SECONDS] == np.datetime64("2024-03-11T09:30:00")
    assert time[-1] == np.datetime64("2024-03-11T15:59:59")
