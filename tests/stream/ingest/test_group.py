"""All arrays of a group grow together, or none does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

import exzarr
from exzarr.errors import IngestError
from exzarr.stores.memory import MemoryStore


def cube(store: Any = None) -> exzarr.Group:
    group = exzarr.create_group(MemoryStore() if store is None else store)
    group.create_array("time", shape=(0,), chunks=(4,), dtype="i8", dimension_names=("time",))
    group.create_array("a/sst", shape=(0, 2), chunks=(3, 2), dtype="f4", dimension_names=("time", "x"))
    group.create_array("x", shape=(2,), chunks=(2,), dtype="i4", dimension_names=("x",))
    return group


def step(first: int, rows: int) -> dict[str, Any]:
    time = np.arange(first, first + rows)
    return {"time": time, "a/sst": np.repeat(time[:, None], 2, 1).astype("f4")}


@pytest.mark.parametrize("consolidated", [False, True])
def test_all_arrays_grow_and_are_read_through_the_group(consolidated: bool, tmp_path: Path) -> None:
    group = cube(tmp_path / "c.zarr")
    if consolidated:
        group.consolidate_metadata()
    report = exzarr.ingest(group, [step(0, 3), step(3, 1), step(4, 6)], key="k", axis="time")
    assert (report.blocks, report.rows) == (3, 10)
    assert exzarr.ingest_position(group, "k") == 3
    for opened in (exzarr.open_group(tmp_path / "c.zarr"), zarr.open_group(tmp_path / "c.zarr", mode="r")):
        node: Any = opened
        np.testing.assert_array_equal(node["time"][...], np.arange(10))
        np.testing.assert_array_equal(node["a/sst"][...][:, 1], np.arange(10))
    again = exzarr.ingest(group, [step(0, 3), step(3, 1), step(4, 6), step(10, 1)], key="k", axis="time")
    assert (again.blocks, again.already) == (1, 3)
    assert exzarr.check(tmp_path / "c.zarr", deep=True, grace=0).findings == ()


WRONG: list[tuple[Any, str]] = [
    (np.zeros(3), "a mapping from names of its arrays"),
    ({}, "a mapping from names of its arrays"),
    ({"time": [1]}, "'a/sst' has dimension 'time', too, and would stay behind"),
    ({**step(0, 1), "missing": [1]}, "there is no array 'missing'"),
    ({**step(0, 1), "a": [1]}, "'a' in group '/' is a group"),
    ({**step(0, 1), "x": [1]}, "array 'x': there is no dimension 'time'"),
    ({"time": [1, 2], "a/sst": np.zeros((1, 2), "f4")}, "grow by the same number of rows"),
    ({"time": [1], "a/sst": np.zeros((1, 3), "f4")}, "array 'a/sst': a block of shape"),
    (exzarr.Block(step(0, 1), region=(slice(0, 1),)), "can't have a region"),
]


@pytest.mark.parametrize(("block", "why"), WRONG, ids=[why[:20] for _, why in WRONG])
def test_block_that_does_not_fit_changes_no_array(block: Any, why: str) -> None:
    group = cube()
    with pytest.raises(IngestError, match=why):
        exzarr.ingest(group, [step(0, 2), block, step(2, 1)], key="k", axis="time")
    opened = exzarr.open_group(group.store)
    assert opened.get_array("time").shape == (2,)
    assert opened.get_array("a/sst").shape == (2, 2)
    assert exzarr.ingest_position(group, "k") == 1


def test_arrays_of_different_length_are_rejected() -> None:
    group = cube()
    exzarr.ingest(group, [step(0, 2)], key="k", axis="time")
    exzarr.open_group(group.store, mode="r+").get_array("time").append([7])
    with pytest.raises(IngestError, match="differ in length already"):
        exzarr.ingest(group, [step(0, 2), step(2, 1)], key="k", axis="time", on_error="skip")
    assert exzarr.ingest_position(group, "k") == 1
