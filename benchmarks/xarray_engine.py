"""Datasets of xarray: ``engine="exzarr"`` against ``engine="zarr"``, with each pipeline of zarr-python.

All engines open the same stores, which zarr-python wrote. A sample includes opening.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.data import CODECS, Workspace
from benchmarks.harness import Cell, Contest
from benchmarks.peers import BASELINE, NotSupportedError, Peer

GROUP = "xarray"

VARIABLES = 200
STORES = 50
LAYOUTS = {"one day a chunk": (1, 128, 256), "60 × 32 × 64": (60, 32, 64)}
DAYS, QUICK_DAYS = 365, 120

Compute = Callable[[str], Any]
"""Opens with the engine of this name, and computes."""


def xarray_cells(work: Workspace, *, quick: bool) -> Iterator[Cell]:
    import xarray as xr

    many = _written(work, "many.zarr", _many_variables(), {})
    yield _cell(f"open {VARIABLES} variables", lambda engine: xr.open_dataset(many, engine=engine))
    work.clear()
    climate = _climate(QUICK_DAYS if quick else DAYS)
    for name, chunks in LAYOUTS.items():
        place = _written(work, "climate.zarr", climate, {"t2m": {"chunks": chunks}})
        yield _cell(f"mean over time with dask, {name}", partial(_mean, place))
        yield _cell(f"time series at a point, {name}", partial(_series, place))
        yield _cell(f"write with dask, {name}", partial(_write, climate.chunk(time=60), work, chunks))
        work.clear()
    count = STORES // 5 if quick else STORES
    places = [
        _written(work, f"{n:02}.zarr", climate.isel(time=slice(2 * n, 2 * n + 2), lat=slice(32)), {})
        for n in range(count)
    ]
    yield _cell(f"open_mfdataset of {count} stores", lambda engine: xr.open_mfdataset(places, engine=engine))
    work.clear()


def _mean(place: Path, engine: str) -> Any:
    import xarray as xr

    return xr.open_dataset(place, engine=engine, chunks={})["t2m"].mean("time").compute().values


def _series(place: Path, engine: str) -> Any:
    import xarray as xr

    return xr.open_dataset(place, engine=engine)["t2m"].isel(lat=50, lon=100).values


def _write(dataset: Any, work: Workspace, chunks: tuple[int, ...], engine: str) -> Any:
    """Write to a new store, and return the dataset that it holds."""
    import xarray as xr

    import exzarr.xarray

    write = exzarr.xarray.to_zarr if engine == "exzarr" else xr.Dataset.to_zarr
    place = work.fresh(f"written-{engine}.zarr")
    encoding = {"t2m": {"chunks": chunks, "compressors": CODECS["zstd"]}}
    write(dataset, place, zarr_format=3, consolidated=True, encoding=encoding)
    return xr.open_dataset(place, engine="zarr")


def _cell(name: str, compute: Compute) -> Cell:
    def contest(peer: Peer) -> Contest:
        if peer.label != BASELINE and peer.package != "zarr":
            raise NotSupportedError("has no engine of xarray")
        engine = "exzarr" if peer.label == BASELINE else "zarr"

        def check() -> None:
            found, wanted = compute(engine), compute("zarr")
            if isinstance(wanted, np.ndarray):
                np.testing.assert_allclose(found, wanted, rtol=1e-5)
            elif not found.identical(wanted):
                raise AssertionError(f"the datasets differ: {found} is not {wanted}")

        return Contest(check, lambda _: compute(engine), repeatable=False)

    return Cell(GROUP, name, contest)


def _many_variables() -> Any:
    import xarray as xr

    coordinates = _climate(4).isel(lat=slice(8), lon=slice(8)).coords
    values = np.zeros((4, 8, 8), "f4")
    attributes = {"units": "K", "standard_name": "air_temperature"}
    variables = {
        f"v{n:03}": (("time", "lat", "lon"), values, {**attributes, "long_name": f"variable number {n}"})
        for n in range(VARIABLES)
    }
    return xr.Dataset(variables, coordinates)


def _climate(days: int) -> Any:
    """Return random walks at the points of a grid, in steps of 1/64, so that they compress as temperatures do."""
    import xarray as xr

    walks = np.random.default_rng(0).normal(size=(days, 128, 256)).cumsum(0)
    return xr.Dataset(
        {"t2m": (("time", "lat", "lon"), ((walks * 64).round() / 64).astype("f4"), {"units": "K"})},
        coords={
            "time": np.datetime64("2000-01-01", "ns") + np.arange(days) * np.timedelta64(1, "D"),
            "lat": np.linspace(-89, 89, 128),
            "lon": np.arange(256) * 1.40625,
        },
    )


def _written(work: Workspace, name: str, dataset: Any, encoding: dict[str, Any]) -> Path:
    place = work.fresh(name)
    encoding = {key: {**options, "compressors": CODECS["zstd"]} for key, options in encoding.items()}
    dataset.to_zarr(place, zarr_format=3, consolidated=True, encoding=encoding)
    return place
