"""Conditional requests, against RFC 9110 section 13."""

from __future__ import annotations

import pytest

from exzarr.serve.conditions import BadHeaderError, Conditions, parse_conditions
from exzarr.serve.ranges import MANY_RANGES, Wanted
from exzarr.serve.replies import decide

CURRENT = '"now"'.__eq__


@pytest.mark.parametrize(
    ("headers", "conditions"),
    [
        ({}, Conditions()),
        ({"if-match": "*"}, Conditions(())),
        ({"if-match": '"a"'}, Conditions(('"a"',))),
        ({"if-none-match": ' "a" ,W/"b","" '}, Conditions(None, ('"a"', 'W/"b"', '""'))),
        ({"if-match": '"a,b"'}, Conditions(('"a,b"',))),
        ({"if-modified-since": "Sat, 29 Oct 1994 19:43:31 GMT"}, Conditions()),
    ],
)
def test_conditions_are_parsed(headers: dict[str, str], conditions: Conditions) -> None:
    assert parse_conditions(headers) == conditions


@pytest.mark.parametrize(
    "text", ["", "a", '"a', "'a'", '"a" b', 'w/"a"', '"a"; "b"', '*, "a"', ", " * 5000 + "x"]
)
def test_malformed_conditions_are_refused_and_never_ignored(text: str) -> None:
    with pytest.raises(BadHeaderError, match="If-Match"):
        parse_conditions({"if-match": text})


@pytest.mark.parametrize(
    ("conditions", "exists", "status", "may_write"),
    [
        (Conditions(), True, 200, True),
        (Conditions(('"now"',)), True, 200, True),
        (Conditions(('"old"', '"now"')), True, 200, True),
        (Conditions(('"old"',)), True, 412, False),
        (Conditions(('W/"now"',)), True, 412, False),  # the strong comparison
        (Conditions(()), True, 200, True),
        (Conditions(None, ('"now"',)), True, 304, False),
        (Conditions(None, ('W/"now"',)), True, 304, False),  # the weak comparison
        (Conditions(None, ('"old"',)), True, 200, True),
        (Conditions(None, ()), True, 304, False),
        (Conditions(('"old"',), ('"now"',)), True, 412, False),  # If-Match comes first
        (Conditions(('"now"',)), False, None, False),
        (Conditions(()), False, None, False),
        (Conditions(None, ()), False, None, True),
        (Conditions(None, ('"now"',)), False, None, True),
    ],
)
def test_conditions_decide_reads_and_writes(
    conditions: Conditions, exists: bool, status: int | None, may_write: bool
) -> None:
    assert conditions.holds(CURRENT if exists else None) is may_write
    if status is not None:
        assert conditions.read_status(CURRENT) == status


@pytest.mark.parametrize(
    ("wanted", "if_range", "status", "content_range", "length"),
    [
        (None, None, 200, None, "10"),
        (None, '"old"', 200, None, "10"),
        (Wanted(2, 4), None, 206, "bytes 2-4/10", "3"),
        (Wanted(2, 400), None, 206, "bytes 2-9/10", "8"),
        (Wanted(None, 3), '"now"', 206, "bytes 7-9/10", "3"),
        (Wanted(2, 4), '"old"', 200, None, "10"),
        (Wanted(2, 4), 'W/"now"', 200, None, "10"),
        (Wanted(2, 4), "Sat, 29 Oct 1994 19:43:31 GMT", 200, None, "10"),
        (Wanted(10, None), None, 416, "bytes */10", "0"),
        (Wanted(None, 0), None, 416, "bytes */10", "0"),
        (MANY_RANGES, None, 416, "bytes */10", "0"),
    ],
)
def test_range_and_if_range_decide_the_part(
    wanted: Wanted | None, if_range: str | None, status: int, content_range: str | None, length: str
) -> None:
    made = decide("a/c/0", 10, '"now"', Conditions(), wanted, if_range, CURRENT)
    assert made.status == status
    assert made.headers["etag"] == '"now"'
    assert made.headers.get("content-range") == content_range
    assert made.headers["content-length"] == length
    assert made.end - made.begin == int(length)


def test_response_has_the_tag_that_the_client_knows() -> None:
    both = {'"now"', '"now-too"'}.__contains__
    for conditions, if_range in (
        (Conditions(('"old"', '"now-too"')), None),
        (Conditions(None, ('W/"now-too"',)), None),
        (Conditions(), '"now-too"'),
    ):
        made = decide("a", 10, '"now"', conditions, Wanted(0, 1), if_range, both)
        assert made.headers["etag"] == '"now-too"'
