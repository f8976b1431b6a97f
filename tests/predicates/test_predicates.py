"""Predicates against NumPy: on values, and on bounds."""

from __future__ import annotations

import operator
import pickle
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st
from hypothesis.extra import numpy as npst

import exzarr
from exzarr._predicates.predicates import OPERATORS, Predicate
from exzarr.errors import ArgumentError, ArgumentTypeError, UnsupportedError
from tests.breadth import examples

value = exzarr.value

DTYPES = ["?", "i1", "u1", ">i2", "i4", "i8", "u8", "f2", "f4", ">f8", "M8[s]", "M8[D]", "m8[ms]"]


def elements(dtype: np.dtype[Any]) -> st.SearchStrategy[Any]:
    """Return a strategy of values that are often equal or close to each other."""
    usual = npst.from_dtype(dtype, allow_nan=True)
    if dtype.kind in "mM":
        return st.one_of(st.integers(-2, 5).map(lambda n: np.array(n, dtype)[()]), usual)
    few = st.integers(0 if dtype.kind in "bu" else -2, 1 if dtype.kind == "b" else 5)
    return st.one_of(few.map(dtype.type), usual)


def operands(dtype: np.dtype[Any]) -> st.SearchStrategy[Any]:
    if dtype.kind in "mM":
        return elements(dtype)
    return st.one_of(
        elements(dtype),
        st.integers(-300, 2**65),
        st.floats(),
        st.floats(-3, 6),
        st.integers(-3, 6),
        st.booleans(),
    )


@st.composite
def predicates(draw: st.DrawFn, dtype: np.dtype[Any], depth: int = 2) -> tuple[Predicate, Any]:
    """Return a predicate, and a function that computes it with NumPy."""
    kinds = ["compare", "isin", "between", "is_nan"] + ["and", "or", "not"] * bool(depth)
    kind = draw(st.sampled_from(kinds))
    if kind == "compare":
        symbol, operand = draw(st.sampled_from(sorted(OPERATORS))), draw(operands(dtype))
        compare = OPERATORS[symbol]
        return compare(value, operand), lambda values: compare(values, operand)
    if kind == "isin":
        several = draw(st.lists(elements(dtype), max_size=4))
        return value.isin(several), lambda values: np.logical_or.reduce(
            [np.zeros(values.shape, bool), *[values == one for one in several]]
        )
    if kind == "between":
        low, high = draw(operands(dtype)), draw(operands(dtype))
        return value.between(low, high, "left"), lambda values: (values >= low) & (values < high)
    if kind == "is_nan":
        return value.is_nan(), lambda values: values != values
    left, expected = draw(predicates(dtype, depth - 1))
    if kind == "not":
        return ~left, lambda values: ~expected(values)
    right, other = draw(predicates(dtype, depth - 1))
    combine = {"and": operator.and_, "or": operator.or_}[kind]
    return combine(left, right), lambda values: combine(expected(values), other(values))


@st.composite
def cases(draw: st.DrawFn) -> tuple[Predicate, Any, Any]:
    dtype = np.dtype(draw(st.sampled_from(DTYPES)))
    predicate, expected = draw(predicates(dtype))
    values = draw(npst.arrays(dtype, st.integers(1, 6), elements=elements(dtype), fill=st.nothing()))
    return predicate, expected, values


@given(case=cases())
@examples(60)
def test_predicates_match_the_values_that_numpy_matches(case: tuple[Predicate, Any, Any]) -> None:
    predicate, expected, values = case
    with np.errstate(all="ignore"):
        assert predicate.bind(values.dtype).matches(values).tolist() == expected(values).tolist()


@given(case=cases())
@examples(60)
def test_bounds_exclude_no_value_that_matches(case: tuple[Predicate, Any, Any]) -> None:
    predicate, expected, values = case
    values = values[~np.isnan(values)] if values.dtype.kind in "fmM" else values
    if not values.size:
        return
    native = values.astype(values.dtype.newbyteorder("="))
    possible, certain = predicate.bind(values.dtype).within(
        native.min(keepdims=True), native.max(keepdims=True)
    )
    with np.errstate(all="ignore"):
        found = expected(values)
    assert possible[0] or not found.any()
    assert not certain[0] or found.all()
    if len(np.unique(values)) == 1:  # then the bounds tell everything
        assert (possible[0], certain[0]) == (found.any(), found.all())


def test_bounds_decide_where_they_can() -> None:
    low, high = np.array([0, 10, 20]), np.array([9, 19, 29])
    for predicate, possible, certain in [
        (value > 15, [False, True, True], [False, False, True]),
        (value == 12, [False, True, False], [False] * 3),
        (value != 40, [True] * 3, [True] * 3),
        (value.isin([5, 25]), [True, False, True], [False] * 3),
        (value.between(10, 19), [False, True, False], [False, True, False]),
        (~(value < 10), [False, True, True], [False, True, True]),
        ((value < 5) | (value > 25), [True, False, True], [False] * 3),
        (value.is_nan(), [False] * 3, [False] * 3),
    ]:
        outcome = predicate.bind(low.dtype).within(low, high)
        assert (outcome.possible.tolist(), outcome.certain.tolist()) == (possible, certain), predicate


def test_times_are_compared_in_the_unit_of_the_array() -> None:
    days = np.array(["2024-02-29", "2024-03-01", "NaT"], "M8[D]")
    for operand in (
        "2024-03",
        "2024-03-01",
        date(2024, 3, 1),
        datetime(2024, 3, 1),
        np.datetime64("2024-03", "M"),
    ):
        assert (value >= operand).bind(days.dtype).matches(days).tolist() == [False, True, False]
    seconds = days.astype("M8[s]")
    zone = timezone(timedelta(hours=2))
    for aware in (datetime(2024, 3, 1, tzinfo=UTC), datetime(2024, 3, 1, 2, tzinfo=zone)):
        assert (value == aware).bind(seconds.dtype).matches(seconds).tolist() == [False, True, False]
    durations = np.array([1, 90], "m8[s]")
    assert (value > timedelta(minutes=1)).bind(durations.dtype).matches(durations).tolist() == [False, True]
    for operand in (datetime(2024, 3, 1, 12), "9999-01-01T01"):
        with pytest.raises(ArgumentError, match="round it"):
            (value > operand).bind(days.dtype)
    with pytest.raises(ArgumentError, match="out of its range"):
        (value < np.datetime64("9999", "Y")).bind(np.dtype("M8[ns]"))


def test_texts_of_times_may_have_an_offset() -> None:
    values = np.array(["2024-03-01T11:00", "2024-03-01T12:00", "2024-03-01T13:30"], "M8[s]")
    for text, expected in (
        ("2024-03-01T12:00Z", [1]),
        ("2024-03-01T13:00:00+01:00", [1]),
        ("2024-03-01 08:00-0530", [2]),
        ("2024-03-01T12:00", [1]),
    ):
        assert np.flatnonzero((value == text).bind(values.dtype).matches(values)).tolist() == expected


def test_unsuitable_operands_are_errors() -> None:
    for operand, dtype in [
        ("30", "f4"),
        (1j, "f8"),
        (b"a", "i4"),
        (30, "M8[s]"),
        ("soon", "M8[s]"),
        (1, "m8[s]"),
    ]:
        with pytest.raises(ArgumentError, match="cannot be compared"):
            (value > operand).bind(np.dtype(dtype))
    with pytest.raises(ArgumentError, match="cannot be compared"):
        (value > 10**400).bind(np.dtype("f4"))
    for dtype in ("U3", "S3", "c16", "O", "V4"):
        with pytest.raises(UnsupportedError, match="predicates do not apply"):
            (value > 1).bind(np.dtype(dtype))
    for call in (
        lambda: value > None,
        lambda: value > [1, 2],
        lambda: value == value,
        lambda: value.isin("ab"),
    ):
        with pytest.raises(ArgumentTypeError):
            call()
    with pytest.raises(ArgumentTypeError):
        value.isin(3)  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="inclusive"):
        value.between(1, 2, "all")  # type: ignore[arg-type]


def test_truth_values_are_errors_that_name_the_operators() -> None:
    with pytest.raises(ArgumentTypeError, match=r"value\.between"):
        _ = 1 < value < 5
    with pytest.raises(ArgumentTypeError, match="'&'"):
        _ = value > 1 and value < 5
    with pytest.raises(ArgumentTypeError, match="compare it"):
        bool(value)
    with pytest.raises(TypeError):
        _ = (value > 1) & True  # type: ignore[operator]


def test_scalars_of_numpy_may_stand_on_the_left() -> None:
    assert str(np.float64(30) < value) == "value > np.float64(30.0)"
    assert str(np.int32(30) == value) == "value == np.int32(30)"


def test_predicates_are_shown_as_they_are_written_and_can_be_pickled() -> None:
    predicate = (value > 30) & ~value.isin([40, 50]) | value.is_nan()
    assert repr(predicate) == "((value > 30) & (~(value.isin([40, 50])))) | (value.is_nan())"
    assert pickle.loads(pickle.dumps(predicate)) == predicate
    bound = predicate.bind(np.dtype("f4"))
    again = pickle.loads(pickle.dumps(bound))
    values = np.array([np.nan, 30, 31, 40], "f4")
    assert again.matches(values).tolist() == [True, False, True, False]
    assert value.isin(np.array([[1, 2], [3, 4]])) == value.isin([1, 2, 3, 4])
