"""Modes, regions, and the stores that datasets are written to."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
import zarr

import exzarr
from exzarr.stores import MemoryStore, SQLiteStore
from exzarr.xarray import to_zarr
from tests.xarray.writing.compared import read, theirs


def grid(value: float = 0.0) -> xr.Dataset:
    return xr.Dataset(
        {"a": (("y", "x"), np.full((4, 6), value)), "b": ("x", np.arange(6))},
        {"y": [10, 20, 30, 40], "x": np.arange(6) * 0.5},
        {"title": "grid"},
    )


STORES: dict[str, Callable[[Path], Any]] = {
    "path": lambda tmp: tmp / "a.zarr",
    "text": lambda tmp: str(tmp / "a.zarr"),
    "zip": lambda tmp: tmp / "a.zarr.zip",
    "sqlite": lambda tmp: f"sqlite://{tmp / 'a.sqlite'}",
    "store": lambda tmp: SQLiteStore(tmp / "a.sqlite"),
    "memory": lambda _: MemoryStore(),
    "dict": lambda _: {},
    "memory of zarr-python": lambda _: zarr.storage.MemoryStore(),
    "folder of zarr-python": lambda tmp: zarr.storage.LocalStore(tmp / "a.zarr"),
    "group": lambda tmp: exzarr.create_group(tmp / "a.zarr", path="runs/1"),
}


@pytest.mark.parametrize("place", STORES)
def test_stores(place: str, tmp_path: Path) -> None:
    store = STORES[place](tmp_path)
    to_zarr(grid(), store, mode="w")
    if place == "zip":
        xr.testing.assert_identical(xr.open_dataset(store, engine="exzarr").load(), grid())
        with pytest.raises(exzarr.errors.ReadOnlyError, match="only be written as a whole"):
            to_zarr(grid(), store, append_dim="y")
        return
    to_zarr(grid(1.0).isel(y=[0]).assign_coords(y=[50]).chunk(x=4), store, append_dim="y")
    place += " of zarr-python" if place == "dict" else ""
    found = (read(store) if place.startswith("dict") else xr.open_dataset(store, engine="exzarr")).load()
    wanted = xr.concat([grid(), grid(1.0).isel(y=[0]).assign_coords(y=[50])], "y", data_vars="minimal")
    xr.testing.assert_identical(found, wanted)
    if place.endswith("zarr-python"):
        xr.testing.assert_identical(read(store).load(), wanted)


def test_a_new_store_in_memory() -> None:
    written: Any = to_zarr(grid())
    xr.testing.assert_identical(xr.open_dataset(written).load(), grid())
    assert isinstance(written.zarr_group.store, MemoryStore)
    assert "ZarrDataStore" in repr(written)


def test_modes(tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    to_zarr(grid(), path)
    with pytest.raises(FileExistsError):
        to_zarr(grid(1.0), path)
    with pytest.raises(FileExistsError):
        to_zarr(grid(1.0), path, mode="w-")
    xr.testing.assert_identical(read(path), grid())
    to_zarr(grid(2.0).assign(c=1).assign_attrs(title="new"), path, mode="a")
    xr.testing.assert_identical(read(path), grid(2.0).assign(c=1).assign_attrs(title="new"))
    to_zarr(grid(3.0).drop_vars("b").assign_attrs(title="unused"), path, mode="r+")
    xr.testing.assert_identical(read(path), grid(3.0).assign(c=1).assign_attrs(title="new"))
    to_zarr(grid(4.0)[["b"]], path, mode="w")
    xr.testing.assert_identical(read(path), grid(4.0)[["b"]])


@pytest.mark.parametrize("mode", ["w", "w-"])
def test_modes_of_a_group_leave_other_groups_alone(mode: Any, tmp_path: Path) -> None:
    to_zarr(grid(), tmp_path / "a.zarr", group="first")
    to_zarr(grid(1.0), tmp_path / "a.zarr", group="second", mode=mode)
    if mode == "w-":
        with pytest.raises(FileExistsError):
            to_zarr(grid(1.0), tmp_path / "a.zarr", group="second", mode=mode)
    else:
        to_zarr(grid(2.0)[["a"]], tmp_path / "a.zarr", group="second", mode=mode)
    xr.testing.assert_identical(read(tmp_path / "a.zarr", group="first"), grid())
    assert ("b" in read(tmp_path / "a.zarr", group="second")) is (mode == "w-")


REFUSED: dict[str, tuple[dict[str, Any], type[Exception], str]] = {
    "mode": ({"mode": "x"}, ValueError, "only supported options for mode"),
    "append and w": ({"mode": "w", "append_dim": "y"}, ValueError, "cannot set append_dim unless"),
    "region and w": ({"mode": "w", "region": {"x": slice(2)}}, ValueError, "cannot set region unless"),
    "unknown dimension": ({"append_dim": "z"}, ValueError, "does not match any existing"),
    "encoding": ({"mode": "a", "encoding": {"a": {"dtype": "f4"}}}, ValueError, "but encoding was provided"),
    "encoding of nothing": ({"mode": "a", "encoding": {"z": {}}}, KeyError, "which the dataset lacks"),
    "region type": ({"region": [1]}, TypeError, "must be a dict"),
    "region entry": ({"region": {"x": 3, "y": slice(None)}}, TypeError, "must be slice objects"),
    "region step": ({"region": {"x": slice(0, 6, 2), "y": slice(None)}}, ValueError, "must be 1 or None"),
    "region dimension": ({"region": {"z": slice(2)}}, ValueError, "not in Dataset dimensions"),
    "region without b": ({"region": {"y": slice(4)}}, ValueError, r"ds.drop_vars\(\['b', 'x'\]\)"),
    "region size": ({"region": {"x": slice(2), "y": slice(None)}}, ValueError, "different dimension sizes"),
    "both": (
        {"append_dim": "x", "region": {"x": slice(2)}},
        ValueError,
        "both ``append_dim`` and ``region``",
    ),
    "format": ({"mode": "a", "zarr_format": 4}, ValueError, "zarr_format"),
    "r+": ({"mode": "r+", "group": "none"}, FileNotFoundError, "no array or group"),
    "kind": ({"storage_options": {"anon": True}, "mode": "a"}, ValueError, "storage_options"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused_changes_nothing(case: str, tmp_path: Path) -> None:
    options, error, text = REFUSED[case]
    to_zarr(grid(), tmp_path / "a.zarr")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(error, match=text):
        to_zarr(grid(1.0), tmp_path / "a.zarr", **options)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(
    ("encoding", "error", "text"),
    [
        ({"compression": "zlib"}, ValueError, "unexpected encoding parameters"),
        ({"chunks": "many"}, TypeError, "must be an int, or a tuple"),
        ({"chunks": (2.5, 2)}, TypeError, "must be an int, or a tuple"),
        ({"chunks": ((1, 2), 6)}, ValueError, "4"),
        ({"cache_metadata": False}, ValueError, "cache_metadata"),
        ({"_FillValue": "text"}, (ValueError, TypeError), "text|fill_value"),
        ({"write_empty_chunks": True}, ValueError, "Differing"),
    ],
)
def test_encodings_that_are_refused(encoding: dict[str, Any], error: Any, text: str, tmp_path: Path) -> None:
    with pytest.raises(error, match=text):
        to_zarr(grid(), tmp_path / "a.zarr", encoding={"a": encoding}, write_empty_chunks=False)
    if text != "4":
        assert not (tmp_path / "a.zarr").exists()


@pytest.mark.parametrize("name", [5, ""])
def test_names_that_are_refused(name: Any, tmp_path: Path) -> None:
    with pytest.raises((TypeError, ValueError), match="Invalid name"):
        to_zarr(xr.Dataset({name: 1}), tmp_path / "a.zarr")


def test_only_data_of_xarray_is_written(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="not ndarray"):
        to_zarr(np.zeros(3), tmp_path / "a.zarr")  # type: ignore[arg-type]
    tree = xr.DataTree.from_dict({"/": grid(), "/c": grid()})
    with pytest.raises(NotImplementedError, match="one by one"):
        to_zarr(tree, tmp_path / "a.zarr", append_dim="y")
    with pytest.raises(ValueError, match="unexpected encoding group"):
        to_zarr(tree, tmp_path / "a.zarr", encoding={"/d": {}})


REGIONS: list[Any] = [
    "auto",
    {"x": "auto", "y": "auto"},
    {"x": "auto", "y": slice(1, 3)},
    {"x": slice(2, 5), "y": slice(1, 3)},
]


@pytest.mark.parametrize("mode", [None, "a", "r+"])
@pytest.mark.parametrize("region", REGIONS, ids=str)
@pytest.mark.parametrize("zarr_format", [2, 3])
def test_regions(zarr_format: Any, region: Any, mode: Any, tmp_path: Path) -> None:
    part = grid(7.0)[["a"]].isel(y=slice(1, 3), x=slice(2, 5)).transpose("x", "y")
    for write, place in ((theirs, tmp_path / "theirs.zarr"), (to_zarr, tmp_path / "ours.zarr")):
        write(grid(), place, zarr_format=zarr_format)
        write(part, place, region=region, mode=mode)
    xr.testing.assert_identical(read(tmp_path / "ours.zarr").load(), read(tmp_path / "theirs.zarr").load())
    assert read(tmp_path / "ours.zarr")["a"].values.sum() == 7 * 6


def test_a_region_that_cannot_be_found(tmp_path: Path) -> None:
    to_zarr(grid(), tmp_path / "a.zarr")
    with pytest.raises(KeyError, match="does not have"):
        to_zarr(grid().assign_coords(x=np.arange(6) * 0.7), tmp_path / "a.zarr", region="auto")
    with pytest.raises(ValueError, match="not next to each other"):
        to_zarr(grid()[["a"]].isel(x=[0, 2]), tmp_path / "a.zarr", region="auto")
    with pytest.raises(ValueError, match="only a part of dimension 'x'"):
        to_zarr(grid()[["a"]].isel(x=[0]).rename(a="new"), tmp_path / "a.zarr", region="auto", mode="a")


def test_a_store_is_prepared_and_filled_by_regions(tmp_path: Path) -> None:
    pytest.importorskip("dask")
    path = tmp_path / "a.zarr"
    delayed = to_zarr(grid(1.0).chunk(x=2), path, compute=False)
    assert np.isnan(read(path)["a"].values).all()  # the fill value
    for start in range(0, 6, 3):
        to_zarr(grid(1.0)[["a"]].isel(x=slice(start, start + 3)), path, region="auto")
    xr.testing.assert_identical(read(path)[["a"]].load(), grid(1.0)[["a"]])
    delayed.compute()  # type: ignore[union-attr]
    xr.testing.assert_identical(read(path).load(), grid(1.0))


def test_empty_chunks(tmp_path: Path) -> None:
    data = xr.Dataset({"a": ("x", np.zeros(8))})
    for place, options in {"no": {}, "yes": {"write_empty_chunks": True}}.items():
        encoding = {"a": {"fill_value": 0.0, "chunks": (2,)}}
        to_zarr(data, tmp_path / place, encoding=encoding, **options)  # type: ignore[arg-type]
    assert not list((tmp_path / "no").rglob("c/*"))
    assert len(list((tmp_path / "yes").rglob("c/*"))) == 4
    to_zarr(data, tmp_path / "no", mode="r+", write_empty_chunks=True)
    assert len(list((tmp_path / "no").rglob("c/*"))) == 4


def test_accessors(tmp_path: Path) -> None:
    data = grid()
    data.exzarr.to_zarr(tmp_path / "a.zarr")
    data["a"].exzarr.to_zarr(tmp_path / "b.zarr", mode="w", group="g")
    xr.DataTree.from_dict({"/c": data}).exzarr.to_zarr(tmp_path / "c.zarr", zarr_format=2)
    xr.testing.assert_identical(read(tmp_path / "a.zarr"), data)
    xr.testing.assert_identical(read(tmp_path / "b.zarr", group="g")["a"], data["a"])
    xr.testing.assert_identical(read(tmp_path / "c.zarr", group="c"), data)


@pytest.mark.parametrize("consolidated", [True, None, False])
def test_consolidated_metadata(consolidated: Any, tmp_path: Path) -> None:
    to_zarr(grid(), tmp_path / "a.zarr", consolidated=consolidated)
    root = zarr.open_group(str(tmp_path / "a.zarr"), mode="r")
    assert (root.metadata.consolidated_metadata is not None) is (consolidated is not False)
