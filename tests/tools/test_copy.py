"""`exzarr.copy`: moved and re-encoded copies have the values of zarr-python and NumPy."""

from __future__ import annotations

import json
import warnings

import numpy as np
import pytest
import zarr
from hypothesis import given, strategies as st

import exzarr
from exzarr._tools.copy import copy
from exzarr.errors import ArgumentError, ChunkCorruptError, NodeExistsError, NodeNotFoundError
from exzarr.stores.local.store import LocalStore
from exzarr.stores.memory import MemoryStore
from exzarr.stores.zip.store import ZipStore
from tests.breadth import examples


def keys(folder):
    """Return every file below `folder` with its content."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def make(path, data, **options):
    array = zarr.create_array(path, shape=data.shape, dtype=data.dtype, **options)
    array[...] = data
    return array


@pytest.fixture
def data():
    return np.random.default_rng(0).normal(size=(20, 30)).astype("f4")


# -- moved unchanged ------------------------------------------------------------------


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_a_plain_copy_moves_every_file_byte_for_byte(tmp_path, data, zarr_format):
    array = make(tmp_path / "a", data, chunks=(7, 8), zarr_format=zarr_format, fill_value=3)
    array.attrs["units"] = "K"
    report = copy(tmp_path / "a", tmp_path / "b")
    before, after = keys(tmp_path / "a"), keys(tmp_path / "b")
    documents = {".zarray", ".zattrs", "zarr.json"}
    assert {k: v for k, v in before.items() if k not in documents} == {
        k: v for k, v in after.items() if k not in documents
    }
    assert (report.arrays, report.groups, report.arrays_moved) == (1, 0, 1)
    assert report.chunks == 12
    assert report.bytes_stored == sum(len(v) for k, v in before.items() if k not in documents)
    copied = zarr.open_array(tmp_path / "b", mode="r")
    assert copied.metadata.to_dict() == array.metadata.to_dict()
    np.testing.assert_array_equal(copied[...], data)


def test_chunks_that_are_not_stored_are_not_stored_in_the_copy(tmp_path):
    array = zarr.create_array(tmp_path / "a", shape=(100, 100), chunks=(10, 10), dtype="i2", fill_value=7)
    array[33:35, 90:] = 1
    report = copy(tmp_path / "a", tmp_path / "b")
    assert report.chunks == 1
    assert keys(tmp_path / "b").keys() == {"zarr.json", "c/3/9"}


def test_chunks_outside_the_grid_are_not_copied(tmp_path):
    array = make(tmp_path / "a", np.arange(10), chunks=(2,))
    stray = tmp_path / "a" / "c" / "5"
    stray.write_bytes(b"left over")
    (tmp_path / "a" / "notes.txt").write_text("mine")
    copy(tmp_path / "a", tmp_path / "b")
    assert not (tmp_path / "b" / "c" / "5").exists()
    assert not (tmp_path / "b" / "notes.txt").exists()
    np.testing.assert_array_equal(zarr.open_array(tmp_path / "b")[...], array[...])


def test_shards_are_moved_unchanged(tmp_path, data):
    make(tmp_path / "a", data, chunks=(2, 5), shards=(4, 10))
    report = copy(tmp_path / "a", tmp_path / "b")
    assert (report.arrays_moved, report.chunks) == (1, 15)
    copied = zarr.open_array(tmp_path / "b")
    assert (copied.chunks, copied.shards) == ((2, 5), (4, 10))
    np.testing.assert_array_equal(copied[...], data)


def test_arguments_equal_to_the_source_still_move_chunks(tmp_path, data):
    make(tmp_path / "a", data, chunks=(7, 8))
    report = copy(tmp_path / "a", tmp_path / "b", chunks=(7, 8))
    assert report.arrays_moved == 1


# -- re-encoded ------------------------------------------------------------------------


@st.composite
def layouts(draw):
    shape = draw(st.lists(st.integers(0, 12), min_size=0, max_size=3))

    def chunks_and_shards():
        chunks = tuple([draw(st.integers(1, 6)) for _ in shape])
        # zarr-python cannot write shards with zero dimensions
        sharded = bool(shape) and draw(st.booleans())
        return chunks, tuple([c * draw(st.integers(1, 3)) for c in chunks]) if sharded else None

    return (tuple(shape), *chunks_and_shards(), *chunks_and_shards())


@examples(20)
@given(layouts(), st.sampled_from(["f8", ">i4", "u1", "M8[s]"]), st.sampled_from([1, 300, 1 << 20]))
def test_all_combinations_of_chunks_and_shards(layout, dtype, memory):
    shape, chunks, shards, new, new_shards = layout
    data = np.random.default_rng(1).integers(0, 9, shape).astype(dtype)
    theirs = {}
    array = zarr.create_array(
        zarr.storage.MemoryStore(theirs), shape=shape, dtype=dtype, chunks=chunks, shards=shards
    )
    array[...] = data
    source, store = MemoryStore(), MemoryStore()
    for key, value in theirs.items():
        source.put(key, value.to_bytes())
    copy(source, store, chunks=new, shards=new_shards, memory=memory)
    copied = zarr.open_array(zarr.storage.MemoryStore(_to_zarr(store)), mode="r")
    assert copied.chunks == new
    assert copied.shards == new_shards
    np.testing.assert_array_equal(copied[...], data)


def _to_zarr(store):
    from zarr.core.buffer import cpu

    return {key: cpu.Buffer.from_bytes(bytes(store.get(key))) for key in store.list()}


def test_compressors_and_filters_can_change(tmp_path, data):
    make(tmp_path / "a", data, chunks=(7, 8), attributes={"units": "K"}, dimension_names=("y", "x"))
    report = copy(tmp_path / "a", tmp_path / "b", compressors={"name": "gzip", "configuration": {"level": 9}})
    assert report.arrays_moved == 0
    copied = zarr.open_array(tmp_path / "b")
    assert [codec.to_dict()["name"] for codec in copied.compressors] == ["gzip"]
    assert copied.metadata.dimension_names == ("y", "x")
    assert dict(copied.attrs) == {"units": "K"}
    np.testing.assert_array_equal(copied[...], data)


def test_shards_can_be_added_and_removed(tmp_path, data):
    make(tmp_path / "a", data, chunks=(5, 5))
    copy(tmp_path / "a", tmp_path / "b", shards=(10, 30))
    sharded = zarr.open_array(tmp_path / "b")
    assert (sharded.chunks, sharded.shards) == ((5, 5), (10, 30))
    np.testing.assert_array_equal(sharded[...], data)
    copy(tmp_path / "b", tmp_path / "c", shards=None)
    plain = zarr.open_array(tmp_path / "c")
    assert (plain.chunks, plain.shards) == ((5, 5), None)
    np.testing.assert_array_equal(plain[...], data)


@pytest.mark.parametrize("options", [{"chunks": (7, 8)}, {"chunks": (2, 5), "shards": (6, 20)}])
def test_report_counts_the_chunks_of_the_copy(tmp_path, data, options):
    make(tmp_path / "a", data, chunks=(5, 5))
    report = copy(tmp_path / "a", tmp_path / "b", **options)
    stored = [path for path in (tmp_path / "b" / "c").rglob("*") if path.is_file()]
    assert report.arrays_moved == 0
    assert report.chunks == len(stored) > 0
    assert report.bytes_stored == sum(path.stat().st_size for path in stored)


def test_chunks_can_be_named_by_dimension(tmp_path, data):
    make(tmp_path / "a", data, chunks=(7, 8), dimension_names=("y", "x"))
    copy(tmp_path / "a", tmp_path / "b", chunks={"x": -1})
    assert zarr.open_array(tmp_path / "b").chunks == (7, 30)


def test_the_data_type_can_change(tmp_path):
    values = np.arange(40, dtype="f8").reshape(8, 5) / 4
    make(tmp_path / "a", values, chunks=(3, 3), compressors=zarr.codecs.BloscCodec(typesize=8))
    copy(tmp_path / "a", tmp_path / "b", dtype="f4")
    copied = zarr.open_array(tmp_path / "b")
    assert copied.dtype == np.float32
    np.testing.assert_array_equal(copied[...], values.astype("f4"))


def test_strings_are_rechunked(tmp_path):
    values = np.array([f"value {i}" * (i % 3) for i in range(20)], dtype=np.dtypes.StringDType())
    make(tmp_path / "a", values, chunks=(6,))
    copy(tmp_path / "a", tmp_path / "b", chunks=(5,))
    copied = zarr.open_array(tmp_path / "b")
    assert copied.chunks == (5,)
    assert copied[...].tolist() == values.tolist()


def test_missing_chunks_are_neither_read_nor_written(tmp_path):
    # 8 TiB of fill value, and one chunk
    shape = (2**20, 2**20)
    array = zarr.create_array(tmp_path / "a", shape=shape, chunks=(2**10, 2**10), dtype="f8", fill_value=5)
    array[-1, -1] = 1
    report = copy(tmp_path / "a", tmp_path / "b", chunks=(2**11, 2**9))
    assert report.chunks == 1
    copied = zarr.open_array(tmp_path / "b")
    assert (copied[-1, -1], copied[0, 0], copied[-1, -2]) == (1, 5, 5)


def test_damaged_chunk_stops_rechunking_without_a_partial_copy(tmp_path, data):
    make(tmp_path / "a", data, chunks=(7, 8))
    (tmp_path / "a" / "c" / "1" / "2").write_bytes(b"rubbish")
    with pytest.raises(ChunkCorruptError, match=r"\(1, 2\)"):
        copy(tmp_path / "a", tmp_path / "b", chunks=(5, 5))
    assert keys(tmp_path / "b") == {}


# -- hierarchies -----------------------------------------------------------------------


@pytest.fixture
def tree(tmp_path, data):
    """A v3 hierarchy and its path."""
    path = tmp_path / "tree"
    root = zarr.create_group(path, attributes={"title": "all"})
    group = root.create_group("a/b", attributes={"n": 1})
    group.create_array("x", data=data, chunks=(7, 8))
    root.create_array("scalar", data=np.array(5.0))
    root.create_group("empty")
    return path


def same_members(path, other):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        one, two = zarr.open_group(path, mode="r"), zarr.open_group(other, mode="r")
        left = dict(one.members(max_depth=None))
        right = dict(two.members(max_depth=None))
    assert left.keys() == right.keys()
    assert dict(one.attrs) == dict(two.attrs)
    for name, node in left.items():
        assert dict(node.attrs) == dict(right[name].attrs)
        if isinstance(node, zarr.Array):
            np.testing.assert_array_equal(node[...], right[name][...])


def test_hierarchy_is_copied_completely(tmp_path, tree):
    report = copy(tree, tmp_path / "copy")
    assert (report.arrays, report.groups) == (2, 4)
    same_members(tree, tmp_path / "copy")


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_copy_of_consolidated_group_is_consolidated(tmp_path, zarr_format):
    path = tmp_path / "a"
    root = zarr.create_group(path, zarr_format=zarr_format)
    root.create_array("g/x", data=np.arange(6), chunks=(2,))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        zarr.consolidate_metadata(path, zarr_format=zarr_format)
        copy(path, tmp_path / "b", chunks=(3,))
        copied = zarr.open_consolidated(tmp_path / "b", zarr_format=zarr_format)
        assert copied["g/x"].chunks == (3,)
        np.testing.assert_array_equal(copied["g/x"][...], np.arange(6))


def test_copy_of_unconsolidated_group_is_not_consolidated(tmp_path, tree):
    copy(tree, tmp_path / "copy")
    document = json.loads((tmp_path / "copy" / "zarr.json").read_text())
    assert "consolidated_metadata" not in document


def test_to_memory_to_zip_and_back(tmp_path, tree):
    memory = MemoryStore()
    copy(tree, memory, path="deep/inside")
    assert memory.exists("deep/zarr.json")
    copy(memory, tmp_path / "x.zip", source_path="deep/inside")
    copy(tmp_path / "x.zip", tmp_path / "back")
    same_members(tree, tmp_path / "back")
    with pytest.raises(NodeExistsError, match="overwrite"):
        copy(memory, tmp_path / "x.zip", source_path="deep/inside")
    copy(memory, tmp_path / "x.zip", source_path="deep/inside/empty", overwrite=True)
    with ZipStore(tmp_path / "x.zip") as store:
        assert list(store.list()) == ["zarr.json"]


def test_a_part_of_a_hierarchy_can_be_copied_into_another(tmp_path, tree):
    copy(tree / "a", tmp_path / "other", path="new/place")
    other = zarr.open_group(tmp_path / "other", mode="r")
    assert dict(other["new/place/b"].attrs) == {"n": 1}


def test_open_nodes_are_accepted_instead_of_paths(tmp_path, tree):
    root = exzarr.open_group(tree, mode="r+")
    copy(root["a/b/x"], tmp_path / "x", chunks=(20, 30))
    assert zarr.open_array(tmp_path / "x").chunks == (20, 30)
    copy(root["a"], root, path="again")
    same_members(tree / "a", tree / "again")
    other = exzarr.open_group(tmp_path / "other", mode="w")
    copy(root["a/b"], other)
    np.testing.assert_array_equal(other["b/x"][...], root["a/b/x"][...])
    with pytest.raises(ArgumentError, match="no name"):
        copy(root, other)
    with pytest.raises(ArgumentError, match="is an array"):
        copy(root, root["a/b/x"])


def test_consolidated_metadata_of_the_destination_group_is_updated(tmp_path, tree):
    target = exzarr.consolidate_metadata(exzarr.open_group(tmp_path / "target", mode="w"))
    copy(tree / "a", target, path="new")
    assert target["new/b/x"].shape == (20, 30)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = zarr.open_consolidated(tmp_path / "target")
    assert {name for name, _ in theirs.members(max_depth=None)} == {"new", "new/b", "new/b/x"}


def test_progress_goes_from_zero_to_total(tree, tmp_path):
    events = []
    copy(tree, tmp_path / "copy", progress=events.append)
    assert [e.done for e in events] == sorted(e.done for e in events)
    assert events[-1].done == events[-1].total == 20 * 30 * 4 + 8


# -- refused ---------------------------------------------------------------------------


def test_existing_nodes_are_not_replaced_by_default(tmp_path, tree, data):
    make(tmp_path / "there", data)
    before = keys(tmp_path / "there")
    with pytest.raises(NodeExistsError):
        copy(tree, tmp_path / "there")
    assert keys(tmp_path / "there") == before
    copy(tree, tmp_path / "there", overwrite=True)
    same_members(tree, tmp_path / "there")


def test_missing_source_raises_error(tmp_path):
    with pytest.raises(NodeNotFoundError):
        copy(tmp_path / "nowhere", tmp_path / "b")
    assert not (tmp_path / "b").exists()


@pytest.mark.parametrize(("source", "target"), [("tree", "tree"), ("tree", "tree/a/new"), ("tree/a", "tree")])
def test_copy_into_itself_is_refused(tmp_path, tree, source, target):
    before = keys(tree)
    with pytest.raises(ArgumentError, match="is within the other"):
        copy(tmp_path / source, tmp_path / target, overwrite=True)
    with pytest.raises(ArgumentError, match="is within the other"):
        copy(LocalStore(tmp_path), LocalStore(tmp_path), source_path=source, path=target, overwrite=True)
    assert keys(tree) == before


def test_invalid_arguments_raise_errors_before_anything_is_written(tmp_path, tree):
    for options in (
        {"chunks": (3,)},
        {"chunks": (0, 3)},
        {"shards": (3, 3)},
        {"compressors": "no such codec"},
        {"zarr_format": 4},
        {"zarr_format": 2, "shards": (14, 16)},
    ):
        with pytest.raises((ArgumentError, NotImplementedError)):
            copy(tree / "a" / "b" / "x", tmp_path / "b", **options)
        assert not (tmp_path / "b").exists()
