"""The Range header, against RFC 9110 section 14.1.2 and 14.2."""

from __future__ import annotations

import pytest
from hypothesis import assume, given, strategies as st

from exzarr.serve.ranges import MANY_RANGES, Wanted, parse_range


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("bytes=0-0", Wanted(0, 0)),
        ("bytes=0-499", Wanted(0, 499)),
        ("bytes=9500-", Wanted(9500, None)),
        ("bytes=-500", Wanted(None, 500)),
        ("Bytes = 1-2", Wanted(1, 2)),
        ("bytes=,1-2,", Wanted(1, 2)),
        ("bytes=0-0,-1", MANY_RANGES),
        ("bytes=0-1, bytes=2-3", MANY_RANGES),  # two headers
        ("bytes=" + "0-0," * 4000, MANY_RANGES),
    ],
)
def test_valid_ranges_are_parsed(text: str, wanted: object) -> None:
    assert parse_range(text) == wanted


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "bytes",
        "bytes=",
        "bytes=-",
        "bytes=5-2",
        "bytes=a-b",
        "bytes=1-2x",
        "bytes=0x1-2",
        "bytes=--1",
        "bytes=1-" + "9" * 5000,
        "items=0-1",
        "bytes 0-1",
    ],
)
def test_other_units_and_invalid_ranges_are_ignored(text: str | None) -> None:
    assert parse_range(text) is None


@given(
    st.integers(0, 30),
    st.none() | st.integers(0, 30),
    st.none() | st.integers(0, 30),
)
def test_range_covers_the_bytes_that_python_slices(size: int, first: int | None, last: int | None) -> None:
    assume(first is None or last is None or first <= last)  # others are invalid
    value = bytes(range(size))
    wanted = Wanted(first, last)
    if first is None:
        expected = value[-last:] if last else b""
    else:
        expected = value[first:] if last is None else value[first : last + 1]
    found = wanted.within(size)
    if found is None:
        assert expected == b""
    else:
        assert value[found[0] : found[1]] == expected != b""
        assert wanted.most is None or len(expected) <= wanted.most
