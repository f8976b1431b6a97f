"""Arrays and groups in an object store, over HTTP."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import exzarr
from exzarr.stores import CountingStore, MemoryStore, ObjectStore
from tests.engine.strategies import arrays, blank, picks, values_for
from tests.engine.tools import assert_same, contents, numbered, open_array

pytest.importorskip("obstore")


@given(st.data())
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_any_selection_of_any_array(s3_server, data):
    local = data.draw(arrays())
    store = ObjectStore(f"s3://{s3_server.make_bucket()}", options=s3_server.options())
    for key, value in contents(local.store).items():
        store.put(key, value)
    array = open_array(store)
    model = blank(local)
    for _ in range(2):
        pick = data.draw(picks(array))
        value = data.draw(values_for(array, np.shape(pick.expect(model))))
        pick.write(array, value)
        pick.assign(model, value)
    for _ in range(2):
        pick = data.draw(picks(array))
        assert_same(pick.read(array), pick.expect(model))
    assert_same(open_array(store)[...], model)


@pytest.mark.parametrize("shards", [None, (20, 20)])
@pytest.mark.parametrize("zarr_format", [2, 3])
def test_arrays_grow_shrink_and_stay(s3_server, shards, zarr_format):
    if zarr_format == 2 and shards:
        pytest.skip("v2 has no shards")
    store = s3_server.store("deep/in.zarr")
    data = numbered((40, 30), "f4")
    more = {} if shards is None else {"shards": shards}
    a = exzarr.create_array(store, name="g/a", data=data, chunks=(10, 10), zarr_format=zarr_format, **more)
    a.append(data[:7])
    model = np.concatenate([data, data[:7]])
    a[3:29, ::-2] = -1
    model[3:29, ::-2] = -1
    a.resize((45, 25))
    model = model[:45, :25]
    a.attrs["units"] = "K"
    again = exzarr.open(ObjectStore(store.url, options=s3_server.options()), path="g/a")
    assert_same(again[...], model)
    assert again.attrs["units"] == "K"
    [chunk.data for chunk in again.chunk_stream()]
    assert not [key for key in store.list() if ".exzarr-" in key]


def test_hierarchies_are_walked_copied_consolidated_and_deleted(s3_server):
    store = s3_server.store()
    root = exzarr.create_group(store)
    for name in ("a/b/x", "a/y", "z"):
        root.create_array(name, data=np.arange(6), chunks=(4,))
    exzarr.consolidate_metadata(store)
    again = exzarr.open(store)
    assert sorted(again.keys()) == ["a", "z"]
    assert again["a/b/x"][...].tolist() == [*range(6)]
    exzarr.copy(store, MemoryStore("copied-from-s3"))
    assert exzarr.open("memory://copied-from-s3/a/y")[2:].tolist() == [2, 3, 4, 5]
    del root["a"]
    assert sorted(exzarr.open_group(store, use_consolidated=False).keys()) == ["z"]
    assert not [key for key in store.list() if key.startswith("a/")]


def test_what_others_write_there_is_read_and_the_reverse(s3_server):
    zarr = pytest.importorskip("zarr")
    from zarr.storage import ObjectStore as TheirStore

    store = s3_server.store()
    theirs = TheirStore(store._client)
    data = numbered((30, 30), "i4")
    z = zarr.create_array(theirs, name="theirs", shape=(30, 30), chunks=(5, 5), shards=(15, 15), dtype="i4")
    z[...] = data
    assert_same(exzarr.open(store, path="theirs")[3:29:2, ::-1], data[3:29:2, ::-1])
    exzarr.create_array(store, name="ours", data=data, chunks=(5, 5), shards=(15, 15))
    assert_same(zarr.open_array(theirs, path="ours", mode="r")[3:29], data[3:29])


APPENDER = """
import sys
import exzarr
from exzarr.stores import ObjectStore, S3Options
options = S3Options(endpoint=sys.argv[2], region="us-east-1", access_key_id="a", secret_access_key="b")
a = exzarr.open(ObjectStore(sys.argv[1], options=options), mode="r+")
for i in range(10):
    a[int(sys.argv[3]) * 10 + i :: 40] = int(sys.argv[3]) + 1
"""


def test_processes_that_write_parts_of_the_same_chunks_and_shards_lose_nothing(s3_server, run_python):
    for more in ({}, {"shards": (80,)}):
        store = s3_server.store()
        a = exzarr.create_array(store, shape=(80,), chunks=(40,), dtype="i4", **more)
        with ThreadPoolExecutor(4) as pool:
            args = [(store.url, s3_server.endpoint, str(i)) for i in range(4)]
            for done in pool.map(lambda args: run_python(APPENDER, *args), args):
                assert not done.returncode, done.stderr
        assert a[...].tolist() == [i // 10 + 1 for i in range(40)] * 2


# -- how many requests: what docs/guides/object-stores.md says ------------------------------------


def counted(shards: Any = None) -> tuple[MemoryStore, CountingStore]:
    inner = MemoryStore()
    root = exzarr.create_group(inner)
    more = {} if shards is None else {"shards": shards}
    root.create_array("a/b", shape=(64, 64), chunks=(8, 8), dtype="f4", **more)[...] = 1
    store = CountingStore(inner)
    store.concurrency = 8
    return inner, store


def test_opening_takes_one_request_and_no_listing():
    inner, store = counted()
    exzarr.open(store)
    assert store.requests == {"get": 1}
    store.reset()
    exzarr.open(store, path="a/b")
    assert store.requests == {"get": 1}
    exzarr.consolidate_metadata(inner)
    store.reset()
    root = exzarr.open(store)
    assert store.requests == {"get": 1}
    assert root["a/b"].shape == (64, 64)
    assert sorted(root.keys()) == ["a"]
    assert store.requests == {"get": 1}, "the whole hierarchy came with it"


def test_a_window_of_a_sharded_array_takes_an_index_and_a_range_for_each_shard():
    _, store = counted(shards=(32, 32))
    a = exzarr.open(store, path="a/b")
    store.reset()
    a[5:12, 5:12]
    assert store.requests == {"range": 2}
    store.reset()
    a[5:12, 28:36]
    assert store.requests == {"range": 3}, "of one of the two shards the index is known"


def test_an_append_of_whole_chunks_puts_them_and_the_document():
    _, store = counted()
    a = exzarr.open(store, path="a/b", mode="r+")
    store.reset()
    a.append(np.ones((8, 64), "f4"))
    assert store.requests["put"] == 8 + 1
    assert store.requests["list"] == 0


def test_threads_that_append_lose_no_row(s3_server):
    store = s3_server.store()
    exzarr.create_array(store, shape=(0,), chunks=(16,), dtype="i4")

    def append(thread):
        a = exzarr.open(store, mode="r+")
        for i in range(6):
            a.append(np.full(10, thread * 100 + i))

    with ThreadPoolExecutor(4) as pool:
        [*pool.map(append, range(1, 5))]
    rows = exzarr.open(store)[...]
    assert rows.shape == (240,)
    assert sorted(rows.reshape(24, 10)[:, 0]) == sorted(i * 100 + k for i in range(1, 5) for k in range(6))
    assert (rows.reshape(24, 10) == rows.reshape(24, 10)[:, :1]).all()
