"""Write a dataset with exzarr and with xarray and zarr-python, and compare what zarr-python reads."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from exzarr.xarray import to_zarr

__all__ = ["check_same_encoding", "same_as_xarray", "theirs"]

PLAIN = {"compressors": None}
"""An encoding without the compressor, whose default is different."""


def theirs(data: Any, store: Any, **options: Any) -> Any:
    """Write with xarray and zarr-python."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of data types and consolidated metadata in v3
        return data.to_zarr(store, **options)


def read(store: Any, **options: Any) -> xr.Dataset:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return xr.open_zarr(store, **options)


def same_as_xarray(
    data: xr.Dataset, tmp_path: Path, encoding: Mapping[Any, Any] | None = None, **options: Any
) -> xr.Dataset:
    """Write `data` with both, check that both read alike by zarr-python, and return what was read of ours."""
    given = {name: {**PLAIN, **(encoding or {}).get(name, {})} for name in data.variables}
    theirs(data, tmp_path / "theirs.zarr", encoding=given, **options)
    to_zarr(data, tmp_path / "ours.zarr", encoding=given, **options)
    wanted, found = read(tmp_path / "theirs.zarr"), read(tmp_path / "ours.zarr")
    xr.testing.assert_identical(found.load(), wanted.load())
    check_same_encoding(found, wanted)
    return found


def check_same_encoding(found: xr.Dataset, wanted: xr.Dataset) -> None:
    assert [*found.variables] == [*wanted.variables]
    for name, variable in wanted.variables.items():
        ours, expected = found[name].encoding, variable.encoding
        assert ours.keys() == expected.keys(), name
        for key, value in expected.items():
            if key == "source":
                continue
            same = ours[key] == value or (np.isscalar(value) and repr(ours[key]) == repr(value))
            assert same, (name, key, ours[key], value)
