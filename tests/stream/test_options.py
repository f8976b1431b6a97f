"""The options that streams share."""

from __future__ import annotations

import inspect
from dataclasses import fields
from typing import Any

import numpy as np
import pytest

import exzarr
from exzarr._stream.maps.parallel_map import MapKeywords
from exzarr._stream.options import StreamOptions
from exzarr.errors import ArgumentError


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("missing", "zero"),
        ("workers", 0),
        ("workers", 1.5),
        ("workers", True),
        ("prefetch", -1),
        ("prefetch", 1.5),
        ("timeout", 0),
        ("timeout", -1.0),
        ("retries", -1),
        ("retries", 1.5),
        ("on_error", "ignore"),
        ("on_error", None),
        ("on_error", 1),
    ],
)
def test_error_for_an_invalid_option_names_it(name: str, value: Any) -> None:
    with pytest.raises(ArgumentError, match=name):
        StreamOptions(**{name: value})


def test_options_are_the_keywords_of_chunk_stream() -> None:
    parameters = inspect.signature(exzarr.Array.chunk_stream).parameters
    options = {one.name: one.default for one in fields(StreamOptions)}
    assert options.pop("matching") is None  # a predicate that was passed as `where`
    assert options == {name: one.default for name, one in parameters.items() if name != "self"}


def test_map_keywords_are_those_of_the_function() -> None:
    parameters = inspect.signature(exzarr.parallel_chunk_map).parameters
    assert {name: kind.__forward_arg__ for name, kind in MapKeywords.__annotations__.items()} == {
        name: one.annotation for name, one in parameters.items() if one.kind is one.KEYWORD_ONLY
    }


def test_map_method_and_function_refuse_unknown_keywords_by_name() -> None:
    array: Any = exzarr.array(np.arange(4))
    with pytest.raises(
        TypeError, match=r"parallel_chunk_map\(\) got an unexpected keyword argument 'worker'"
    ):
        array.parallel_chunk_map(np.sum, worker=2)
    with pytest.raises(
        TypeError, match=r"parallel_chunk_map\(\) got an unexpected keyword argument 'worker'"
    ):
        exzarr.parallel_chunk_map(np.sum, array, worker=2)  # type: ignore[call-arg]
