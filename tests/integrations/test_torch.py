"""PyTorch's DataLoader over batches: without workers, and with forked, spawned and persistent workers."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import exzarr
from exzarr._stream.batches.batches import Batches
from exzarr.errors import ArgumentError, MissingDependencyError
from tests.engine.tools import numbered

torch = pytest.importorskip("torch")
data = pytest.importorskip("torch.utils.data")

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


@pytest.mark.parametrize("workers", WORKERS)
@pytest.mark.parametrize("keep_order", [False, True])
def test_batches_of_an_epoch(batches: Any, workers: str, keep_order: bool) -> None:
    wanted = [expected(batches, epoch) for epoch in (5, 2)]
    dataset = exzarr.to_torch(batches, keep_order=keep_order)
    loader = data.DataLoader(dataset, batch_size=None, **WORKERS[workers])
    assert len(loader) == len(dataset) == 19
    for epoch, of_epoch in zip((5, 2), wanted, strict=True):
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


def test_other_arguments_are_refused() -> None:
    with pytest.raises(ArgumentError, match="to_torch takes the result of exzarr.batches, not list"):
        exzarr.to_torch([])  # type: ignore[arg-type]


def test_missing_pytorch_error_names_extra(batches: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingDependencyError, match=r"exzarr\[torch\]"):
        exzarr.to_torch(batches)
