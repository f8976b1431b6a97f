"""`engine="exzarr"` reads what ``engine="zarr"`` reads: values, attributes and encodings."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numcodecs
import numpy as np
import pandas as pd
import pytest
import xarray as xr
import zarr

import exzarr
from exzarr.errors import ArgumentError, MissingDimensionsError, NodeNotFoundError, NodeTypeError
from tests.xarray.tools import assert_same, both, climate, quietly

FORMATS = pytest.mark.parametrize("zarr_format", [2, 3])


def _times() -> xr.Dataset:
    days = pd.date_range("1999-12-30", periods=4, freq="D", unit="ns")
    ds = xr.Dataset({"a": ("time", days), "d": ("time", days - days[0])}, coords={"time": days})
    ds["a"].encoding = {"units": "hours since 1900-01-01", "dtype": "f8"}
    return ds


def _calendar() -> xr.Dataset:
    days = xr.date_range("2000-02-27", periods=4, calendar="noleap", use_cftime=True)
    return xr.Dataset({"a": ("time", np.arange(4.0))}, coords={"time": days})


def _packed() -> xr.Dataset:
    ds = xr.Dataset({"a": ("x", np.array([1.5, np.nan, -2.0])), "b": ("x", np.array([1.0, np.nan, 3.0]))})
    ds["a"].encoding = {"dtype": "i2", "scale_factor": 0.1, "add_offset": 5.0, "_FillValue": -999}
    ds["b"].encoding = {"_FillValue": -1.0, "dtype": "f4"}
    return ds


def _strings() -> xr.Dataset:
    text = np.array(["a", "bö", ""], dtype=object)
    ds = xr.Dataset(
        {"o": ("x", text), "u": ("x", text.astype("U")), "s": ("x", np.array([b"ab", b"", b"c"]))}
    )
    ds["scalar"] = ((), "word")
    return ds


def _characters() -> xr.Dataset:
    return xr.Dataset({"c": (("x", "n"), np.array([[b"a", b"b"], [b"c", b"d"]]))})


def _numbers() -> xr.Dataset:
    kinds = "i1 i2 i4 i8 u1 u2 u4 u8 f2 f4 f8 c8 c16 bool >i4 >f8".split()
    ds = xr.Dataset({f"v_{kind}": ("x", np.array([0, 1, 1]).astype(kind)) for kind in kinds})
    ds["scalar"] = ((), np.float32(2.5))
    ds["empty"] = ("y", np.zeros(0))
    return ds


CASES: dict[str, Callable[[], xr.Dataset]] = {
    "climate": climate,
    "times": _times,
    "calendar": _calendar,
    "packed": _packed,
    "strings": _strings,
    "characters": _characters,
    "numbers": _numbers,
    "nothing": xr.Dataset,
    "only attributes": lambda: xr.Dataset(attrs={"a": 1.5, "b": {"c": [None, "d"]}}),
}
DECODING: list[dict[str, Any]] = [
    {},
    {"decode_cf": False},
    {"mask_and_scale": False},
    {"decode_times": False},
    {"decode_coords": False},
    {"chunks": {}},
    {"consolidated": False},
]


@FORMATS
@pytest.mark.parametrize("case", CASES)
def test_datasets_of_xarray_are_read_the_same(case: str, zarr_format: int, tmp_path: Path) -> None:
    quietly(CASES[case]().to_zarr, tmp_path / "a.zarr", zarr_format=zarr_format)
    for options in DECODING:
        assert_same(str(tmp_path / "a.zarr"), **options)


@FORMATS
def test_options_of_variables(zarr_format: int, tmp_path: Path) -> None:
    quietly(climate().to_zarr, tmp_path / "a.zarr", zarr_format=zarr_format)
    place = tmp_path / "a.zarr"
    assert "t2m" not in assert_same(place, drop_variables=["t2m", "height"])
    assert "t2m" not in assert_same(place, drop_variables="t2m", zarr_format=zarr_format)
    assert_same(place, create_default_indexes=False)
    assert_same(place, decode_times=xr.coders.CFDatetimeCoder(time_unit="s"))
    with pytest.raises(NodeNotFoundError):
        xr.open_dataset(place, engine="exzarr", zarr_format=5 - zarr_format)


@pytest.mark.parametrize("value", [None, True, False])
@FORMATS
def test_fill_values_as_masks(value: bool | None, zarr_format: int, tmp_path: Path) -> None:
    """The oracle is xarray's store: its ``open_dataset`` ignores the option."""
    root = zarr.open_group(tmp_path / "a.zarr", mode="w", zarr_format=zarr_format)
    for name, fill in {"i": 7, "f": np.nan, "z": -1.5}.items():
        made = root.create_array(
            name,
            shape=(4,),
            chunks=(2,),
            dtype="i4" if name == "i" else "f8",
            fill_value=fill,
            **({"dimension_names": ("x",)} if zarr_format == 3 else {}),
        )
        made[:2] = [7, 2]
        if zarr_format == 2:
            made.attrs["_ARRAY_DIMENSIONS"] = ["x"]
    theirs = quietly(
        xr.backends.ZarrStore.open_group, str(tmp_path / "a.zarr"), use_zarr_fill_value_as_mask=value
    )
    ours = xr.open_dataset(tmp_path / "a.zarr", engine="exzarr", use_zarr_fill_value_as_mask=value)
    xr.testing.assert_identical(quietly(xr.open_dataset, theirs), ours)


@pytest.mark.parametrize(
    ("dtype", "fill"), [("f4", 1.5), ("f8", np.nan), ("c16", 1 + 2j), ("i2", -3), ("u1", 255), ("bool", True)]
)
def test_encoded_fill_values_of_v3(dtype: str, fill: Any, tmp_path: Path) -> None:
    data = xr.Dataset({"a": ("x", np.zeros(3, dtype))})
    data["a"].encoding["_FillValue"] = np.dtype(dtype).type(fill)
    if dtype == "bool":
        data["a"].encoding["dtype"] = "bool"
    quietly(data.to_zarr, tmp_path / "a.zarr", zarr_format=3)
    assert_same(tmp_path / "a.zarr")
    assert_same(tmp_path / "a.zarr", mask_and_scale=False)


@pytest.mark.parametrize(
    ("stored", "value"), [(-999.0, -999.0), ("NaN", np.nan), ("-Infinity", -np.inf), (-999, -999.0)]
)
def test_plain_fill_values_of_other_software(stored: Any, value: float) -> None:
    root = exzarr.create_group({})
    root.create_array("a", data=np.zeros(2), dimension_names=("x",)).attrs["_FillValue"] = stored
    read = xr.open_dataset(root, engine="exzarr", mask_and_scale=False)["a"].attrs["_FillValue"]
    np.testing.assert_equal(read, value)


def test_fill_value_of_another_type_names_the_array() -> None:
    root = exzarr.create_group({})
    root.create_array("a", data=np.zeros(2), dimension_names=("x",)).attrs["_FillValue"] = "many"
    with pytest.raises(exzarr.MetadataError, match="'/a'.*_FillValue, 'many'"):
        xr.open_dataset(root, engine="exzarr")


@FORMATS
def test_native_types_and_codecs(zarr_format: int, tmp_path: Path) -> None:
    """Types that xarray reads but does not write so: times, variable-length strings, structures."""
    root = quietly(zarr.open_group, tmp_path / "a.zarr", mode="w", zarr_format=zarr_format)
    data: dict[str, np.ndarray[Any, Any]] = {
        "m": np.array(["2000-01-01", "NaT"], "M8[ns]"),
        "d": np.array([1, 2], "m8[s]"),
        "t": np.array(["a", "bcd"], np.dtypes.StringDType()),
        "u": np.array(["a", "bcd"]),
        "s": np.array([b"a", b"bcd"]),
        "r": np.array([(1, 2.0), (3, 4.0)], [("a", "i4"), ("b", "f8")]),
    }
    names = {"dimension_names": ("x",)} if zarr_format == 3 else {}
    for name, values in data.items():
        made = quietly(root.create_array, name, shape=values.shape, dtype=values.dtype, **names)
        made[:] = values
        if zarr_format == 2:
            made.attrs["_ARRAY_DIMENSIONS"] = ["x"]
    # xarray cannot mask structures.
    assert_same(tmp_path / "a.zarr", consolidated=False, drop_variables="r" if zarr_format == 2 else None)
    assert_same(tmp_path / "a.zarr", consolidated=False, mask_and_scale=False)


@FORMATS
def test_codecs_in_the_encoding(zarr_format: int, tmp_path: Path) -> None:
    codecs: dict[str, Any] = (
        {"compressors": numcodecs.Zlib(3), "filters": [numcodecs.Delta("i4")]}
        if zarr_format == 2
        else {"compressors": [zarr.codecs.GzipCodec(level=2), zarr.codecs.Crc32cCodec()]}
    )
    data = xr.Dataset({"a": ("x", np.arange(6, dtype="i4"))})
    quietly(
        data.to_zarr,
        tmp_path / "a.zarr",
        zarr_format=zarr_format,
        encoding={"a": {**codecs, "chunks": (4,)}},
    )
    ours = assert_same(tmp_path / "a.zarr")
    compressor = ours["a"].encoding["compressors"][0]
    assert (compressor.level if zarr_format == 2 else compressor.to_dict()["configuration"]["level"]) in (
        2,
        3,
    )
    # zarr-python accepts the encoding that exzarr has read.
    quietly(ours.load().to_zarr, tmp_path / "b.zarr", zarr_format=zarr_format)
    assert_same(tmp_path / "b.zarr")


def test_codecs_of_the_encoding_are_copies(tmp_path: Path) -> None:
    quietly(climate().to_zarr, tmp_path / "a.zarr", zarr_format=3)
    first, second = (xr.open_dataset(tmp_path / "a.zarr", engine="exzarr") for _ in range(2))
    first["t2m"].encoding["compressors"][0]["configuration"]["level"] = 22
    assert second["t2m"].encoding["compressors"] != first["t2m"].encoding["compressors"]
    assert first["mask"].encoding["compressors"] == second["t2m"].encoding["compressors"]
    assert second["t2m"].encoding["compressors"][0].level == 0
    assert second["t2m"].encoding["compressors"][0] != 3
    with pytest.raises(AttributeError, match="'zstd' has no attribute 'clevel'"):
        _ = second["t2m"].encoding["compressors"][0].clevel


def test_shards(tmp_path: Path) -> None:
    data = xr.Dataset({"a": (("x", "y"), np.arange(64.0).reshape(8, 8))})
    encoding = {"a": {"chunks": (2, 2), "shards": (4, 8)}}
    quietly(data.to_zarr, tmp_path / "a.zarr", zarr_format=3, encoding=encoding)
    assert_same(tmp_path / "a.zarr")
    assert assert_same(tmp_path / "a.zarr", chunks={})["a"].chunks == ((2,) * 4, (2,) * 4)
    by_shard = xr.open_dataset(tmp_path / "a.zarr", engine="exzarr", chunks={}, prefer_shards=True)
    assert by_shard["a"].chunks == ((4, 4), (8,))
    xr.testing.assert_identical(by_shard.compute(), data)


def test_rectilinear_chunks() -> None:
    root = exzarr.create_group({})
    data = np.arange(60.0).reshape(10, 6)
    root.create_array("a", data=data, chunks=([3, 3, 4], 2), dimension_names=("x", "y"))
    root.create_array("b", data=data, chunks=([5, 1, 4], 4), dimension_names=("x", "y"))
    opened = xr.open_dataset(root, engine="exzarr", chunks=None)
    assert opened["a"].encoding["chunks"] == ((3, 3, 4), 2)
    assert opened["b"].encoding["preferred_chunks"] == {"x": (5, 1, 4), "y": 4}
    assert xr.open_dataset(root, engine="exzarr", chunks={}, drop_variables="a")["b"].chunks == (
        (5, 1, 4),
        (4, 2),
    )
    np.testing.assert_array_equal(opened["b"].isel(y=[5, 0]), data[:, [5, 0]])


@FORMATS
def test_dimensions_of_nczarr(zarr_format: int, tmp_path: Path) -> None:
    store = exzarr.LocalStore(tmp_path / "a.zarr")
    root = exzarr.create_group(store, zarr_format=2, attributes={"_nczarr_group": {}, "title": "t"})
    root.create_array("v", data=np.arange(4), attributes={"units": "m", "_nczarr_attr": {}})
    document = (tmp_path / "a.zarr/v/.zarray").read_text()
    (tmp_path / "a.zarr/v/.zarray").write_text(
        document.rstrip()[:-1] + ', "_NCZARR_ARRAY": {"dimrefs": ["/g/x"]}}'
    )
    ours = assert_same(tmp_path / "a.zarr", consolidated=False)
    assert ours["v"].dims == ("x",)
    assert ours.attrs == {"title": "t"}
    assert ours["v"].attrs.keys() <= {"units", "_FillValue"}


@FORMATS
def test_missing_dimension_names_raise_a_key_error(zarr_format: Any, tmp_path: Path) -> None:
    root = exzarr.create_group(tmp_path / "a.zarr", zarr_format=zarr_format)
    root.create_array("a", data=np.zeros(2))
    root.create_array("b", data=np.zeros(2), dimension_names=("x",))
    with pytest.raises(MissingDimensionsError, match="drop_variables") as ours:
        xr.open_dataset(tmp_path / "a.zarr", engine="exzarr")
    with pytest.raises(KeyError) as theirs:
        quietly(xr.open_dataset, tmp_path / "a.zarr", engine="zarr")
    assert isinstance(ours.value, type(theirs.value))
    assert list(xr.open_dataset(tmp_path / "a.zarr", engine="exzarr", drop_variables="a")) == ["b"]


# -- selections ----------------------------------------------------------------------

SELECTIONS: dict[str, dict[str, Any]] = {
    "integers": {"time": 3, "lat": -1},
    "slices": {"time": slice(2, 9, 3), "lon": slice(None, None, -2)},
    "reversed": {"time": slice(None, None, -1), "lat": slice(4, 1, -1)},
    "outer": {"time": [5, 0, 0], "lon": [7, 2]},
    "mask": {"lat": np.array([True, False, True, False, False, True])},
    "points": {"time": xr.DataArray([1, 2, 1], dims="p"), "lat": xr.DataArray([5, 0, 3], dims="p")},
    "grid of points": {
        "lat": xr.DataArray([[1, 2], [3, 0]], dims=("p", "q")),
        "lon": xr.DataArray([[0, 7], [1, 1]], dims=("p", "q")),
    },
    "empty": {"time": [], "lat": slice(3, 3)},
    "nothing": {},
}


@FORMATS
@pytest.mark.parametrize("selection", SELECTIONS)
def test_selections(selection: str, zarr_format: int, tmp_path: Path) -> None:
    quietly(
        climate().to_zarr,
        tmp_path / "a.zarr",
        zarr_format=zarr_format,
        encoding={"t2m": {"chunks": (5, 2, 3)}},
    )
    theirs, ours = both(tmp_path / "a.zarr")
    expected = theirs["t2m"].isel(SELECTIONS[selection])
    xr.testing.assert_identical(expected, ours["t2m"].isel(SELECTIONS[selection]))
    # twice selected, and transposed
    again = {name: slice(None, None, -1) for name in expected.dims}
    theirs, ours = both(tmp_path / "a.zarr")
    xr.testing.assert_identical(
        theirs["t2m"].isel(SELECTIONS[selection]).isel(again).transpose(..., *expected.dims[:1]),
        ours["t2m"].isel(SELECTIONS[selection]).isel(again).transpose(..., *expected.dims[:1]),
    )


# -- groups --------------------------------------------------------------------------


def _tree() -> xr.DataTree:
    return xr.DataTree.from_dict(
        {
            "/": climate(3),
            "/b": xr.Dataset({"c": ("x", [1, 2])}),
            "/b/d": xr.Dataset({"e": ("y", np.arange(3.0))}, attrs={"k": "v"}),
            "/empty": xr.Dataset(),
        }
    )


@FORMATS
@pytest.mark.parametrize("consolidated", [True, False])
def test_trees_and_groups(zarr_format: int, consolidated: bool, tmp_path: Path) -> None:
    place = tmp_path / "a.zarr"
    quietly(_tree().to_zarr, place, zarr_format=zarr_format, consolidated=consolidated)
    for group in (None, "/", "b", "/b/", "b/d", "empty"):
        theirs = quietly(xr.open_groups, place, engine="zarr", group=group)
        ours = xr.open_groups(place, engine="exzarr", group=group)
        assert set(theirs) == set(ours)
        for path, dataset in theirs.items():
            xr.testing.assert_identical(dataset, ours[path])
        with xr.open_datatree(place, engine="exzarr", group=group, chunks={}) as tree:
            xr.testing.assert_identical(quietly(xr.open_datatree, place, engine="zarr", group=group), tree)
        assert_same(place, group=group)


def test_tree_with_conflicting_dimensions_raises_as_in_xarray(tmp_path: Path) -> None:
    root = exzarr.create_group(tmp_path / "a.zarr")
    root.create_array("x", data=np.arange(2), dimension_names=("x",))
    root.create_array("g/x", data=np.arange(3), dimension_names=("x",))
    for engine in ("zarr", "exzarr"):
        with pytest.raises(ValueError, match="not aligned"):
            quietly(xr.open_datatree, tmp_path / "a.zarr", engine=engine, consolidated=False)
    assert xr.open_groups(tmp_path / "a.zarr", engine="exzarr")["/g"].sizes == {"x": 3}


def test_group_without_a_root(tmp_path: Path) -> None:
    quietly(climate().to_zarr, tmp_path / "folder" / "a.zarr", zarr_format=3)
    opened = xr.open_dataset(tmp_path / "folder", engine="exzarr", group="a.zarr")
    xr.testing.assert_identical(opened, climate())
    with pytest.raises(NodeNotFoundError):
        xr.open_dataset(tmp_path / "folder", engine="exzarr", group="b.zarr")


def test_open_mfdataset_and_load_functions(tmp_path: Path) -> None:
    data = climate()
    for n in range(3):
        quietly(data.isel(time=slice(4 * n, 4 * n + 4)).to_zarr, tmp_path / f"{n}.zarr", zarr_format=3)
    places = [tmp_path / f"{n}.zarr" for n in range(3)]
    # mfdataset joins: the mask repeats in each file
    options = {"data_vars": "minimal", "coords": "minimal", "compat": "override", "join": "exact"}
    ours = xr.open_mfdataset(places, engine="exzarr", parallel=False, **options)
    theirs = quietly(xr.open_mfdataset, places, engine="zarr", **options)
    xr.testing.assert_identical(theirs, ours)
    xr.testing.assert_identical(xr.load_dataset(places[0], engine="exzarr"), data.isel(time=slice(4)))
    array = xr.load_dataarray(places[0], engine="exzarr", drop_variables="mask")
    xr.testing.assert_identical(array, data["t2m"].isel(time=slice(4)))


# -- errors --------------------------------------------------------------------------


def test_errors_of_places_and_options(tmp_path: Path) -> None:
    exzarr.create_array(tmp_path / "array.zarr", shape=(2,), dtype="f4")
    group = exzarr.create_group(tmp_path / "group.zarr")
    with pytest.raises(NodeTypeError, match="array"):
        xr.open_dataset(tmp_path / "array.zarr", engine="exzarr")
    with pytest.raises(FileNotFoundError):
        xr.open_dataset(tmp_path / "missing.zarr", engine="exzarr")
    with pytest.raises(ArgumentError, match=r"mode is 'r'.*to_zarr"):
        xr.open_dataset(tmp_path / "group.zarr", engine="exzarr", mode="a")
    with pytest.raises(ValueError, match="consolidated"):
        xr.open_dataset(tmp_path / "group.zarr", engine="exzarr", consolidated=True)
    with pytest.raises(TypeError, match="chunk_manager"):
        xr.open_dataset(tmp_path / "group.zarr", engine="exzarr", chunk_manager=1)
    with pytest.raises(TypeError, match="chunk_manager"):
        xr.open_groups(tmp_path / "group.zarr", engine="exzarr", chunk_manager=1)
    with pytest.raises(ArgumentError, match="storage_options"):
        xr.open_dataset(group, engine="exzarr", storage_options={"anon": True})
    with pytest.raises(NodeNotFoundError, match="Zarr format 3, not 2"):
        xr.open_dataset(group, engine="exzarr", zarr_format=2)
    with pytest.raises(exzarr.UnsupportedError, match="json2"):
        _with_unknown_codec(tmp_path / "unknown.zarr")


def _with_unknown_codec(place: Path) -> None:
    exzarr.create_group(place).create_array("a", data=np.zeros(2), dimension_names=("x",))
    document = (place / "a/zarr.json").read_text()
    (place / "a/zarr.json").write_text(document.replace('"zstd"', '"json2"'))
    xr.open_dataset(place, engine="exzarr")
