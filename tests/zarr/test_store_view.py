"""zarr-python's conformance suite of stores, on stores of exzarr."""

from __future__ import annotations

import asyncio
import functools
import inspect
import pickle
import threading
import time
from typing import Any

import numpy as np
import pytest
import zarr
from zarr.core.buffer import cpu, default_buffer_prototype
from zarr.testing.store import StoreTests

import exzarr
from exzarr.errors import ReadOnlyError
from exzarr.stores import (
    CachedStore,
    LatencyStore,
    LocalStore,
    MemoryCache,
    MemoryStore,
    PrefixStore,
    RetryStore,
    SQLiteStore,
    Store,
)
from exzarr.zarr import as_store, as_zarr
from exzarr.zarr.store_view import StoreView

pytestmark = pytest.mark.slow


class _StoreTests(StoreTests[Any, cpu.Buffer]):
    """zarr-python's suite, without the plugin that runs asynchronous tests."""

    store_cls = StoreView
    buffer_cls = cpu.Buffer

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        for name, test in inspect.getmembers(cls, inspect.iscoroutinefunction):
            if name.startswith("test_"):
                setattr(cls, name, _synchronous(test))

    def make_store(self, tmp_path) -> Store:
        raise NotImplementedError

    @pytest.fixture
    def store_kwargs(self, tmp_path):
        return {"store": self.make_store(tmp_path)}

    @pytest.fixture
    def store(self, store_kwargs):
        return asyncio.run(StoreView.open(**store_kwargs))

    @pytest.fixture
    def store_not_open(self, store_kwargs):
        return StoreView(**store_kwargs)

    async def set(self, store, key, value):
        store.store.put(key, value.to_bytes())

    async def get(self, store, key):
        return cpu.Buffer.from_bytes(store.store.get(key))

    def test_store_repr(self, store):
        assert repr(store) == f"exzarr.zarr.as_store({store.store!r})"
        assert str(store) == store.store.url

    def test_store_supports_writes(self, store):
        assert store.supports_writes
        assert store.supports_deletes

    def test_store_supports_listing(self, store):
        assert store.supports_listing


def _synchronous(test):
    @functools.wraps(test)
    def run(*args, **kwargs):
        return asyncio.run(test(*args, **kwargs))

    return run


class TestMemory(_StoreTests):
    def make_store(self, tmp_path):
        return MemoryStore()


class TestLocal(_StoreTests):
    def make_store(self, tmp_path):
        return LocalStore(tmp_path / "data")


class TestSQLite(_StoreTests):
    def make_store(self, tmp_path):
        return SQLiteStore(tmp_path / "data.sqlite")


class TestLatency(_StoreTests):
    def make_store(self, tmp_path):
        return LatencyStore(MemoryStore(), 0.0001)


class TestWrappers(_StoreTests):
    def make_store(self, tmp_path):
        return CachedStore(RetryStore(PrefixStore(MemoryStore(), "a/b")), MemoryCache(1 << 20))


class TestDict(_StoreTests):
    def make_store(self, tmp_path):
        return exzarr.stores.MappingStore({})


# -- reading and writing with zarr-python -----------------------------------------------------------


@pytest.fixture
def slow():
    return LatencyStore(MemoryStore(), 0.001)


def test_zarr_python_reads_what_exzarr_writes_and_the_reverse(slow):
    data = np.arange(120.0).reshape(10, 12)
    exzarr.create_array(slow, name="a", data=data, chunks=(3, 4), shards=(6, 12))
    theirs = zarr.open_group(as_store(slow), mode="r+")
    assert np.array_equal(theirs["a"][2:7, ::3], data[2:7, ::3])
    theirs.create_array("b", data=data.astype("i2"), chunks=(4, 4))
    theirs["a"][3] = -1
    assert np.array_equal(exzarr.open(slow)["b"][...], data)
    assert (exzarr.open(slow)["a"][3] == -1).all()
    assert [*exzarr.open(slow)] == ["a", "b"]


def test_requests_run_concurrently_and_do_not_block_the_event_loop():
    store = as_store(LatencyStore(MemoryStore(), 0.05, concurrency=8))
    ticks = []

    async def work():
        async def tick():
            while True:
                ticks.append(time.monotonic())
                await asyncio.sleep(0.005)

        ticking = asyncio.create_task(tick())
        await asyncio.gather(*(store.get(f"k{i}", default_buffer_prototype()) for i in range(8)))
        ticking.cancel()

    began = time.monotonic()
    asyncio.run(work())
    assert time.monotonic() - began < 8 * 0.05
    assert len(ticks) >= 3


def test_stores_inside_each_other_do_not_deadlock():
    from zarr.storage import WrapperStore

    inner = LatencyStore(MemoryStore(), 0.001)
    store = as_store(exzarr.stores.ZarrPythonStore(WrapperStore(as_store(inner)), single_writer=True))
    data = np.arange(200)
    z = zarr.create_array(store, data=data, chunks=(2,))
    assert np.array_equal(z[:], data)


def test_as_store_takes_paths(tmp_path):
    exzarr.create_array(tmp_path / "x", name="g/a", data=np.arange(5))
    store = as_store(tmp_path / "x")
    assert isinstance(store.store, LocalStore)
    assert zarr.open_array(store, path="g/a", mode="r")[2] == 2
    exzarr.copy(tmp_path / "x", tmp_path / "x.zip")
    inside = as_store(f"{tmp_path}/x.zip/g")
    assert inside.read_only
    assert zarr.open_array(inside, path="a", mode="r")[3] == 3


def test_exzarr_opens_the_store_inside_as_store(slow):
    exzarr.create_array(slow, data=np.arange(3))
    opened = exzarr.open(as_store(slow))
    assert opened.store is slow
    with pytest.raises(ReadOnlyError):
        exzarr.open(as_store(slow, read_only=True), mode="r+")
    assert exzarr.open(as_store(slow, read_only=True)).read_only


def test_read_only_stores_of_exzarr_are_read_only_in_zarr_python(slow):
    exzarr.create_array(slow, data=np.arange(3))
    store = as_store(slow.as_read_only())
    assert store.read_only
    assert not store.supports_writes
    with pytest.raises(ValueError, match="read-only"):
        zarr.open_array(store, mode="r+")


def test_pickles_and_equality(tmp_path):
    store = as_store(LocalStore(tmp_path))
    other = pickle.loads(pickle.dumps(store))
    assert other == store
    assert hash(other) == hash(store)
    assert store != store.with_read_only(True)
    assert store.with_read_only(True).store is store.store
    assert store != as_store(LocalStore(tmp_path / "other"))


def test_errors_of_the_medium_are_os_errors(tmp_path):
    (tmp_path / "a").write_bytes(b"")
    with pytest.raises(OSError, match="a/b") as caught:
        asyncio.run(as_store(LocalStore(tmp_path)).set("a/b", cpu.Buffer.from_bytes(b"")))
    assert caught.value.errno


def test_as_store_takes_nodes(slow):
    group = exzarr.create_group(slow, path="g")
    group["a"] = np.arange(3)
    assert zarr.open_array(as_store(group), path="a", mode="r")[2] == 2
    assert zarr.open_array(as_store(group["a"]), mode="r")[2] == 2
    assert as_store(exzarr.open(slow, mode="r")).read_only


def test_xarray_writes_and_reads_a_data_set():
    xr = pytest.importorskip("xarray")
    ds = xr.Dataset({"t": (("y", "x"), np.arange(12.0).reshape(3, 4))}, coords={"x": [1, 2, 3, 4]})
    store = LatencyStore(MemoryStore(), 0.0005)
    ds.to_zarr(as_store(store), consolidated=False)
    assert np.array_equal(exzarr.open(store)["t"][...], ds["t"].values)
    back = xr.open_zarr(as_store(store), consolidated=False)
    xr.testing.assert_identical(back.load(), ds)


# -- nodes ------------------------------------------------------------------------------------------


def test_as_zarr_gives_the_node_of_zarr_python(slow):
    group = exzarr.create_group(slow, path="g", attributes={"x": 1})
    array = group.create_array("a", data=np.arange(6), chunks=(2,))
    theirs = as_zarr(array)
    assert isinstance(theirs, zarr.Array)
    theirs[4] = 40
    assert array[4] == 40
    assert isinstance(as_zarr(group), zarr.Group)
    assert as_zarr(group).attrs.asdict() == {"x": 1}
    assert as_zarr(group).path == "g"
    old = exzarr.create_array(MemoryStore(), shape=4, dtype="i2", zarr_format=2)
    assert as_zarr(old).metadata.zarr_format == 2


@pytest.mark.parametrize("wrong", [3, None, "a.zarr", {}])
def test_as_zarr_refuses_what_is_no_node_of_exzarr(wrong):
    with pytest.raises(exzarr.ArgumentError, match=r"as_zarr takes .*exzarr\.open opens one"):
        as_zarr(wrong)


def test_as_zarr_of_a_read_only_node_is_read_only(slow):
    exzarr.create_array(slow, data=np.arange(3))
    theirs = as_zarr(exzarr.open(slow, mode="r"))
    assert theirs.read_only
    with pytest.raises(ValueError, match="read-only"):
        theirs[0] = 1


def test_stores_work_in_several_threads(slow):
    theirs = zarr.create_array(as_store(slow), shape=(64,), chunks=(4,), dtype="i4")
    threads = [
        threading.Thread(target=theirs.__setitem__, args=(slice(i * 8, i * 8 + 8), i)) for i in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert exzarr.open(slow)[...].tolist() == [i for i in range(8) for _ in range(8)]
