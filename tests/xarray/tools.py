"""Comparisons with ``engine="zarr"``, and datasets to compare."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

__all__ = ["assert_same", "both", "climate", "quietly"]


def quietly(function: Any, *args: Any, **kwargs: Any) -> Any:
    """Call a function of xarray or zarr-python without its warnings."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return function(*args, **kwargs)


def both(place: Any, **options: Any) -> tuple[xr.Dataset, xr.Dataset]:
    """Open `place` with zarr-python and with exzarr."""
    theirs = quietly(xr.open_dataset, place, engine="zarr", **options)
    return theirs, xr.open_dataset(place, engine="exzarr", **options)


def assert_same(place: Any, **options: Any) -> xr.Dataset:
    """Require that exzarr's engine opens `place` as ``engine="zarr"`` does: values, attributes and encodings."""
    theirs, ours = both(place, **options)
    assert set(theirs.variables) == set(ours.variables)
    assert theirs.encoding == ours.encoding
    for name, variable in theirs.variables.items():
        assert_same_encoding(variable.encoding, ours.variables[name].encoding)
        assert variable.dtype == ours.variables[name].dtype
    xr.testing.assert_identical(theirs, ours)
    for name, variable in theirs.variables.items():
        assert (
            variable.values.tobytes() == ours.variables[name].values.tobytes() or variable.dtype.kind in "OT"
        )
    return ours


def assert_same_encoding(theirs: dict[Any, Any], ours: dict[Any, Any]) -> None:
    assert theirs.keys() == ours.keys()
    for key, value in theirs.items():
        same = value == ours[key] or (value != value and ours[key] != ours[key])  # NaN
        assert same, (key, value, ours[key])
        if key not in ("filters", "serializer", "compressors"):
            assert type(value) is type(ours[key]), key


def climate(times: int = 12) -> xr.Dataset:
    """Return a small dataset with coordinates, an auxiliary coordinate and attributes."""
    random = np.random.default_rng(0)
    return xr.Dataset(
        {
            "t2m": (
                ("time", "lat", "lon"),
                random.normal(280, 10, (times, 6, 8)).astype("f4"),
                {"units": "K"},
            ),
            "mask": (("lat", "lon"), random.random((6, 8)) > 0.5),
        },
        coords={
            "time": pd.date_range("2000-01-01", periods=times, freq="D", unit="ns"),
            "lat": np.linspace(-75, 75, 6),
            "lon": np.arange(8) * 45.0,
            "height": ((), 2.0, {"units": "m"}),
        },
        attrs={"title": "A test", "levels": [1, 2]},
    )
