"""Stores of zarr-python, and of packages that derive from its `Store`, given to exzarr."""

from __future__ import annotations

import asyncio
import os
import pickle
import threading
import time

import numpy as np
import pytest
import zarr
from zarr.abc.store import Store as TheirStore
from zarr.storage import WrapperStore
from zarr.testing.store import LatencyStore as TheirLatencyStore

import exzarr
from exzarr.errors import ArgumentError, ListingUnsupportedError, ReadOnlyError, StoreError
from exzarr.stores import FsspecStore, LocalStore, MappingStore, ObjectStore, Store, ZarrPythonStore
from exzarr.testing.store_suite import StoreSuite

pytestmark = pytest.mark.slow


def wrapped() -> WrapperStore:
    return WrapperStore(zarr.storage.MemoryStore())


class TestStoreInMemory(StoreSuite):
    processes = False  # the store has a single writer
    pickles = False

    def make_store(self, tmp_path) -> Store:
        return ZarrPythonStore(wrapped())


class TestStoreInFolder(StoreSuite):
    processes = False  # the store has a single writer

    def make_store(self, tmp_path) -> Store:
        return ZarrPythonStore(WrapperStore(zarr.storage.LocalStore(tmp_path / "data")), single_writer=True)

    @pytest.mark.skip("zarr-python's LocalStore neither puts atomically nor lists what is being written")
    def test_reader_sees_old_or_new_value(self): ...


class TestDict(StoreSuite):
    processes = False  # the dict is in this process

    def make_store(self, tmp_path) -> Store:
        return MappingStore({})


class TestDictOfBuffers(StoreSuite):
    processes = False  # the dict is in this process

    def make_store(self, tmp_path) -> Store:
        return MappingStore({}, make_value=zarr.core.buffer.cpu.Buffer.from_bytes)


class MinimalStore(TheirStore):
    """What an author has to write, and no more."""

    supports_writes = supports_deletes = supports_listing = True

    def __init__(self) -> None:
        super().__init__()
        self.values: dict[str, bytes] = {}

    def __eq__(self, other):
        return self is other

    def __hash__(self):
        return id(self)

    async def get(self, key, prototype, byte_range=None):
        await asyncio.sleep(0)
        if byte_range is not None:
            raise RuntimeError("I do not know ranges")
        return None if key not in self.values else prototype.buffer.from_bytes(self.values[key])

    async def get_partial_values(self, prototype, key_ranges):
        return [await self.get(key, prototype, part) for key, part in key_ranges]

    async def exists(self, key):
        return key in self.values

    async def set(self, key, value):
        self.values[key] = value.to_bytes()

    async def delete(self, key):
        del self.values[key]

    async def list(self):
        for key in [*self.values]:
            yield key

    async def list_prefix(self, prefix):
        for key in [*self.values]:
            if key.startswith(prefix):
                yield key

    async def list_dir(self, prefix):
        top = prefix.rstrip("/") + "/" if prefix else ""
        for name in {key[len(top) :].partition("/")[0] for key in self.values if key.startswith(top)}:
            yield name


class TestMinimalStore(StoreSuite):
    processes = False  # the store has a single writer
    pickles = False

    def make_store(self, tmp_path) -> Store:
        return ZarrPythonStore(MinimalStore(), single_writer=True)


# -- what `open` makes of each class ------------------------------------------------------------------


def test_counterparts_of_zarr_pythons_own_classes(tmp_path):
    pytest.importorskip("obstore")
    from obstore.store import MemoryStore as Obstore

    cases = [
        (zarr.storage.LocalStore(tmp_path / "a"), LocalStore),
        (zarr.storage.MemoryStore(), MappingStore),
        (zarr.storage.ObjectStore(Obstore()), ObjectStore),
        (zarr.storage.FsspecStore.from_url("memory://fsspec-a"), FsspecStore),
        (wrapped(), ZarrPythonStore),
        (zarr.storage.LoggingStore(zarr.storage.MemoryStore()), ZarrPythonStore),
        (MinimalStore(), ZarrPythonStore),
    ]
    for theirs, kind in cases:
        group = exzarr.create_group(theirs)
        assert type(group.store) is kind
        group["x"] = np.arange(6)
        assert zarr.open_group(theirs, mode="r+")["x"][2:4].tolist() == [2, 3]
        assert exzarr.open(theirs)["x"][5] == 5


def test_memory_store_of_zarr_python_shares_its_values():
    theirs = zarr.storage.MemoryStore()
    z = zarr.create_array(theirs, shape=(8,), chunks=(4,), dtype="i4")
    a = exzarr.open(theirs)
    a[1:6] = 7
    z[5:7] = 9
    assert a[...].tolist() == z[...].tolist() == [0, 7, 7, 7, 7, 9, 9, 0]


def test_paths_arrays_and_groups_of_zarr_python():
    root = zarr.create_group(wrapped())
    z = root.create_array("g/a", data=np.arange(6))
    assert exzarr.open(z)[3] == 3
    assert exzarr.open(root["g"])["a"].path == "g/a"
    assert exzarr.open(z.store_path)[4] == 4


def test_read_only_stores():
    z = zarr.create_array(wrapped(), data=np.arange(6))
    closed = z.store.with_read_only(True)
    assert exzarr.open(closed).read_only
    with pytest.raises(ReadOnlyError, match="the WrapperStore is read-only"):
        exzarr.open(closed, mode="r+")
    with pytest.raises(ReadOnlyError):
        ZarrPythonStore(closed).put("a", b"")
    with pytest.raises(ReadOnlyError):
        ZarrPythonStore(closed).delete_prefix("")


def test_a_store_that_is_none_is_an_error():
    with pytest.raises(ArgumentError, match="needs a store of zarr-python, not object"):
        ZarrPythonStore(object())


# -- traits, errors, requests -------------------------------------------------------------------------


def test_partial_writes_need_a_single_writer(tmp_path):
    theirs = WrapperStore(zarr.storage.LocalStore(tmp_path))
    a = exzarr.create_array(theirs, shape=(8,), chunks=(4,), dtype="i4")
    a[:4] = 1
    with pytest.raises(StoreError, match=r"no conditional put.*single_writer=True"):
        a[1] = 2
    exzarr.open(ZarrPythonStore(theirs, single_writer=True))[1] = 2
    assert a[...].tolist() == [1, 2, 1, 1, 0, 0, 0, 0]


def test_traits():
    assert not ZarrPythonStore(wrapped()).traits.picklable  # in this process's memory
    assert not ZarrPythonStore(wrapped()).transactional
    assert ZarrPythonStore(wrapped(), concurrency=5).traits.concurrency == 5
    assert ZarrPythonStore(wrapped(), url="x://y").url == "x://y"


def test_several_requests_are_in_flight():
    theirs = TheirLatencyStore(zarr.storage.MemoryStore(), get_latency=0.05)
    data = np.arange(64)
    exzarr.create_array(theirs, data=data, chunks=(4,))
    a = exzarr.open(ZarrPythonStore(theirs, concurrency=16))
    began = time.monotonic()
    assert np.array_equal(a[...], data)
    assert time.monotonic() - began < 16 * 0.05


class FailingStore(MinimalStore):
    error: Exception = PermissionError(13, "not for you\nwith details")

    async def get(self, key, prototype, byte_range=None):
        raise self.error

    async def list_prefix(self, prefix):
        raise NotImplementedError
        yield


def test_errors_name_the_operation_the_key_and_the_store():
    store = ZarrPythonStore(FailingStore())
    with pytest.raises(
        StoreError, match=r"cannot get key 'a/b' in <FailingStore>: PermissionError: .*not"
    ) as e:
        store.get("a/b")
    assert e.value.errno == 13
    assert isinstance(e.value.__cause__, PermissionError)
    with pytest.raises(ListingUnsupportedError, match="FailingStore has no such listing"):
        store.list("")


def test_key_error_and_file_not_found_mean_missing(monkeypatch):
    for error in (KeyError("a"), FileNotFoundError("a")):
        monkeypatch.setattr(FailingStore, "error", error)
        assert ZarrPythonStore(FailingStore()).get("a") is None
        assert ZarrPythonStore(FailingStore()).size("a") is None


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_starts_its_own_event_loop(tmp_path):
    store = ZarrPythonStore(WrapperStore(zarr.storage.LocalStore(tmp_path)))
    store.put("a", b"parent")
    child = os.fork()
    if not child:
        ended = 1
        try:
            done = threading.Thread(target=store.put, args=("b", bytes(store.get("a"))))
            done.start()
            done.join(10)
            ended = 0
        finally:
            os._exit(ended)
    assert os.waitpid(child, 0)[1] == 0
    assert bytes(store.get("b")) == b"parent"


# -- mappings -----------------------------------------------------------------------------------------


def test_a_dict_is_a_store():
    values: dict = {}
    group = exzarr.create_group(values)
    group["x"] = np.arange(4)
    assert sorted(values) == ["x/c/0", "x/zarr.json", "zarr.json"]
    assert all(type(value) is bytes for value in values.values())
    exzarr.open(values, path="x", mode="r+")[1] = 9
    assert exzarr.open(values)["x"][...].tolist() == [0, 9, 2, 3]
    assert exzarr.open(values).store == group.store
    assert exzarr.open(values, mode="r").read_only
    assert pickle.loads(pickle.dumps(group))["x"][1] == 9


def test_a_dict_of_zarr_python_buffers_is_a_store():
    values: dict = {}
    zarr.create_array(zarr.storage.MemoryStore(values), data=np.arange(4))
    assert exzarr.open(values)[...].tolist() == [0, 1, 2, 3]


def test_a_dict_with_other_values_is_an_error():
    with pytest.raises(StoreError, match="the value at key 'zarr.json' in .* is a int"):
        exzarr.open({"zarr.json": 3})


def test_a_mapping_of_fsspec_is_its_folder():
    fsspec = pytest.importorskip("fsspec")
    exzarr.create_array(fsspec.get_mapper("memory://fsmap-x"), data=np.arange(4))
    assert zarr.open_array(fsspec.filesystem("memory").get_mapper("fsmap-x"), mode="r")[2] == 2


def test_changes_of_a_dict_by_others_are_noticed_in_an_update():
    values = {"a": b"1"}
    store = MappingStore(values)
    seen = []

    def change(value):
        seen.append(value.size)
        if len(seen) == 1:
            values["a"] = b"22"
        return [b"x" * value.size]

    store.update("a", change)
    assert seen == [1, 2]
    assert values == {"a": b"xx"}


def test_paths_and_dicts_import_neither_zarr_python_nor_asyncio(run_python):
    source = """
import sys, exzarr
exzarr.create_array("memory://a", shape=3, dtype="i2")
exzarr.create_array({}, shape=3, dtype="i2")
print(*{"asyncio", "zarr"} & set(sys.modules))
"""
    done = run_python(source)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == []
