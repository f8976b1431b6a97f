"""Byte strings, objects and pandas columns as data are stored without loss, or refused with a remedy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import exzarr

VALUES = np.array([b"a", b"", b"\xff\x00b"], object)


@pytest.fixture(params=[2, 3])
def byte_array(request: Any) -> exzarr.Array:
    a = exzarr.create_array(shape=(3,), chunks=2, dtype=bytes, zarr_format=request.param)
    a[...] = VALUES
    return a


def test_dtype_of_byte_strings_names_them(byte_array: exzarr.Array) -> None:
    assert byte_array.dtype == np.dtype("O")
    again = exzarr.create_array(shape=(3,), dtype=byte_array.dtype, zarr_format=byte_array.zarr_format)
    assert again.metadata.data_type == byte_array.metadata.data_type
    read = exzarr.create_array(data=byte_array[...], zarr_format=byte_array.zarr_format)
    assert read[...].tolist() == VALUES.tolist()


def test_byte_strings_go_through_every_way_to_create(byte_array: exzarr.Array) -> None:
    b, zarr_format = byte_array, byte_array.zarr_format
    group = exzarr.create_group(zarr_format=zarr_format)
    group["x"] = b
    group["y"] = b[...]
    store = exzarr.MemoryStore()
    exzarr.save(store, b, zarr_format=zarr_format)
    several = exzarr.MemoryStore()
    exzarr.save(several, one=b, two=VALUES)
    target = exzarr.MemoryStore()
    exzarr.copy(b, target)
    made = {
        "create_array": exzarr.create_array(data=b, zarr_format=zarr_format),
        "of the other format": exzarr.create_array(data=b, zarr_format=3 if zarr_format == 2 else 2),
        "create": exzarr.create(data=b),
        "array": exzarr.array(b),
        "from_array": exzarr.from_array(data=b),
        "values": exzarr.array(VALUES),
        "list": exzarr.array(VALUES.tolist(), dtype=bytes),
        "setitem": group["x"],
        "setitem of values": group["y"],
        "group": group.create_array("z", data=b),
        "save": exzarr.open_array(store),
        "save several": exzarr.open_group(several)["one"],
        "save several values": exzarr.open_group(several)["two"],
        "copy": exzarr.open_array(target),
    }
    for how, a in made.items():
        assert isinstance(a, exzarr.Array)
        assert a[...].tolist() == VALUES.tolist(), how
        assert a.metadata.data_type.kind == "bytes", how
    assert exzarr.load(store).tolist() == VALUES.tolist()


def test_byte_strings_have_arrays_like_them(byte_array: exzarr.Array) -> None:
    for like in (exzarr.zeros_like(byte_array), exzarr.empty_like(byte_array)):
        assert like.metadata.data_type == byte_array.metadata.data_type
        assert like[...].tolist() == [b""] * 3
    assert exzarr.full_like(byte_array, b"x")[...].tolist() == [b"x"] * 3
    group = exzarr.create_group(zarr_format=byte_array.zarr_format)
    made = group.require_array("r", shape=3, dtype=byte_array.dtype)
    assert group.require_array("r", shape=3, dtype=byte_array.dtype, exact=True) == made
    assert made.metadata.data_type == byte_array.metadata.data_type


def test_everything_like_bytes_can_be_assigned(byte_array: exzarr.Array) -> None:
    for value in (np.bytes_(b"x"), bytearray(b"x"), memoryview(b"x"), np.void(b"x"), np.array(b"x")):
        byte_array[0] = b""
        byte_array[0] = value
        assert byte_array[0] == b"x"
        assert type(byte_array[0]) is bytes
    byte_array[...] = np.array([b"p", b"q", b"r"])  # fixed length
    byte_array.append(np.array([b"s"]))
    byte_array.append([np.bytes_(b"t")])
    assert byte_array[...].tolist() == [b"p", b"q", b"r", b"s", b"t"]
    for wrong in ("text", None, 5, ["text", b"x", b"y"]):
        with pytest.raises(exzarr.ArgumentError, match="byte string"):
            byte_array[...] = wrong
    assert byte_array[0] == b"p"


@pytest.mark.parametrize(
    ("data", "dtype", "values"),
    [
        (np.array(["a", "bc"], object), "string", ["a", "bc"]),
        (np.array([b"a", b"bc"], object), "variable_length_bytes", [b"a", b"bc"]),
        (np.array([1, 2], object), "int64", [1, 2]),
        (np.array([1.5, 2], object), "float64", [1.5, 2.0]),
        (pd.Series(["a", "bc"]), "string", ["a", "bc"]),
        (pd.Series(["a", "bc"], dtype="string"), "string", ["a", "bc"]),
        (pd.Series(["a", "bc"], dtype=object), "string", ["a", "bc"]),
        (pd.Index(["a", "bc"]), "string", ["a", "bc"]),
        (pd.Series(["a", "b", "a"], dtype="category"), "string", ["a", "b", "a"]),
        (pd.Categorical(["a", "b", "a"]), "string", ["a", "b", "a"]),
        (pd.Series([7, 5, 7], dtype="category"), "int64", [7, 5, 7]),
        (pd.Series([1, 2], dtype="Int16"), "int16", [1, 2]),
        (pd.Series([True, False], dtype="boolean"), "bool", [True, False]),
        (pd.Series([1.5, 2.5], dtype="Float32"), "float32", [1.5, 2.5]),
        (pd.Series([1, 2], dtype="i4"), "int32", [1, 2]),
        (pd.DataFrame({"x": [1, 2], "y": [3, 4]}), "int64", [[1, 3], [2, 4]]),
    ],
    ids=repr,
)
def test_objects_and_columns_are_stored(data: Any, dtype: str, values: list[Any]) -> None:
    for a in (
        exzarr.create_array(data=data),
        exzarr.array(data),
        exzarr.create_group().create_array("x", data=data),
    ):
        assert a.metadata.data_type.name.replace("bytes", "variable_length_bytes")[-len(dtype) :] == dtype
        assert a[...].tolist() == values


def test_missing_numbers_that_are_floats_are_nan() -> None:
    a = exzarr.array(pd.Series([1.5, None], dtype="Float64"))
    np.testing.assert_array_equal(a[...], [1.5, np.nan])
    b = exzarr.create_array(data=np.array([1, None], object), dtype="f8")
    np.testing.assert_array_equal(b[...], [1, np.nan])


@pytest.mark.parametrize(
    ("data", "match"),
    [
        (np.array(["a", None], object), "1 of 2 objects are missing.*at 1.*fill"),
        (np.array([b"a", None], object), "missing"),
        (np.array([1, None], object), "missing.*dtype='f8'"),
        (pd.Series(["a", None]), "missing"),
        (pd.Series(["a", None], dtype="string"), "missing"),
        (pd.Series(["a", None], dtype="category"), "missing"),
        (pd.Series([1, None], dtype="Int64"), "missing"),
        (pd.Series([True, None], dtype="boolean"), "missing"),
        (pd.Series(pd.to_datetime(["2020-01-01"]).tz_localize("UTC")), "time zone"),
        (np.array(["a", 5], object), "dtype="),
        (np.array([{}, 5], object), "dict, int"),
    ],
    ids=repr,
)
def test_data_without_zarr_data_type_is_refused(data: Any, match: str) -> None:
    store = exzarr.MemoryStore()
    for make in (
        lambda: exzarr.create_array(store, data=data),
        lambda: exzarr.save(store, data),
        lambda: exzarr.open_group(store, mode="a").create_array("x", data=data),
    ):
        with pytest.raises(exzarr.ArgumentError, match=match):
            make()
    assert [key for key in store.list() if key != "zarr.json"] == []


def test_columns_can_be_assigned_and_appended() -> None:
    a = exzarr.create_array(shape=(2,), dtype=str)
    a[...] = pd.Series(["a", "b"], dtype="string")
    a.append(pd.Series(["c"], dtype="category"))
    assert a[...].tolist() == ["a", "b", "c"]
    n = exzarr.create_array(shape=(2,), dtype="i4")
    n[...] = pd.Series([1, 2], dtype="Int64")
    assert n[...].tolist() == [1, 2]
    for wrong in (pd.Series([1, None], dtype="Int64"), pd.Series([1.5, 2.5])):
        with pytest.raises(exzarr.ArgumentError):
            n[...] = wrong
    for text in (pd.Series(["a", "b", None]), pd.Series(["a", None, "c"], dtype="category")):
        with pytest.raises(exzarr.ArgumentError, match="missing"):
            a[...] = text


@pytest.mark.parametrize("dtype", ["i2", "f4", "S3", "U3", str, bytes])
def test_a_dtype_is_never_dropped(dtype: Any) -> None:
    data = [b"1", b"2"] if dtype in (bytes, "S3") else ["1", "2"] if dtype in (str, "U3") else [1, 2]
    wanted = exzarr.create_array(shape=2, dtype=dtype).metadata.data_type
    store = exzarr.MemoryStore()
    exzarr.save_array(store, data, dtype=dtype)
    lazy = exzarr.create_array(data=data, dtype=dtype)
    made = [
        exzarr.open_array(store),
        exzarr.create_array(data=data, dtype=dtype),
        exzarr.create_array(data=np.array(data, object), dtype=dtype),
        exzarr.create_array(data=lazy, dtype=dtype),
        exzarr.array(data, dtype=dtype),
        exzarr.create(data=data, dtype=dtype),
        exzarr.zeros_like(np.zeros(2), dtype=dtype),
        exzarr.empty_like(exzarr.zeros(2), dtype=dtype),
        exzarr.open_array(mode="w", shape=2, dtype=dtype),
        exzarr.create_group().create_array("x", data=data, dtype=dtype),
        exzarr.create_group().require_array("x", shape=2, dtype=dtype),
        exzarr.open_like(np.zeros(2), exzarr.MemoryStore(), dtype=dtype),
    ]
    for number, a in enumerate(made):
        assert a.metadata.data_type == wanted, number
    with pytest.raises((TypeError, exzarr.ArgumentError), match="dtype"):
        exzarr.from_array(data=lazy, dtype=dtype)  # type: ignore[call-arg]


def test_h5py_strings_become_strings(tmp_path: Any) -> None:
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "f.h5", "w") as file:
        text = file.create_dataset("t", data=["a", "é"], dtype=h5py.string_dtype())
        assert exzarr.create_array(data=text)[...].tolist() == ["a", "é"]
        # h5py recognizes the metadata of exzarr's dtype.
        file.create_dataset("b", data=exzarr.array(np.array([b"x", b"yz"], object))[...])
        assert file["b"][...].tolist() == [b"x", b"yz"]
