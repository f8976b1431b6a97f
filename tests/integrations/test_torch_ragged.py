"""PyTorch's DataLoader over batches of a ragged array: padded and packed, without and with workers."""

from __future__ import annotations

import json
import warnings
from itertools import islice
from typing import Any

import numpy as np
import pytest

import exzarr
from exzarr.errors import ArgumentError

torch = pytest.importorskip("torch", reason="PyTorch is not installed: see `make torch`")
data = pytest.importorskip("torch.utils.data")

pytestmark = pytest.mark.slow  # importing PyTorch takes seconds

LENGTHS = np.random.default_rng(0).integers(0, 30, 200)


@pytest.fixture
def ragged(tmp_path):
    made = exzarr.ragged.create(tmp_path / "r.zarr", "i4")
    made.extend([np.full(n, i, "i4") for i, n in enumerate(LENGTHS)])
    return made


def loader(batches: Any, **options: Any) -> Any:
    return data.DataLoader(exzarr.to_torch(batches), batch_size=None, **options)


def test_packed_batches_are_the_items(ragged):
    batches = ragged.batches(tokens=100, shuffle="window", seed=1)
    numbers = [*batches.indices()]
    got = [*loader(batches)]
    assert [len(batch.lengths) for batch in got] == [len(one) for one in numbers]
    for batch, wanted in zip(got, numbers, strict=True):
        assert batch.values.dtype == torch.int32
        assert batch.offsets.dtype == batch.lengths.dtype == torch.int64
        np.testing.assert_array_equal(batch.lengths.numpy(), LENGTHS[wanted])
        np.testing.assert_array_equal(batch.values.numpy(), np.repeat(wanted, LENGTHS[wanted]))
        parts = torch.tensor_split(batch.values, batch.offsets[1:-1])
        assert [len(part) for part in parts] == batch.lengths.tolist()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # nested tensors are a prototype
            nested = batch.nested()
            assert [len(part) for part in nested.unbind()] == batch.lengths.tolist()


def test_padded_batches_have_lengths_and_a_mask(ragged):
    for batch in loader(ragged.batches(16, pad=-1)):
        assert batch.values.shape == (len(batch.lengths), int(batch.lengths.max()))
        assert (batch.values[~batch.mask] == -1).all()
        assert batch.mask.sum() == batch.lengths.sum()
        assert (batch.values[batch.mask] >= 0).all()


def test_several_fields_become_dicts_and_text_stays(tmp_path):
    episodes = exzarr.ragged.create(
        tmp_path / "e.zarr",
        fields={"image": {"dtype": "u1", "shape": (4, 4)}, "reward": "f4"},
        item_fields={"seed": "i8"},
    )
    for i in range(6):
        episodes.append({"image": np.full((i + 1, 4, 4), i, "u1"), "reward": np.ones(i + 1, "f4"), "seed": i})
    (padded,) = loader(episodes.batches(10, pad=0))
    assert padded["image"].values.shape == (6, 6, 4, 4)
    assert padded["seed"].tolist() == [*range(6)]
    (packed,) = loader(episodes.batches(10))
    assert packed.fields["image"].shape == (21, 4, 4)
    assert packed.item_fields["seed"].tolist() == [*range(6)]
    with pytest.raises(ArgumentError, match="several fields: use fields"):
        packed.values  # noqa: B018


@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_workers_share_the_items(ragged, start):
    dataset = exzarr.to_torch(ragged.batches(tokens=100, shuffle="window", seed=1, epoch=3))
    batches = data.DataLoader(dataset, batch_size=None, num_workers=2, multiprocessing_context=start)
    orders = []
    for epoch in (3, 4) if start == "fork" else (3,):
        dataset.set_epoch(epoch)
        got = [batch.values.numpy() for batch in batches]
        orders.append(np.concatenate(got).tolist())
        np.testing.assert_array_equal(np.sort(np.concatenate(got)), np.repeat(np.arange(200), LENGTHS))
    assert len(orders) == 1 or orders[0] != orders[1]
    with pytest.raises(ArgumentError, match="requires a DataLoader without workers"):
        dataset.state_dict()


def test_pass_resumes_and_epochs_advance(ragged):
    wanted = [
        [batch.values.tolist() for batch in loader(ragged.batches(tokens=64, shuffle="full", epoch=e))]
        for e in (0, 1)
    ]
    dataset = exzarr.to_torch(ragged.batches(tokens=64, shuffle="full"))
    some = [batch.values.tolist() for batch in islice(data.DataLoader(dataset, batch_size=None), 4)]
    assert some == wanted[0][:4]
    state = json.loads(json.dumps(dataset.state_dict()))
    other = exzarr.to_torch(ragged.batches(tokens=64, shuffle="full"))
    other.load_state_dict(state)
    assert [batch.values.tolist() for batch in other] == wanted[0][4:]
    assert [batch.values.tolist() for batch in other] == wanted[1]


def test_keep_order_is_refused(ragged):
    with pytest.raises(ArgumentError, match="keep_order is not supported"):
        exzarr.to_torch(ragged.batches(3), keep_order=True)
