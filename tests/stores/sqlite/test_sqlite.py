"""Stores in one SQLite file."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys

import numpy as np
import pytest

import exzarr
from exzarr.errors import ArgumentError, ReadOnlyError, StoreError
from exzarr.stores import SQLiteStore


@pytest.fixture
def store(tmp_path):
    with SQLiteStore(tmp_path / "x.sqlite") as store:
        yield store


def test_reading_creates_no_file(tmp_path):
    store = SQLiteStore(tmp_path / "x" / "y.sqlite")
    assert store.get("k") is None
    assert store.get("k", (0, 1)) is None
    assert store.open_value("k") is None
    assert [*store.list()] == []
    assert store.list_dir() == ([], [])
    store.delete("k")
    store.delete_prefix("")
    assert not (tmp_path / "x").exists()
    store.put("k", b"1")
    assert (tmp_path / "x" / "y.sqlite").is_file()
    store.close()
    assert [path.name for path in (tmp_path / "x").iterdir()] == ["y.sqlite"], "one file when closed"
    assert store.get("k") == b"1", "and it can be used again"


def test_many_keys_are_listed_page_by_page(store):
    store.put("a/c/0", b"")
    store.delete("a/c/0")
    with sqlite3.connect(store.path) as db:
        db.executemany(
            "INSERT INTO entries (key, value) VALUES (?, x'')", ((f"a/c/{i}",) for i in range(25_000))
        )
    db.close()
    expected = {f"a/c/{i}" for i in range(25_000)}
    assert set(store.list()) == expected
    assert set(store.list("a/c")) == expected
    assert len(store.list_dir("a/c")[0]) == 25_000
    assert store.list_dir("a") == ([], ["c"])
    store.delete_prefix("a")
    assert [*store.list()] == []


def test_large_opened_value_is_stable_during_replacement(store):
    old, new = os.urandom(3_000_000), os.urandom(2_000_000)
    store.put("k", old)
    value = store.open_value("k")
    store.put("k", new)
    part = bytearray(1000)
    value.read_into(memoryview(part), 2_500_000)
    assert part == old[2_500_000:2_501_000]
    store.delete("k")
    value.read_into(memoryview(part), 0)
    assert part == old[:1000]
    with pytest.raises(StoreError, match="'k'"):
        value.read_into(memoryview(part), 2_999_001)
    value.close()
    assert store.open_value("k") is None


def test_versions_are_never_reused(store):
    store.put("k", b"1")
    first = store.fetch("k", (0, 0)).version
    store.delete("k")
    store.put("k", b"1")
    assert store.fetch("k", (0, 0)).version != first


def test_keys_that_are_not_valid_text_raise(store):
    with pytest.raises(StoreError):
        store.put("\udcff", b"")
    assert [*store.list()] == []


def test_file_that_is_not_a_database_raises(tmp_path):
    (tmp_path / "x.sqlite").write_bytes(b"something else entirely" * 100)
    store = SQLiteStore(tmp_path / "x.sqlite")
    for act in (lambda: store.get("k"), lambda: store.put("k", b""), lambda: [*store.list()]):
        with pytest.raises(StoreError, match="not a database"):
            act()


def test_foreign_database_reads_as_empty(tmp_path):
    with sqlite3.connect(tmp_path / "x.sqlite") as db:
        db.execute("CREATE TABLE mine (a)")
    db.close()
    store = SQLiteStore(tmp_path / "x.sqlite")
    assert store.get("k") is None
    assert [*store.list()] == []
    store.close()


def test_read_only_store_refuses_writes(tmp_path):
    store = SQLiteStore(tmp_path / "x.sqlite", read_only=True)
    for write in (lambda: store.put("k", b""), lambda: store.delete("k"), lambda: store.delete_prefix("")):
        with pytest.raises(ReadOnlyError):
            write()
    with pytest.raises(ArgumentError):
        SQLiteStore(tmp_path / "x.sqlite", durability="maybe")


WRITER = """
import sys
from exzarr.stores import SQLiteStore
store = SQLiteStore(sys.argv[1])
for i in range(150):
    store.put(f"{sys.argv[2]}/{i}", sys.argv[2].encode() * i)
    store.put("shared", bytes([i % 3]) * 20_000)
    seen = store.get("shared")
    assert len(seen) == 20_000 and len(set(seen)) == 1, "torn"
"""


def test_concurrent_processes_lose_no_writes(tmp_path):
    path = str(tmp_path / "x.sqlite")
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, path, name]) for name in "abc"]
    assert [writer.wait(120) for writer in writers] == [0, 0, 0]
    with SQLiteStore(path) as store:
        assert len([*store.list()]) == 3 * 150 + 1
        for name in "abc":
            assert all(store.get(f"{name}/{i}") == name.encode() * i for i in range(150))


COUNTER = """
import sys
from exzarr.stores import SQLiteStore
store = SQLiteStore(sys.argv[1])
for i in range(100):
    def one_more(value):
        old = bytearray(0 if value is None else value.size)
        if value is not None:
            value.read_into(memoryview(old), 0)
        return [old, b"."]
    store.update("k", one_more)
    store.put_if_absent(f"new/{i}", sys.argv[2].encode()) and store.update(f"made/{i}", one_more)
"""


def test_concurrent_updates_of_one_value_lose_nothing(tmp_path):
    path = str(tmp_path / "x.sqlite")
    writers = [subprocess.Popen([sys.executable, "-c", COUNTER, path, name]) for name in "abc"]
    assert [writer.wait(120) for writer in writers] == [0, 0, 0]
    with SQLiteStore(path) as store:
        assert store.get("k") == b"." * 300
        assert all(store.get(f"made/{i}") == b"." for i in range(100)), "each was made by one"


def test_killed_writer_leaves_a_valid_file(tmp_path):
    path = str(tmp_path / "x.sqlite")
    source = """
import sys
from exzarr.stores import SQLiteStore
store = SQLiteStore(sys.argv[1])
i = 0
while True:
    store.put("k", bytes([i % 7]) * 300_000)
    if i == 0:
        print("go", flush=True)
    i += 1
"""
    for _ in range(3):
        writer = subprocess.Popen([sys.executable, "-c", source, path], stdout=subprocess.PIPE)
        assert writer.stdout.readline() == b"go\n"
        writer.kill()
        writer.wait()
        writer.stdout.close()
        with SQLiteStore(path) as store:
            value = store.get("k")
            assert len(value) == 300_000
            assert len(set(value)) == 1
            store.put("after", b"1")
            assert store.get("after") == b"1"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_forked_child_opens_new_connections(store):
    store.put("k", b"parent")
    child = os.fork()
    if not child:
        try:
            ok = store.get("k") == b"parent"
            store.put("c", b"child")
            os._exit(0 if ok else 1)
        finally:
            os._exit(2)
    assert os.waitpid(child, 0)[1] == 0
    assert store.get("c") == b"child"
    store.put("k", b"again")


def test_hierarchies_are_stored(tmp_path):
    path = tmp_path / "cube.sqlite"
    data = np.random.default_rng(0).normal(size=(50, 60))
    root = exzarr.create_group(f"sqlite://{path}")
    root.create_array("plain", data=data, chunks=(20, 20))
    root.create_array("sharded", data=data, chunks=(10, 10), shards=(20, 20))
    again = exzarr.open(path)
    assert (again["plain"][...] == data).all()
    assert (again["sharded"][5:45:3] == data[5:45:3]).all()
    exzarr.copy(path, tmp_path / "folder.zarr")
    assert (exzarr.open(tmp_path / "folder.zarr/plain")[...] == data).all()
    assert exzarr.open(f"sqlite://{path}", mode="r").read_only
