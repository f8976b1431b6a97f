"""An interrupted epoch resumes at any batch with the same batches as without the interruption."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st

import exzarr
from exzarr._stream.batches.batches import Batches
from exzarr.errors import ArgumentError
from tests.engine.tools import numbered
from tests.stream.batches.test_batches import loaders
from tests.stream.batches.tools import stored


def contents(batch: dict[str, np.ndarray]) -> dict[str, bytes]:
    return {name: array.tobytes() for name, array in batch.items()}


@given(loaders(), st.data())
def test_resume_at_every_batch(loader: Any, data: st.DataObject) -> None:
    arrays, _, size, options = loader
    if data.draw(st.booleans()):
        options |= {"rank": 1, "world_size": 2}
    whole = exzarr.batches(arrays, size, **options)
    first = [contents(batch) for batch in whole]
    second = [contents(batch) for batch in whole]
    for done in {0, len(whole), data.draw(st.integers(0, len(whole)))}:
        left = exzarr.batches(arrays, size, **options)
        passing = iter(left)
        got = [contents(next(passing)) for _ in range(done)]
        state = json.loads(json.dumps(left.state_dict()))
        passing.close()
        again = exzarr.batches(arrays, size, **{**options, "epoch": 77, "prefetch": 1, "workers": 1})
        again.load_state_dict(state)
        assert again.epoch == options["epoch"]
        assert got + [contents(batch) for batch in again] == first
        assert [contents(batch) for batch in again] == second


def test_state_ignores_batches_made_ahead() -> None:
    a, data = stored((60,), "i8", chunks=(4,))
    loader = exzarr.batches(a, 5, prefetch=4)
    some = iter(loader)
    next(some), next(some)
    assert loader.state_dict()["batches"] == 2
    some.close()
    other = exzarr.batches(a, 5)
    other.load_state_dict(loader.state_dict())
    assert np.concatenate([*other]).tolist() == data[10:].tolist()


def test_after_a_pass_the_state_is_that_of_the_next() -> None:
    a, _ = stored((60,), "i8", chunks=(4,))
    loader = exzarr.batches(a, 50, shuffle="full")
    some = iter(loader)
    next(some), next(some)
    state = loader.state_dict()
    assert (state["epoch"], state["batches"]) == (0, 2)
    assert [*some] == []
    state = loader.state_dict()
    assert (state["epoch"], state["batches"]) == (1, 0)


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"seed": 2}, "seed: 1, here 2"),
        ({"batch_size": 5}, "batch_size: 4, here 5"),
        ({"shuffle": "chunks", "window": None}, "shuffle: 'window', here 'chunks'"),
        ({"window": 3}, "window: 2, here 3"),
        ({"drop_last": True}, "drop_last: False, here True"),
        ({"rank": 1, "world_size": 2}, "world_size: 1, here 2"),
    ],
)
def test_a_state_of_another_order_is_refused(other: dict[str, Any], message: str) -> None:
    a, _ = stored((60,), "i8", chunks=(4,))
    options: dict[str, Any] = {"batch_size": 4, "shuffle": "window", "window": 2, "seed": 1}
    state = exzarr.batches(a, **options).state_dict()
    with pytest.raises(ArgumentError, match=message):
        exzarr.batches(a, **{**options, **other}).load_state_dict(state)


def test_a_state_for_other_chunks_is_refused() -> None:
    one, other = stored((60,), "i8", chunks=(4,))[0], stored((60,), "i8", chunks=(5,))[0]
    state = exzarr.batches(one, 4, shuffle="chunks").state_dict()
    with pytest.raises(ArgumentError, match=r"blocks: \[15, 4\], here \[12, 5\]"):
        exzarr.batches(other, 4, shuffle="chunks").load_state_dict(state)
    # Samples in stored order have the same order with other chunks.
    exzarr.batches(other, 4).load_state_dict(exzarr.batches(one, 4).state_dict())


@pytest.mark.parametrize("state", [{}, {"epoch": 1}, {"epoch": 1, "batches": 2, "of": 3}, []])
def test_load_state_dict_rejects_other_objects(state: Any) -> None:
    with pytest.raises(ArgumentError, match="not the state of exzarr"):
        exzarr.batches(stored((6,))[0], 4).load_state_dict(state)


def test_a_pickled_loader_keeps_its_place(tmp_path: Path) -> None:
    a = exzarr.create_array(tmp_path / "a.zarr", data=numbered((60, 2)), chunks=(4, 2))
    loader = exzarr.batches((a, np.arange(60)), 8, shuffle="window", seed=2)
    expected = [*loader.indices()]
    some = iter(loader)
    next(some)
    again: Batches = pickle.loads(pickle.dumps(loader))
    again.load_state_dict(loader.state_dict())
    got = [batch[1].tolist() for batch in again]
    assert got == [rows.tolist() for rows in expected[1:]]
