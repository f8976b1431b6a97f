"""Documents have the same text as the standard library writes."""

from __future__ import annotations

import json
from collections import OrderedDict
from enum import IntEnum
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st

from exzarr._format import json_text
from exzarr.errors import ArgumentError

KEYS = st.one_of(st.text(max_size=5), st.integers(), st.none(), st.booleans(), st.floats())
LEAVES = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8))
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.tuples(inner, inner), st.dictionaries(KEYS, inner, max_size=4)
    ),
)


@given(VALUES, st.sampled_from([2, 4, None]))
def test_text_equals_json_dumps(value: Any, indent: int | None) -> None:
    assert json_text.encode(value, indent=indent) == json.dumps(value, indent=indent).encode()


def test_numpy_values_and_subclasses_become_plain_json() -> None:
    class Word(str):
        __slots__ = ()

    class Color(IntEnum):
        RED = 3

    value = {
        "a": np.arange(4).reshape(2, 2),
        "b": [np.float32(1.5), np.bool_(True), np.str_("x"), Word("y"), Color.RED],
        "c": OrderedDict(x=(), y={}),
    }
    plain = {"a": [[0, 1], [2, 3]], "b": [1.5, True, "x", "y", 3], "c": {"x": [], "y": {}}}
    assert json_text.encode(value) == json.dumps(plain, indent=2).encode()


@pytest.mark.parametrize("value", [{"a": {1, 2}}, {(1, 2): 3}, [1j], {"a": b"bytes"}])
def test_values_that_are_not_json_raise_argument_error(value: Any) -> None:
    with pytest.raises(ArgumentError, match="must be JSON"):
        json_text.encode(value)


def test_recursive_values_raise_argument_error() -> None:
    value: list[Any] = []
    value.append(value)
    with pytest.raises(ArgumentError, match="nested too deeply"):
        json_text.encode(value)
