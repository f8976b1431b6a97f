"""Positions of labels; xarray is the oracle."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
import xarray
from hypothesis import given, strategies as st
from pandas.errors import InvalidIndexError

from exzarr._labels.index import LabelIndex, Query
from exzarr._labels.times import datetime_times
from exzarr.errors import LabelError
from tests.breadth import examples

FAILED = "no such label"


def oracle(values: np.ndarray, label: Any, **options: Any) -> Any:
    """Return the positions that xarray selects: a number, a list, or `FAILED`."""
    array = xarray.DataArray(np.arange(len(values)), coords={"x": values}, dims="x")
    try:
        return array.sel(x=label, **options).values.tolist()
    except (KeyError, ValueError, TypeError, IndexError, InvalidIndexError):
        return FAILED


def ours(values: np.ndarray, label: Any, **options: Any) -> Any:
    index = LabelIndex(values, datetime_times(values) if values.dtype.kind == "M" else None)
    try:
        return np.arange(len(values))[index.find(label, Query(**options))].tolist()
    except LabelError:
        return FAILED


ORDERS = ["ascending", "descending", "any"]


@st.composite
def numbers(draw: Any, *, unique: bool = False) -> np.ndarray:
    order = draw(st.sampled_from(ORDERS))
    values = draw(st.lists(st.integers(-9, 9), min_size=1, max_size=9, unique=unique))
    if order != "any":
        values = sorted(values, reverse=order == "descending")
    dtype = draw(st.sampled_from(["i4", "i8", "f8", "f4"]))
    return np.array(values, dtype) / (10 if dtype[0] == "f" else 1)


labels = st.integers(-11, 11).flatmap(lambda n: st.sampled_from([n, n / 10, n + 0.5, n / 10 + 0.05]))


@examples(23)
@given(numbers(), labels)
def test_a_label_equals_that_of_xarray(values: np.ndarray, label: float) -> None:
    assert ours(values, label) == oracle(values, label)


@examples(23)
@given(numbers(), st.none() | labels, st.none() | labels, st.sampled_from([None, 1, 2]))
def test_a_slice_equals_that_of_xarray(values: np.ndarray, start: Any, stop: Any, step: Any) -> None:
    values = values.astype("f8") if values.dtype == "f4" else values  # see the test below
    found, wanted = ours(values, slice(start, stop, step)), oracle(values, slice(start, stop, step))
    if found == FAILED and wanted == []:  # the one difference: ends in the wrong order are an error
        assert None not in (start, stop)
        return
    assert found == wanted


def test_the_ends_of_a_slice_are_included_in_float32() -> None:
    values = np.array([-0.1, 0, 0.1, 0.2, 0.3], "f4")
    assert ours(values, slice(-0.1, 0.2)) == [
        0,
        1,
        2,
        3,
    ]  # xarray compares with the float64 -0.1, and leaves out 0


@examples(23)
@given(numbers(), st.lists(labels, max_size=4))
def test_a_list_equals_that_of_xarray(values: np.ndarray, chosen: list[float]) -> None:
    assert ours(values, chosen) == oracle(values, chosen)


@examples(27)
@given(
    numbers(unique=True),
    labels,
    st.sampled_from(["nearest", "pad", "ffill", "backfill", "bfill"]),
    st.none() | st.sampled_from([0.0, 0.1, 1, 2.5]),
)
def test_a_method_equals_that_of_xarray(
    values: np.ndarray, label: float, method: Any, tolerance: Any
) -> None:
    if values.dtype == "f4":
        values = values.astype("f8")  # the distances of float32 are rounded in pandas
    options = {"method": method, "tolerance": tolerance}
    steps = np.diff(values)
    if not ((steps > 0).all() or (steps < 0).all()):
        assert ours(values, label, **options) == FAILED
        return
    found, wanted = ours(values, label, **options), oracle(values, label, **options)
    if tolerance is not None and found != wanted:  # at the limit, rounding decides
        assert any(abs(abs(value - label) - tolerance) < 1e-9 for value in values)
        return
    if method == "nearest" and found != wanted:  # two labels at the same distance, but for rounding
        assert abs(abs(values[found] - label) - abs(values[wanted] - label)) < 1e-9
        return
    assert found == wanted
    assert ours(values, [label, label], **options) == oracle(values, [label, label], **options)


@st.composite
def times(draw: Any) -> np.ndarray:
    step = draw(st.sampled_from(["D", "h", "12h", "month", "s"]))
    start = np.datetime64("2023-12-20")
    n = draw(st.integers(1, 60))
    picks = sorted(draw(st.sets(st.integers(0, n), min_size=1, max_size=12)))
    if step == "month":
        values = np.array([np.datetime64("2023-11") + np.timedelta64(pick, "M") for pick in picks]).astype(
            "M8[ns]"
        )
    else:
        each = np.timedelta64({"D": 24, "h": 1, "12h": 12}.get(step, 0) * 3600 or 1, "s")
        values = start.astype("M8[ns]") + np.array(picks, "m8[s]") * each.astype(int)
    return values[::-1].copy() if draw(st.booleans()) else values


periods = st.sampled_from(
    "2023 2024 2023-11 2023-12 2024-01 2024-02 2023-12-20 2023-12-21 2024-01-05 2023-12-20T00 2023-12-20T12 2023-12-21T05 "
    "2023-12-20T00:00 2023-12-20T00:00:07 2023-12-20T12:00:00.5 2022 2031-05".split()
)


@examples(27)
@given(times(), periods)
def test_a_period_equals_that_of_xarray(values: np.ndarray, label: str) -> None:
    found, wanted = ours(values, label), oracle(values, label)
    if values[0] > values[-1] and wanted == []:  # pandas returns nothing here, and raises for ascending times
        wanted = oracle(values[::-1].copy(), label)
    assert found == wanted


@examples(23)
@given(times(), st.none() | periods, st.none() | periods)
def test_a_slice_of_periods_equals_that_of_xarray(values: np.ndarray, start: Any, stop: Any) -> None:
    ascending = np.sort(values)
    found, wanted = ours(ascending, slice(start, stop)), oracle(ascending, slice(start, stop))
    if found == FAILED and wanted == []:
        assert None not in (start, stop)
        return
    assert found == wanted
    if len(values) == 1:
        return
    # pandas slices descending times only by exact labels. Here both periods are included, too.
    mirrored = ours(ascending[::-1], slice(stop, start))
    assert mirrored == [len(values) - 1 - position for position in wanted[::-1]]


@examples(27)
@given(
    times(),
    periods.map(lambda text: np.datetime64(text, "ns")),
    st.sampled_from([None, "nearest", "pad", "backfill"]),
    st.sampled_from([None, np.timedelta64(1, "D"), np.timedelta64(36, "h")]),
)
def test_a_time_equals_that_of_xarray(values: np.ndarray, label: Any, method: Any, tolerance: Any) -> None:
    options = {"method": method, "tolerance": tolerance if method else None}
    assert ours(values, label, **options) == oracle(values, label, **options)
    assert ours(values, [label], **options) == oracle(values, [label], **options)


@examples(12)
@given(
    st.lists(st.text("abcé", max_size=2), min_size=1, max_size=8),
    st.text("abcé", max_size=2),
    st.text("abcé", max_size=2),
    st.booleans(),
    st.sampled_from(["U", "T", "O"]),
)
def test_texts_equal_those_of_xarray(
    values: list[str], one: str, other: str, ordered: bool, dtype: str
) -> None:
    given_values = np.array(
        sorted(values) if ordered else values, np.dtypes.StringDType() if dtype == "T" else dtype
    )
    known = np.array(given_values.tolist())
    for label in (one, [one, other], slice(one, None), slice(*sorted([one, other]))):
        found, wanted = ours(given_values, label), oracle(known, label)
        assert found == wanted or (found == FAILED and wanted == [] and isinstance(label, slice))


def test_bytes_are_texts_and_masks_are_masks() -> None:
    values = np.array([b"b", b"a"])
    assert ours(values, "a") == 1
    assert ours(np.array([3, 1, 2]), np.array([True, False, True])) == [0, 2]
    assert ours(np.array([3, 1, 2]), np.array(1)) == 1
    assert ours(np.array([], "i4"), slice(0, 5)) == []


WRONG: list[tuple[np.ndarray, Any, dict[str, Any], str]] = [
    (np.arange(9.0), 2.4, {}, "no label 2.4; labels near it: 2.0, 3.0. method='nearest'"),
    (np.arange(9.0), -1, {}, "labels near it: 0.0"),
    (np.array([3, 1, 2]), 5, {}, "no label 5; 3, 1, 2"),
    (np.array(["a", "c"]), "b", {}, "labels near it: 'a', 'c'"),
    (np.array(["a", "c"]), 5, {}, "5 is not a text"),
    (np.array(["a", "c"]), "b", {"method": "nearest"}, "is for numbers and times"),
    (np.arange(3), "a", {}, "'a' is not a number"),
    (np.arange(3), True, {}, "True is not a number"),
    (np.arange(3.0), np.nan, {}, "nan is not a label"),
    (np.arange(3), [[1]], {}, "2 dimensions"),
    (np.arange(3), [True], {}, "a mask of 1"),
    (np.arange(90, -91, -1.0), slice(40, 60), {}, "the labels descend (90.0, 89.0, ..., -90.0 (181)). Swap"),
    (np.arange(3), slice(0, 1, -1), {}, "positive number"),
    (np.arange(3), slice(0, 1), {"method": "nearest"}, "single labels"),
    (np.arange(3), 9, {"method": "nearest", "tolerance": 1}, "no label 9"),
    (np.arange(3), 1, {"method": "nearest", "tolerance": "a"}, "tolerance of numbers"),
    (np.array([1, 1]), [1], {}, "each label exists once"),
    (np.array([2, 1, 2]), slice(2, None), {}, "not unique, and the labels are not sorted"),
    (np.array([2, 1, 3]), 2, {"method": "nearest"}, "sorted and unique"),
    (np.array([], "i4"), 2, {"method": "nearest"}, "no labels"),
    (
        np.array(["2024-01-01", "2024-03-05"], "M8[D]"),
        "2024-02-02",
        {},
        "near it: '2024-01-01', '2024-03-05'",
    ),
    (np.array(["2024-01-01", "2024-03-05"], "M8[D]"), 5, {}, "5 is not a time"),
    (np.array(["2024-01-02", "2024-03-05", "2024-02-01"], "M8[D]"), "2024-01", {}, "names a period"),
    (np.array(["2024-01-01"], "M8[D]"), "2024-01-02", {"method": "pad", "tolerance": 1}, "timedelta"),
]


@pytest.mark.parametrize(("values", "label", "options", "why"), WRONG, ids=[why[:25] for *_, why in WRONG])
def test_errors_say_what_there_is(values: np.ndarray, label: Any, options: Any, why: str) -> None:
    index = LabelIndex(values, datetime_times(values) if values.dtype.kind == "M" else None)
    with pytest.raises(LabelError, match=re.escape(why)):
        index.find(label, Query(**options))


def test_invalid_options_and_kinds() -> None:
    with pytest.raises(LabelError, match="method is"):
        Query("near")  # type: ignore[arg-type]
    with pytest.raises(LabelError, match="tolerance is for a method"):
        Query(tolerance=1)
    with pytest.raises(LabelError, match="data type complex128"):
        LabelIndex(np.array([1j]))
