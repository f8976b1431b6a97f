"""Datasets of xarray: ``engine="exzarr"`` against ``engine="zarr"``, with each pipeline of zarr-python.

All engines open the same stores, which zarr-python wrote, with the same options. A sample includes opening. The floor
is the time of xarray and dask alone (`xarray_floor`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.data import CODECS, Workspace, stored_bytes
from benchmarks.harness import Cell, Contest
from benchmarks.peers import BASELINE, NotSupportedError, Peer

GROUP = "xarray"

STORED: dict[str, Any] = {"consolidated": True, "zarr_format": 3}
"""What the stores are. An engine that is told so does not look for something else."""


@dataclass(frozen=True)
class _Sizes:
    variables: int
    stores: int
    days: int
    grid: tuple[int, int]


FULL = _Sizes(variables=200, stores=50, days=365, grid=(128, 256))
QUICK = _Sizes(variables=40, stores=4, days=60, grid=(64, 64))

Compute = Callable[[Any], Any]
"""Opens with an engine of xarray, and computes."""


def xarray_cells(work: Workspace, *, quick: bool) -> Iterator[Cell]:
    sizes = QUICK if quick else FULL
    many = _written(work, "many.zarr", _many_variables(sizes), {})
    yield _reading(f"open {sizes.variables} variables", [many], partial(_open, many))
    work.clear()
    climate = _climate(sizes)
    layouts = {
        "one day a chunk, zstd": ((1, *sizes.grid), "zstd"),
        "60 × 32 × 64, zstd": ((60, 32, 64), "zstd"),
        "60 × 32 × 64, blosc": ((60, 32, 64), "blosc"),
    }
    for name, (chunks, codec) in [*layouts.items()][: 2 if quick else 3]:
        encoding = {"t2m": {"chunks": chunks, "compressors": CODECS[codec]}}
        place = _written(work, "climate.zarr", climate, encoding)
        yield _reading(f"mean over time with dask, {name}", [place], partial(_mean, place))
        yield _reading(f"time series at a point, {name}", [place], partial(_series, place))
        yield _writing(f"write with dask, {name}", work, climate, encoding)
        work.clear()
    places = [
        _written(work, f"{n:02}.zarr", climate.isel(time=slice(2 * n, 2 * n + 2), lat=slice(32)), {})
        for n in range(sizes.stores)
    ]
    yield _reading(f"open_mfdataset of {sizes.stores} stores", places, partial(_open_all, places))
    work.clear()


def _open(place: Path, engine: Any, **options: Any) -> Any:
    import xarray as xr

    return xr.open_dataset(place, engine=engine, **STORED, **options)


def _open_all(places: Sequence[Path], engine: Any) -> Any:
    import xarray as xr

    return xr.open_mfdataset(places, engine=engine, **STORED)


def _mean(place: Path, engine: Any) -> Any:
    return _open(place, engine, chunks={})["t2m"].mean("time").compute().values


def _series(place: Path, engine: Any) -> Any:
    return _open(place, engine)["t2m"].isel(lat=50, lon=40).values


def _engine(peer: Peer) -> str:
    """Return the engine of xarray that belongs to a peer."""
    if peer.label == BASELINE:
        return "exzarr"
    if peer.package != "zarr":
        raise NotSupportedError("has no engine of xarray")
    return "zarr"


def _reading(name: str, places: Sequence[Path], compute: Compute) -> Cell:
    wanted = cache(lambda: compute("zarr"))

    def contest(engine: Any) -> Contest:
        return Contest(
            lambda: _check_same(compute(engine), wanted()), lambda _: compute(engine), repeatable=False
        )

    def floor() -> Contest:
        from benchmarks import xarray_floor

        for place in places:
            xarray_floor.prepare(place)
        return contest(xarray_floor.InMemory)

    return Cell(GROUP, name, lambda peer: contest(_engine(peer)), floor)


def _writing(name: str, work: Workspace, dataset: Any, encoding: dict[str, Any]) -> Cell:
    """Return the cell that writes a dataset in dask chunks of 60 days to a new store."""
    blocks = dataset.chunk(time=60)

    def contest(peer: Peer) -> Contest:
        import xarray as xr

        import exzarr.xarray

        write = exzarr.xarray.to_zarr if _engine(peer) == "exzarr" else xr.Dataset.to_zarr

        def run(place: Path) -> None:
            write(blocks, place, encoding=encoding, **STORED)

        def check() -> None:
            place = work.fresh("written.zarr")
            run(place)
            _check_same(_open(place, "zarr"), dataset)
            size, usual = (stored_bytes(each / "t2m") for each in (place, work.folder / "climate.zarr"))
            if not 0.98 < size / usual < 1.02:
                raise AssertionError(f"{size} bytes are stored instead of about {usual}: the codecs differ")

        return Contest(check, run, lambda: work.fresh("written.zarr"), repeatable=False)

    return Cell(GROUP, name, contest)


def _check_same(found: Any, wanted: Any) -> None:
    """Raise AssertionError unless both are the same dataset, or about equal means."""
    if isinstance(wanted, np.ndarray):
        np.testing.assert_allclose(found, wanted, rtol=1e-5)
    elif not found.identical(wanted):
        raise AssertionError(f"the datasets differ: {found} is not {wanted}")


def _many_variables(sizes: _Sizes) -> Any:
    import xarray as xr

    coordinates = _climate(QUICK).isel(time=slice(4), lat=slice(8), lon=slice(8)).coords
    values = np.zeros((4, 8, 8), "f4")
    attributes = {"units": "K", "standard_name": "air_temperature"}
    variables = {
        f"v{n:03}": (("time", "lat", "lon"), values, {**attributes, "long_name": f"variable number {n}"})
        for n in range(sizes.variables)
    }
    return xr.Dataset(variables, coordinates)


def _climate(sizes: _Sizes) -> Any:
    """Return random walks at the points of a grid, in steps of 1/64, so that they compress as temperatures do."""
    import xarray as xr

    days, (rows, columns) = sizes.days, sizes.grid
    walks = np.random.default_rng(0).normal(size=(days, rows, columns)).cumsum(0)
    return xr.Dataset(
        {"t2m": (("time", "lat", "lon"), ((walks * 64).round() / 64).astype("f4"), {"units": "K"})},
        coords={
            "time": np.datetime64("2000-01-01", "ns") + np.arange(days) * np.timedelta64(1, "D"),
            "lat": np.linspace(-89, 89, rows),
            "lon": np.arange(columns) * (360 / columns),
        },
    )


def _written(work: Workspace, name: str, dataset: Any, encoding: dict[str, Any]) -> Path:
    place = work.fresh(name)
    dataset.to_zarr(place, encoding=encoding, **STORED)
    return place
