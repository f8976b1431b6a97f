"""`make xarray-tests` counts what passes, and fails below 95 % or on a failure that is not listed.

xarray's tests themselves run with this command only: their import takes longer than all tests here.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.xarray.own_tests.__main__ import Outcomes, comparable, plain, report_on

LISTED, UNLISTED = (f"tests/test_backends.py::TestZarr::{name}[2]" for name in ("test_listed", "test_other"))


def seen(outcome: str, *uses: str) -> dict[str, Any]:
    return {"outcome": outcome, "uses": [*uses], "error": "no values"}


def many(count: int, failed: int) -> Outcomes:
    """Return the outcomes of tests that read, of which the first ones fail."""
    return {
        f"test_backends.py::test_{n}": seen("failed" if n < failed else "passed", "read")
        for n in range(count)
    }


@pytest.fixture(autouse=True)
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    listed = {"test_backends.py::test_listed": "reason", **{plain(name): "reason" for name in many(10, 0)}}
    monkeypatch.setattr("tests.xarray.own_tests.__main__.exceptions", lambda: listed)


def test_only_tests_that_pass_with_zarr_python_and_use_what_is_exchanged_count() -> None:
    theirs = {
        "a": seen("passed", "read"),
        "b": seen("passed", "write"),
        "c": seen("failed", "read"),
        "d": seen("passed"),
    }
    assert comparable(theirs, ("read",)) == ["a"]
    assert comparable(theirs, ("read", "write")) == ["a", "b"]


@pytest.mark.parametrize(("failed", "enough"), [(0, True), (5, True), (6, False)])
def test_at_least_95_percent_must_pass(failed: int, enough: bool, capsys: pytest.CaptureFixture[str]) -> None:
    assert report_on("read", many(100, 0), many(100, failed), False) is enough
    assert (
        f"read: {100 - failed} of 100 tests that pass with zarr-python pass: {100 - failed}.0%"
        in capsys.readouterr().out
    )


@pytest.mark.parametrize(("name", "enough"), [(LISTED, True), (UNLISTED, False)])
@pytest.mark.parametrize("lost", ["failed", "missing"])
def test_a_failure_that_is_not_listed_is_printed(
    name: str, enough: bool, lost: str, capsys: pytest.CaptureFixture[str]
) -> None:
    theirs = {**many(100, 0), name: seen("passed", "read")}
    ours = {**many(100, 0), **({name: seen("failed", "read")} if lost == "failed" else {})}
    assert report_on("read", theirs, ours, True) is enough
    assert (f"not in exceptions.toml: {name}" in capsys.readouterr().out) is not enough


def test_no_tests_are_not_enough() -> None:
    assert not report_on("read", {}, {}, False)
