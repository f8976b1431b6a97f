"""`explain` of lazy selections: what it says is what is then read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from exzarr.errors import ArgumentError
from exzarr.stores import CountingStore, LocalStore
from tests.xarray.tools import climate, quietly

SELECTIONS: dict[str, dict[str, Any]] = {
    "all": {},
    "one day": {"time": 0},
    "reversed": {"time": slice(None, None, -1), "lat": 5},
    "outer": {"time": [0, 11], "lon": [0, 7]},
    "points": {"time": xr.DataArray([1, 2], dims="p"), "lat": xr.DataArray([5, 0], dims="p")},
    "empty": {"time": []},
}


@pytest.fixture
def store(tmp_path: Path) -> CountingStore:
    data = climate()
    data["packed"] = data["t2m"] * 1
    packed = {"dtype": "i2", "scale_factor": 0.01, "add_offset": 280.0, "_FillValue": -1}
    data["words"] = (("lat", "n"), np.array([[b"a", b"b"]] * 6))
    chunks = {"chunks": (4, 3, 4)}
    encoding = {"t2m": chunks, "packed": chunks | packed}
    quietly(data.to_zarr, tmp_path / "a.zarr", zarr_format=3, encoding=encoding)
    return CountingStore(LocalStore(tmp_path / "a.zarr"))


@pytest.mark.parametrize("name", ["t2m", "packed"])
@pytest.mark.parametrize("selection", SELECTIONS)
def test_explained_requests_are_sent(name: str, selection: str, store: CountingStore) -> None:
    opened = xr.open_dataset(store, engine="exzarr")
    selected = opened[name].isel(SELECTIONS[selection])
    explained = selected.exzarr.explain()
    before = store.total
    loaded = selected.variable.load()
    assert store.total - before == explained.requests
    itemsize = 4 if name == "t2m" else 2
    assert explained.result_bytes == loaded.size * itemsize


def test_selections_of_selections_and_joined_characters(store: CountingStore) -> None:
    opened = xr.open_dataset(store, engine="exzarr")
    twice = opened["t2m"].isel(time=slice(4, 12)).isel(time=[0, 1], lat=slice(0, 3)).transpose("lon", ...)
    assert twice.exzarr.explain().chunks == 2
    words = opened["words"].isel(lat=slice(0, 2))
    assert words.exzarr.explain().chunks == 1
    assert not opened["t2m"]._in_memory


def test_dataset_explains_all_variables(store: CountingStore) -> None:
    opened = xr.open_dataset(store, engine="exzarr")[["t2m", "packed"]].isel(time=0).drop_vars("height")
    explained = opened.exzarr.explain()
    assert set(explained.variables) == {"t2m", "packed"}
    assert explained.requests == sum(one.requests for one in explained.variables.values()) == 8
    assert explained.chunks == 8
    assert explained.result_bytes == 6 * 8 * 6
    assert explained.fetch_bytes
    assert explained.decode_bytes == 8 * 4 * 3 * 4 * 3
    text = str(explained)
    assert text.splitlines()[0].split() == "variable wanted chunks requests to fetch to decode".split()
    assert text.splitlines()[-2].startswith("total")
    assert "in memory: " in text


def test_what_cannot_be_explained_is_a_clear_error(store: CountingStore, tmp_path: Path) -> None:
    pytest.importorskip("dask")
    opened = xr.open_dataset(store, engine="exzarr")
    with pytest.raises(ArgumentError, match="'lat' is in memory"):
        opened["lat"].exzarr.explain()
    with pytest.raises(ArgumentError, match="chunks=None"):
        opened["t2m"].chunk(time=1).exzarr.explain()
    with pytest.raises(ArgumentError, match="not read by exzarr"):
        quietly(xr.open_dataset, tmp_path / "a.zarr", engine="zarr")["t2m"].exzarr.explain()
