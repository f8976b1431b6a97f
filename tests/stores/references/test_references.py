"""Reference sets: HDF5 files are read as Zarr without copies, and only allowed files are read."""

from __future__ import annotations

import json

import numpy as np
import pytest

import exzarr
from exzarr.errors import InvalidKeyError, ReadOnlyError, StoreError, UnsupportedError
from exzarr.stores import CountingStore, MemoryStore, ReferenceStore

DATA = b"0123456789" * 10


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "file.bin").write_bytes(DATA)
    (tmp_path / "secret").write_bytes(b"secret")
    return tmp_path / "data"


def written(folder, document):
    path = folder / "refs.json"
    path.write_text(json.dumps(document))
    return path


def test_fetch_of_a_range_reads_the_range_only():
    files = CountingStore(MemoryStore())
    files.put("file.bin", DATA)
    refs = {"part": ["s3://bucket/file.bin", 10, 50], "whole": ["s3://bucket/file.bin"]}
    store = ReferenceStore(refs, allow=["s3://bucket/"], stores={"s3://bucket": files})
    for key, size in (("part", 50), ("whole", 100)):
        files.reset()
        found = store.fetch(key, (2, 3))
        assert (bytes(found.data), found.size, files.bytes_read) == (b"234", size, 3)
        assert (store.fetch(key, (0, 0)).size, store.fetch("absent", (0, 3))) == (size, None)


def test_values_are_inline_or_parts_of_files_or_files(folder):
    refs = {
        "text": "héllo",
        "bytes": "base64:AAEC",
        "zarr.json": {"a": 1},
        "part": ["{{u}}.bin", 12, 5],
        "whole": ["file.bin"],
        "a/empty": ["file.bin", 3, 0],
    }
    store = ReferenceStore(written(folder, {"version": 1, "templates": {"u": "file"}, "refs": refs}))
    assert store.get("text") == "héllo".encode()
    assert store.get("bytes") == bytes([0, 1, 2])
    assert json.loads(bytes(store.get("zarr.json"))) == {"a": 1}
    assert bytes(store.get("part")) == b"23456"
    assert bytes(store.get("part", (1, 2))) == b"34"
    assert bytes(store.get("part", (-2, None))) == b"56"
    assert bytes(store.get("part", (4, 10))) == b"6"
    assert bytes(store.get("part", (9, 10))) == b""
    assert bytes(store.get("whole")) == DATA
    assert bytes(store.get("whole", (-3, None))) == b"789"
    assert bytes(store.get("a/empty")) == b""
    assert store.get("absent") is None
    assert [store.size(key) for key in ("text", "part", "whole", "absent")] == [6, 5, 100, None]
    assert sorted(store.list()) == sorted(refs)
    assert store.list_dir() == (["bytes", "part", "text", "whole", "zarr.json"], ["a"])
    into = bytearray(5)
    assert store.read_into("part", memoryview(into)) == 5
    for write in (lambda: store.put("k", b""), lambda: store.delete("part"), lambda: store.delete_prefix("")):
        with pytest.raises(ReadOnlyError):
            write()


def test_old_format_without_version_is_read(folder):
    store = ReferenceStore({"k": ["file.bin", 0, 3]}, base=folder)
    assert bytes(store.get("k")) == b"012"


@pytest.mark.parametrize(
    "filters", [{}, {"compression": "gzip"}, {"compression": "gzip", "shuffle": True}], ids=str
)
def test_hdf5_file_is_read_through_references(tmp_path, filters):
    h5py = pytest.importorskip("h5py")
    data = np.random.default_rng(0).integers(0, 1000, (50, 40)).astype("<i4")
    with h5py.File(tmp_path / "x.h5", "w") as file:
        made = file.create_dataset("a", data=data, chunks=(16, 16), **filters)
        refs = {}
        for i in range(made.id.get_num_chunks()):
            info = made.id.get_chunk_info(i)
            index = ".".join(str(at // 16) for at in info.chunk_offset)
            refs[f"a/{index}"] = ["x.h5", info.byte_offset, info.size]
    refs[".zgroup"] = '{"zarr_format": 2}'
    refs["a/.zarray"] = json.dumps(
        {
            "zarr_format": 2,
            "shape": [50, 40],
            "chunks": [16, 16],
            "dtype": "<i4",
            "fill_value": 0,
            "order": "C",
            "compressor": {"id": "zlib", "level": 4} if filters else None,
            "filters": [{"id": "shuffle", "elementsize": 4}] if "shuffle" in filters else None,
        }
    )
    a = exzarr.open(ReferenceStore(written(tmp_path, {"version": 1, "refs": refs})))["a"]
    assert (a[...] == data).all()
    assert (a[3:49:5, ::-2] == data[3:49:5, ::-2]).all()
    assert a.read_only


def test_urls_are_read_through_the_given_stores(folder):
    other = MemoryStore()
    other.put("some/file", DATA)
    refs = {"k": ["s3://bucket/some/file", 10, 4], "l": ["s3://another/file", 0, 1]}
    store = ReferenceStore(refs, allow=["s3://bucket/"], stores={"s3://bucket": other})
    assert bytes(store.get("k")) == b"0123"
    assert store.traits.concurrency == 64
    with pytest.raises(StoreError, match="not allowed"):
        store.get("l")


@pytest.mark.parametrize(
    "target",
    [
        "../secret",
        "/etc/passwd",
        "file:///etc/passwd",
        "x/../../secret",
        "link",
        "https://host/x",
        "s3://b/k",
        "~/x",
    ],
)
def test_no_reference_leads_out_of_the_folder_unless_it_is_allowed(folder, target):
    (folder / "link").symlink_to(folder.parent / "secret")
    store = ReferenceStore(written(folder, {"k": [target, 0, 3], "l": [target]}))
    for key in ("k", "l"):
        with pytest.raises(StoreError):
            store.get(key)
    if target in ("../secret", "link"):
        free = ReferenceStore(written(folder, {"k": [target, 0, 3]}), allow=[folder.parent])
        assert bytes(free.get("k")) == b"sec"


def test_allowed_folder_does_not_match_a_longer_name(tmp_path):
    (tmp_path / "data-secret").mkdir()
    (tmp_path / "data-secret" / "x").write_bytes(b"no")
    store = ReferenceStore({"k": ["../data-secret/x"]}, base=tmp_path / "data")
    with pytest.raises(StoreError, match="not allowed"):
        store.get("k")


def test_files_that_are_missing_or_too_short_are_errors_and_not_absent_chunks(folder):
    store = ReferenceStore({"a": ["gone", 0, 3], "b": ["file.bin", 98, 5], "c": ["gone"]}, base=folder)
    for key in "abc":
        with pytest.raises(StoreError, match=f"key '{key}'"):
            store.get(key)


@pytest.mark.parametrize(
    "document",
    [
        [],
        3,
        {"version": 2, "refs": {}},
        {"version": 1},
        {"version": 1, "refs": []},
        {"version": 1, "refs": {}, "gen": [{"key": "x"}]},
        {"../x": "1"},
        {"k": ["f", 1]},
        {"k": ["f", -1, 2]},
        {"k": ["f", 1.5, 2]},
        {"k": ["f", 1 << 64, 2]},
        {"k": [1, 2, 3]},
        {"k": None},
        {"k": "base64:!"},
        {"k": ["{{u}}", 0, 1]},
        {"version": 1, "templates": {"u": "x"}, "refs": {"k": ["{{u.__class__}}", 0, 1]}},
    ],
    ids=str,
)
def test_invalid_reference_set_raises(tmp_path, document):
    with pytest.raises((StoreError, UnsupportedError, InvalidKeyError)):
        ReferenceStore(written(tmp_path, document))


def test_invalid_json_file_raises(tmp_path):
    for content in (b"{", b"\xff", b"[" * 100_000):
        (tmp_path / "x.json").write_bytes(content)
        with pytest.raises(StoreError, match=r"x\.json"):
            ReferenceStore(tmp_path / "x.json")
    with pytest.raises(StoreError):
        ReferenceStore(tmp_path / "absent.json")
