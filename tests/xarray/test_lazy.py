"""Lazy values: threads, pickles, processes, event loops, and what is read when."""

from __future__ import annotations

import asyncio
import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import exzarr
from exzarr.stores import CountingStore, LocalStore
from tests.xarray.tools import climate, quietly


@pytest.fixture
def place(tmp_path: Path) -> Path:
    quietly(climate().to_zarr, tmp_path / "a.zarr", zarr_format=3, encoding={"t2m": {"chunks": (4, 3, 4)}})
    return tmp_path / "a.zarr"


def test_values_are_read_when_they_are_used(place: Path) -> None:
    store = CountingStore(LocalStore(place))
    opened = xr.open_dataset(store, engine="exzarr")
    before = store.total
    selected = opened["t2m"].isel(time=slice(0, 2), lat=slice(0, 2), lon=0)
    assert store.total == before
    assert selected.values.shape == (2, 2)
    assert store.total == before + 1


def test_threads_share_a_dataset(place: Path) -> None:
    opened = xr.open_dataset(place, engine="exzarr", cache=False)
    expected = climate()["t2m"].values

    def read(n: int) -> bool:
        index = n % 12
        return bool((opened["t2m"].isel(time=index).values == expected[index]).all())

    with ThreadPoolExecutor(16) as pool:
        assert all(pool.map(read, range(200)))


def test_pickled_dataset_reads_without_opening_again(place: Path) -> None:
    opened = xr.open_dataset(place, engine="exzarr")
    data = pickle.dumps(opened)
    assert len(data) < 30_000
    # The array grows after the dataset was opened: the pickle keeps the shape.
    exzarr.open_array(place / "t2m", mode="r+").append(np.zeros((3, 6, 8), "f4"))
    xr.testing.assert_identical(pickle.loads(data), climate())
    xr.testing.assert_identical(opened, climate())


def test_pickle_of_a_store_in_memory_fails_when_it_is_read(place: Path, run_python) -> None:
    store = exzarr.MemoryStore()
    exzarr.copy(place, store)
    opened = xr.open_dataset(store, engine="exzarr", create_default_indexes=False)
    file = place.parent / "pickle"
    file.write_bytes(pickle.dumps(opened))
    xr.testing.assert_identical(pickle.loads(file.read_bytes()).compute(), opened.compute())
    source = """
import pickle, sys
opened = pickle.load(open(sys.argv[1], "rb"))
try:
    opened["t2m"].values
except OSError as error:
    print(type(error).__name__, error)
"""
    done = run_python(source, str(file))
    assert done.stdout.startswith("StoreError"), done.stderr


def test_load_async(place: Path) -> None:
    if not hasattr(xr.Dataset, "load_async"):
        pytest.skip("this xarray has no load_async")
    opened = xr.open_dataset(place, engine="exzarr")

    async def load() -> list[xr.Dataset]:
        parts = [
            opened.isel(time=slice(None, None, -1)),
            opened.isel(time=[3, 1], lat=[5, 0]),
            opened.isel(time=xr.DataArray([1, 2], dims="p"), lon=xr.DataArray([3, 7], dims="p")),
        ]
        await asyncio.gather(*[part.load_async() for part in parts])
        return parts

    first, second, third = asyncio.run(load())
    data = climate()
    xr.testing.assert_identical(first, data.isel(time=slice(None, None, -1)))
    xr.testing.assert_identical(second, data.isel(time=[3, 1], lat=[5, 0]))
    xr.testing.assert_identical(
        third, data.isel(time=xr.DataArray([1, 2], dims="p"), lon=xr.DataArray([3, 7], dims="p"))
    )


def test_scalar_strings_load_async(tmp_path: Path) -> None:
    if not hasattr(xr.Dataset, "load_async"):
        pytest.skip("this xarray has no load_async")
    root = exzarr.create_group(tmp_path / "a.zarr")
    made = root.create_array("s", shape=(), dtype="string", dimension_names=())
    made[()] = "word"
    opened = xr.open_dataset(tmp_path / "a.zarr", engine="exzarr")
    assert asyncio.run(opened["s"].load_async()).item() == "word"
    assert xr.open_dataset(tmp_path / "a.zarr", engine="exzarr")["s"].values.dtype.kind == "T"


@pytest.mark.parametrize("chunks", [{}, {"time": 4, "lon": -1}, "auto"])
def test_dask_threads(place: Path, chunks) -> None:
    pytest.importorskip("dask")
    opened = xr.open_dataset(place, engine="exzarr", chunks=chunks)
    xr.testing.assert_allclose(opened["t2m"].mean("time").compute(), climate()["t2m"].mean("time"))


@pytest.mark.slow
def test_dask_distributed_processes(place: Path, tmp_path: Path) -> None:
    distributed = pytest.importorskip("distributed")
    cluster = distributed.LocalCluster(
        n_workers=2, threads_per_worker=2, processes=True, dashboard_address=None
    )
    with cluster, distributed.Client(cluster):
        opened = xr.open_dataset(place, engine="exzarr", chunks={})
        xr.testing.assert_identical(opened.compute(), climate())
        xr.testing.assert_allclose(opened["t2m"].mean("time").compute(), climate()["t2m"].mean("time"))


def test_opening_reads_the_coordinate_of_time_once(place: Path) -> None:
    store = CountingStore(LocalStore(place))
    opened = xr.open_dataset(store, engine="exzarr", drop_variables=["lat", "lon", "height", "mask", "t2m"])
    assert store.total == 2  # the document of the group, and the chunk
    xr.testing.assert_identical(opened["time"].reset_coords(drop=True), climate()["time"].drop_vars("height"))


def test_parts_of_a_coordinate_are_copies_and_not_kept_for_long(place: Path) -> None:
    opened = xr.open_dataset(place, engine="exzarr", create_default_indexes=False, cache=False)
    opened["lat"].isel(lat=slice(0, 2)).values[:] = 0
    assert opened["lat"].values.tolist() == climate()["lat"].values.tolist()
    exzarr.open_array(place / "lat", mode="r+")[:] = 1.0
    assert opened["lat"].values.tolist() == [1.0] * 6
