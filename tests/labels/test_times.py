"""Times of coordinates and labels; pandas and xarray are the oracles."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray
from hypothesis import given, strategies as st

from exzarr._labels.times import (
    Times,
    as_nanoseconds,
    cf_times,
    datetime_times,
    parse_period,
    show_time,
    timedelta_nanoseconds,
)
from exzarr.errors import LabelError, UnsupportedError
from tests.breadth import examples

TEXTS = "2024 2024-02 2024-03-05 2024-03-05T12 2024-03-05T12:30 2024-03-05T12:30:15 1969-12-31T23:59:59.25".split()


@pytest.mark.parametrize("text", [*TEXTS, "2024-03-05 12:30:15"])
def test_periods_equal_those_of_pandas(text: str) -> None:
    period = parse_period(text)
    wanted = pd.Period(text)
    if "." not in text:
        assert period.first == wanted.start_time.as_unit("ns").value
        assert period.last // 1000 == wanted.end_time.value // 1000
    assert period.first == pd.Timestamp(text).as_unit("ns").value


@pytest.mark.parametrize(
    "text", ["", "now", "March", "2024-3", "24-03-05", "2024-13", "2024-03-05T25", "2024-W03", "NaT"]
)
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(LabelError, match="is not a time"):
        parse_period(text)


def test_times_of_python_numpy_and_pandas() -> None:
    wanted = pd.Timestamp("2024-03-05T12:00").as_unit("ns").value
    assert as_nanoseconds(datetime(2024, 3, 5, 12)) == wanted
    assert as_nanoseconds(np.datetime64("2024-03-05T12")) == wanted
    assert as_nanoseconds(pd.Timestamp("2024-03-05T12")) == wanted
    assert as_nanoseconds(pd.Timestamp(wanted + 1)) == wanted + 1
    assert as_nanoseconds(date(2024, 3, 5)) == wanted - 12 * 3600 * 10**9
    times: list[Any] = [datetime(2024, 3, 5, tzinfo=UTC), np.datetime64("NaT", "ns"), 5, None]
    for wrong in times:
        with pytest.raises(LabelError):
            as_nanoseconds(wrong)
    assert (
        timedelta_nanoseconds(timedelta(hours=1))
        == timedelta_nanoseconds(np.timedelta64(60, "m"))
        == 3600 * 10**9
    )
    for wrong in [5, np.timedelta64("NaT", "s"), np.timedelta64(1, "M")]:
        with pytest.raises(LabelError, match="timedelta"):
            timedelta_nanoseconds(wrong)


UNITS = ["days", "hours", "minutes", "seconds", "milliseconds", "microseconds", "d", "h"]
SINCE = [
    "1970-01-01",
    "2000-1-1 00:30:00",
    "1990-01-01T06:00:00Z",
    "1583-01-01 00:00:0.0",
    "1858-11-17 00:00 UTC",
]


@examples(20)
@given(
    st.sampled_from(UNITS),
    st.sampled_from(SINCE),
    st.sampled_from([None, "standard", "proleptic_gregorian", "gregorian"]),
    st.lists(st.integers(0, 40_000), min_size=1, max_size=4),
    st.sampled_from(["i4", "i8", "f8", "f4", "u2"]),
    st.booleans(),
)
def test_times_in_cf_units_equal_those_of_xarray(
    unit: str, since: str, calendar: str | None, numbers: list[int], dtype: str, halves: bool
) -> None:
    values = np.array(numbers, dtype) / 2 if halves and dtype[0] == "f" else np.array(numbers, dtype)
    attributes = {"units": f"{unit} since {since}"} | ({"calendar": calendar} if calendar else {})
    if halves and unit == "microseconds":
        values = np.rint(values)
    data = xarray.Dataset({"time": ("time", values, attributes)})
    wanted = xarray.decode_cf(data, decode_times=xarray.coders.CFDatetimeCoder(time_unit="us")).time.values
    found = cf_times(values, attributes, "coordinate")
    assert found is not None
    in_nanoseconds = [value * found.unit for value in found.values.tolist()]
    assert in_nanoseconds == [value * 1000 for value in wanted.astype("M8[us]").astype("i8").tolist()]


UNSUPPORTED = [
    ({"units": "days since 2000-01-01", "calendar": "noleap"}, "calendar is 'noleap'"),
    ({"units": "months since 2000-01-01"}, "months since"),
    ({"units": "days since 0001-01-01"}, "before the Gregorian calendar"),
    ({"units": "days since 2000-02-31"}, "2000-02-31"),
    ({"units": "days since noon"}, "days since noon"),
    ({"units": "days since 2000-01-01 00:00 +05:00"}, "05:00"),
]


@pytest.mark.parametrize(("attributes", "why"), UNSUPPORTED)
def test_what_needs_cftime_is_an_error(attributes: dict[str, str], why: str) -> None:
    with pytest.raises(UnsupportedError, match=why):
        cf_times(np.arange(3), attributes, "coordinate '/time'")


def test_other_units_are_not_times() -> None:
    assert cf_times(np.arange(3), {"units": "degrees_north"}, "c") is None
    assert cf_times(np.array(["a"]), {"units": "days since 2000-01-01"}, "c") is None
    assert cf_times(np.arange(3), {}, "c") is None
    found = cf_times(np.arange(3), {"units": "days since 0001-01-01", "calendar": "proleptic_gregorian"}, "c")
    assert found is not None
    assert show_time(int(found.values[1]) * found.unit) == "0001-01-02"


@pytest.mark.parametrize("dtype", ["M8[D]", "M8[M]", "M8[Y]", "M8[h]", "M8[10s]", "M8[us]", "M8[ns]"])
def test_times_of_numpy_keep_their_unit(dtype: str) -> None:
    values = np.array(["2024-03-01", "1950-01-01"], dtype)
    times = datetime_times(values)
    wanted = values.astype("M8[ns]").astype("i8").tolist()
    assert [value * times.unit for value in times.values.tolist()] == wanted


@given(
    st.lists(st.integers(-(10**5), 10**5), min_size=1, max_size=4),
    st.sampled_from(["s", "ms", "us", "ns", "h", "D"]),
)
def test_the_resolution_equals_that_of_pandas(numbers: list[int], unit: str) -> None:
    for factor in (1, 60, 3600, 1000, 86_400):
        values = (np.array(numbers) * factor).astype(f"M8[{unit}]")
        wanted = pd.DatetimeIndex(values).resolution
        names = ["day", "hour", "minute", "second", "millisecond", "microsecond", "nanosecond"]
        steps = [86_400 * 10**9, 3600 * 10**9, 60 * 10**9, 10**9, 10**6, 1000, 1]
        assert datetime_times(values).resolution == dict(zip(names, steps, strict=True))[wanted]


def test_times_as_text() -> None:
    values: list[Any] = [0, -1, 86_400 * 10**9, 90 * 10**9 + 5 * 10**8]
    shown = ["1970-01-01", "1969-12-31T23:59:59.999999999", "1970-01-02", "1970-01-01T00:01:30.5"]
    assert [show_time(value) for value in values] == shown
    assert Times(np.array([0]), 10**9).resolution == 86_400 * 10**9
