"""Reference sets in Parquet: those of fsspec and kerchunk, partial reads, and malicious ones."""

from __future__ import annotations

import json
import pickle
from concurrent.futures import ThreadPoolExecutor

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fsspec.implementations.reference import LazyReferenceMapper
from hypothesis import given, strategies as st

import exzarr
from exzarr.errors import ExzarrError, ReadOnlyError, StoreError, UnsupportedError
from exzarr.stores import CountingStore, LocalStore, MemoryStore, ReferenceStore
from exzarr.stores.references import parquet_set

pytestmark = pytest.mark.filterwarnings("ignore:The 'fastparquet' engine is deprecated")

ARRAY = {
    "zarr_format": 2,
    "shape": [50, 40],
    "chunks": [16, 16],
    "dtype": "<i4",
    "fill_value": -1,
    "order": "C",
    "compressor": None,
    "filters": None,
}
NBYTES = 16 * 16 * 4


@pytest.fixture
def data(tmp_path):
    chunks = np.random.default_rng(0).integers(0, 1000, (12, 16, 16)).astype("<i4")
    (tmp_path / "all.bin").write_bytes(b"head" + chunks.tobytes())
    (tmp_path / "seven.bin").write_bytes(chunks[7].tobytes())
    return chunks


def references(chunks):
    """Return the references of a 4 by 3 grid. One is inline, one a whole file, one is missing."""
    for number in range(12):
        key = f"g/a/{number // 3}.{number % 3}"
        if number == 4:
            continue
        if number == 7:
            yield key, ["seven.bin"]
        elif number == 8:
            yield key, chunks[8].tobytes()
        else:
            yield key, ["all.bin", 4 + number * NBYTES, NBYTES]


def expected(chunks):
    whole = np.full((64, 48), -1, "<i4")
    for number in range(12):
        if number != 4:
            i, j = divmod(number, 3)
            whole[i * 16 : i * 16 + 16, j * 16 : j * 16 + 16] = chunks[number]
    return whole[:50, :40]


def written(folder, chunks, engine="fastparquet", record_size=5, categorical_threshold=10):
    """Write a set with fsspec."""
    root = str(folder / "refs.parq")
    local = fsspec.filesystem("file")
    made = LazyReferenceMapper.create(
        root, fs=local, record_size=record_size, engine=engine, categorical_threshold=categorical_threshold
    )
    made[".zgroup"] = made["g/.zgroup"] = json.dumps({"zarr_format": 2})
    made["g/a/.zarray"] = json.dumps(ARRAY)
    made["g/a/.zattrs"] = json.dumps({"units": "m"})
    made["s/.zarray"] = json.dumps({**ARRAY, "shape": [], "chunks": []})
    made["s/0"] = (3).to_bytes(4, "little")
    made["none/.zarray"] = json.dumps({**ARRAY, "shape": [0, 5]})
    for key, ref in references(chunks):
        made[key] = ref
    made.flush()
    return root


@pytest.mark.parametrize("engine", ["fastparquet", "pyarrow"])
@pytest.mark.parametrize("record_size", [1, 5, 12, 1000])
@pytest.mark.parametrize("threshold", [0.1, 10])
def test_reference_sets_read_as_in_fsspec(tmp_path, data, engine, record_size, threshold):
    root = written(tmp_path, data, engine, record_size, threshold)
    theirs = fsspec.filesystem(
        "reference", fo=root, target_options={"engine": engine}, remote_protocol="file"
    )
    store = ReferenceStore(root)
    for number in range(12):
        key = f"g/a/{number // 3}.{number % 3}"
        if number == 4:
            assert store.get(key) is None
            continue
        assert bytes(store.get(key)) == data[number].tobytes()
        if number == 8:
            assert theirs.cat(key) == store.get(key)
    group = exzarr.open(root)
    assert (group["g/a"][...] == expected(data)).all()
    assert group["g/a"].attrs["units"] == "m"
    assert group["s"][()] == 3
    assert group["none"].shape == (0, 5)
    assert exzarr.open(root + "/g/a").shape == (50, 40)


def test_kerchunk_parquet_equals_its_json(tmp_path, data):
    from kerchunk.df import refs_to_dataframe

    refs = {
        ".zgroup": '{"zarr_format": 2}',
        "g/.zgroup": '{"zarr_format": 2}',
        "g/a/.zarray": json.dumps(ARRAY),
    }
    for key, ref in references(data):
        refs[key] = ref.decode("latin1").encode("latin1") if isinstance(ref, bytes) else ref
    root = str(tmp_path / "kerchunk.parq")
    refs_to_dataframe(refs, root, record_size=4)
    ours = ReferenceStore(root)
    assert sorted(ours.list()) == sorted(refs)
    assert (exzarr.open(ours)["g/a"][...] == expected(data)).all()


def test_listing_names_exactly_the_stored_keys(tmp_path, data):
    store = ReferenceStore(written(tmp_path, data))
    chunks = [key for key, _ in references(data)]
    documents = [".zgroup", "g/.zgroup", "g/a/.zarray", "g/a/.zattrs", "s/.zarray", "none/.zarray"]
    assert sorted(store.list()) == sorted([*documents, *chunks, "s/0"])
    assert sorted(store.list("g")) == sorted([key for key in [*documents, *chunks] if key.startswith("g/")])
    assert store.list_dir() == ([".zgroup"], ["g", "none", "s"])
    assert store.list_dir("g") == ([".zgroup"], ["a"])
    assert store.list_dir("g/a")[0] == sorted([".zarray", ".zattrs", *[key[4:] for key in chunks]])
    assert [store.size(key) for key in ("g/a/0.0", "g/a/2.1", "g/a/2.2", "g/a/1.1", "s/0")] == [
        NBYTES, NBYTES, NBYTES, None, 4,
    ]  # fmt: skip
    for key in (
        "g/a/4.0",
        "g/a/0.3",
        "g/a/0",
        "g/a/0.0.0",
        "g/a/00.0",
        "g/a/-1.0",
        "g/a/x",
        "g/a/0.\u0661",
        "b/0",
    ):
        assert store.get(key) is None
    with pytest.raises(ReadOnlyError):
        exzarr.open(str(tmp_path / "refs.parq"), mode="r+")


def test_only_requested_partitions_are_read_once(tmp_path, data):
    counting = CountingStore(LocalStore(written(tmp_path, data), read_only=True))
    store = ReferenceStore(counting, base=tmp_path)
    assert counting.total == 1  # .zmetadata
    a = exzarr.open(store)["g/a"]
    assert counting.total == 1
    assert (a[:16, :16] == data[0]).all()
    assert counting.total == 2
    with ThreadPoolExecutor(8) as pool:
        for whole in pool.map(lambda _: a[...], range(8)):
            assert (whole == expected(data)).all()
    assert counting.total == 4  # 12 references, 5 in a partition
    again = pickle.loads(pickle.dumps(store))
    assert (exzarr.open(again)["g/a"][...] == expected(data)).all()


def test_memory_for_partitions_is_bounded(tmp_path, data, monkeypatch):
    monkeypatch.setattr(parquet_set, "KEPT_NBYTES", 1500)
    counting = CountingStore(LocalStore(written(tmp_path, data, record_size=1), read_only=True))
    store = ReferenceStore(counting, base=tmp_path)
    for _ in range(2):
        assert (exzarr.open(store)["g/a"][...] == expected(data)).all()
        assert store._set._nbytes <= 1500
    assert counting.requests["range"] + counting.requests["get"] > 13


def test_references_to_places_not_allowed_raise(tmp_path, data):
    (tmp_path / "secret").write_bytes(b"secret")
    (tmp_path / "in").mkdir()
    root = str(tmp_path / "in" / "refs.parq")
    made = LazyReferenceMapper.create(root, fs=fsspec.filesystem("file"), record_size=10)
    made["a/.zarray"] = json.dumps({**ARRAY, "shape": [64], "chunks": [16]})
    for number, path in enumerate(["../secret", "/etc/passwd", "s3://b/k"]):
        made[f"a/{number}"] = [path, 0, 3]
    made.flush()
    store = ReferenceStore(root)
    for number in range(3):
        with pytest.raises(StoreError, match="not allowed"):
            store.get(f"a/{number}")
    assert store.traits.concurrency == 0
    other = MemoryStore()
    other.put("k", b"0123")
    far = ReferenceStore(root, allow=["s3://b/"], stores={"s3://b": other})
    assert bytes(far.get("a/2")) == b"012"
    assert far.traits.concurrency == 64


def document(metadata=None, record_size=10):
    return {
        "metadata": metadata or {"a/.zarray": {**ARRAY, "shape": [64], "chunks": [16]}},
        "record_size": record_size,
    }


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[" * 100_000,
        b"[]",
        {"metadata": {}},
        {"record_size": 5},
        {"metadata": [], "record_size": 5},
        document(record_size=0),
        document(record_size=-1),
        document(record_size=10**12),
        document(record_size=1.5),
        document(record_size=True),
        document({"../x/.zarray": ARRAY}),
        document({"a/.zarray": 3}),
        document({"a/.zarray": {**ARRAY, "chunks": [16]}}),
        document({"a/.zarray": {**ARRAY, "chunks": [0, 1]}}),
        document({"a/.zarray": {**ARRAY, "shape": [-1, 1]}}),
        document({"a/.zarray": {**ARRAY, "shape": [1 << 70, 1]}}),
        document({"a/.zarray": {**ARRAY, "dimension_separator": "/"}}),
    ],
    ids=str,
)
def test_invalid_reference_set_raises(content):
    folder = MemoryStore()
    folder.put(".zmetadata", content if isinstance(content, bytes) else json.dumps(content).encode())
    with pytest.raises((StoreError, UnsupportedError), match="references"):
        ReferenceStore(folder)


def test_folder_without_references_raises(tmp_path):
    with pytest.raises(StoreError, match=r"no \.zmetadata"):
        ReferenceStore(tmp_path)


def partition(**columns):
    out = pa.BufferOutputStream()
    pq.write_table(pa.table(columns), out, compression="zstd")
    return out.getvalue().to_pybytes()


ROWS = {"path": ["f", "f"], "offset": [0, 1], "size": [1, 1], "raw": pa.nulls(2, pa.binary())}


def opened(content, record_size=10):
    folder = MemoryStore()
    folder.put(".zmetadata", json.dumps(document(record_size=record_size)).encode())
    folder.put("a/refs.0.parq", content)
    files = MemoryStore()
    files.put("f", b"xyz")
    return ReferenceStore(folder, allow=["s3://b/"], stores={"s3://b": files})


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"PAR1",
        b"x" * 1000,
        partition(**{**ROWS, "path": [1, 2]}),
        partition(**{**ROWS, "offset": [-1, 0]}),
        partition(**{**ROWS, "offset": [0.5, 0]}),
        partition(**{**ROWS, "offset": pa.nulls(2, pa.int64())}),
        partition(**{**ROWS, "size": ["1", "1"]}),
        partition(**{**ROWS, "path": [["f"], ["f"]]}),
        partition(path=["f"] * 11, offset=[0] * 11, size=[1] * 11, raw=pa.nulls(11, pa.binary())),
    ],
    ids=range(10),
)
def test_invalid_partition_raises(content):
    with pytest.raises(StoreError, match="references in"):
        opened(content).get("a/0")


def test_columns_may_be_missing_and_chunks_beyond_the_last_row_are_absent():
    store = opened(partition(path=["s3://b/f"]))
    assert bytes(store.get("a/0")) == b"xyz"
    assert store.get("a/1") is None
    assert [*store.list()] == ["a/.zarray", "a/0"]
    assert opened(partition(raw=[b"abc"])).get("a/0") == b"abc"


@pytest.mark.slow
def test_a_small_partition_makes_no_large_allocation():
    # 300 MB of zeros are a few kB in Parquet.
    out = pa.BufferOutputStream()
    zeros = pa.table({"raw": pa.array([bytes(300_000_000)])})
    pq.write_table(zeros, out, compression="zstd", use_dictionary=False, write_statistics=False)
    assert out.getvalue().size < 200_000
    with pytest.raises(StoreError, match="when unpacked"):
        opened(out.getvalue().to_pybytes()).get("a/0")
    assert bytes(opened(partition(raw=[bytes(1000)])).get("a/0")) == bytes(1000)


def test_huge_grid_is_listed_quickly():
    folder = MemoryStore()
    endless = {**ARRAY, "shape": [1 << 62, 1 << 62], "chunks": [1, 1]}
    folder.put(".zmetadata", json.dumps(document({"a/.zarray": endless}, 2)).encode())
    folder.put("a/refs.3.parq", partition(raw=[b"x", None]))
    folder.put("a/refs.x.parq", b"?")
    assert [*ReferenceStore(folder).list()] == ["a/.zarray", "a/0.6"]


GOOD = partition(path=["f", None, "f"], offset=[0, 0, 1], size=[1, 0, 1], raw=[None, b"abc", None])


@given(st.lists(st.tuples(st.integers(0, len(GOOD) - 1), st.integers(0, 255)), min_size=1, max_size=8))
def test_damage_is_an_error_of_ours_or_harmless(changes):
    damaged = bytearray(GOOD)
    for at, byte in changes:
        damaged[at] = byte
    store = opened(bytes(damaged))
    for key in ("a/0", "a/1", "a/2"):
        try:
            value = store.get(key)
        except ExzarrError:
            continue
        assert value is None or len(value) < 1000
