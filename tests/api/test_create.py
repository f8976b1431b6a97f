"""Create arrays, groups and hierarchies."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

import exzarr
from exzarr import ArgumentError, Array, Group, MemoryStore, NodeExistsError


@pytest.fixture(params=[3, 2])
def zarr_format(request: Any) -> Any:
    return request.param


def test_zarr_python_reads_every_kind_of_new_array(tmp_path: Path, zarr_format: Any) -> None:
    values = np.arange(12, dtype="i2").reshape(3, 4)
    made: dict[str, tuple[Any, Any]] = {
        "data": (exzarr.create_array(tmp_path / "data", data=values, zarr_format=zarr_format), values),
        "array": (exzarr.array(values, store=tmp_path / "array", zarr_format=zarr_format), values),
        "from_array": (exzarr.from_array(tmp_path / "from_array", data=values, zarr_format=zarr_format), values),
        "list": (exzarr.create_array(tmp_path / "list", data=[[1, 2], [3, 4]], dtype="u1", zarr_format=zarr_format),
                 np.array([[1, 2], [3, 4]], "u1")),
        "zeros": (exzarr.zeros((3, 4), store=tmp_path / "zeros", zarr_format=zarr_format), np.zeros((3, 4))),
        "ones": (exzarr.ones(5, dtype="i4", store=tmp_path / "ones", zarr_format=zarr_format), np.ones(5, "i4")),
        "full": (exzarr.full((2,), 7.5, store=tmp_path / "full", zarr_format=zarr_format), np.full(2, 7.5)),
        "empty": (exzarr.empty((2,), dtype="?", store=tmp_path / "empty", zarr_format=zarr_format), np.zeros(2, bool)),
        "scalar": (exzarr.create_array(tmp_path / "scalar", data=5.5, zarr_format=zarr_format), np.array(5.5)),
        "nothing": (exzarr.create_array(tmp_path / "nothing", data=np.zeros((0, 3)), zarr_format=zarr_format),
                    np.zeros((0, 3))),
    }  # fmt: skip
    for name, (ours, expected) in made.items():
        theirs = zarr.open_array(tmp_path / name, mode="r")
        assert ours.dtype == theirs.dtype == expected.dtype, name
        np.testing.assert_array_equal(np.asarray(ours[...]), expected, err_msg=name)
        np.testing.assert_array_equal(theirs[...], expected, err_msg=name)
        assert ours.zarr_format == zarr_format


def test_arrays_of_one_value_store_nothing() -> None:
    for array in (exzarr.zeros((9, 9)), exzarr.ones((9, 9)), exzarr.full((9, 9), 3), exzarr.empty((9, 9))):
        assert array.nchunks_initialized == 0
    assert exzarr.zeros(3, dtype=str)[:].tolist() == ["", "", ""]
    assert exzarr.zeros(2, dtype="S3")[:].tolist() == [b"", b""]
    assert exzarr.ones(2, dtype="complex64")[:].tolist() == [1, 1]


def test_create_array_accepts_every_kind_of_store(tmp_path: Path) -> None:
    a = exzarr.create_array(tmp_path / "x", name="deep/array", shape=3, dtype="i1")
    assert a.path == "deep/array"
    assert isinstance(exzarr.open(tmp_path / "x"), Group)
    assert exzarr.create_array(f"memory://{tmp_path.name}/p", name="q", shape=3, dtype="i1").path == "p/q"
    assert isinstance(exzarr.create_array(None, shape=3, dtype="i1").store, MemoryStore)
    with pytest.raises(NodeExistsError, match="arrays have no children"):
        exzarr.create_array(tmp_path / "x", name="deep/array/below", shape=3, dtype="i1")
    with pytest.raises(exzarr.InvalidKeyError):
        exzarr.create_array(tmp_path / "x", name="../y", shape=3, dtype="i1")


def test_overwriting(tmp_path: Path, zarr_format: Any) -> None:
    exzarr.create_array(tmp_path / "x", data=np.arange(100), chunks=10, zarr_format=5 - zarr_format)
    with pytest.raises(NodeExistsError, match="overwrite=True replaces it"):
        exzarr.create_array(tmp_path / "x", shape=3, dtype="i1", zarr_format=zarr_format)
    a = exzarr.create_array(tmp_path / "x", shape=3, dtype="i1", zarr_format=zarr_format, overwrite=True)
    assert sum(path.is_file() for path in (tmp_path / "x").rglob("*")) == (1 if zarr_format == 3 else 2)
    assert exzarr.open(tmp_path / "x") == a


def test_shape_and_data_may_not_contradict_each_other() -> None:
    assert exzarr.create_array(None, shape=(3,), data=[1, 2, 3]).shape == (3,)
    with pytest.raises(ArgumentError, match="contradicts data of shape"):
        exzarr.create_array(None, shape=(4,), data=[1, 2, 3])
    with pytest.raises(ArgumentError, match=r"contradicts.*fill_value"):
        exzarr.create_array(None, shape=(4,), data=0)


def test_data_that_cannot_be_converted_is_refused_before_anything_is_stored(tmp_path: Path) -> None:
    exzarr.save(tmp_path / "x", np.arange(3))
    for data in (["a", "b"], np.array(["a", "b"])):
        with pytest.raises(ArgumentError):
            exzarr.create_array(tmp_path / "x", data=data, dtype="f8", overwrite=True)
    np.testing.assert_array_equal(exzarr.load(tmp_path / "x"), np.arange(3))


def test_an_array_whose_data_cannot_be_written_is_not_left_behind(tmp_path: Path) -> None:
    class Failing:
        shape, dtype = (10,), np.dtype("f8")

        def __getitem__(self, region: Any) -> Any:
            raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        exzarr.create_array(tmp_path / "x", name="a", data=Failing())
    assert not (tmp_path / "x").exists()


def test_write_data_false_stores_only_metadata() -> None:
    a = exzarr.create_array(None, data=np.ones(5), write_data=False)
    np.testing.assert_array_equal(a[:], 0)


@pytest.mark.parametrize("shards", [None, (20, 10)])
def test_data_outside_memory_is_read_block_by_block(monkeypatch: Any, shards: Any) -> None:
    from exzarr._nodes import new_nodes

    monkeypatch.setattr(new_nodes, "BLOCK", 800)
    data = np.arange(1000.0).reshape(50, 20)
    asked: list[tuple[slice, ...]] = []

    class Lazy:
        shape, dtype, ndim = data.shape, data.dtype, 2

        def __getitem__(self, region: Any) -> Any:
            asked.append(region)
            return data[region].tolist()

    a = exzarr.create_array(None, data=Lazy(), chunks=(10, 5), shards=shards)
    np.testing.assert_array_equal(a[:], data)
    most = 800 if shards is None else 1600
    assert len(asked) > 1
    assert all(data[region].nbytes <= most for region in asked)
    asked.clear()
    b = exzarr.create_array(None, data=Lazy(), chunks=([20, 30], 20))
    np.testing.assert_array_equal(b[:], data)
    assert asked == [(slice(0, 20), slice(0, 20)), (slice(20, 50), slice(0, 20))]


def test_other_libraries_arrays_are_data(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    values = np.arange(24.0).reshape(4, 6)
    theirs = zarr.create_array(tmp_path / "z", data=values, chunks=(2, 3))
    with h5py.File(tmp_path / "f.h5", "w") as file:
        file["x"] = values
        sources = [theirs, file["x"], exzarr.array(values), memoryview(values)]
        for source in sources:
            np.testing.assert_array_equal(exzarr.create_array(None, data=source)[:], values)
    assert exzarr.from_array(None, data=theirs).chunks == (2, 3)


# -- arrays like others ------------------------------------------------------------------------


def like(zarr_format: Any, **options: Any) -> Array:
    chosen: dict[str, Any] = {
        "shape": (8, 12),
        "dtype": "i4",
        "chunks": (2, 3),
        "compressors": {"id": "zlib", "level": 1} if zarr_format == 2 else "gzip",
        "fill_value": 9,
        "attributes": {"a": [1]},
        "dimension_names": ["y", "x"],
        "zarr_format": zarr_format,
        **options,
    }
    a = exzarr.create_array(None, **chosen)
    a[:] = np.arange(96).reshape(8, 12)
    return a


@pytest.mark.parametrize("options", [{}, {"order": "F"}, {"shards": {"shape": (4, 6), "index_location": "start"}},
                                     {"chunks": ([3, 5], 3)}, {"dtype": ">i4"}, {"chunk_key_encoding": "/"}])  # fmt: skip
def test_from_array_keeps_properties_by_default(tmp_path: Path, zarr_format: Any, options: Any) -> None:
    if zarr_format == 2 and ("shards" in options or isinstance(options.get("chunks", (0,))[0], list)):
        pytest.skip("v2 has no such thing")
    a = like(zarr_format, **options)
    b = exzarr.from_array(tmp_path / "b", data=a)
    np.testing.assert_array_equal(b[:], a[:])
    from exzarr._nodes.hierarchy import documents

    assert documents(b.metadata) == documents(a.metadata)
    b.attrs["a"] = 2
    assert a.attrs["a"] == [1]


def test_from_array_changes_given_properties(zarr_format: Any) -> None:
    a = like(zarr_format)
    b = exzarr.from_array(
        None, data=a, chunks=4, compressors=None, fill_value=1, attributes={}, dimension_names=["p", "q"]
    )
    assert (b.chunks, b.compressors, b.fill_value) == ((4, 4), (), 1)
    assert b.dimension_names == ("p", "q")
    assert "a" not in b.attrs
    np.testing.assert_array_equal(b[:], a[:])
    other = exzarr.from_array(None, data=a, zarr_format=5 - zarr_format)  # type: ignore[arg-type]
    assert other.zarr_format == 5 - zarr_format
    assert (other.chunks, other.fill_value, other.dimension_names) == ((2, 3), 9, ("y", "x"))
    np.testing.assert_array_equal(other[:], a[:])
    np.testing.assert_array_equal(exzarr.from_array(None, data=a, write_data=False)[:], 9)


def test_shards_are_dropped_with_the_chunks_they_were_made_for() -> None:
    a = like(3, shards=(4, 6))
    assert exzarr.from_array(None, data=a).shards == (4, 6)
    assert exzarr.from_array(None, data=a, chunks=(5, 5)).shards is None
    assert exzarr.from_array(None, data=a, shards=(8, 12)).shards == (8, 12)
    assert exzarr.from_array(None, data=a, chunks=(4, 6), shards=(8, 12)).chunks == (4, 6)


def test_like_functions(zarr_format: Any) -> None:
    a = like(zarr_format)
    for make, value in ((exzarr.zeros_like, 0), (exzarr.ones_like, 1), (exzarr.empty_like, 9)):
        b = make(a)
        assert (b.shape, b.dtype, b.chunks, b.zarr_format) == (a.shape, a.dtype, a.chunks, zarr_format)
        assert b.compressors == a.compressors
        np.testing.assert_array_equal(b[:], value)
    np.testing.assert_array_equal(exzarr.full_like(a, 5)[:], 5)
    np.testing.assert_array_equal(
        exzarr.full_like(a, fill_value=5, shape=(2,), chunks=(2,), dimension_names=["t"])[:], 5
    )
    assert exzarr.zeros_like(a, dtype="f4").dtype == np.float32
    assert exzarr.zeros_like(a, chunks=4).chunks == (4, 4)
    for given in (np.ones((2, 3), "u2"), [[1, 2, 3]], zarr.ones((2, 3), dtype="u2")):
        assert exzarr.zeros_like(given).shape == np.shape(given)


# -- zarr-python's older names ---------------------------------------------------------------


def test_create_by_older_arguments() -> None:
    import numcodecs

    a = exzarr.create((10,), chunks=5, compressor=numcodecs.Zlib(1), dimension_separator="/", zarr_format=2)
    assert a.dtype == np.float64
    assert a.metadata.compressor == {"id": "zlib", "level": 1}
    assert a.metadata.chunk_key_encoding.encode((1, 2)) == "1/2"
    codecs = [{"name": "bytes", "configuration": {"endian": "big"}}, "crc32c"]
    b = exzarr.create(10, chunk_shape=(5,), codecs=codecs, dtype="i2")
    assert [codec.name for codec in b.metadata.codecs] == ["bytes", "crc32c"]
    assert b.chunks == (5,)
    with pytest.raises(ArgumentError, match="exactly one codec"):
        exzarr.create(10, codecs=["zstd"])
    inner = {"chunk_shape": [5], "codecs": [{"name": "bytes", "configuration": {"endian": "little"}}]}
    c = exzarr.create(
        20, chunks=10, codecs=[{"name": "sharding_indexed", "configuration": inner}], dtype="i2"
    )
    assert (c.chunks, c.shards) == ((5,), (10,))


# -- groups and hierarchies ----------------------------------------------------------------------


def test_groups(tmp_path: Path, zarr_format: Any) -> None:
    group = exzarr.create_group(tmp_path / "x", path="a/b", attributes={"n": 1}, zarr_format=zarr_format)
    assert group.zarr_format == zarr_format
    with pytest.raises(NodeExistsError):
        exzarr.create_group(tmp_path / "x", path="a/b")
    assert exzarr.group(tmp_path / "x", path="a/b") == group
    group["data"] = [1]
    assert [*exzarr.create_group(tmp_path / "x", path="a/b", overwrite=True)] == []
    assert [*exzarr.group(tmp_path / "x")] == ["a"]
    assert [*exzarr.group(tmp_path / "x", overwrite=True)] == []
    assert isinstance(exzarr.group().store, MemoryStore)
    assert zarr.open_group(tmp_path / "x", mode="r").metadata.zarr_format == 3


def test_hierarchies(tmp_path: Path, zarr_format: Any) -> None:
    from exzarr._format.metadata import GroupMetadata

    nodes: dict[str, Any] = {
        "": GroupMetadata(zarr_format, {"top": 1}),
        "a/b/c": exzarr.array_metadata(shape=(3,), dtype="i1", zarr_format=zarr_format),
        "a": GroupMetadata(zarr_format, {"n": 2}),
    }
    made = dict(exzarr.create_hierarchy(store=tmp_path / "x", nodes=nodes))
    assert [*made] == ["", "a", "a/b/c"]
    theirs = zarr.open_group(tmp_path / "x", mode="r")
    assert sorted(path for path, _ in theirs.members(None)) == ["a", "a/b", "a/b/c"]
    assert dict(theirs["a"].attrs) == {"n": 2}
    with pytest.raises(NodeExistsError):
        exzarr.create_hierarchy(store=tmp_path / "x", nodes={"new": nodes["a"], "a/b/c": nodes["a/b/c"]})
    assert "new" not in exzarr.open_group(tmp_path / "x")
    dict(exzarr.create_hierarchy(store=tmp_path / "x", nodes={"a": nodes["a/b/c"]}, overwrite=True))
    assert isinstance(exzarr.open(tmp_path / "x", path="a"), Array)
    with pytest.raises(ArgumentError, match="is below 'x', which is an array"):
        exzarr.create_hierarchy(store=MemoryStore(), nodes={"x": nodes["a/b/c"], "x/y": nodes["a"]})
