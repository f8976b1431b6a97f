"""`Array.sel`: labels are found in the arrays beside an array; xarray is the oracle."""

from __future__ import annotations

import operator
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray

import exzarr
from exzarr.errors import LabelError, SelectionError, UnsupportedError
from exzarr.stores import CountingStore, LocalStore, MemoryStore


@pytest.fixture(params=[2, 3])
def cube(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Return the path of a data set that xarray has written: half-daily times, descending latitudes, names."""
    times = np.arange("2024-02-20", "2024-04-10", 12, dtype="M8[h]").astype("M8[ns]")
    lat = np.arange(60, -61, -2.5)
    sst = np.arange(len(times) * len(lat) * 3.0).reshape(len(times), len(lat), 3)
    data = xarray.Dataset(
        {"sst": (("time", "lat", "name"), sst), "none": (("time", "band"), np.zeros((len(times), 2)))},
        coords={"time": times, "lat": lat, "name": ["a", "b", "c"]},
    )
    path = tmp_path / "cube.zarr"
    encoding: Any = {"sst": {"chunks": (10, 20, 3)}}
    data.to_zarr(path, zarr_format=request.param, encoding=encoding)
    return path


SELECTIONS: list[dict[str, Any]] = [
    {"time": "2024-03"},
    {"time": "2024-03", "lat": slice(40, -10)},
    {"time": "2024-03-05T12", "lat": 5.0, "name": "b"},
    {"time": slice("2024-03-01", "2024-03-05"), "name": ["c", "a"]},
    {"time": np.datetime64("2024-03-01T12:00"), "lat": [10, 0]},
    {"lat": slice(None, 30, 4)},
    {},
]


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("labels", SELECTIONS, ids=str)
def test_selections_equal_those_of_xarray(cube: Path, labels: dict[str, Any]) -> None:
    group = exzarr.open_group(cube, mode="r")
    with xarray.open_zarr(cube) as data:
        wanted = data.sst.sel(labels).values
    for array in (group.get_array("sst"), exzarr.open_array(cube / "sst", mode="r")):
        np.testing.assert_array_equal(array.sel(labels), wanted)
        np.testing.assert_array_equal(array.sel(**labels), wanted)
        assert array.explain.sel(labels).result_bytes == wanted.nbytes


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_methods_equal_those_of_xarray(cube: Path) -> None:
    array = exzarr.open_group(cube, mode="r").get_array("sst")
    with xarray.open_zarr(cube) as data:
        for labels, options in (
            ({"lat": 41}, {"method": "nearest"}),
            ({"lat": [41, -3]}, {"method": "pad"}),
            ({"time": "2024-03-05T07", "lat": 41}, {"method": "nearest"}),
            ({"lat": 41}, {"method": "nearest", "tolerance": 2}),
        ):
            wanted = data.sst.sel(labels, **options).values  # type: ignore[arg-type]
            np.testing.assert_array_equal(array.sel(labels, **options), wanted)  # type: ignore[arg-type]
    with pytest.raises(LabelError):
        array.sel(lat=41, method="nearest", tolerance=0.5)


def test_streams_take_labels(cube: Path) -> None:
    array = exzarr.open_group(cube, mode="r").get_array("sst")
    labels = {"time": "2024-03", "lat": slice(40, -10)}
    wanted = array.sel(labels)
    found = np.full(array.shape, np.nan)
    for chunk in array.chunk_stream(labels):
        found[chunk.region] = chunk.data
    np.testing.assert_array_equal(found[~np.isnan(found)], wanted.reshape(-1))
    parts = [part.data for part in array.slice_stream("time", region={"lat": slice(40, -10)})]
    np.testing.assert_array_equal(np.stack(parts), array.sel(lat=slice(40, -10)))
    total = array.parallel_chunk_map(np.sum, region=labels, reduce=operator.add)
    assert total == wanted.sum()
    one = [chunk.data for chunk in array.chunk_stream({"lat": 5.0, "name": ["b", "c"]})]
    assert sum(data.size for data in one) == array.shape[0] * 2
    with pytest.raises(LabelError, match="a region has no gaps"):
        array.chunk_stream({"name": ["c", "a"]})
    with pytest.raises(LabelError, match="a region has no gaps"):
        array.chunk_stream({"lat": slice(40, 0, 2)})


def test_errors_name_the_coordinates_and_labels_nearby(cube: Path) -> None:
    group = exzarr.open_group(cube, mode="r")
    array, other = group.get_array("sst"), group.get_array("none")
    with pytest.raises(SelectionError, match="no dimension 'lon'; dimensions: 'time', 'lat', 'name'"):
        array.sel(lon=3)
    with pytest.raises(
        LabelError, match="'band': it has no coordinate: the array's coordinates are 'time'. isel"
    ):
        other.sel(band=0)
    with pytest.raises(
        LabelError, match=r"array '/sst', dimension 'lat': there is no label 41; labels near it: 42.5, 40.0"
    ):
        array.sel(lat=41)
    with pytest.raises(KeyError, match="'2024-02-20', '2024-02-20T12'|near it: '2024-02-20'"):
        array.sel(time="1999")
    with pytest.raises(LabelError, match="write|Swap"):
        array.sel(lat=slice(-10, 40))
    with pytest.raises(IndexError):
        array.sel(name="z")


def test_arrays_without_names_or_coordinates() -> None:
    array = exzarr.create_array(MemoryStore(), data=np.arange(3))
    with pytest.raises(SelectionError, match="no dimension names"):
        array.sel(x=1)
    array = exzarr.create_array(MemoryStore(), data=np.arange(3), dimension_names=("x",))
    with pytest.raises(LabelError, match="no array beside this one is named after a dimension"):
        array.sel(x=1)
    assert array.explain.isel(x=1).chunks == 1


def test_coordinates_are_read_once_and_again_after_a_change(tmp_path: Path) -> None:
    group = exzarr.create_group(tmp_path / "a.zarr")
    group.create_array("x", data=np.array([10, 20, 30]), chunks=(2,), dimension_names=("x",))
    group.create_array("v", data=np.array([1, 2, 3]), chunks=(1,), dimension_names=("x",))
    store = CountingStore(LocalStore(tmp_path / "a.zarr"))
    array = exzarr.open_group(store).get_array("v")
    store.reset()
    assert array.sel(x=20) == 2
    assert store.requests.total() == 1 + 2 + 1  # document and chunks of the coordinate, and the value
    store.reset()
    assert array.sel(x=[30, 10]).tolist() == [3, 1]
    assert store.requests.total() == 2
    array.append([4])
    with pytest.raises(LabelError, match="its coordinate '/x' has 3 labels, and the array has the length 4"):
        array.sel(x=20)
    group.get_array("x").append([40])
    assert array.sel(x=40) == 4
    group.get_array("x")[0] = 11
    assert array.sel(x=10) == 1  # kept
    assert array.refresh().sel(x=11) == 1
    assert pickle.loads(pickle.dumps(array)).sel(x=11) == 1


def test_coordinates_behind_consolidated_metadata(tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    group = exzarr.create_group(path)
    for name in ("x", "v"):
        group.create_array(name, data=np.array([10, 20]), chunks=(2,), dimension_names=("x",))
    group.consolidate_metadata()
    array = exzarr.open_group(path).get_array("v")
    for name in ("x", "v"):  # another process appends to both
        exzarr.open_array(path / name).append([30])
    assert array.sel(x=slice(10, 30)).tolist() == [10, 20]  # both as they were
    assert array.refresh().sel(x=30) == 30


def test_packed_and_integer_coordinates() -> None:
    group = exzarr.create_group(MemoryStore())
    x = group.create_array("x", data=np.array([-5, 0, 5], "i2"), dimension_names=("x",))
    group.create_array("v", data=np.arange(3), dimension_names=("x",))
    x.attrs.update(scale_factor=0.1, add_offset=2.0)
    assert group.get_array("v").sel(x=2.5) == 2
    assert group.get_array("v").sel(x=slice(None, 2)).tolist() == [0, 1]
    x.attrs.update(units="days since 2000-01-01", calendar="360_day")
    with pytest.raises(UnsupportedError, match="Use xarray"):
        group.get_array("v").sel(x="2000")
