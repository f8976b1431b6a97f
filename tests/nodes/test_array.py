"""An array as a Python object: attributes, identity, pickling, and the protocols of NumPy and Python."""

from __future__ import annotations

import operator
import pickle
from typing import Any

import numpy as np
import pytest
import zarr

import exzarr
from exzarr import MemoryStore, Store


@pytest.fixture(params=[2, 3])
def array(request: Any) -> exzarr.Array:
    return exzarr.create_array(
        None,
        name="g/a",
        data=np.arange(12.0).reshape(3, 4),
        chunks=2,
        dimension_names=["y", "x"],
        zarr_format=request.param,
    )


def test_attributes_are_stored_immediately(array: exzarr.Array) -> None:
    array.attrs["unit"] = "K"
    array.attrs.update(a=[1, {"b": None}], n=np.int16(3))
    opened = exzarr.open_array(array.store, path="g/a")
    assert opened.attrs == array.attrs
    assert opened.attrs["n"] == 3
    assert type(array.attrs["n"]) is int
    assert "unit" in opened.attrs
    del opened.attrs["unit"]
    assert array.refresh().attrs.get("unit") is None
    with pytest.raises(KeyError):
        array.attrs["unit"]
    with pytest.raises(exzarr.ArgumentError, match="JSON"):
        array.attrs["x"] = object()
    assert array.update_attributes({"last": 1}) is array
    np.testing.assert_array_equal(array[...], np.arange(12.0).reshape(3, 4))


def test_dimension_names_of_v2_arrays_follow_their_attribute() -> None:
    a = exzarr.zeros((3, 4), zarr_format=2)
    assert a.dimension_names is None
    a.attrs["_ARRAY_DIMENSIONS"] = ["p", "q"]
    assert a.dimension_names == exzarr.open_array(a.store).dimension_names == ("p", "q")
    assert a.isel(q=0).shape == (3,)


def test_identity(array: exzarr.Array) -> None:
    same = exzarr.open_array(array.store, path="g/a")
    assert same == array
    assert hash(same) == hash(array)
    assert {same, array} == {array}
    same.attrs["x"] = 1
    assert same != array
    assert array != None  # noqa: E711 - None is not what elements are compared with
    assert array != exzarr.zeros_like(array)


def test_pickle_keeps_store_path_and_options(array: exzarr.Array) -> None:
    opened = exzarr.open_array(array.store, path="g/a", mode="r", missing="error")
    assert len(pickle.dumps(opened)) < 500
    again = pickle.loads(pickle.dumps(opened))
    assert again == opened
    assert again.read_only
    array.store.delete("g/a/c/0/0" if array.zarr_format == 3 else "g/a/0.0")
    with pytest.raises(exzarr.ChunkMissingError):
        again[...]


def test_repr(array: exzarr.Array) -> None:
    assert repr(array) == (
        f"<exzarr.Array {array.store}/g/a (y: 3, x: 4) float64 chunks=(2, 2) v{array.zarr_format}>"
    )
    sharded = exzarr.zeros((8, 8), chunks=2, shards=4)
    assert "(8, 8) float64 chunks=(2, 2) shards=(4, 4) v3" in repr(sharded)


def test_array_properties(array: exzarr.Array) -> None:
    assert (array.shape, array.ndim, array.size, len(array)) == ((3, 4), 2, 12, 3)
    assert (array.dtype, array.itemsize, array.nbytes) == (np.dtype("f8"), 8, 96)
    assert (array.chunks, array.shards, array.cdata_shape, array.nchunks) == ((2, 2), None, (2, 2), 4)
    assert array.write_chunk_sizes == ((2, 1), (2, 2))
    assert (array.name, array.path, array.basename) == ("/g/a", "g/a", "a")


def test_numpy_functions_accept_an_array(array: exzarr.Array) -> None:
    expected = np.arange(12.0).reshape(3, 4)
    np.testing.assert_array_equal(np.asarray(array), expected)
    assert np.asarray(array, dtype="i2").dtype == np.int16
    assert float(np.mean(array)) == expected.mean()  # type: ignore[call-overload]
    with pytest.raises(ValueError, match="always copies"):
        np.array(array, copy=False)


class Plain(Store):
    """A store with the required methods only, which counts reads."""

    def __init__(self, inner: Store) -> None:
        self.inner = inner
        self.keys: list[str] = []

    def get(self, key: str, byte_range: Any = None) -> Any:
        self.keys.append(key)
        return self.inner.get(key, byte_range)

    def put(self, key: str, value: Any) -> None:
        self.inner.put(key, value)

    def delete(self, key: str) -> None:
        self.inner.delete(key)

    def list(self, prefix: str = "") -> Any:
        return self.inner.list(prefix)

    def list_dir(self, prefix: str = "") -> Any:
        return self.inner.list_dir(prefix)


def test_iterating_reads_each_chunk_once(array: exzarr.Array) -> None:
    store = Plain(array.store)
    opened = exzarr.open_array(store, path="g/a")
    store.keys.clear()
    for row, expected in zip(opened, np.arange(12.0).reshape(3, 4), strict=True):
        np.testing.assert_array_equal(row, expected)
    assert len(store.keys) == len({*store.keys}) == 4


def test_single_element_converts_to_python_number() -> None:
    a = exzarr.array(np.array(5))
    assert (int(a), float(a), complex(a), bool(a), operator.index(a)) == (5, 5.0, 5, True, 5)
    assert int(exzarr.array([[7]])) == 7
    for wrong in (exzarr.zeros(3), exzarr.zeros(0)):
        with pytest.raises(TypeError):
            int(wrong)
        with pytest.raises(ValueError, match="ambiguous"):
            bool(wrong)
    with pytest.raises(TypeError, match="0-dimensional"):
        operator.index(exzarr.array([1]))
    with pytest.raises(TypeError):
        len(a)
    with pytest.raises(TypeError):
        iter(a).__next__()


def test_refresh_reads_changes_of_other_handles() -> None:
    store = MemoryStore()
    a = exzarr.create_array(store, data=np.arange(3), chunks=2)
    exzarr.open_array(store).append([3, 4])
    assert a.shape == (3,)
    assert a.refresh() is a
    np.testing.assert_array_equal(a[:], np.arange(5))


def test_text_without_a_number_is_refused(array: exzarr.Array) -> None:
    for value in (["a"], np.array(["a"]), np.array(["a"], object), "a"):
        with pytest.raises(exzarr.ArgumentError, match="cannot store this"):
            array[0, 0] = value
    array[0, 0] = np.array("2.5")
    assert array[0, 0] == 2.5


@pytest.mark.parametrize(("shape", "chunks", "shards", "read", "write"), [
    ((100, 80), (30, 40), None, ((30, 30, 30, 10), (40, 40)), ((30, 30, 30, 10), (40, 40))),
    ((40,), (10,), (20,), ((10, 10, 10, 10),), ((20, 20),)),
    ((45,), (10,), (20,), ((10, 10, 10, 10, 5),), ((20, 20, 5),)),
    ((0, 3), (2, 2), None, ((), (2, 1)), ((), (2, 1))),
    ((), (), None, (), ()),
])  # fmt: skip
def test_chunk_sizes_are_those_of_zarr_python(
    shape: Any, chunks: Any, shards: Any, read: Any, write: Any
) -> None:
    ours = exzarr.create_array(shape=shape, chunks=chunks, shards=shards, dtype="i4")
    assert (ours.read_chunk_sizes, ours.write_chunk_sizes) == (read, write)
    theirs: Any = zarr.create_array({}, shape=shape, chunks=chunks, shards=shards, dtype="i4")
    if hasattr(theirs, "read_chunk_sizes"):  # zarr-python 3.2 and later
        assert (theirs.read_chunk_sizes, theirs.write_chunk_sizes) == (read, write)


def test_read_chunk_sizes_of_a_rectilinear_grid() -> None:
    array = exzarr.create_array(shape=(7,), chunks=[[2, 2, 3]], dtype="i4")
    assert array.read_chunk_sizes == array.write_chunk_sizes == ((2, 2, 3),)
