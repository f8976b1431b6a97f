"""PyTorch's DataLoader over batches: without workers, with forked, spawned and persistent workers, and by rank."""

from __future__ import annotations

import json
import subprocess
import sys
import warnings
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import exzarr
from exzarr._stream.batches.batches import Batches
from exzarr.errors import ArgumentError, MissingDependencyError
from tests.engine.tools import numbered

torch = pytest.importorskip("torch", reason="PyTorch is not installed: see `make torch`")
data = pytest.importorskip("torch.utils.data")

pytestmark = pytest.mark.slow  # importing PyTorch takes seconds

WORKERS: dict[str, dict[str, Any]] = {
    "none": {},
    "forked": {"num_workers": 2, "multiprocessing_context": "fork"},
    "spawned": {"num_workers": 2, "multiprocessing_context": "spawn"},
    "persistent": {"num_workers": 2, "multiprocessing_context": "fork", "persistent_workers": True},
}


@pytest.fixture
def batches(tmp_path: Path) -> Batches:
    array = exzarr.create_array(tmp_path / "x.zarr", data=numbered((300, 4)), chunks=(8, 4))
    return exzarr.batches({"x": array, "y": np.arange(300)}, 16, shuffle="window", seed=3)


def labels_of(loader: Any) -> list[list[int]]:
    result = []
    for batch in loader:
        assert isinstance(batch["x"], torch.Tensor)
        np.testing.assert_array_equal(batch["x"].numpy(), numbered((300, 4))[batch["y"].numpy()])
        result.append(batch["y"].tolist())
    return result


def expected(batches: Any, epoch: int) -> list[list[int]]:
    batches.set_epoch(epoch)
    return [rows.tolist() for rows in batches.indices()]


@pytest.mark.parametrize(
    ("workers", "keep_order"),
    [
        ("none", False),
        ("none", True),
        ("forked", False),
        ("forked", True),
        ("spawned", True),
        ("persistent", False),
    ],
)
def test_batches_of_an_epoch(batches: Any, workers: str, keep_order: bool) -> None:
    epochs = (5,) if workers == "spawned" else (5, 2)  # each spawned worker imports PyTorch
    wanted = [expected(batches, epoch) for epoch in epochs]
    dataset = exzarr.to_torch(batches, keep_order=keep_order)
    loader = data.DataLoader(dataset, batch_size=None, **WORKERS[workers])
    assert len(loader) == len(dataset) == 19
    for epoch, of_epoch in zip(epochs, wanted, strict=True):
        dataset.set_epoch(epoch)
        got = labels_of(loader)
        if workers == "none" or keep_order:
            assert got == of_epoch
        else:
            assert sorted(got) == sorted(of_epoch)


@pytest.mark.parametrize("workers", ["none", "persistent"])
def test_passes_advance_to_next_epoch(batches: Any, workers: str) -> None:
    wanted = [expected(batches, epoch) for epoch in (7, 8)]
    batches.set_epoch(7)
    loader = data.DataLoader(exzarr.to_torch(batches, keep_order=True), batch_size=None, **WORKERS[workers])
    assert [labels_of(loader), labels_of(loader)] == wanted


def test_pass_resumes_from_state(batches: Any) -> None:
    wanted = expected(batches, 1)
    dataset = exzarr.to_torch(batches)
    some = iter(data.DataLoader(dataset, batch_size=None))
    next(some), next(some)
    state = dataset.state_dict()
    other = exzarr.to_torch(batches)
    other.load_state_dict(state)
    assert labels_of(data.DataLoader(other, batch_size=None)) == wanted[2:]


@pytest.mark.parametrize("workers", ["none", "forked"])
def test_epoch_resumes_in_the_middle_with_workers(batches: Any, workers: str) -> None:
    wanted = [expected(batches, epoch) for epoch in (4, 5)]
    dataset = exzarr.to_torch(batches, keep_order=True)
    dataset.set_epoch(4)
    with_workers = data.DataLoader(dataset, batch_size=None, **WORKERS[workers])
    assert len([*islice(with_workers, 7)]) == 7
    state = json.loads(json.dumps(dataset.state_dict(batches=7)))
    del with_workers
    other = exzarr.to_torch(batches, keep_order=True)
    other.load_state_dict(state)
    loader = data.DataLoader(other, batch_size=None, **WORKERS[workers])
    assert labels_of(loader) == wanted[0][7:]
    other.set_epoch(5)
    assert labels_of(loader) == wanted[1]


def test_persistent_workers_continue_with_whole_epochs_after_resume(batches: Any) -> None:
    wanted = [expected(batches, epoch) for epoch in (4, 5)]
    batches.set_epoch(4)
    dataset = exzarr.to_torch(batches, keep_order=True)
    loader = data.DataLoader(dataset, batch_size=None, **WORKERS["persistent"])
    dataset.load_state_dict(batches.state_dict(11))
    assert [labels_of(loader), labels_of(loader)] == [wanted[0][11:], wanted[1]]


def test_position_with_workers_that_change_the_order_is_refused(batches: Any) -> None:
    with pytest.raises(ArgumentError, match="requires to_torch"):
        exzarr.to_torch(batches).state_dict(batches=3)


def test_pinned_memory(batches: Any) -> None:
    """Batches are pinned if there is an accelerator. Without one, PyTorch warns and returns ordinary tensors."""
    wanted = expected(batches, 0)
    loader = data.DataLoader(exzarr.to_torch(batches), batch_size=None, pin_memory=True)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        got = [*loader]
    assert [batch["y"].tolist() for batch in got] == wanted
    assert all(batch["x"].is_pinned() == torch.accelerator.is_available() for batch in got)
    if not torch.accelerator.is_available():
        assert any("no accelerator is found" in str(each.message) for each in caught)


RANK = """
import json, sys
import torch, torch.distributed as dist
from torch.utils.data import DataLoader
import exzarr

path, address, rank, world_size = sys.argv[1:]
dist.init_process_group("gloo", init_method=f"file://{address}", rank=int(rank), world_size=int(world_size))
rank, world_size = dist.get_rank(), dist.get_world_size()
array = exzarr.open_array(path)

def batches(drop_last):
    loader = exzarr.batches(
        array, 16, shuffle="window", seed=3, drop_last=drop_last, rank=rank, world_size=world_size
    )
    return DataLoader(exzarr.to_torch(loader), batch_size=None)

dropped = []
for batch in batches(True):
    total = batch.sum()
    dist.all_reduce(total)  # hangs unless all ranks have the same number of batches
    assert total > batch.sum()
    dropped.append(batch[:, 0].tolist())
found = [None] * world_size
dist.all_gather_object(found, (dropped, [batch[:, 0].tolist() for batch in batches(False)]))
dist.destroy_process_group()
print(json.dumps(found))
"""


def test_ranks_of_torch_distributed_share_the_samples(tmp_path: Path) -> None:
    rows = np.arange(1, 251)
    exzarr.create_array(tmp_path / "x.zarr", data=np.stack([rows, rows], 1), chunks=(8, 2))
    command = [sys.executable, "-c", RANK, str(tmp_path / "x.zarr"), str(tmp_path / "address")]
    ranks = [
        subprocess.Popen([*command, rank, "2"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for rank in "01"
    ]
    ended = [rank.communicate(timeout=120) for rank in ranks]
    assert [rank.returncode for rank in ranks] == [0, 0], ended
    found = json.loads(ended[0][0])
    assert json.loads(ended[1][0]) == found
    dropped, complete = zip(*found, strict=True)
    assert [len(batch) for rank in dropped for batch in rank] == 2 * (250 // 2 // 16) * [16]
    seen = [*chain(*chain(*dropped))]
    assert len(set(seen)) == len(seen)
    assert sorted(chain(*chain(*complete))) == rows.tolist()
    assert len(complete[0]) == len(complete[1])


def test_other_arguments_are_refused() -> None:
    with pytest.raises(ArgumentError, match="to_torch takes the result of exzarr.batches, not list"):
        exzarr.to_torch([])  # type: ignore[arg-type]


def test_missing_pytorch_error_names_extra(batches: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingDependencyError, match=r"exzarr\[torch\]"):
        exzarr.to_torch(batches)


def test_mix_without_and_with_workers(batches: Any) -> None:
    mixed = exzarr.mix([batches, batches.subset(slice(0, 50))], stop="all")
    assert len([*data.DataLoader(exzarr.to_torch(mixed), batch_size=None)]) == len(mixed) == 23
    with pytest.raises(ArgumentError, match="cannot share the batches of exzarr.mix"):
        [*data.DataLoader(exzarr.to_torch(mixed), batch_size=None, **WORKERS["forked"])]
