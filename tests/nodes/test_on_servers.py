"""Arrays and groups in object stores, over HTTP."""

from __future__ import annotations

import os
import random
import re
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, strategies as st

import exzarr
from exzarr.stores import CountingStore, LatencyStore, MemoryStore, ObjectStore
from tests.breadth import SOAK, examples
from tests.engine.strategies import arrays, blank, picks, values_for
from tests.engine.tools import assert_same, contents, numbered, open_array
from tests.nodes.test_concurrent_writes import run_all, start
from tests.nodes.test_transactions import blocks
from tests.object_servers import OPEN

obstore = pytest.importorskip("obstore")
zarr = pytest.importorskip("zarr")


@given(st.data())
@examples(12, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_any_selection_of_any_array_equals_numpy(object_server, data):
    local = data.draw(arrays())
    store = object_server.store()
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
def test_appends_and_resizes_on_servers(object_server, shards, zarr_format):
    if zarr_format == 2 and shards:
        pytest.skip("v2 has no shards")
    store = object_server.store("deep/in.zarr")
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
    again = exzarr.open(ObjectStore(store.url, options=object_server.options()), path="g/a")
    assert_same(again[...], model)
    assert again.attrs["units"] == "K"
    [chunk.data for chunk in again.chunk_stream()]
    assert not [key for key in store.list() if ".exzarr-" in key]


def test_hierarchies_on_servers_are_walked_copied_consolidated_and_deleted(object_server):
    store = object_server.store()
    root = exzarr.create_group(store)
    for name in ("a/b/x", "a/y", "z"):
        root.create_array(name, data=np.arange(6), chunks=(4,))
    exzarr.consolidate_metadata(store)
    again = exzarr.open(store)
    assert sorted(again.keys()) == ["a", "z"]
    assert again["a/b/x"][...].tolist() == [*range(6)]
    exzarr.copy(store, MemoryStore("copied-from-s3"), overwrite=True)
    assert exzarr.open("memory://copied-from-s3/a/y")[2:].tolist() == [2, 3, 4, 5]
    del root["a"]
    assert sorted(exzarr.open_group(store, use_consolidated=False).keys()) == ["z"]
    assert not [key for key in store.list() if key.startswith("a/")]


def test_exzarr_and_other_libraries_read_each_other_on_servers(object_server):
    from zarr.storage import ObjectStore as TheirStore

    store = object_server.store()
    theirs = TheirStore(store._client)
    data = numbered((30, 30), "i4")
    z = zarr.create_array(theirs, name="theirs", shape=(30, 30), chunks=(5, 5), shards=(15, 15), dtype="i4")
    z[...] = data
    assert_same(exzarr.open(store, path="theirs")[3:29:2, ::-1], data[3:29:2, ::-1])
    exzarr.create_array(store, name="ours", data=data, chunks=(5, 5), shards=(15, 15))
    assert_same(zarr.open_array(theirs, path="ours", mode="r")[3:29], data[3:29])


# -- several processes -----------------------------------------------------------------------------

WORK = f"""
{OPEN}
import numpy as np
root = exzarr.open_group(open_store(), mode="r+", use_consolidated=False)
log, parts = root["log"], [root["chunk"], root["shard"]]
me, times = int(sys.argv[2]), int(sys.argv[3])
print("ready", flush=True)
sys.stdin.readline()
for i in range(times):
    log.append(np.full((10, 3), 1 + me + 8 * i))
    log.attrs[f"{{me}}-{{i}}"] = i
    parts[i % 2][me::8] = 100 * me + i
"""


def read_with_zarr(store: Any, path: str) -> Any:
    """Read an array with zarr-python. Its client does not retry, and moto answers 500 to some concurrent requests."""
    for _ in range(20):
        try:
            return zarr.open_array(store, path=path, mode="r")[:]
        except obstore.exceptions.GenericError as error:
            if "500" not in str(error):
                raise
    raise AssertionError("moto answered 500 twenty times in a row")


@pytest.mark.cover  # a hundred appends in `make soak`
def test_appends_by_eight_processes_with_partial_writes_attributes_and_readers(object_server):
    """No row is lost or stored twice, and readers (exzarr, zarr-python) never see part of an append."""
    store = object_server.store("deep/in.zarr")
    root = exzarr.create_group(store)
    root.create_array("log", shape=(0, 3), chunks=(25, 3), dtype="i4", fill_value=-1)
    root.create_array("chunk", shape=80, chunks=80, dtype="i4")
    root.create_array("shard", shape=80, chunks=10, shards=80, dtype="i4")
    times = [13, 12] * 4 if SOAK else [5, 4] * 4
    processes = [start(WORK, object_server.describe(store), me, n) for me, n in enumerate(times)]
    stop = threading.Event()
    failures: list[BaseException] = []
    seen: set[int] = set()

    def read() -> None:
        theirs = zarr.storage.ObjectStore(store._client)
        try:
            while not stop.wait(0.05):
                found = [exzarr.open_array(store, path="log")[:]]
                found.append(read_with_zarr(theirs, "deep/in.zarr/log"))
                for rows in found:
                    numbers = blocks(rows)
                    seen.add(len(numbers))
                    assert len({*numbers}) == len(numbers)
                    assert min(numbers, default=1) > 0
        except BaseException as error:  # noqa: BLE001 - raised below, in the thread that pytest looks at
            failures.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    try:
        run_all(processes)
    finally:
        stop.set()
        reader.join()
    assert not failures, failures
    assert len(seen) > 3
    log = exzarr.open_array(store, path="log")
    assert log.shape == (10 * sum(times), 3)
    assert sorted(blocks(log[:])) == sorted(1 + me + 8 * i for me, n in enumerate(times) for i in range(n))
    assert dict(log.attrs) == {f"{me}-{i}": i for me, n in enumerate(times) for i in range(n)}
    last = [[n - 1 - (n - 1 - which) % 2 for n in times] for which in (0, 1)]
    for which, name in enumerate(("chunk", "shard")):
        expected = [100 * me + last[which][me] for me in range(8)]
        assert exzarr.open_array(store, path=name)[:].tolist() == expected * 10
    assert not [
        key for key in store.list() if not re.fullmatch(r"zarr.json|(log|chunk|shard)/(zarr.json|c/.*)", key)
    ]


APPEND = f"""
{OPEN}
import numpy as np
a = exzarr.open_array(open_store(), mode="r+")
me, times = int(sys.argv[2]), int(sys.argv[3])
print("ready", flush=True)
for i in range(times):
    a.append(np.full((10, 3), 1 + me + 8 * i))
    print(1 + me + 8 * i, flush=True)
"""


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_paused_resumed_and_killed_appenders_lose_nothing(object_server, monkeypatch):
    """Appenders are paused for longer than the lease timeout at random moments and resumed, or killed."""
    monkeypatch.setenv("EXZARR_LEASE_TIMEOUT", "0.3")
    rng = random.Random(os.environ.get("EXZARR_TEST_SEED", "1"))
    store = object_server.store()
    exzarr.create_array(store, shape=(0, 3), chunks=(7, 3), dtype="i4", fill_value=-1)
    processes = [start(APPEND, object_server.describe(store), me, 12 if me < 3 else 10**6) for me in range(4)]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for _ in range(4):
        one = rng.choice(processes[:3])
        one.send_signal(signal.SIGSTOP)
        time.sleep(rng.uniform(0.3, 0.6))
        one.send_signal(signal.SIGCONT)
        time.sleep(rng.uniform(0.05, 0.2))
    processes[3].kill()
    done = [
        process.stdout.read() for process in processes
    ]  # `communicate` would lose what `readline` has buffered
    for process in processes:
        process.communicate()
    assert [process.returncode for process in processes] == [0, 0, 0, -signal.SIGKILL]
    found = blocks(exzarr.open_array(store)[:])
    reported = {int(line) for text in done for line in text.split()}
    assert len({*found}) == len(found)
    assert reported <= {*found}
    assert [number % 8 for number in {*found} - reported] in ([], [4]), (
        "the last append of the killed process, which it could not report"
    )


# -- number of requests, as in docs/guides/object-stores.md ------------------------------------


def counted(shards: Any = None) -> tuple[MemoryStore, CountingStore]:
    inner = MemoryStore()
    root = exzarr.create_group(inner)
    more = {} if shards is None else {"shards": shards}
    root.create_array("a/b", shape=(64, 64), chunks=(8, 8), dtype="f4", **more)[...] = 1
    store = CountingStore(LatencyStore(inner, 0, concurrency=8))
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
    assert store.requests == {"get": 1}, "the first read returns the whole hierarchy"


def test_a_window_of_a_sharded_array_takes_an_index_and_a_range_for_each_shard():
    _, store = counted(shards=(32, 32))
    a = exzarr.open(store, path="a/b")
    store.reset()
    a[5:12, 5:12]
    assert store.requests == {"range": 2}
    store.reset()
    a[5:12, 28:36]
    assert store.requests == {"range": 3}, "the index of one of the two shards is cached"


def test_append_of_whole_chunks_puts_chunks_and_document():
    _, store = counted()
    a = exzarr.open(store, path="a/b", mode="r+")
    store.reset()
    a.append(np.ones((8, 64), "f4"))
    assert store.requests["put"] == 8 + 1
    assert store.requests["list"] == 0


def test_appending_threads_lose_no_row(object_server):
    store = object_server.store()
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
