"""Errors of `to_ray` and of ``executor="ray"`` that need no cluster."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest

import exzarr
from exzarr.errors import ArgumentError, MissingDependencyError, SelectionError

ONE = exzarr.zeros((4, 2), chunks=(2, 2))


@pytest.mark.parametrize(
    ("arrays", "options", "message"),
    [
        (np.zeros(3), {}, "takes an array, a group or a mapping of arrays, not ndarray"),
        ({}, {}, "got no array"),
        ({"a": np.zeros(3)}, {}, "column 'a' is for an exzarr array, not ndarray"),
        ({"a": ONE}, {"columns": ["b"]}, "there is no array 'b'; there are 'a'"),
        (ONE, {"columns": ["b"]}, "columns selects arrays of a group"),
        (
            {"a": ONE, "b": exzarr.zeros((5,), chunks=2)},
            {},
            "'a' has 4, 'b' has 5; choose some with columns=",
        ),
        ({"a": ONE}, {"row_number": "a"}, "is the name of an array"),
        (ONE, {"rows": "bytes"}, "rows is 'samples' or 'chunks'"),
        ({"a": ONE, "b": ONE}, {"rows": "chunks"}, "is for one array"),
    ],
)
def test_arguments_that_do_not_fit_raise(arrays: Any, options: Any, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        exzarr.to_ray(arrays, **options)


def test_axis_that_does_not_exist_raises() -> None:
    with pytest.raises(SelectionError, match="no dimension"):
        exzarr.to_ray(ONE, axis=2)


@pytest.mark.parametrize("executor", ["ray", "ray://host:10001"])
def test_missing_ray_error_names_the_extra(monkeypatch: pytest.MonkeyPatch, executor: str) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingDependencyError, match=r"exzarr\[ray\]"):
        ONE.parallel_chunk_map(np.sum, executor=executor)
    monkeypatch.setitem(sys.modules, "ray.data", None)
    with pytest.raises(MissingDependencyError, match=r"exzarr\[ray\]"):
        exzarr.to_ray(ONE)


def test_unknown_executor_lists_the_known_ones() -> None:
    with pytest.raises(ArgumentError, match=r"'ray' or the address of a Ray cluster.*not 'rays'"):
        ONE.parallel_chunk_map(np.sum, executor="rays")
