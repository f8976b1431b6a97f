"""What exzarr writes is what xarray writes with zarr-python: values, attributes and encodings."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from exzarr.xarray import to_zarr
from tests.xarray.writing.compared import read, same_as_xarray, theirs

TIMES = pd.date_range("2000-01-01", periods=4, freq="6h")

DATASETS: dict[str, Callable[[], tuple[xr.Dataset, dict[str, Any]]]] = {
    "plain": lambda: (xr.Dataset({"a": ("x", np.arange(5.0)), "n": ("x", np.arange(5, dtype="u2"))}), {}),
    "booleans": lambda: (xr.Dataset({"a": ("x", [True, False, True])}, {"b": ("x", [False, False, True])}), {}),
    "object strings": lambda: (xr.Dataset({"a": ("x", np.array(["x", "ä", "long text"], object))}), {}),
    "unicode": lambda: (xr.Dataset({"a": ("x", np.array(["x", "ä", "long text"]))}), {}),
    "bytes": lambda: (xr.Dataset({"a": ("x", np.array([b"x", b"yy"], "S3"))}), {}),
    "float fill": lambda: (xr.Dataset({"a": ("x", [1.0, np.nan, 3.0])}), {"a": {"_FillValue": -9.0}}),
    "no fill": lambda: (xr.Dataset({"a": ("x", [1.0, np.nan, 3.0])}), {"a": {"_FillValue": None}}),
    "integer fill": lambda: (
        xr.Dataset({"a": ("x", [1.0, np.nan, 3.0])}),
        {"a": {"_FillValue": -9, "dtype": "i2", "scale_factor": 0.5, "add_offset": 1.0}},
    ),
    "complex": lambda: (xr.Dataset({"a": ("x", np.array([1 + 2j, 0]))}), {}),
    "complex fill": lambda: (xr.Dataset({"a": ("x", np.array([1 + 2j, 0]))}), {"a": {"_FillValue": complex(-1, np.nan)}}),
    "times": lambda: (xr.Dataset({"a": ("t", np.arange(4))}, {"t": TIMES}), {}),
    "times with units": lambda: (
        xr.Dataset({"a": ("t", np.arange(4))}, {"t": TIMES}),
        {"t": {"units": "hours since 1990-01-01", "dtype": "i4", "calendar": "standard"}},
    ),
    "missing times": lambda: (xr.Dataset({"a": ("x", np.array(["2000-01-01", "NaT"], "M8[ns]"))}), {}),
    "durations": lambda: (xr.Dataset({"a": ("x", np.array([1, 90], "m8[s]"))}), {}),
    "cftime": lambda: (
        xr.Dataset({"a": ("t", np.arange(3))}, {"t": xr.date_range("2000-02-28", periods=3, calendar="360_day", use_cftime=True)}),
        {},
    ),
    "scalars": lambda: (xr.Dataset({"a": ((), 1.5), "s": ((), "text")}, {"t": TIMES[0]}), {}),
    "empty": lambda: (xr.Dataset({"a": (("x", "y"), np.zeros((0, 3))), "b": ("z", np.zeros(0, "i4"))}), {"a": {"chunks": (1, 3)}, "b": {"chunks": (2,)}}),
    "attributes": lambda: (
        xr.Dataset(
            {"a": ("x", np.arange(3), {"units": "m", "range": np.array([1, 2]), "flag": np.float32(0.5)})},
            {"lat": ("x", np.arange(3.0))},
            {"title": "t", "levels": [1, 2], "numpy": np.int64(3)},
        ),
        {},
    ),
    "coordinates": lambda: (
        xr.Dataset(
            {"a": (("y", "x"), np.zeros((2, 3)), {}, {"coordinates": "lon lat"}), "b": ("x", np.arange(3))},
            {"lat": (("y", "x"), np.ones((2, 3))), "lon": (("y", "x"), np.ones((2, 3))), "run": 7},
        ),
        {},
    ),
    "chunks": lambda: (
        xr.Dataset({"a": (("y", "x"), np.arange(24.0).reshape(4, 6))}),
        {"a": {"chunks": (3, 2), "write_empty_chunks": True}},
    ),
    "one chunk length": lambda: (xr.Dataset({"a": (("y", "x"), np.zeros((4, 6)))}), {"a": {"chunks": 2}}),
}  # fmt: skip


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("name", DATASETS)
def test_datasets(name: str, zarr_format: Any, tmp_path: Path) -> None:
    data, encoding = DATASETS[name]()
    same_as_xarray(data, tmp_path, encoding, zarr_format=zarr_format)


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("name", DATASETS)
def test_a_dataset_that_zarr_python_wrote_is_written_with_its_encoding(
    name: str, zarr_format: Any, tmp_path: Path
) -> None:
    data, encoding = DATASETS[name]()
    theirs(data, tmp_path / "first.zarr", encoding=encoding, zarr_format=zarr_format)
    first = read(tmp_path / "first.zarr")
    to_zarr(first, tmp_path / "again.zarr", zarr_format=zarr_format)
    again = read(tmp_path / "again.zarr")
    xr.testing.assert_identical(again.load(), first.load())
    for variable in first.variables:
        assert again[variable].encoding.get("compressors") == first[variable].encoding.get("compressors")


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_string_dtype(tmp_path: Path) -> None:
    data = xr.Dataset({"a": ("x", np.array(["x", "ä", "long text"], np.dtypes.StringDType()))})
    found = same_as_xarray(data, tmp_path, zarr_format=3)
    assert found["a"].dtype.kind in "TO"


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("zarr_format", [2, 3])
def test_missing_strings_are_stored_as_empty_ones(zarr_format: Any, chunked: bool, tmp_path: Path) -> None:
    values = np.array(["ab", None, "c"], np.dtypes.StringDType(na_object=None))
    data = xr.Dataset({"a": ("x", values)})
    to_zarr(data.chunk(x=2) if chunked else data, tmp_path / "a.zarr", zarr_format=zarr_format)
    assert read(tmp_path / "a.zarr")["a"].values.tolist() == ["ab", "", "c"]


@pytest.mark.parametrize("encoding", [{"shards": (4, 6), "chunks": (2, 3)}, {"fill_value": 7.0}])
def test_members_of_the_encoding_that_only_v3_has(encoding: dict[str, Any], tmp_path: Path) -> None:
    data = xr.Dataset({"a": (("y", "x"), np.arange(24.0).reshape(4, 6))})
    same_as_xarray(data, tmp_path, {"a": encoding}, zarr_format=3)
    with pytest.raises(ValueError, match="fill_value|shards"):
        to_zarr(data, tmp_path / "v2.zarr", encoding={"a": encoding}, zarr_format=2)


@pytest.mark.parametrize("name", [None, "a", "x"])
def test_arrays(name: str | None, tmp_path: Path) -> None:
    array = xr.DataArray(np.arange(3.0), {"x": [1, 2, 3]}, name=name)
    to_zarr(array, tmp_path / "a.zarr")
    xr.testing.assert_identical(xr.open_dataarray(tmp_path / "a.zarr", engine="zarr"), array)


@pytest.mark.parametrize("inherited", [False, True])
@pytest.mark.parametrize("zarr_format", [2, 3])
def test_trees(zarr_format: Any, inherited: bool, tmp_path: Path) -> None:
    tree = xr.DataTree.from_dict(
        {
            "/": xr.Dataset({"a": ("x", [1, 2])}, {"x": [10, 20]}, {"title": "root"}),
            "/deep/down": xr.Dataset({"b": ("x", [1.5, np.nan])}),
            "/empty": xr.Dataset(attrs={"k": 1}),
        }
    )
    options = {"write_inherited_coords": inherited, "zarr_format": zarr_format}
    encoding = {"/deep/down": {"b": {"_FillValue": -1.0}}}
    theirs(tree, tmp_path / "theirs.zarr", encoding=encoding, **options)
    to_zarr(tree, tmp_path / "ours.zarr", encoding=encoding, **options)  # type: ignore[arg-type]
    wanted = xr.open_datatree(tmp_path / "theirs.zarr", engine="zarr")
    found = xr.open_datatree(tmp_path / "ours.zarr", engine="zarr")
    xr.testing.assert_identical(found, wanted)
    assert found["deep/down/b"].encoding["_FillValue"] == -1.0
    both = [xr.open_zarr(tmp_path / place, group="deep/down") for place in ("ours.zarr", "theirs.zarr")]
    xr.testing.assert_identical(*both)
    assert ("x" in both[0].coords) is inherited


def test_a_tree_below_a_group(tmp_path: Path) -> None:
    tree = xr.DataTree.from_dict({"/": xr.Dataset({"a": 1}), "/c": xr.Dataset({"b": 2})})
    to_zarr(tree, tmp_path / "a.zarr", group="runs/first")
    found = xr.open_datatree(tmp_path / "a.zarr", group="runs/first", engine="zarr")
    xr.testing.assert_identical(found.to_dataset(), tree.to_dataset())
    xr.testing.assert_identical(found["c"].to_dataset(), tree["c"].to_dataset())


@pytest.mark.parametrize("value", [object(), {1, 2}])
def test_attributes_without_json_are_refused(value: Any, tmp_path: Path) -> None:
    for data in (xr.Dataset(attrs={"k": value}), xr.Dataset({"a": ((), 1, {"k": value})})):
        with pytest.raises(TypeError, match="Invalid attribute .* 'k'"):
            to_zarr(data, tmp_path / "a.zarr")
    assert not (tmp_path / "a.zarr").exists()
