"""Tests of stores in memory: sharing, names, copies and pickling."""

from __future__ import annotations

import gc
import os
import pickle
from threading import Barrier, Thread

import pytest

from exzarr.errors import StoreError
from exzarr.stores.base import KEEP
from exzarr.stores.memory import MemoryStore


def test_bytes_are_not_copied_and_other_buffers_are():
    store = MemoryStore()
    value = os.urandom(1000)
    store.put("a", value)
    assert store.get("a") is value
    buffer = bytearray(value)
    store.put("b", buffer)
    assert type(store.get("b")) is bytes
    assert len(buffer) == 1000
    buffer.clear()  # no view of it exists
    assert store.get("b") == value


def test_named_store_is_shared_in_the_process():
    store = MemoryStore("test-a-name")
    store.put("a", b"1")
    assert MemoryStore("test-a-name") == store
    assert MemoryStore("test-a-name").get("a") == b"1"
    assert MemoryStore("test-another").get("a") is None
    assert MemoryStore() != MemoryStore()
    assert store.url == "memory://test-a-name"


def test_concurrent_threads_get_the_same_named_store():
    start = Barrier(8)
    stores = []

    def ask():
        start.wait()
        stores.append(MemoryStore("test-at-once"))

    threads = [Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(stores)) == 1


def test_pickle_refers_to_the_store_while_it_exists():
    store = MemoryStore()
    store.put("a", b"1")
    pickled = pickle.dumps(store)
    assert len(pickled) < 200
    assert pickle.loads(pickled) == store
    del store
    gc.collect()
    with pytest.raises(StoreError, match="lives in the process that made it"):
        pickle.loads(pickled)


def test_unpickling_in_another_process_raises(run_python, tmp_path):
    store = MemoryStore("test-elsewhere")
    (tmp_path / "pickle").write_bytes(pickle.dumps(store))
    done = run_python("import pickle, sys; pickle.load(open(sys.argv[1], 'rb'))", str(tmp_path / "pickle"))
    assert "StoreError: a MemoryStore lives in the process that made it" in done.stderr


def test_unpickling_in_a_forked_child_raises():
    store = MemoryStore()
    pickled = pickle.dumps(store)
    child = os.fork()
    if not child:
        try:
            pickle.loads(pickled)
        except StoreError:
            own = pickle.loads(pickle.dumps(store)) == store
            os._exit(0 if own else 1)
        os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_listings_work_during_concurrent_puts_and_deletes():
    store = MemoryStore()
    start = Barrier(3)

    def write(name: str):
        start.wait()
        for i in range(300):
            store.put(f"{name}/{i % 10}", b"")
            store.delete(f"{name}/{(i + 5) % 10}")
        for i in range(10):
            store.put(f"{name}/{i}", b"")

    threads = [Thread(target=write, args=(name,)) for name in "ab"]
    for thread in threads:
        thread.start()
    start.wait()
    while any(thread.is_alive() for thread in threads):
        assert {*store.list_dir()[1]} <= {"a", "b"}
        assert len([*store.list("a")]) <= 10
    assert len([*store.list()]) == 20


def test_update_to_no_pieces_stores_an_empty_value() -> None:
    store = MemoryStore()
    store.put("a", b"old")
    store.update("a", lambda _: tuple([]))  # noqa: C409 - Python's one empty tuple
    assert store.get("a") == b""
    store.update("a", lambda _: KEEP)
    assert store.get("a") == b""
