"""Mixes of data sets have the batches of a plain model, for each stop rule, and resume at any batch."""

from __future__ import annotations

import json
from itertools import chain
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st

import exzarr
from exzarr._stream.batches.mix import CHOICES
from exzarr._stream.batches.permutation import key_for
from exzarr.errors import ArgumentError
from tests.breadth import examples
from tests.stream.batches.tools import splitmix64, stored


@st.composite
def mixes(draw: Any) -> tuple[list[Any], dict[str, Any]]:
    loaders = []
    for i in range(draw(st.integers(1, 3))):
        samples, size = draw(st.integers(1, 20)), draw(st.integers(1, 4))
        array = exzarr.array(np.arange(samples) + 1000 * i, chunks=(draw(st.integers(1, 6)),))
        shuffle = draw(st.sampled_from([False, "window", "full"]))
        loaders.append(exzarr.batches(array, size, shuffle=shuffle, epoch=draw(st.integers(0, 2))))
    options = {
        "weights": draw(
            st.none() | st.lists(st.sampled_from([0.1, 1, 3.5]), min_size=len(loaders), max_size=len(loaders))
        ),
        "stop": draw(st.sampled_from(["first", "all", "cycle"])),
        "seed": draw(st.integers(0, 3)),
        "epoch": draw(st.integers(0, 3)),
    }
    return loaders, options


def model(loaders: list[Any], options: dict[str, Any]) -> list[list[int]]:
    """Return the batches of an epoch, computed in plain Python."""
    key = key_for(options["seed"], options["epoch"], CHOICES)
    weights = [*(options["weights"] or [1.0] * len(loaders))]
    stop = options["stop"]

    def epoch_of(i: int, rounds: int) -> list[list[int]]:
        loader = loaders[i].replace()
        loader.set_epoch(loaders[i].epoch + options["epoch"] + rounds * 2**32)
        return [(rows + 1000 * i).tolist() for rows in loader.indices()]

    rounds = [0] * len(loaders)
    left = [epoch_of(i, 0) for i in range(len(loaders))]
    ended: set[int] = set()
    found = []
    step = 0
    while len(ended) < len(loaders):
        total = 0.0
        for weight in weights:
            total += weight
        target = (splitmix64(key, step) >> 11) * 2.0**-53 * total
        step += 1
        at, which = 0.0, -1
        for i, weight in enumerate(weights):
            at += weight
            if at > target:
                which = i
                break
        if not left[which]:
            if stop == "first":
                break
            rounds[which] += 1
            left[which] = epoch_of(which, rounds[which])
        found.append(left[which].pop(0))
        if not left[which] and stop != "first":
            ended.add(which)
            if stop == "all":
                weights[which] = 0.0
    return found


@given(mixes(), st.data())
@examples(20)
def test_batches_are_those_of_the_model(case: Any, data: st.DataObject) -> None:
    loaders, options = case
    mixed = exzarr.mix(loaders, **options)
    expected = model(loaders, options)
    assert len(mixed) == len(expected)
    assert [batch[0] // 1000 for batch in expected] == mixed.choices()
    assert [batch.tolist() for batch in mixed] == expected
    assert mixed.epoch == options["epoch"] + 1
    following = model(loaders, {**options, "epoch": options["epoch"] + 1})
    if options["stop"] == "all":
        assert sorted(chain(*expected)) == sorted(chain(*following))
        assert len(expected) == sum(map(len, loaders))
    # A new process resumes at any batch.
    done = data.draw(st.integers(0, len(expected)))
    mixed.set_epoch(options["epoch"])
    some = iter(mixed)
    for _ in range(done):
        next(some)
    state = json.loads(json.dumps(mixed.state_dict()))
    some.close()
    again = exzarr.mix(loaders, **{**options, "epoch": 0})
    again.load_state_dict(state)
    assert [batch.tolist() for batch in again] == expected[done:]
    assert [batch.tolist() for batch in again] == following


def test_proportions_are_those_of_the_weights() -> None:
    loaders = [exzarr.batches(np.full(20_000, i), 2) for i in range(3)]
    choices = np.array(exzarr.mix(loaders, [6, 3, 1]).choices()[:10_000])
    counts = np.bincount(choices, minlength=3)
    expected = np.array([6000, 3000, 1000])
    assert np.all(np.abs(counts - expected) < 4 * np.sqrt(expected))


def test_ranks_take_the_same_data_sets_and_disjoint_samples() -> None:
    def rank(number: int) -> Any:
        options: Any = {"shuffle": "full", "drop_last": True, "rank": number, "world_size": 2}
        a, b = exzarr.array(np.arange(90), chunks=(8,)), exzarr.array(np.arange(50) + 1000, chunks=(8,))
        return exzarr.mix(
            [exzarr.batches(a, 4, **options), exzarr.batches(b, 5, **options)], [2, 1], stop="all"
        )

    one, other = rank(0), rank(1)
    assert one.choices() == other.choices()
    seen = np.concatenate([*one, *other])
    assert len(set(seen.tolist())) == len(seen) == 2 * (4 * (45 // 4) + 5 * (25 // 5))


def test_data_sets_of_different_forms() -> None:
    a, _ = stored((12, 2), chunks=(4, 2))
    mixed = exzarr.mix(
        [exzarr.batches({"x": a}, 4), exzarr.batches((np.arange(6), np.arange(6)), 2)], stop="all"
    )
    kinds = [type(batch) for batch in mixed]
    assert kinds.count(dict) == kinds.count(tuple) == 3


def test_concurrent_passes_are_independent() -> None:
    mixed = exzarr.mix([exzarr.batches(np.arange(20) + 100 * i, 3) for i in range(2)], stop="all")
    assert all((one == other).all() for one, other in zip(mixed, mixed, strict=True))


def test_parts_of_splits_can_be_mixed() -> None:
    train, other = exzarr.batches(np.arange(100), 5, shuffle="full").split((0.5, 0.5))
    mixed = exzarr.mix([train, other.balanced(np.arange(100) % 2)], stop="cycle")
    expected = len(mixed)
    assert len([*mixed]) == expected


def test_state_of_another_mix_is_refused() -> None:
    loaders = [exzarr.batches(np.arange(20), 4), exzarr.batches(np.arange(30), 4)]
    mixed = exzarr.mix(loaders)
    for other in (exzarr.mix(loaders, [1, 2]), exzarr.mix(loaders[::-1]), exzarr.mix(loaders, stop="all")):
        with pytest.raises(ArgumentError, match="that of another mix"):
            mixed.load_state_dict(other.state_dict())
    with pytest.raises(ArgumentError, match=r"not the state of exzarr\.mix"):
        mixed.load_state_dict({})


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"loaders": []}, "mix takes a sequence"),
        ({"loaders": [np.arange(3)]}, "mix takes a sequence"),
        ({"weights": [1]}, "weights are 2 positive numbers"),
        ({"weights": [1, 0]}, "weights are 2 positive numbers"),
        ({"stop": "never"}, "stop is 'first', 'all' or 'cycle'"),
        ({"seed": -1}, "seed must be"),
        ({"epoch": -1}, "epoch must be"),
        ({"loaders": [exzarr.batches(np.zeros(0), 2)]}, "at least one batch"),
    ],
)
def test_invalid_arguments_are_rejected(wrong: dict[str, Any], message: str) -> None:
    arguments: dict[str, Any] = {"loaders": [exzarr.batches(np.arange(20), 4)] * 2, **wrong}
    with pytest.raises(ArgumentError, match=message):
        exzarr.mix(**arguments)
