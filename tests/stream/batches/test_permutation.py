"""Random orders are permutations, the same on every machine and in every version, and random."""

from __future__ import annotations

import math
from collections import Counter
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, strategies as st

from exzarr._stream.batches.permutation import (
    LISTED,
    ROUNDS,
    FeistelPermutation,
    SortedPermutation,
    draws,
    key_for,
    permutation,
)
from tests.stream.batches.tools import splitmix64

keys = st.integers(0, 2**64 - 1)


def test_draws_are_those_of_splitmix64() -> None:
    """Compare with the first outputs for the seed 1234567, published with https://prng.di.unimi.it/splitmix64.c."""
    published = [6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431]
    assert draws(1234567, np.arange(4)).tolist() == published


@given(keys, st.lists(st.integers(0, 2**62), max_size=5))
def test_draws_depend_on_key_and_counter_alone(key: int, counters: list[int]) -> None:
    assert draws(key, np.array(counters, np.int64)).tolist() == [splitmix64(key, i) for i in counters]


def test_keys_are_stable() -> None:
    """Check fixed keys: with other keys, every order that a user recorded by seed and epoch would change."""
    assert key_for(0, 0, 1) == 4881901421217228719
    assert key_for(2**63, 2**40, 3) == 15371870996022764529


def test_keys_differ_by_seed_epoch_and_purpose() -> None:
    made = [
        key_for(seed, epoch, purpose)
        for seed in (0, 1, 2**32, 2**63)
        for epoch in (0, 1, 2**32)
        for purpose in (1, 2, 3)
    ]
    assert len(set(made)) == len(made)


@given(st.integers(1, 3000), keys)
def test_permutation_has_every_number_once(length: int, key: int) -> None:
    for made in (SortedPermutation(length, key), FeistelPermutation(length, key)):
        order = made.at(np.arange(length))
        assert sorted(order.tolist()) == [*range(length)]
        for number in {0, length // 2, length - 1}:
            assert order[made.position_of(number)] == number


@given(st.integers(1, 2**62), keys, st.data())
def test_a_position_is_found_without_the_others(length: int, key: int, data: st.DataObject) -> None:
    where = data.draw(st.lists(st.integers(0, length - 1), min_size=1, max_size=20))
    made = FeistelPermutation(length, key)
    numbers = made.at(np.array(where))
    assert ((numbers >= 0) & (numbers < length)).all()
    for position, number in zip(where, numbers.tolist(), strict=True):
        assert made.at(np.array([position])).tolist() == [number]
        assert made.position_of(number) == position


def in_plain_python(length: int, key: int, position: int) -> int:
    """Compute the documented network with Python's own integers."""
    a = math.isqrt(length - 1) + 1
    b = -(-length // a)
    number = position
    while True:
        high, low = divmod(number, b)
        for at in range(ROUNDS):
            secret = splitmix64(key, at)
            if at % 2 == 0:
                high = (high + ((splitmix64(secret, low) >> 32) * a >> 32)) % a
            else:
                low = (low + ((splitmix64(secret, high) >> 32) * b >> 32)) % b
        number = high * b + low
        if number < length:
            return number


@given(st.integers(1, 2**62), keys, st.data())
def test_long_orders_are_the_documented_ones(length: int, key: int, data: st.DataObject) -> None:
    where = data.draw(st.lists(st.integers(0, length - 1), min_size=1, max_size=5))
    assert FeistelPermutation(length, key).at(np.array(where)).tolist() == [
        in_plain_python(length, key, position) for position in where
    ]


def test_orders_are_stable() -> None:
    assert permutation(10, 7).at(np.arange(10)).tolist() == [1, 8, 5, 7, 0, 9, 4, 6, 3, 2]
    assert permutation(10**12, 7).at(np.arange(3)).tolist() == [26385052241, 909089239908, 578672499186]


def test_which_kind_is_made_depends_on_the_length() -> None:
    assert isinstance(permutation(LISTED, 1), SortedPermutation)
    assert isinstance(permutation(LISTED + 1, 1), FeistelPermutation)
    assert permutation(5, None).at(np.arange(5)).tolist() == [*range(5)]
    assert permutation(5, None).position_of(3) == 3


@pytest.mark.parametrize("kind", [SortedPermutation, FeistelPermutation])
def test_all_orders_of_a_few_are_about_as_likely(kind: type[SortedPermutation | FeistelPermutation]) -> None:
    length, rounds = 4, 6000
    found = Counter(
        tuple(kind(length, key_for(3, i, 1)).at(np.arange(length)).tolist()) for i in range(rounds)
    )
    expected = rounds / math.factorial(length)
    chi = sum((found[order] - expected) ** 2 / expected for order in permutations(range(length)))
    # 23 degrees of freedom: more than 49.7 in one of a thousand cases. A network of two digits of 2 has
    # few states to mix, and is never used for so few.
    assert chi < (49.7 if kind is SortedPermutation else 400)


@pytest.mark.parametrize("length", [LISTED + 1, 10**6, 10**9])
def test_long_orders_are_well_mixed(length: int) -> None:
    count = 1 << 14
    start = length // 3
    numbers = permutation(length, key_for(1, 2, 3)).at(np.arange(start, start + count))
    scaled = numbers / length
    # The statistics of uniform numbers: mean, products with their neighbours, distances.
    assert abs(scaled.mean() - 1 / 2) < 5 / math.sqrt(12 * count)
    assert abs(np.corrcoef(scaled[1:], scaled[:-1])[0, 1]) < 5 / math.sqrt(count)
    assert abs(np.abs(np.diff(scaled)).mean() - 1 / 3) < 5 / math.sqrt(count)
    low_digits = np.bincount(numbers % 16, minlength=16)
    assert ((low_digits - count / 16) ** 2 / (count / 16)).sum() < 45
