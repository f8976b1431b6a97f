"""`exzarr.convert`: zarr-python and TensorStore read the same values before and after."""

from __future__ import annotations

import base64
import json
import struct
import warnings
from typing import Any

import numcodecs
import numpy as np
import pytest
import tensorstore
import zarr

import exzarr
from exzarr._tools.convert import convert
from exzarr._tools.copy import copy
from exzarr.errors import ArgumentError
from exzarr.stores.memory import MemoryStore

DOCUMENTS = {".zarray", ".zattrs", ".zgroup", ".zmetadata", "zarr.json"}


def files_of(folder):
    return {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}


def chunks_of(folder):
    return {name: path.read_bytes() for name, path in files_of(folder).items() if path.name not in DOCUMENTS}


def documents_of(folder):
    return {name for name, path in files_of(folder).items() if path.name in DOCUMENTS}


def with_tensorstore(path, zarr_format):
    spec = {
        "driver": "zarr3" if zarr_format == 3 else "zarr",
        "kvstore": {"driver": "file", "path": str(path)},
    }
    return tensorstore.open(spec).result().read().result()


def with_zarr(path, zarr_format):
    array = zarr.open_array(path, mode="r", zarr_format=zarr_format)
    assert array.metadata.zarr_format == zarr_format
    return array


def values(dtype, shape=(7, 10)):
    numbers = np.random.default_rng(0).integers(0, 100, shape)
    return numbers.astype("U").astype(dtype) if np.dtype(dtype).kind in "US" else numbers.astype(dtype)


def make_v2(path, data, **options):
    array = zarr.create_array(path, shape=data.shape, dtype=data.dtype, zarr_format=2, **options)
    array[...] = data
    return array


COMPRESSORS = {
    "raw": None,
    "zstd": numcodecs.Zstd(level=3),
    "blosc": numcodecs.Blosc("zstd", 3, numcodecs.Blosc.AUTOSHUFFLE),
    "gzip": numcodecs.GZip(3),
    "zlib": numcodecs.Zlib(3),
    "lz4": numcodecs.LZ4(),
}
IN_TENSORSTORE_V3 = {"raw", "zstd", "blosc", "gzip"}


# -- v2 to v3 and back -----------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("separator", [".", "/"])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("compressor", COMPRESSORS)
@pytest.mark.parametrize("dtype", ["<f4", ">f4", "|u1", "<i8", "|b1", "<c8", "<M8[ns]", "|S4", "<U3"])
def test_conversion_in_place_keeps_chunks_and_values(tmp_path, dtype, compressor, order, separator):
    data, path = values(dtype), tmp_path / "a"
    options = {"chunks": (4, 3), "order": order, "compressors": COMPRESSORS[compressor]}
    make_v2(path, data, **options, chunk_key_encoding={"name": "v2", "separator": separator})
    before = chunks_of(path)
    report = convert(path, 3)
    assert report.arrays_moved == 1
    assert chunks_of(path) == before
    np.testing.assert_array_equal(with_zarr(path, 3)[...], data)
    if compressor in IN_TENSORSTORE_V3 and np.dtype(dtype).kind in "fiubc":
        np.testing.assert_array_equal(with_tensorstore(path, 3), data)
    convert(path, 2)
    assert chunks_of(path) == before
    assert documents_of(path) == {".zarray", ".zattrs"}
    back = with_zarr(path, 2)
    assert (back.dtype, back.order) == (np.dtype(dtype), order)
    np.testing.assert_array_equal(back[...], data)
    if compressor != "lz4" and np.dtype(dtype).kind in "fiubc":
        np.testing.assert_array_equal(with_tensorstore(path, 2), data)


FILTERS = {
    "delta": [numcodecs.Delta("<i4")],
    "scale": [numcodecs.FixedScaleOffset(10, 2, "<i4", "<i2")],
    "two": [numcodecs.Delta("<i4", "<i8"), numcodecs.AsType("<i4", "<i8")],
    "shuffle": [numcodecs.Shuffle(4)],
    "checksum": [numcodecs.CRC32()],
}


@pytest.mark.parametrize("name", FILTERS)
@pytest.mark.parametrize("order", ["C", "F"])
def test_filters_keep_their_bytes(tmp_path, name, order):
    data, path = values("<i4"), tmp_path / "a"
    make_v2(path, data, chunks=(4, 3), order=order, filters=FILTERS[name], compressors=numcodecs.Zlib(1))
    wanted = with_zarr(path, 2)[...]
    before = chunks_of(path)
    assert convert(path, 3).arrays_moved == 1
    assert chunks_of(path) == before
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        np.testing.assert_array_equal(with_zarr(path, 3)[...], wanted)
    convert(path, 2)
    assert chunks_of(path) == before
    np.testing.assert_array_equal(with_zarr(path, 2)[...], wanted)


def test_filters_of_big_endian_numbers_are_re_encoded(tmp_path):
    data, path = values(">i4"), tmp_path / "a"
    make_v2(path, data, chunks=(4, 3), filters=[numcodecs.Delta(">i4")], compressors=None)
    assert convert(path, 3).arrays_moved == 0
    np.testing.assert_array_equal(with_zarr(path, 3)[...], data)
    assert [*tmp_path.iterdir()] == [path]


@pytest.mark.parametrize("big", [False, True])
def test_structured_types(tmp_path, big):
    dtype = np.dtype([("a", ">i4" if big else "<i4"), ("b", "<f8")])
    data = np.array([(1, 2.5), (3, 4.5), (5, 6.5)], dtype)
    make_v2(tmp_path / "a", data, chunks=(3,), compressors=None)
    report = convert(tmp_path / "a", 3, remove_v2=True)
    assert report.arrays_moved == (0 if big else 1)
    # Not all versions of zarr-python support structured types in v3, and TensorStore does not. NumPy does.
    (stored,) = chunks_of(tmp_path / "a").values()
    np.testing.assert_array_equal(np.frombuffer(stored, dtype.newbyteorder("<")), data)
    convert(tmp_path / "a", 2)
    np.testing.assert_array_equal(with_zarr(tmp_path / "a", 2)[...], data)


def test_strings_of_any_length(tmp_path):
    data = np.array(["", "one", "größer"] * 3, dtype=np.dtypes.StringDType())
    make_v2(tmp_path / "a", data, chunks=(4,), filters=[numcodecs.VLenUTF8()])
    assert convert(tmp_path / "a", 3).arrays_moved == 1
    assert with_zarr(tmp_path / "a", 3)[...].tolist() == data.tolist()
    convert(tmp_path / "a", 2)
    assert with_zarr(tmp_path / "a", 2)[...].tolist() == data.tolist()


@pytest.mark.parametrize("separator", [".", "/"])
def test_v3_chunks_get_v2_keys(tmp_path, separator):
    data = values("<f4")
    array = zarr.create_array(
        tmp_path / "a",
        shape=data.shape,
        dtype=data.dtype,
        chunks=(4, 3),
        chunk_key_encoding={"name": "default", "separator": separator},
    )
    array[...] = data
    before = sorted(chunks_of(tmp_path / "a").values())
    convert(tmp_path / "a", 2)
    after = chunks_of(tmp_path / "a")
    assert sorted(after.values()) == before
    assert all(not key.startswith("c") for key in after)
    np.testing.assert_array_equal(with_zarr(tmp_path / "a", 2)[...], data)
    np.testing.assert_array_equal(with_tensorstore(tmp_path / "a", 2), data)


@pytest.mark.parametrize(
    "options",
    [
        {"shards": (8, 6)},
        {
            "shards": (8, 6),
            "compressors": zarr.codecs.GzipCodec(),
            "serializer": zarr.codecs.BytesCodec(endian="big"),
        },
        {"compressors": [zarr.codecs.Crc32cCodec()]},
        {"filters": [zarr.codecs.TransposeCodec(order=(1, 0, 2))]},
    ],
)
def test_features_missing_in_v2_are_re_encoded(tmp_path, options):
    data = values("<f4", (7, 10, 2))
    options = {**options, "shards": (*options["shards"], 2)} if "shards" in options else options
    array = zarr.create_array(tmp_path / "a", shape=data.shape, dtype=data.dtype, chunks=(4, 3, 2), **options)
    array[...] = data
    report = convert(tmp_path / "a", 2)
    assert report.arrays_moved == 0
    np.testing.assert_array_equal(with_zarr(tmp_path / "a", 2)[...], data)
    np.testing.assert_array_equal(with_tensorstore(tmp_path / "a", 2), data)
    assert with_zarr(tmp_path / "a", 2).chunks == (4, 3, 2)
    assert [*tmp_path.iterdir()] == [tmp_path / "a"]


# -- hierarchies -----------------------------------------------------------------------


@pytest.fixture
def tree(tmp_path):
    path = tmp_path / "tree"
    root = zarr.create_group(path, zarr_format=2, attributes={"title": "all"})
    array = root.create_array("g/x", data=values("<i2"), chunks=(4, 3))
    array.attrs.update({"units": "K", "_ARRAY_DIMENSIONS": ["y", "x"]})
    root.create_group("empty", attributes={"n": 1})
    zarr.consolidate_metadata(path, zarr_format=2)
    return path


def test_groups_attributes_names_and_consolidated_metadata_are_converted(tree):
    report = convert(tree, 3)
    assert (report.arrays, report.groups) == (1, 3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        root = zarr.open_consolidated(tree, zarr_format=3)
        assert dict(root.attrs) == {"title": "all"}
        assert dict(root["empty"].attrs) == {"n": 1}
        array = root["g/x"]
        assert array.metadata.dimension_names == ("y", "x")
        assert array.attrs["units"] == "K"
        assert "_ARRAY_DIMENSIONS" not in array.attrs
        np.testing.assert_array_equal(array[...], values("<i2"))


def test_v2_documents_stay_by_default(tree):
    before = documents_of(tree)
    convert(tree, 3)
    assert documents_of(tree) > before
    np.testing.assert_array_equal(zarr.open_consolidated(tree, zarr_format=2)["g/x"][...], values("<i2"))


def test_v2_documents_can_be_removed(tree):
    convert(tree, 3, remove_v2=True)
    assert {name.rpartition("/")[2] for name in documents_of(tree)} == {"zarr.json"}


def test_round_trip_restores_chunks_and_attributes(tree):
    attributes = {**zarr.open_group(tree, mode="r", zarr_format=2)["g/x"].attrs}
    before = chunks_of(tree)
    convert(tree, 3, remove_v2=True)
    convert(tree, 2)
    assert chunks_of(tree) == before
    assert not any(name.endswith("zarr.json") for name in documents_of(tree))
    root = zarr.open_consolidated(tree, zarr_format=2)
    assert {**root["g/x"].attrs} == attributes
    assert root["g/x"].metadata.dimension_separator == "."


def test_converting_twice_changes_nothing(tree):
    convert(tree, 3)
    report = convert(tree, 3)
    assert (report.arrays, report.groups) == (0, 0)


def test_conversion_to_a_destination_keeps_the_source(tmp_path, tree):
    before = documents_of(tree), chunks_of(tree)
    report = convert(tree, 3, destination=tmp_path / "new")
    assert (documents_of(tree), chunks_of(tree)) == before
    assert report.arrays_moved == 1
    document = json.loads((tmp_path / "new" / "g" / "x" / "zarr.json").read_text())
    assert document["chunk_key_encoding"]["name"] == "default"
    np.testing.assert_array_equal(with_zarr(tmp_path / "new" / "g" / "x", 3)[...], values("<i2"))


def test_marker_of_missing_values_keeps_its_meaning_in_xarray(tmp_path):
    # xarray: the fill value in v2, base64 of a double in the attribute _FillValue in v3
    array = make_v2(tmp_path / "a", np.array([1, 2, 1e20], "f4"), fill_value=1e20)
    array.attrs["_ARRAY_DIMENSIONS"] = ["x"]
    mark = base64.b64encode(struct.pack("<d", np.float32(1e20))).decode()
    convert(tmp_path / "a", 3)
    assert with_zarr(tmp_path / "a", 3).attrs["_FillValue"] == mark
    convert(tmp_path / "a", 2)
    back = with_zarr(tmp_path / "a", 2)
    assert dict(back.attrs) == {"_ARRAY_DIMENSIONS": ["x"]}
    assert back.fill_value == np.float32(1e20)


@pytest.mark.parametrize("shards", [None, (4,)])
def test_v2_fill_value_is_the_marker_and_missing_chunks_are_stored(tmp_path, shards):
    # xarray's form of v3: zeros that were never stored, and NaN for missing values
    mark = base64.b64encode(struct.pack("<d", np.nan)).decode()
    array = zarr.create_array(
        tmp_path / "a",
        shape=(7,),
        chunks=(2,),
        shards=shards,
        dtype="f4",
        dimension_names=("x",),
        attributes={"_FillValue": mark},
    )
    array[0:2] = [1, np.nan]
    convert(tmp_path / "a", 2)
    back = with_zarr(tmp_path / "a", 2)
    assert np.isnan(back.fill_value)
    assert dict(back.attrs) == {"_ARRAY_DIMENSIONS": ["x"]}
    np.testing.assert_array_equal(back[...], np.array([1, np.nan, 0, 0, 0, 0, 0], "f4"))


def test_fill_value_that_is_not_a_marker_is_null_in_v2(tmp_path):
    # xarray would read 0 as missing
    zarr.create_array(tmp_path / "a", data=np.arange(3), dimension_names=("x",))
    convert(tmp_path / "a", 2)
    assert json.loads((tmp_path / "a" / ".zarray").read_text())["fill_value"] is None
    convert(tmp_path / "a", 3)
    assert with_zarr(tmp_path / "a", 3).attrs.asdict() == {}


# -- errors ----------------------------------------------------------------------------


def test_v3_limits_raise_errors_without_changes(tree):
    objects = zarr.open_group(tree, zarr_format=2)
    objects.create_array("g/y", data=values("<i2"), chunks=(4, 3))
    path = tree / "g" / "y" / ".zarray"
    document = json.loads(path.read_text())
    path.write_text(json.dumps({**document, "filters": [{"id": "json2"}], "dtype": "|O", "fill_value": None}))
    before = documents_of(tree)
    with pytest.raises(ArgumentError, match=r"'g/y'.*'json2'"):
        convert(tree, 3)
    assert documents_of(tree) == before


def test_v2_limits_raise_errors_without_changes(tmp_path):
    zarr.create_array(
        tmp_path / "a",
        shape=(4,),
        dtype="f4",
        chunks=(2,),
        filters=[zarr.codecs.ScaleOffset()] if hasattr(zarr.codecs, "ScaleOffset") else None,
    )
    document = json.loads((tmp_path / "a" / "zarr.json").read_text())
    document["codecs"].insert(0, {"name": "scale_offset", "configuration": {"offset": 1.0, "scale": 2.0}})
    (tmp_path / "a" / "zarr.json").write_text(json.dumps(document))
    with pytest.raises(ArgumentError, match="scale_offset"):
        convert(tmp_path / "a", 2)
    assert documents_of(tmp_path / "a") == {"zarr.json"}
    copy(tmp_path / "a", tmp_path / "b", zarr_format=2, filters=None)
    assert with_zarr(tmp_path / "b", 2).filters in (None, [], ())


def test_re_encoding_in_place_without_folders_requires_a_destination(tmp_path):
    zarr.create_array(tmp_path / "a", data=values("<f4"), chunks=(4, 3), shards=(8, 6))
    memory = MemoryStore()
    copy(tmp_path / "a", memory)
    with pytest.raises(ArgumentError, match="destination"):
        convert(memory, 2)
    convert(memory, 2, destination=tmp_path / "b")
    np.testing.assert_array_equal(with_zarr(tmp_path / "b", 2)[...], values("<f4"))


@pytest.mark.parametrize(
    "attributes", [{}, {"_FillValue": -1}, {"_FillValue": "AAAAAAAA8D8="}, {"_FillValue": "x"}]
)
@pytest.mark.parametrize("names", [None, ("x",)])
@pytest.mark.parametrize(
    ("dtype", "fill_value"), [("i4", 0), ("i4", 5), ("f4", np.nan), ("f8", 1.5), (">i2", 7), ("bool", True)]
)
@pytest.mark.parametrize("zarr_format", [2, 3])
def test_round_trip_is_equal(
    zarr_format: Any, dtype: str, fill_value: Any, names: Any, attributes: dict[str, Any]
) -> None:
    store = exzarr.MemoryStore()
    array = exzarr.create_array(
        store,
        shape=(6,),
        chunks=(2,),
        dtype=dtype,
        fill_value=fill_value,
        dimension_names=names,
        attributes=attributes,
        zarr_format=zarr_format,
    )
    array[:2] = np.array([1, 0], dtype)
    before = exzarr.checksum(store).hexdigest
    other = 5 - zarr_format
    for _ in range(2):
        exzarr.convert(store, other, remove_v2=other == 3)  # type: ignore[arg-type]
        exzarr.convert(store, zarr_format, remove_v2=zarr_format == 3)
        assert exzarr.checksum(store).hexdigest == before
        again = exzarr.open_array(store)
        assert again.attrs.asdict() == array.attrs.asdict()
        assert again.metadata.fill_value == fill_value or np.isnan(fill_value) or attributes
