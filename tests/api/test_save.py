"""Save and load whole arrays in one call."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

import exzarr


@pytest.fixture(params=["folder", "zip", "memory"])
def place(request: Any, tmp_path: Path) -> Any:
    return {"folder": tmp_path / "x", "zip": tmp_path / "x.zip", "memory": exzarr.MemoryStore()}[
        request.param
    ]


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_one_array_is_loaded_as_it_was_saved(place: Any, zarr_format: Any) -> None:
    for data in (np.arange(12.0).reshape(3, 4), np.array(5), np.zeros((0, 2)), np.array(["a", "bc"])):
        exzarr.save(place, data, zarr_format=zarr_format)
        found = exzarr.load(place)
        np.testing.assert_array_equal(found, data)
        assert found.dtype == data.dtype
        assert found.shape == data.shape


def test_several_arrays_are_a_group(place: Any) -> None:
    exzarr.save(place, np.arange(3), np.ones((2, 2)), named=np.array([True]))
    found = exzarr.load(place)
    assert [*found] == ["arr_0", "arr_1", "named"]
    np.testing.assert_array_equal(found["arr_1"], np.ones((2, 2)))
    exzarr.save_group(place, only=[1, 2])
    assert [*exzarr.load(place)] == ["only"]


def test_save_replaces_existing_node(place: Any) -> None:
    exzarr.save(place, a=[1], b=[2])
    exzarr.save_array(place, [3.5], compressors=None, attributes={"n": 1})
    np.testing.assert_array_equal(exzarr.load(place), [3.5])
    assert exzarr.open_array(place, mode="r").attrs == {"n": 1}


def test_save_and_load_at_paths(tmp_path: Path) -> None:
    place = tmp_path / "x"
    exzarr.save(place, np.arange(3), path="deep/a")
    exzarr.save(place, x=[1], y=[2], path="deep/g")
    found = exzarr.load(place)
    assert [*found] == ["deep/a", "deep/g/x", "deep/g/y"]
    np.testing.assert_array_equal(exzarr.load(place, path="deep/a"), np.arange(3))
    np.testing.assert_array_equal(zarr.load(place, path="deep/a"), np.arange(3))


def test_save_and_load_interoperate_with_zarr_python(tmp_path: Path) -> None:
    exzarr.save(tmp_path / "ours", np.arange(5))
    np.testing.assert_array_equal(zarr.load(tmp_path / "ours"), np.arange(5))
    zarr.save(tmp_path / "theirs", np.arange(5))
    np.testing.assert_array_equal(exzarr.load(tmp_path / "theirs"), np.arange(5))


def test_save_without_arrays_raises(tmp_path: Path) -> None:
    for save in (exzarr.save, exzarr.save_group):
        with pytest.raises(exzarr.ArgumentError, match="nothing to save"):
            save(tmp_path / "x")
    with pytest.raises(exzarr.ArgumentError, match="choose other names"):
        exzarr.save(tmp_path / "x", [1], arr_0=[2])
    with pytest.raises(exzarr.NodeNotFoundError):
        exzarr.load(tmp_path / "x")
    assert not (tmp_path / "x").exists()


def test_failed_save_leaves_the_old_zip(tmp_path: Path) -> None:
    place = tmp_path / "x.zip"
    exzarr.save(place, [1, 2])
    with pytest.raises(exzarr.ArgumentError):
        exzarr.save(place, a=[1], b=object())
    np.testing.assert_array_equal(exzarr.load(place), [1, 2])
    assert [path.name for path in tmp_path.iterdir()] == ["x.zip"]


@pytest.mark.parametrize("function", [exzarr.save, exzarr.save_group])
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("mode", "w"),
        ("chunks", (2, 2)),
        ("shards", None),
        ("dtype", "i4"),
        ("compressors", "zstd"),
        ("compressor", None),
        ("overwrite", True),
        ("attributes", {"a": 1}),
        ("fill_value", 0),
        ("name", "x"),
        ("missing", "error"),
        ("use_consolidated", False),
        ("dimension_separator", "/"),
        ("chunk_shape", (1, 1)),
    ],
)
def test_argument_names_are_refused_as_array_names(tmp_path, function, name, value):
    path = tmp_path / "a.zarr"
    exzarr.save(path, np.arange(3))
    with pytest.raises(exzarr.ArgumentError, match=rf"^{name}= is an argument"):
        function(path, np.zeros((2, 2)), **{name: value})
    with pytest.raises(exzarr.ArgumentError, match=rf"^{name}= is an argument"):
        function(path, **{name: np.zeros((2, 2))})
    np.testing.assert_array_equal(exzarr.load(path), np.arange(3))


def test_remedy_in_the_error_for_argument_names_works(tmp_path):
    exzarr.open_group(tmp_path / "a.zarr", mode="a")["mode"] = np.arange(3)
    np.testing.assert_array_equal(exzarr.load(tmp_path / "a.zarr")["mode"], np.arange(3))
