"""The store passes exzarr's suite for stores, and survives what can happen to a file."""

from __future__ import annotations

import exzarr
import numpy as np
import pytest
from exzarr.testing.store_processes import StoreProcesses
from exzarr.testing.store_suite import StoreSuite
from exzarr.testing.store_updates import StoreUpdates
from exzarr_acq import container
from exzarr_acq.store import AcqStore


class TestAcqStore(StoreSuite):
    def make_store(self, tmp_path):
        return AcqStore(tmp_path / "new" / "data.acq")


class TestWithManyIndexes(StoreProcesses, StoreUpdates):
    """Every third record is followed by an index."""

    @pytest.fixture(autouse=True)
    def often(self, monkeypatch):
        monkeypatch.setattr(container, "INDEX_EVERY", 3)

    def make_store(self, tmp_path):
        return AcqStore(tmp_path / "data.acq")


def test_a_file_that_is_cut_anywhere_has_the_whole_records(tmp_path):
    store = AcqStore(tmp_path / "a.acq")
    sizes = []
    for i in range(5):
        store.put(f"k{i}", b"%d" % i * 10)
        sizes.append((tmp_path / "a.acq").stat().st_size)
    data = (tmp_path / "a.acq").read_bytes()
    for length in range(len(container.MAGIC), len(data)):
        path = tmp_path / f"cut{length}.acq"
        path.write_bytes(data[:length])
        cut = AcqStore(path)
        assert sorted(cut.list()) == [f"k{i}" for i, size in enumerate(sizes) if size <= length]
        cut.put("after", b"1")
        assert AcqStore(path).get("after") == b"1"
        assert sorted(AcqStore(path).list()) == sorted(["after", *cut.list()][1:])


def test_damaged_values_are_found(tmp_path):
    store = AcqStore(tmp_path / "a.acq")
    store.put("k", b"value" * 10)
    data = bytearray((tmp_path / "a.acq").read_bytes())
    data[data.index(b"value")] ^= 1
    (tmp_path / "a.acq").write_bytes(data)
    with pytest.raises(exzarr.StoreError, match="checksum"):
        AcqStore(tmp_path / "a.acq").get("k")


def test_other_files_are_refused(tmp_path):
    (tmp_path / "a.acq").write_bytes(b"something else")
    with pytest.raises(exzarr.StoreError, match="is not an"):
        exzarr.open(f"acq://{tmp_path}/a.acq")
    for url in ("acq://nothing", "acq://x.acqx"):
        with pytest.raises(exzarr.ArgumentError, match=r"ends in \.acq"):
            exzarr.open(url)


def test_compaction_keeps_values_for_open_readers_and_writers(tmp_path):
    store, reader = AcqStore(tmp_path / "a.acq"), AcqStore(tmp_path / "a.acq")
    for i in range(50):
        store.put(f"k{i % 5}", b"%d" % i * 100)
    old = reader.open_value("k3")
    saved = store.compact()
    assert saved > 4000
    assert reader.get("k3") == b"48" * 100
    buffer = bytearray(200)
    old.read_into(memoryview(buffer), 0)
    assert buffer == b"48" * 100
    reader.put("k3", b"new")
    assert store.get("k3") == AcqStore(tmp_path / "a.acq").get("k3") == b"new"


def test_arrays_of_all_plugged_types(tmp_path):
    url = f"acq://{tmp_path}/run.acq/sensors/one"
    array = exzarr.create_array(
        url, shape=(50, 4), dtype={"name": "acq.adc12", "configuration": {"volts": 3.3}},
        chunks={"name": "acq.runs", "configuration": {"lengths": [10, 25, 15]}},
        chunk_key_encoding="acq.suffix", fill_value=4095,
    )  # fmt: skip
    values = np.arange(200, dtype="u2").reshape(50, 4)
    array[5:45] = values[5:45]
    again = exzarr.open_array(url, mode="r")
    assert again[5:45].tolist() == values[5:45].tolist()
    assert (again[:5] == 4095).all()
    assert again.metadata.data_type.name == "acq.adc12"
    assert again.write_chunk_sizes[0] == (10, 25, 15)
    array.append(values[:30])
    assert exzarr.open_array(url)[50:].tolist() == values[:30].tolist()
    keys = {*AcqStore(tmp_path / "run.acq").list()}
    assert "sensors/one/2.0.acqchunk" in keys
    assert not exzarr.check(f"acq://{tmp_path}/run.acq", deep=True, grace=0).findings


def test_exzarr_lists_what_the_package_adds():
    ours = {
        (one.kind, one.name): one.status
        for one in exzarr.registry.plugins(load=True)
        if "exzarr-acq 1.0" in one.origin
    }
    assert ours == dict.fromkeys(
        [
            ("codec", "acq.quantize"), ("store", "acq"), ("data type", "acq.adc12"),
            ("chunk key encoding", "acq.suffix"), ("chunk grid", "acq.runs"),
        ],
        "available",
    )  # fmt: skip
