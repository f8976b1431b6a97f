"""Memory order of the arrays that reading returns, compared with zarr-python."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
import zarr

import exzarr

VALUES = np.arange(8 * 6, dtype="i4").reshape(8, 6)
READS: dict[str, Any] = {
    "all": lambda a: a[...],
    "rows": lambda a: a[1:5],
    "window": lambda a: a[2:5, 1:4],
    "steps": lambda a: a[::2, ::3],
    "rows picked": lambda a: a.oindex[[0, 3], slice(None)],
    "both picked": lambda a: a.oindex[[0, 3], [5, 1, 2]],
    "points": lambda a: a.vindex[np.array([[0, 1], [2, 7]]), np.array([[0, 5], [1, 1]])],
    "blocks": lambda a: a.blocks[1],
    "basic": lambda a: a.get_basic_selection((slice(0, 3),)),
}


def assert_same_order(ours: Any, theirs: Any) -> None:
    for how, read in READS.items():
        mine, other = read(ours), read(theirs)
        np.testing.assert_array_equal(mine, other, err_msg=how)
        assert mine.flags.f_contiguous == other.flags.f_contiguous, how
        assert mine.flags.c_contiguous == other.flags.c_contiguous, how


@pytest.mark.parametrize("order", ["C", "F"])
def test_v2_array_uses_order_of_its_document(order: Any, tmp_path: Any) -> None:
    theirs = zarr.create_array(
        tmp_path / "z", shape=VALUES.shape, chunks=(4, 3), dtype="i4", zarr_format=2, order=order
    )
    theirs[...] = VALUES
    assert_same_order(exzarr.open(tmp_path / "z"), theirs)
    assert exzarr.open_array(tmp_path / "z").memory_order == order
    with exzarr.config.override(memory_order="F" if order == "C" else "C"):
        assert_same_order(exzarr.open(tmp_path / "z"), theirs)
    made = exzarr.create_array(data=VALUES, chunks=(4, 3), zarr_format=2, order=order)
    assert_same_order(made, theirs)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("shards", [None, (4, 6)])
def test_v3_array_uses_requested_order(order: Any, shards: Any, tmp_path: Any) -> None:
    theirs = zarr.create_array(
        tmp_path / "z", shape=VALUES.shape, chunks=(4, 3), shards=shards, dtype="i4", config={"order": order}
    )
    theirs[...] = VALUES
    assert_same_order(exzarr.open(tmp_path / "z", memory_order=order), theirs)
    assert_same_order(exzarr.open_array(tmp_path / "z", memory_order=order), theirs)
    assert_same_order(
        exzarr.create_array(data=VALUES, chunks=(4, 3), shards=shards, memory_order=order), theirs
    )
    assert_same_order(exzarr.array(VALUES, chunks=(4, 3), memory_order=order), theirs)
    group = exzarr.open_group(mode="w", memory_order=order)
    assert_same_order(group.create_array("a", data=VALUES, chunks=(4, 3)), theirs)
    assert_same_order(group["a"], theirs)
    plain = exzarr.create_group()
    assert_same_order(plain.create_array("a", data=VALUES, chunks=(4, 3), memory_order=order), theirs)
    with zarr.config.set({"array.order": order}), exzarr.config.override(memory_order=order):
        assert_same_order(exzarr.open(tmp_path / "z"), zarr.open_array(tmp_path / "z"))


@pytest.mark.parametrize("shards", [None, (4, 6)])
def test_array_created_with_order_f_is_read_in_order_f(shards: Any) -> None:
    a = exzarr.create_array(data=VALUES, chunks=(4, 3), shards=shards, order="F")
    for found in (a, exzarr.open_array(a.store), pickle.loads(pickle.dumps(exzarr.open_array(a.store)))):
        np.testing.assert_array_equal(found[...], VALUES)
        assert found[...].flags.f_contiguous
        assert found[2:5, 1:4].flags.f_contiguous
    assert exzarr.open_array(a.store, memory_order="C")[...].flags.c_contiguous


def test_memory_order_survives_pickle_and_applies_to_fields_and_ranks() -> None:
    a = exzarr.create_array(shape=(3, 4, 5), dtype=[("x", "i4"), ("y", "f4")], memory_order="F", chunks=2)
    a["x"] = np.arange(60).reshape(3, 4, 5)
    again = pickle.loads(pickle.dumps(a))
    for found in (a, again):
        assert found["x"].flags.f_contiguous
        assert found[["x", "y"]].flags.f_contiguous
        assert found[...].flags.f_contiguous
        assert found[0, 0].flags.c_contiguous
        np.testing.assert_array_equal(found["x"], np.arange(60).reshape(3, 4, 5))
    with pytest.raises(exzarr.ArgumentError, match="memory_order"):
        exzarr.open_array(a.store, memory_order="K")  # type: ignore[arg-type]
