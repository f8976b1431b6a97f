"""Caching stores."""

from __future__ import annotations

import os
import pickle
import random
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import exzarr
from exzarr import telemetry
from exzarr.errors import ArgumentError, CacheWarning, ChangedError
from exzarr.stores import (
    CachedStore,
    CountingStore,
    DiskCache,
    LocalStore,
    MemoryCache,
    MemoryStore,
    StoreWrapper,
)


@pytest.fixture(params=["memory", "disk"])
def new_cache(request, tmp_path):
    def make(max_bytes: int = 1 << 20):
        return (
            MemoryCache(max_bytes) if request.param == "memory" else DiskCache(tmp_path / "cache", max_bytes)
        )

    return make


def test_cached_values_are_not_read_again(new_cache):
    inner = CountingStore(MemoryStore())
    inner.put("a/k", b"0123456789")
    inner.reset()
    store = CachedStore(inner, new_cache())
    for _ in range(3):
        assert bytes(store.get("a/k")) == b"0123456789"
        assert bytes(store.get("a/k", (2, 3))) == b"234"
        assert bytes(store.get("a/k", (-2, None))) == b"89"
        into = bytearray(10)
        assert store.read_into("a/k", memoryview(into)) == 10
    assert inner.requests == {"get": 1, "range": 2}


def test_missing_keys_are_not_cached(new_cache):
    inner = MemoryStore()
    store = CachedStore(inner, new_cache(), max_age=None)
    assert store.get("k") is None
    inner.put("k", b"1")
    assert bytes(store.get("k")) == b"1"


def test_writes_through_the_cache_take_effect_immediately(new_cache):
    store = CachedStore(MemoryStore(), new_cache(), max_age=None)
    for write in (
        lambda: store.put("a/k", b"two"),
        lambda: store.put_parts("a/k", [b"th", b"ree"]),
        lambda: store.delete("a/k"),
        lambda: store.put("a/k", b"four"),
        lambda: store.delete_prefix("a"),
        lambda: store.put("a/k", b"five"),
        lambda: store.delete_prefix(""),
    ):
        store.get("a/k"), store.get("a/k", (1, 1)), store.get("ab")
        write()
        expected = store.inner.get("a/k")
        assert store.get("a/k") == expected
        assert store.get("a/k", (0, 2)) == (None if expected is None else expected[:2])


def test_writes_of_others_are_seen_after_max_age(new_cache):
    inner = CountingStore(MemoryStore())
    inner.put("k", b"old")
    store = CachedStore(inner, new_cache(), max_age=0)
    assert bytes(store.get("k")) == b"old"
    assert bytes(store.get("k")) == b"old"
    assert inner.requests == {"put": 1, "get": 1, "size": 1}, "asked for the version, and not for the value"
    inner.put("k", b"new")
    assert bytes(store.get("k")) == b"new"
    inner.delete("k")
    assert store.get("k") is None
    patient = CachedStore(inner, new_cache(), max_age=None)
    inner.put("k", b"first")
    patient.get("k")
    inner.put("k", b"second")
    assert bytes(patient.get("k")) == b"first", "max_age=None means that no other writer exists"


def test_cached_value_of_another_version_raises_changed_error(new_cache):
    inner = MemoryStore()
    inner.put("k", b"old")
    store = CachedStore(inner, new_cache(), max_age=None)
    version = store.fetch("k", (0, 1)).version
    assert bytes(store.fetch("k", (0, 1), version).data) == b"o"
    inner.put("k", b"new")
    with pytest.raises(ChangedError, match="'k'"):
        store.fetch("k", (1, 1), version)
    with pytest.raises(ChangedError):
        store.fetch("k", (0, 1), "another")


def test_cache_never_exceeds_max_bytes(new_cache):
    inner = MemoryStore()
    rng = random.Random(0)
    values = {f"k{i}": rng.randbytes(rng.randrange(3000)) for i in range(200)}
    for key, value in values.items():
        inner.put(key, value)
    cache = new_cache(20_000)
    store = CachedStore(inner, cache, max_age=None)
    for _ in range(600):
        key = rng.choice([*values])
        assert bytes(store.get(key)) == values[key]
        assert cache.nbytes <= 20_000
    assert cache.nbytes > 10_000


def test_recently_used_entries_stay(new_cache):
    inner = CountingStore(MemoryStore())
    for i in range(100):
        inner.put(f"k{i}", bytes(500))
    store = CachedStore(inner, new_cache(20_000), max_age=None)
    for i in range(100):
        store.get("k0")
        store.get(f"k{i}")
    inner.reset()
    store.get("k0")
    assert inner.total == 0
    store.get("k1")
    assert inner.total == 1


def test_large_values_are_not_cached(new_cache):
    inner = CountingStore(MemoryStore())
    inner.put("large", bytes(10_000))
    store = CachedStore(inner, new_cache(20_000), max_age=None)
    store.get("large"), store.get("large")
    assert inner.requests["get"] == 2
    nothing = CachedStore(inner, new_cache(0))
    assert len(nothing.get("large")) == 10_000
    with pytest.raises(ArgumentError):
        new_cache(-1)
    with pytest.raises(ArgumentError):
        CachedStore(inner, new_cache(), max_age=-1)


def test_cache_hits_emit_events(new_cache):
    inner = MemoryStore()
    inner.put("k", b"123")
    store = CachedStore(inner, new_cache())
    seen = []
    with telemetry.listening(seen.append):
        store.get("k"), store.get("k")
    assert [(e.cache, e.key, e.bytes) for e in seen if isinstance(e, telemetry.CacheHit)] == [
        ("values", "k", 3)
    ]


def test_value_replaced_during_read_is_not_cached():
    """The reader gets the old value before the writer puts the new value, and would cache it afterwards."""

    class Slow(StoreWrapper):
        def fetch(self, key, byte_range=None, version=None):
            found = super().fetch(key, byte_range, version)
            if bytes(found.data) == b"old":
                store.put("k", b"new")
            return found

    store = CachedStore(Slow(MemoryStore()), MemoryCache(), max_age=None)
    store.put("k", b"old")
    assert bytes(store.get("k")) == b"old"
    assert bytes(store.get("k")) == b"new"


def test_concurrent_reads_through_the_cache_are_correct(new_cache):
    inner = MemoryStore()
    values = {f"k{i}": os.urandom(300) for i in range(50)}
    for key, value in values.items():
        inner.put(key, value)
    store = CachedStore(inner, new_cache(8000))
    with ThreadPoolExecutor(4) as pool:
        keys = [random.Random(i).choice([*values]) for i in range(1500)]
        for key, value in zip(keys, pool.map(store.get, keys), strict=True):
            assert bytes(value) == values[key]


def test_arrays_are_read_through_the_cache(new_cache):
    inner = CountingStore(MemoryStore())
    data = np.random.default_rng(0).integers(0, 99, (40, 40))
    exzarr.create_array(inner, name="plain", data=data, chunks=(10, 10))
    exzarr.create_array(inner, name="sharded", data=data, chunks=(5, 5), shards=(20, 20))
    store = CachedStore(inner, new_cache(), max_age=None)
    for name in ("plain", "sharded"):
        assert (exzarr.open(store, path=name)[...] == data).all()
    inner.reset()
    assert (exzarr.open(store, path="plain")[...] == data).all()
    assert inner.total == 0


# -- on disk ---------------------------------------------------------------------------------------


def test_disk_cache_persists_after_restart(tmp_path, run_python):
    inner = LocalStore(tmp_path / "data")
    inner.put("a/k", b"value")
    source = """
import sys
from exzarr.stores import *
inner = CountingStore(LocalStore(sys.argv[1]))
store = CachedStore(inner, DiskCache(sys.argv[2]), max_age=0)
print(bytes(store.get("a/k")), bytes(store.get("a/k", (1, 2))), inner.requests["get"], inner.requests["range"])
"""
    args = (str(tmp_path / "data"), str(tmp_path / "cache"))
    assert run_python(source, *args).stdout == "b'value' b'al' 1 1\n"
    assert run_python(source, *args).stdout == "b'value' b'al' 0 0\n"
    inner.put("a/k", b"VALUE")
    assert run_python(source, *args).stdout == "b'VALUE' b'AL' 1 1\n"


def files_of(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


@pytest.mark.parametrize("damage", ["cut", "flip", "empty", "garbage", "head"])
def test_damaged_cache_files_are_ignored(tmp_path, damage):
    inner = MemoryStore()
    inner.put("k", b"0123456789" * 10)
    store = CachedStore(inner, DiskCache(tmp_path), max_age=None)
    store.get("k")
    (file,) = files_of(tmp_path)
    data = bytearray(file.read_bytes())
    match damage:
        case "cut":
            data = data[:-1]
        case "flip":
            data[-5] ^= 1
        case "empty":
            data = bytearray()
        case "garbage":
            data = bytearray(os.urandom(20_000))
        case "head":
            data = bytearray(b'{"place": ["k", 0, null], "crc32c": 0}\n')
    file.write_bytes(data)
    assert bytes(store.get("k")) == b"0123456789" * 10
    assert bytes(CachedStore(inner, DiskCache(tmp_path), max_age=None).get("k")) == b"0123456789" * 10


def test_any_key_has_a_valid_cache_file_name(tmp_path):
    inner = MemoryStore()
    cache = DiskCache(tmp_path / "cache")
    store = CachedStore(inner, cache, max_age=None)
    for key in ("...", "a" * 5000, "grüße/世界", "a b\nc", "\udcff", "-rf", "a/" * 50 + "b"):
        inner.put(key, key.encode(errors="surrogatepass"))
        assert bytes(store.get(key)) == bytes(store.get(key)) == key.encode(errors="surrogatepass")
    assert [path.name for path in tmp_path.iterdir()] == ["cache"]
    store.delete_prefix("")
    assert not files_of(tmp_path)


def test_disk_cache_leaves_other_files_alone(tmp_path):
    (tmp_path / "ab").mkdir()
    (tmp_path / "ab" / "mine.txt").write_bytes(bytes(10_000))
    cache = DiskCache(tmp_path, 1000)
    assert cache.nbytes == 0
    store = CachedStore(MemoryStore(), cache)
    store.put("k", bytes(100))
    store.get("k")
    store.delete_prefix("")
    assert [path.name for path in files_of(tmp_path)] == ["mine.txt"]


@pytest.mark.skipif(sys.platform == "win32", reason="permissions")
@pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() == 0, reason="root may write anywhere")
def test_reads_work_if_the_cache_folder_is_not_writable(tmp_path):
    folder = tmp_path / "cache"
    folder.mkdir()
    folder.chmod(0o500)
    store = CachedStore(MemoryStore(), DiskCache(folder))
    store.put("k", b"1")
    with pytest.warns(CacheWarning, match="cannot keep values"):
        assert bytes(store.get("k")) == b"1"
    assert bytes(store.get("k")) == b"1"


def test_pickle_of_a_cache_keeps_the_folder_but_no_memory(tmp_path):
    inner = LocalStore(tmp_path / "data")
    inner.put("k", b"1")
    store = CachedStore(inner, DiskCache(tmp_path / "cache", 1234), max_age=None)
    store.get("k")
    again = pickle.loads(pickle.dumps(store))
    inner.put("k", b"2")
    assert bytes(again.get("k")) == b"1"
    assert again.cache.max_bytes == 1234
    memory = pickle.loads(pickle.dumps(CachedStore(inner, MemoryCache(77))))
    assert memory.cache.max_bytes == 77
    assert bytes(memory.get("k")) == b"2"
