"""Results are combined in a tree: in order, with the same structure every time, with few partial results."""

from __future__ import annotations

import functools
import operator
import weakref

import numpy as np
import pytest
from hypothesis import given, strategies as st

from exzarr._stream.maps.reducing import Tree
from exzarr.errors import ArgumentError


def reduced(values: list, combine=operator.add, initial=None):
    tree = Tree(combine)
    for value in values:
        tree.add(value)
    return tree.result(initial)


@given(st.lists(st.text(max_size=3), min_size=1), st.none() | st.text(min_size=1, max_size=2))
def test_equals_functools_reduce_if_associative(words, initial):
    wanted = functools.reduce(operator.add, words if initial is None else [initial, *words])
    assert reduced(words, initial=initial) == wanted


@pytest.mark.parametrize(
    ("n", "brackets"),
    [(1, "0"), (2, "(01)"), (3, "((01)2)"), (5, "(((01)(23))4)"), (7, "(((01)(23))((45)6))")],
)
def test_neighbours_are_combined_first_then_pairs_of_pairs(n, brackets):
    assert reduced([*map(str, range(n))], lambda a, b: f"({a}{b})") == brackets


def test_initial_comes_first():
    assert reduced(["1", "2", "3"], lambda a, b: f"({a}{b})", "i") == "(i((12)3))"


def test_nothing_to_reduce():
    assert reduced([], initial=7) == 7
    with pytest.raises(ArgumentError, match="give an initial value"):
        reduced([])


def test_sums_are_more_exact_than_one_after_the_other():
    values = [np.float32(0.1)] * 2**16
    exact = 0.1 * 2**16
    chain = functools.reduce(operator.add, values)
    assert abs(reduced(values) - exact) < abs(chain - exact) / 1000


@given(st.integers(1, 600))
def test_as_many_values_are_held_as_there_are_ones_in_their_number(n):
    class Value:
        pass

    alive: weakref.WeakSet[Value] = weakref.WeakSet()

    def made(*_: Value) -> Value:
        value = Value()
        alive.add(value)
        return value

    tree = Tree(made)
    for _ in range(n):
        tree.add(made())
    assert len(alive) == n.bit_count()
