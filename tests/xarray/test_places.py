"""What `engine="exzarr"` opens besides folders: groups, stores, references, archives, SQLite files, HDF5 files."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

import exzarr
from exzarr.errors import ArgumentError
from exzarr.stores import CountingStore, MemoryStore, ReferenceStore, SQLiteStore
from tests.web_servers import web_server
from tests.xarray.tools import climate, quietly


@pytest.fixture
def place(tmp_path: Path) -> Path:
    quietly(climate().to_zarr, tmp_path / "a.zarr", zarr_format=3)
    return tmp_path / "a.zarr"


def _open(place: Any, **options: Any) -> xr.Dataset:
    return xr.open_dataset(place, engine="exzarr", **options)


def test_groups_and_stores_of_exzarr(place: Path) -> None:
    group = exzarr.open_group(place)
    opened = _open(group)
    xr.testing.assert_identical(opened, climate())
    assert opened.encoding["source"] == str(group.store)
    opened.close()
    xr.testing.assert_identical(_open(group.store, consolidated=False), climate())
    xr.testing.assert_identical(_open(group, consolidated=False, zarr_format=3), climate())
    parent = exzarr.open_group(place.parent / "b.zarr", mode="w")
    exzarr.copy(group, parent.store, path="inside")
    xr.testing.assert_identical(_open(parent, group="inside"), climate())
    assert set(xr.open_groups(parent, engine="exzarr")) == {"/", "/inside"}


def test_stores_of_zarr_python_and_mappings(place: Path) -> None:
    import zarr

    xr.testing.assert_identical(_open(zarr.storage.LocalStore(place, read_only=True)), climate())
    values: dict[str, bytes] = {}
    exzarr.copy(place, values)
    xr.testing.assert_identical(_open(values), climate())


def test_zip_files(place: Path) -> None:
    file = shutil.make_archive(str(place.parent / "packed.zarr"), "zip", place)
    xr.testing.assert_identical(_open(file), climate())
    assert xr.open_dataset(file).equals(climate())  # guessed: no other engine opens it
    with _open(f"{file}|zip:") as opened:
        xr.testing.assert_identical(opened.load(), climate())


def test_sqlite_files(place: Path) -> None:
    file = place.parent / "a.sqlite"
    exzarr.copy(place, SQLiteStore(file))
    xr.testing.assert_identical(_open(file), climate())
    xr.testing.assert_identical(_open(f"sqlite://{file}"), climate())


@pytest.mark.parametrize("name", ["refs.json", "refs.parq"])
def test_references(name: str, place: Path) -> None:
    file = place.parent / "a.nc"
    climate().to_netcdf(file, engine="h5netcdf")
    exzarr.virtualize(file, place.parent / name)
    xr.testing.assert_equal(_open(place.parent / name), climate())
    xr.testing.assert_equal(_open(ReferenceStore(place.parent / name)), climate())


@pytest.mark.parametrize("engine", ["h5netcdf", "netcdf4", "scipy"])
def test_hdf5_and_netcdf_files(engine: str, tmp_path: Path) -> None:
    pytest.importorskip({"h5netcdf": "h5netcdf", "netcdf4": "netCDF4", "scipy": "scipy"}[engine])
    data = climate().drop_vars("mask")
    data["t2m"][0, 0, 0] = np.nan
    data["t2m"].encoding = {"dtype": "i2", "scale_factor": 0.01, "add_offset": 280.0, "_FillValue": -9999}
    data.to_netcdf(tmp_path / "a.nc", engine=engine)
    expected = xr.open_dataset(tmp_path / "a.nc", engine=engine)
    xr.testing.assert_identical(_open(tmp_path / "a.nc"), expected)
    with pytest.raises(ArgumentError, match="no consolidated metadata"):
        _open(tmp_path / "a.nc", consolidated=True)
    with pytest.raises(ArgumentError, match="Zarr format"):
        _open(tmp_path / "a.nc", zarr_format=5 - exzarr.virtualize(tmp_path / "a.nc").zarr_format)


def test_groups_of_hdf5_files(tmp_path: Path) -> None:
    tree = xr.DataTree.from_dict({"/": climate(), "/g": xr.Dataset({"a": ("x", [1, 2])})})
    tree.to_netcdf(tmp_path / "a.nc", engine="h5netcdf")
    xr.testing.assert_equal(xr.open_datatree(tmp_path / "a.nc", engine="exzarr"), tree)
    assert _open(tmp_path / "a.nc", group="g")["a"].values.tolist() == [1, 2]


def test_engine_is_only_guessed_for_what_no_other_engine_opens(place: Path) -> None:
    engine = xr.backends.list_engines()["exzarr"]
    assert not engine.guess_can_open(str(place))
    assert not engine.guess_can_open(place.parent / "a.nc")
    assert not engine.guess_can_open("s3://bucket/a.zarr")
    assert not engine.guess_can_open("file|name.nc")
    assert not engine.guess_can_open(b"CDF")
    assert engine.guess_can_open(exzarr.open_group(place))
    assert engine.guess_can_open(MemoryStore())
    assert engine.guess_can_open("a.zip|zip:|zarr3:")
    assert engine.guess_can_open("a.sqlite")
    opened = quietly(xr.open_dataset, place)
    assert "serializer" in opened["t2m"].encoding  # zarr-python's engine
    assert not isinstance(opened["t2m"].encoding["serializer"], dict)


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("group", [None, "g"])
def test_consolidated_store_is_opened_with_one_request(
    zarr_format: int, group: str | None, tmp_path: Path
) -> None:
    data = climate().drop_indexes(["time", "lat", "lon"])
    tree = xr.DataTree.from_dict({"/": data, "/g": data})
    quietly(tree.to_zarr, tmp_path / "a.zarr", zarr_format=zarr_format)
    # Decoding times and creating indexes read values.
    options: dict[str, Any] = {"create_default_indexes": False, "decode_times": False}
    store = CountingStore(exzarr.LocalStore(tmp_path / "a.zarr"))
    opened = _open(store, group=group, zarr_format=zarr_format, **options)
    assert store.total == 1, store.requests
    assert len(opened.variables) == 6
    store.reset()
    xr.open_datatree(store, engine="exzarr", zarr_format=zarr_format, **options)
    assert store.total == 1, store.requests


@pytest.mark.slow
def test_a_web_server_gets_one_request_to_open_and_one_for_each_chunk(place: Path) -> None:
    with web_server(place.parent) as web:
        opened = _open(
            f"{web.url}/{place.name}", zarr_format=3, create_default_indexes=False, decode_times=False
        )
        assert web.seen == [f"GET /{place.name}/zarr.json"]
        web.seen.clear()
        first = opened["t2m"].isel(time=0)
        requests = first.exzarr.explain().requests
        np.testing.assert_array_equal(first.values, climate()["t2m"].isel(time=0).values)
        assert (
            len([seen for seen in web.seen if seen.startswith("GET")]) == requests
        )  # a HEAD learns about the server


def test_failed_opens_and_closed_datasets_close_the_store(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed: list[str] = []
    monkeypatch.setattr(exzarr.LocalStore, "close", lambda store: closed.append(str(store)))
    _open(place).close()
    xr.open_datatree(place, engine="exzarr").close()
    assert len(closed) == 2
    exzarr.create_array(place / "bad", shape=(1,), dtype="i4")
    with pytest.raises(KeyError):
        _open(place, consolidated=False)
    assert len(closed) == 3
    _open(exzarr.open_group(place, use_consolidated=True)).close()
    assert len(closed) == 3  # the caller's


def test_stores_without_consolidated_metadata_are_opened_as_by_xarray(place: Path) -> None:
    import zarr

    class Plain(zarr.storage.LocalStore):
        supports_consolidated_metadata = False

    store = Plain(place, read_only=True)
    xr.testing.assert_identical(_open(store, consolidated=True), climate())
