"""`exzarr head` masks missing values, by the conventions of CF and xarray."""

from __future__ import annotations

import numpy as np
import pytest
import zarr
from typer.testing import CliRunner

from exzarr._cli.app import app
from exzarr._tools.xarray_fill import as_attribute


def head(path, *more):
    result = CliRunner().invoke(app, ["head", str(path), *more])
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.mark.parametrize(
    ("dtype", "attributes"),
    [
        ("i2", {"_FillValue": -999}),
        ("i2", {"missing_value": -999}),
        ("f4", {"missing_value": -999.0}),
        ("f8", {"_FillValue": -999.0}),
        ("f4", {"_FillValue": as_attribute(-999.0, np.dtype("f4"))}),
        ("f4", {"_FillValue": as_attribute(-999.0, np.dtype("f4")), "missing_value": [-999.0, -1.0]}),
    ],
)
def test_missing_values_are_printed_as_dashes(tmp_path, dtype, attributes):
    data = np.array([[1, -999], [3, 4]], dtype)
    zarr.create_array(tmp_path / "a", data=data, attributes=attributes)
    shown = head(tmp_path / "a")
    assert "-999" not in shown.splitlines()[2]
    assert shown.splitlines()[2].split() == ["0", "1", "--"]
    assert "-- has no value: 1 of 4 elements are -999" in shown
    assert "-999" in head(tmp_path / "a", "--json")  # JSON has the stored numbers
    assert head(tmp_path / "a", "-r", "0, 1").splitlines()[1] == "--"


def test_v2_fill_value_marks_missing_values_unless_zero(tmp_path):
    for name, fill in (("marked", -999), ("zero", 0)):
        a = zarr.create_array(tmp_path / name, shape=(2,), dtype="i4", fill_value=fill, zarr_format=2)
        a[0] = 5
    assert "--" in head(tmp_path / "marked")
    assert "--" not in head(tmp_path / "zero")


@pytest.mark.parametrize(
    "attributes", [{"_FillValue": "x"}, {"_FillValue": 1e300}, {"missing_value": None}, {"_FillValue": {}}]
)
def test_invalid_mark_attributes_are_ignored(tmp_path, attributes):
    zarr.create_array(tmp_path / "a", data=np.arange(3, dtype="i2"), attributes=attributes)
    assert "--" not in head(tmp_path / "a")
