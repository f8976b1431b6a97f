"""Operators and NumPy methods on a stored array raise an error that explains how to read it."""

from __future__ import annotations

import copy
import operator
import pickle
from typing import Any

import numpy as np
import pytest

import exzarr


@pytest.fixture
def array() -> exzarr.Array:
    return exzarr.array(np.arange(6.0).reshape(2, 3))


BINARY = [
    *(
        operator.add,
        operator.sub,
        operator.mul,
        operator.truediv,
        operator.floordiv,
        operator.mod,
        operator.pow,
    ),
    *(operator.and_, operator.or_, operator.xor, operator.lshift, operator.rshift, operator.matmul, divmod),
    *(operator.lt, operator.le, operator.gt, operator.ge, operator.eq, operator.ne, operator.iadd),
]


@pytest.mark.parametrize("function", BINARY, ids=lambda f: f.__name__)
def test_operators_raise_error_with_advice_to_read(array: Any, function: Any) -> None:
    for other in (0, 1.5, True, [1, 2], (1, 2)):
        with pytest.raises(TypeError, match=r"read what you need first, a\[\.\.\.\]") as caught:
            function(array, other)
        assert isinstance(caught.value, exzarr.ExzarrError)
        if function is not operator.iadd:
            with pytest.raises(exzarr.ExzarrError, match="read what you need first"):
                function(other, array)


@pytest.mark.parametrize(
    "function", [operator.neg, operator.pos, operator.invert, abs], ids=lambda f: f.__name__
)
def test_unary_operators_raise_error_with_advice_to_read(array: Any, function: Any) -> None:
    with pytest.raises(exzarr.ExzarrError, match="read what you need first"):
        function(array)


@pytest.mark.parametrize(
    ("function", "example"),
    [
        (abs, "abs(a[...])"),
        (round, "round(a[...])"),
        (lambda a: round(a, 1), "round(a[...])"),
        (operator.neg, " -a[...]"),
        (lambda a: divmod(a, 2), "divmod(a[...], other)"),
        (lambda a: a + 1, "a[...] + other"),
    ],
)
def test_error_has_an_example_that_works(array: Any, function: Any, example: str) -> None:
    with pytest.raises(exzarr.errors.UnreadError) as caught:
        function(array)
    assert f"{example}, or go through it" in str(caught.value)


def test_equality_with_elements_is_never_silently_false(array: Any) -> None:
    for other in (0, "x", b"x", np.float64(0), np.zeros((2, 3)), [0]):
        for function in (operator.eq, operator.ne):
            with pytest.raises(exzarr.ExzarrError, match="read what you need first"):
                function(array, other)


def test_numpy_reads_the_array_and_compares_elements(array: Any) -> None:
    values = array[...]
    np.testing.assert_array_equal(values == array, np.ones((2, 3), bool))
    np.testing.assert_array_equal(values + array, values + values)
    np.testing.assert_array_equal(np.add(array, 1), values + 1)


def test_two_arrays_are_equal_if_they_are_the_same_node(array: Any) -> None:
    assert array == exzarr.open_array(array.store)
    assert array != exzarr.array(array[...])
    assert array != None  # noqa: E711
    assert array != object()
    assert array in [None, array]
    assert len({array, exzarr.open_array(array.store)}) == 1


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("T", "transposed"),
        ("astype", "exzarr.copy"),
        ("copy", "exzarr.copy"),
        ("std", "parallel_chunk_map"),
        ("sum", "parallel_chunk_map"),
        ("all", "parallel_chunk_map"),
        ("reshape", "chunk_stream"),
        ("tolist", "chunk_stream"),
        ("fill", "a[...] = value"),
        ("values", "NumPy array"),
        ("loc", "a.sel"),
        ("iloc", "a.isel"),
    ],
)
def test_numpy_methods_raise_error_with_advice(array: Any, name: str, hint: str) -> None:
    with pytest.raises(AttributeError, match=r"read what you need first, a\[\.\.\.\]") as caught:
        getattr(array, name)
    assert isinstance(caught.value, exzarr.ExzarrError)
    assert hint in str(caught.value)
    assert not hasattr(array, name)


def test_every_numpy_method_exists_or_is_explained(array: Any) -> None:
    for name in dir(np.ndarray):
        if not name.startswith("_") and not hasattr(array, name):
            with pytest.raises(exzarr.ExzarrError):
                getattr(array, name)


def test_unknown_attributes_raise_attribute_error(array: Any) -> None:
    with pytest.raises(AttributeError, match="has no attribute 'shpae'") as caught:
        array.shpae  # noqa: B018
    assert not isinstance(caught.value, exzarr.ExzarrError)
    assert copy.copy(array) == pickle.loads(pickle.dumps(array)) == array
