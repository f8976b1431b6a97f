"""Subsets, splits, weighted and balanced batches have exactly the documented samples, in every mode."""

from __future__ import annotations

import json
import pickle
from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st

import exzarr
from exzarr import telemetry
from exzarr._stream.batches.batches import Batches
from exzarr._stream.batches.permutation import draws, key_for
from exzarr._stream.batches.sample_sets import DRAWS
from exzarr.errors import ArgumentError, UnknownArgumentError
from tests.breadth import examples
from tests.engine.tools import assert_same, make, numbered
from tests.stream.batches.test_batches import loaders
from tests.stream.batches.tools import splitmix64, stored


def check_epochs(
    batches: Batches, data: dict[str, np.ndarray], axis: int, epochs: int = 2
) -> list[list[int]]:
    """Check the contents of some epochs; return the samples of each epoch."""
    seen = []
    for epoch in range(batches.epoch, batches.epoch + epochs):
        rows = [*batches.indices()]
        for some, batch in zip(rows, batches, strict=True):
            for name, model in data.items():
                assert_same(batch[name], np.take(model, some, axis))
        assert batches.epoch == epoch + 1
        seen.append([sample for some in rows for sample in some.tolist()])
    return seen


def check_resume(make_again: Any, batches: Batches, done: int) -> None:
    """Check that a pass that resumes after `done` batches has the batches of the pass."""
    batches.set_epoch(3)
    whole = [{name: array.tobytes() for name, array in batch.items()} for batch in batches]
    state = json.loads(
        json.dumps({**batches.state_dict(done), "epoch": 3, "of": make_again(3).state_dict()["of"]})
    )
    again = make_again(0)
    again.load_state_dict(state)
    assert [{name: array.tobytes() for name, array in batch.items()} for batch in again] == whole[done:]


def samples_in(loader: Any) -> int:
    _, data, _, options = loader
    return int(next(iter(data.values())).shape[options["axis"]])


@st.composite
def chosen(draw: Any) -> tuple[Any, Any]:
    """Generate a loader and a function that selects samples of it; and the check of an epoch's samples."""
    loader = draw(loaders().filter(lambda loader: samples_in(loader) > 0))
    samples = samples_in(loader)
    subset = draw(st.none() | st.sets(st.integers(0, samples - 1), min_size=1))
    base = sorted(subset or range(samples))
    kind = draw(st.sampled_from(["subset", "weighted", "balanced"]))
    count = draw(st.none() | st.integers(1, 60))
    if kind == "weighted":
        weights = draw(
            st.lists(st.sampled_from([0, 0.25, 1, 3]), min_size=samples, max_size=samples).filter(
                lambda weights: any(weights[i] for i in base)
            )
        )
    labels = draw(st.lists(st.integers(0, 3), min_size=samples, max_size=samples))

    def select(batches: Batches) -> Batches:
        if subset is not None:
            batches = batches.subset(sorted(subset))
        if kind == "weighted":
            batches = batches.weighted(weights, count)
        elif kind == "balanced":
            batches = batches.balanced(labels, count)
        return batches

    def check(found: list[int], seed: int, epoch: int) -> None:
        if kind == "subset":
            assert sorted(found) == base
            return
        assert len(found) == (count or len(base))
        if kind == "weighted":
            assert sorted(found) == drawn(weights, base, len(found), seed, epoch)
        else:
            per_class = Counter(labels[sample] for sample in found)
            counts = [per_class[label] for label in {labels[i] for i in base}]
            assert max(counts) - min(counts) <= 1
            for label in {labels[i] for i in base}:
                uses = Counter(sample for sample in found if labels[sample] == label)
                times = [uses[i] for i in base if labels[i] == label]
                assert max(times) - min(times) <= 1

    return loader, (select, check)


def drawn(weights: Any, base: list[int], count: int, seed: int, epoch: int) -> list[int]:
    """Draw samples in plain Python."""
    key = key_for(seed, epoch, DRAWS)
    total = sum(weights[i] for i in base)
    found = []
    for number in range(count):
        target = (splitmix64(key, number) >> 11) * (2.0**-53 * total)
        at = 0.0
        for sample in base:
            at += weights[sample]
            if at > target:
                found.append(sample)
                break
        else:
            found.append(max(i for i in base if weights[i]))
    return sorted(found)


@given(chosen(), st.integers(1, 3))
@examples(20)
def test_samples_of_ranks_are_those_of_the_model(case: Any, world_size: int) -> None:
    (arrays, data, size, options), (select, check) = case
    options["drop_last"] = False
    ranks = []
    for rank in range(world_size):
        batches = exzarr.batches(arrays, size, rank=rank, world_size=world_size, **options)
        ranks.append(check_epochs(select(batches), data, options["axis"]))
    for epoch, parts in enumerate(zip(*ranks, strict=True)):
        check([sample for part in parts for sample in part], options["seed"], options["epoch"] + epoch)
        assert max(map(len, parts)) - min(map(len, parts)) <= 1


@given(chosen(), st.data())
@examples(20)
def test_resume_at_any_batch(case: Any, data: st.DataObject) -> None:
    (arrays, _, size, options), (select, _) = case

    def again(epoch: int) -> Batches:
        return select(exzarr.batches(arrays, size, **{**options, "epoch": epoch}))

    batches = again(3)
    check_resume(again, batches, data.draw(st.integers(0, len(batches))))
    copy = pickle.loads(pickle.dumps(batches))
    assert [some.tolist() for some in copy.indices()] == [some.tolist() for some in batches.indices()]


@given(chosen(), st.integers(1, 3))
@examples(12)
def test_parts_partition_the_batches(case: Any, count: int) -> None:
    (arrays, _, size, options), (select, _) = case
    whole = select(exzarr.batches(arrays, size, **options))
    rows = [some.tolist() for some in whole.indices()]
    parts = [whole.part(index, count) for index in range(count)]
    assert [some.tolist() for part in parts for some in part.indices()] == rows


# -- subsets ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given_", "expected"),
    [
        (slice(3, 9), range(3, 9)),
        (slice(None, None, -3), [0, 3, 6, 9, 12, 15, 18]),
        ([slice(15, None), slice(2, 5)], [2, 3, 4, 15, 16, 17, 18]),
        ([slice(10, 14), slice(0, 9, 4)], [0, 4, 8, 10, 11, 12, 13]),
        ([7, -1, 2], [2, 7, 18]),
        (np.arange(19) % 5 == 1, [1, 6, 11, 16]),
    ],
)
def test_forms_of_subsets(given_: Any, expected: Any) -> None:
    a, data = stored((19,), "i8", chunks=(4,))
    got = np.concatenate([*exzarr.batches(a, 4).subset(given_)])
    assert_same(got, data[[*expected]])


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ([], "at least one sample"),
        (slice(3, 3), "at least one sample"),
        ([1, 1], "at most once"),
        ([slice(0, 4), slice(3, 6)], "at most once"),
        ([20], "no sample 20 among the 20"),
        ([-21], "no sample -21"),
        ([0.5], "a subset is a slice"),
        ([[1], [2]], "a subset is a slice"),
        (np.ones(3, bool), r"shape \(20,\), not \(3,\)"),
        ("abc", "a subset is a slice"),
    ],
)
def test_invalid_subsets_are_rejected(wrong: Any, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        exzarr.batches(np.arange(20), 4).subset(wrong)


def test_subset_of_a_subset_uses_numbers_of_the_arrays() -> None:
    half = exzarr.batches(np.arange(20), 4).subset(slice(10, 20))
    assert np.concatenate([*half.subset([12, 17])]).tolist() == [12, 17]
    with pytest.raises(ArgumentError, match="not all in the subset"):
        half.subset([2])


def test_state_of_another_subset_is_refused() -> None:
    whole = exzarr.batches(np.arange(20), 4)
    one, other = whole.subset(slice(0, 8)), whole.subset(slice(1, 9))
    for batches, state in ((one, other), (one, whole), (whole, one)):
        with pytest.raises(ArgumentError, match="in another order"):
            batches.load_state_dict(state.state_dict())


# -- splits -------------------------------------------------------------------------------------


@given(
    loaders().filter(lambda loader: samples_in(loader) > 0),
    st.sampled_from([(1.0,), (0.5, 0.5), (0.8, 0.1, 0.1)]),
    st.none() | st.integers(0, 3),
    st.booleans(),
)
@examples(13)
def test_splits_are_disjoint_and_complete(loader: Any, fractions: Any, seed: Any, align: bool) -> None:
    arrays, data, size, options = loader
    samples = samples_in(loader)
    options["drop_last"] = False
    batches = exzarr.batches(arrays, size, **options)
    try:
        parts = batches.split(fractions, seed=seed, align=align)
    except ArgumentError as error:
        assert "would be empty" in str(error)  # noqa: PT017 - allowed for few blocks
        assert len(fractions) > 1
        return
    found = [sorted(check_epochs(part, data, options["axis"], 1)[0]) for part in parts]
    assert sorted(sample for part in found for sample in part) == [*range(samples)]
    if not align:
        for part, fraction in zip(found, fractions, strict=True):
            assert abs(len(part) - fraction * samples) <= 1
    if seed is None:
        assert [sample for part in found for sample in part] == [*range(samples)]
    again = exzarr.batches(arrays, size, **options).split(fractions, seed=seed, align=align)
    assert [[*map(list, part.indices())] for part in again] == [
        [*map(list, part.indices())]
        for part in exzarr.batches(arrays, size, **options).split(fractions, seed=seed, align=align)
    ]


@pytest.mark.parametrize("options", [{}, {"shards": (40, 3)}])
@pytest.mark.parametrize("seed", [None, 5])
def test_aligned_splits_share_no_chunk(options: Any, seed: Any) -> None:
    a, _ = stored((400, 3), chunks=(10, 3), **options)
    b, _ = stored((400,), chunks=(20,))
    for shuffle in (False, "full"):
        parts = exzarr.batches((a, b), 16, shuffle=shuffle).split((0.7, 0.2, 0.1), seed=seed)
        rows = [np.concatenate([*part.indices()]) for part in parts]
        assert [len(some) for some in rows] == [280, 80, 40]
        for length in (10, 20):
            chunks = [set((some // length).tolist()) for some in rows]
            assert not chunks[0] & chunks[1]
            assert not (chunks[0] | chunks[1]) & chunks[2]


def test_a_part_can_be_split_again() -> None:
    a, _ = stored((400, 3), chunks=(10, 3))
    train, _ = exzarr.batches(a, 16).split((0.8, 0.2), seed=1)
    folds = train.split([0.25] * 4, seed=2)
    assert [len(np.concatenate([*fold.indices()])) for fold in folds] == [80] * 4
    inside = set(np.concatenate([*train.indices()]).tolist())
    assert set(np.concatenate([some for fold in folds for some in fold.indices()]).tolist()) == inside


def test_splits_do_not_change_between_versions() -> None:
    parts = exzarr.batches(np.arange(20), 20).split((0.5, 0.25, 0.25), seed=1, align=False)
    assert [next(iter(part)).tolist() for part in parts] == [
        [4, 5, 7, 8, 10, 11, 12, 14, 16, 19],
        [0, 1, 3, 6, 13],
        [2, 9, 15, 17, 18],
    ]


@pytest.mark.parametrize(
    ("fractions", "message"),
    [
        ((0.5, 0.6), "add up to 1, not to 1.1"),
        ((), "positive numbers"),
        ((1.5, -0.5), "positive numbers"),
        (("a",), "positive numbers"),
        ((0.999, 0.001), "part 1 of the split, 0.001 of 20 samples, would be empty"),
    ],
)
def test_invalid_splits_are_rejected(fractions: Any, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        exzarr.batches(make((20, 2), chunks=(5, 2)), 4).split(fractions)


# -- weights and classes --------------------------------------------------------------------------


def test_weighted_draws_have_the_frequencies_of_the_weights() -> None:
    weights = np.array([1, 0, 5, 2, 0, 2.0])
    batches = exzarr.batches(np.arange(6), 1000, shuffle="full").weighted(weights, 100_000)
    counts = np.bincount(np.concatenate([*batches]), minlength=6)
    assert counts[[1, 4]].tolist() == [0, 0]
    expected = 10_000 * weights
    deviation = np.sqrt(expected * (1 - weights / 10))
    assert np.all(np.abs(counts - expected) <= 4 * deviation)


@pytest.mark.parametrize("shuffle", ["window", "full"])
def test_weighted_epoch_reads_each_chunk_once(shuffle: Any) -> None:
    a, data = stored((400, 3), chunks=(10, 3))
    weights = np.zeros(400)
    weights[50:250] = 1
    batches = exzarr.batches(a, 16, shuffle=shuffle).weighted(exzarr.array(weights), 300)
    assert batches.explain().reads[0].reads == 20
    read: list[Any] = []
    with telemetry.listening(read.append):
        for some, batch in zip(batches.indices(), batches, strict=True):
            assert_same(batch, data[some])
    assert sum(isinstance(event, telemetry.ChunkRead) for event in read) == 20


def test_drawn_samples_in_stored_order_repeat() -> None:
    batches = exzarr.batches(np.arange(10), 5).balanced(["a"] * 9 + ["b"])
    found = np.concatenate([*batches]).tolist()
    assert found == sorted(found)
    assert found.count(9) == 5


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda b: b.weighted([1, 2]), r"weights has one value for each of the 20 samples .* \(2,\)"),
        (lambda b: b.weighted([-1.0] + [1.0] * 19), "finite and not negative"),
        (lambda b: b.weighted([np.nan] * 20), "finite and not negative"),
        (lambda b: b.weighted(np.zeros(20)), "positive weight"),
        (lambda b: b.weighted(["x"] * 20), "weights are numbers"),
        (lambda b: b.weighted(np.ones(20), 0), "samples must be"),
        (lambda b: b.subset([3]).weighted(np.arange(20) == 4), "positive weight"),
        (lambda b: b.balanced([1, 2]), "labels has one value"),
        (lambda b: b.balanced(np.ones(20)).subset([1]), "cannot be selected: draw from a subset"),
        (lambda b: b.balanced(np.ones(20)).weighted(np.ones(20)), "cannot be weighted"),
        (lambda b: b.balanced(np.ones(20)).balanced(np.ones(20)), "cannot be balanced"),
        (lambda b: b.weighted(np.ones(20)).split((1,)), "cannot be split"),
    ],
)
def test_invalid_draws_are_rejected(call: Any, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        call(exzarr.batches(np.arange(20), 4))


def test_one_sample_with_all_the_weight_makes_small_blocks() -> None:
    a = exzarr.ones((400, 1000), chunks=(10, 1000))
    batches = exzarr.batches(a, 16, shuffle="window").weighted(
        np.arange(400) == 7, 500_000
    )  # 4 GB of samples
    assert batches.explain().memory < 400 << 20
    assert len(batches) == 31250


def test_draws_are_those_of_the_generator() -> None:
    batches = exzarr.batches(np.arange(8), 8, shuffle=False, seed=3).weighted(np.arange(8))
    words = draws(key_for(3, 0, DRAWS), np.arange(8)).astype(float) / 2**64 * 28
    expected = sorted(np.searchsorted(np.cumsum(np.arange(8.0)), words, side="right").tolist())
    assert next(iter(batches)).tolist() == expected


# -- options --------------------------------------------------------------------------------------


def test_options_can_be_replaced() -> None:
    a, _ = stored((40, 2), chunks=(4, 2))
    train, test = exzarr.batches(a, 8, shuffle="window", window=2, seed=3, epoch=4).split((0.5, 0.5))
    plain = test.replace(shuffle=False, batch_size=5, cache_bytes=10)
    assert repr(plain) == "<exzarr.Batches of 5 of 20 samples, shuffle=False, epoch 4>"
    rows = np.concatenate([*plain.indices()])
    assert rows.tolist() == sorted(rows)
    assert set(rows.tolist()) == set(np.concatenate([*test.indices()]).tolist())
    assert repr(train.replace(rank=1, world_size=2)).endswith("of 2, epoch 4, rank 1 of 2>")
    with pytest.raises(UnknownArgumentError, match="size: the options are batch_size"):
        train.replace(size=3)  # type: ignore[call-arg]
    with pytest.raises(ArgumentError, match="window is for"):
        train.replace(shuffle=False, window=3)


def test_splits_of_numpy_arrays_and_groups() -> None:
    group = exzarr.create_group(exzarr.MemoryStore())
    group.create_array("x", data=numbered((90, 2)), chunks=(9, 2))
    one, other = exzarr.batches({"x": group["x"], "y": np.arange(90)}, 8, shuffle="chunks").split((0.5, 0.5))
    for part in (one, other):
        for batch in part:
            assert_same(batch["x"], numbered((90, 2))[batch["y"]])
