"""Batches of items: padded or packed, shuffled, and resumed at any batch."""

from __future__ import annotations

import json
import pickle
from typing import Any

import numpy as np
import pytest

import exzarr.ragged
import exzarr.ragged.batches as batching
from exzarr.errors import ArgumentError
from exzarr.ragged import Items, Padded, Ragged
from exzarr.stores import CountingStore, MemoryStore

SIZES = np.random.default_rng(3).integers(0, 12, 300)
SHUFFLES = [False, "chunks", "window", "full"]


@pytest.fixture
def r(monkeypatch: pytest.MonkeyPatch) -> Ragged:
    """Return 300 items, item i of up to 11 values i, in blocks of about 16 items."""
    monkeypatch.setattr(batching, "BLOCK_NBYTES", 16 * 6 * 4)
    monkeypatch.setattr(batching, "STAGE_NBYTES", 40 * 6 * 4)
    items = [np.full(n, i, "i4") for i, n in enumerate(SIZES)]
    return exzarr.ragged.create(fields={"values": {"dtype": "i4", "chunks": 50}}, data=items)


def greedy(order: np.ndarray, *, tokens: int, padded: bool = False) -> list[list[int]]:
    """Fill batches one item after the other: the rule, written plainly."""
    batches: list[list[int]] = []
    for i in order.tolist():
        now = [*batches[-1], i] if batches else []
        sizes = [SIZES[j] for j in now]
        cost = max(sizes, default=0) * len(sizes) if padded else sum(sizes)
        if not batches or cost > tokens:
            batches.append([i])
        else:
            batches[-1] = now
    return batches


@pytest.mark.parametrize("shuffle", SHUFFLES)
@pytest.mark.parametrize("prefetch", [0, 2])
def test_batches_of_a_number_of_items(r: Ragged, shuffle: Any, prefetch: int) -> None:
    loader = r.batches(32, shuffle=shuffle, seed=1, prefetch=prefetch)
    indices = [*loader.indices()]
    assert sorted(np.concatenate(indices).tolist()) == [*range(300)]
    assert [len(batch) for batch in indices] == [32] * 9 + [12]
    for batch, numbers in zip(loader, indices, strict=True):
        assert isinstance(batch, Items)
        assert batch.lengths.tolist() == SIZES[numbers].tolist()
        np.testing.assert_array_equal(batch.values, np.repeat(numbers, SIZES[numbers]))
        assert batch.values.base is None  # it belongs to the caller
    ordered = np.array_equal(np.concatenate(indices), np.arange(300))
    assert ordered == (shuffle is False)
    assert loader.epoch == 1
    if shuffle:
        assert next(iter(loader.indices())).tolist() != indices[0].tolist()


@pytest.mark.parametrize("shuffle", SHUFFLES)
@pytest.mark.parametrize("pad", [None, -1])
def test_batches_of_a_number_of_values(r: Ragged, shuffle: Any, pad: Any) -> None:
    loader = r.batches(tokens=64, pad=pad, shuffle=shuffle, seed=2)
    indices = [batch.tolist() for batch in loader.indices()]
    assert indices == greedy(np.concatenate([*loader.indices()]), tokens=64, padded=pad is not None)
    for batch, numbers in zip(loader, indices, strict=True):
        if pad is None:
            assert len(batch.values) <= 64
            assert [item.tolist() for item in batch] == [[i] * SIZES[i] for i in numbers]
        else:
            assert isinstance(batch, Padded)
            assert batch.values.size <= 64
            assert batch.values[batch.mask].tolist() == np.repeat(numbers, SIZES[numbers]).tolist()
            assert (batch.values[~batch.mask] == -1).all()


def test_both_limits_hold(r: Ragged) -> None:
    sizes = [(len(batch), int(batch.lengths.sum())) for batch in r.batches(4, tokens=30)]
    assert max(n for n, _ in sizes) == 4
    assert max(total for _, total in sizes) <= 30


@pytest.mark.parametrize("shuffle", SHUFFLES)
@pytest.mark.parametrize(
    "options", [{"batch_size": 7}, {"tokens": 40, "pad": 0}, {"tokens": 9, "too_long": "skip"}]
)
def test_a_pass_resumes_at_any_batch(r: Ragged, shuffle: Any, options: dict[str, Any]) -> None:
    loader = r.batches(**options, shuffle=shuffle, seed=4, epoch=2)
    states, batches = [], []
    for batch in loader:
        batches.append(batch)
        states.append(json.dumps(loader.state_dict()))
    for stop in (0, len(batches) // 2, len(batches) - 1):
        again = pickle.loads(pickle.dumps(r)).batches(**options, shuffle=shuffle, seed=4)
        again.load_state_dict(json.loads(states[stop]))
        rest = [*again]
        assert len(rest) == len(batches) - stop - 1
        for one, other in zip(rest, batches[stop + 1 :], strict=True):
            np.testing.assert_array_equal(one.values, other.values)
            np.testing.assert_array_equal(one.lengths, other.lengths)
        assert again.epoch == 3


def test_a_state_of_other_batches_is_refused(r: Ragged) -> None:
    state = r.batches(8, seed=1).state_dict()
    with pytest.raises(ArgumentError, match="seed: 1, here 2"):
        r.batches(8, seed=2).load_state_dict(state)
    with pytest.raises(ArgumentError, match="not the state"):
        r.batches(8).load_state_dict({"epoch": 1})
    r.append([1])
    with pytest.raises(ArgumentError, match="items: 300, here 301"):
        r.batches(8, seed=1).load_state_dict(state)


def test_items_that_are_too_long(r: Ragged) -> None:
    with pytest.raises(ArgumentError, match=r"item \d+ has 11 values, more than the 10 of a batch"):
        [*r.batches(tokens=10)]
    skipped = np.concatenate([*r.batches(tokens=10, too_long="skip").indices()])
    assert skipped.tolist() == np.flatnonzero(SIZES <= 10).tolist()
    cut = [*r.batches(tokens=10, too_long="truncate")]
    assert sum(len(batch) for batch in cut) == 300
    assert max(int(batch.lengths.max()) for batch in cut) == 10


def test_ranks_share_the_items(r: Ragged) -> None:
    seen = [
        np.concatenate([*r.batches(16, shuffle="window", seed=5, rank=rank, world_size=3).indices()])
        for rank in range(3)
    ]
    assert [len(part) for part in seen] == [100, 100, 100]
    assert sorted(np.concatenate(seen).tolist()) == [*range(300)]


def test_several_fields_are_padded_together() -> None:
    r = exzarr.ragged.create(
        fields={"a": "i4", "b": {"dtype": "f4", "shape": (2,), "chunks": 8}}, item_fields={"label": "i1"}
    )
    r.extend([{"a": [1] * n, "b": np.ones((n, 2)), "label": n} for n in (2, 1, 3)])
    (batch,) = r.batches(8, pad=0)
    assert batch["a"].values.tolist() == [[1, 1, 0], [1, 0, 0], [1, 1, 1]]
    assert batch["b"].values.shape == (3, 3, 2)
    assert batch["label"].tolist() == [2, 1, 3]


@pytest.mark.parametrize("shuffle", [False, "chunks", "window"])
def test_an_epoch_reads_few_chunks_twice(shuffle: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batching, "BLOCK_NBYTES", 8 * 50 * 4)
    store = MemoryStore()
    items = [np.full(n, i, "i4") for i, n in enumerate(np.random.default_rng(5).integers(1, 12, 2000))]
    exzarr.ragged.create(store, fields={"values": {"dtype": "i4", "chunks": 50}}, data=items)
    counting = CountingStore(store)
    r = exzarr.ragged.open(counting)
    loader = r.batches(16, shuffle=shuffle)
    counting.reset()
    assert sum(len(batch) for batch in loader) == 2000
    chunks = -(-r.total // 50)
    assert counting.requests["get"] <= 1.3 * chunks  # a block of 8 chunks shares its first and last one


def test_invalid_arguments(r: Ragged) -> None:
    wrong: list[dict[str, Any]] = [
        {},
        {"batch_size": 0},
        {"tokens": 0},
        {"batch_size": 1, "too_long": "skip"},
        {"tokens": 1, "too_long": "cut"},
        {"batch_size": 1, "shuffle": "all"},
        {"batch_size": 1, "rank": 1},
        {"batch_size": 1, "prefetch": -1},
        {"batch_size": 1, "epoch": -1},
    ]
    for options in wrong:
        with pytest.raises(ArgumentError):
            r.batches(**options)
    assert [*exzarr.ragged.create(dtype="i4").batches(4)] == []
    assert "packed" in repr(r.batches(tokens=64))


def test_leaving_a_pass_early_ends_its_thread(r: Ragged) -> None:
    import threading

    before = threading.active_count()
    for _ in r.batches(8):
        break
    else:
        pytest.fail("there are batches")
    for _ in range(1000):
        if threading.active_count() <= before:
            break
        threading.Event().wait(0.01)
    assert threading.active_count() <= before
