"""Store wrappers, and the exports of the package."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

import exzarr
import exzarr.stores
from exzarr.errors import InvalidKeyError, ReadOnlyError
from exzarr.stores import LocalStore, MemoryStore, PrefixStore, ReadOnlyStore, StoreWrapper


def test_all_exported_names_exist():
    for name in exzarr.stores.__all__:
        assert getattr(exzarr.stores, name) is not None
    assert dir(exzarr.stores) == sorted(exzarr.stores.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'S4Store'"):
        _ = exzarr.stores.S4Store


def test_wrapper_forwards_the_overrides_of_its_store():
    calls = []

    class RecordingStore(MemoryStore):
        def read_into(self, key, buffer, start=0):
            calls.append("read_into")
            return super().read_into(key, buffer, start)

        def open_value(self, key):
            calls.append("open_value")
            return super().open_value(key)

        def delete_prefix(self, prefix):
            calls.append("delete_prefix")
            super().delete_prefix(prefix)

    store = PrefixStore(StoreWrapper(RecordingStore()), "p")
    store.put("a", b"123")
    store.read_into("a", memoryview(bytearray(3)))
    store.open_value("a")
    store.delete_prefix("a")
    assert calls == ["read_into", "open_value", "delete_prefix"]


def test_prefix_store_gives_no_access_outside_its_prefix(tmp_path):
    inner = LocalStore(tmp_path)
    inner.put("secret", b"1")
    inner.put("p/a", b"1")
    store = PrefixStore(inner, "p")
    for key in ("../secret", "", "/secret", "a/../../secret"):
        with pytest.raises(InvalidKeyError):
            store.get(key)
    store.delete_prefix("")
    assert [*inner.list()] == ["secret"]
    with pytest.raises(InvalidKeyError):
        PrefixStore(inner, "../x")


def test_wrappers_forward_local_path(tmp_path):
    store = ReadOnlyStore(PrefixStore(LocalStore(tmp_path), "p"))
    assert Path(store.local_path("a/b")) == tmp_path / "p" / "a" / "b"
    assert Path(store.local_path("")) == tmp_path / "p"
    assert PrefixStore(MemoryStore(), "p").local_path("a") is None


def test_prefix_of_a_read_only_store_is_read_only(tmp_path):
    store = PrefixStore(LocalStore(tmp_path, read_only=True), "p")
    assert store.read_only is True
    with pytest.raises(ReadOnlyError, match="'p/a'"):
        store.put("a", b"")


def test_wrappers_pickle_with_their_inner_store(tmp_path):
    store = ReadOnlyStore(PrefixStore(LocalStore(tmp_path), "p"))
    again = pickle.loads(pickle.dumps(store))
    assert again == store
    assert hash(again) == hash(store)
    assert again.read_only is True


def test_urls_and_reprs_show_the_inner_store(tmp_path):
    store = PrefixStore(LocalStore(tmp_path), "p/q")
    assert store.url == f"{LocalStore(tmp_path).url}/p/q"
    assert repr(store) == f"PrefixStore({LocalStore(tmp_path)!r}, 'p/q')"


class RecordingStore(StoreWrapper):
    """Wrapper that overrides putting and deleting, but not updates."""

    def __init__(self, inner):
        super().__init__(inner)
        self.log = []

    def put(self, key, value):
        self.log.append(f"put {key}")
        super().put(key, value)

    def put_parts(self, key, parts):
        self.put(key, b"".join(parts))

    def delete(self, key):
        self.log.append(f"delete {key}")
        super().delete(key)


def test_a_wrapper_that_overrides_put_sees_updates_and_new_values(tmp_path):
    store = RecordingStore(LocalStore(tmp_path))
    array = exzarr.create_array(store, shape=8, dtype="i1", chunks=4)
    assert store.log == ["put zarr.json"]
    store.log.clear()
    array[1] = 1
    array.append([1])
    array[1] = 0
    assert store.log == ["put c/0", "put c/2", "put zarr.json", "delete c/0"]
    with pytest.raises(exzarr.NodeExistsError):
        exzarr.create_array(store, shape=8, dtype="i1", chunks=4)


def test_wrapper_that_overrides_put_excludes_the_same_writers(tmp_path):
    inner = LocalStore(tmp_path)
    store = RecordingStore(inner)
    store.put("k", b"old")

    def change(value):
        for other in (inner, RecordingStore(LocalStore(tmp_path))):
            with exzarr.config.override(lock_timeout=0.01), pytest.raises(exzarr.LockTimeoutError):
                other.update("k", lambda _: [b"theirs"])
        return [b"new"]

    store.update("k", change)
    assert bytes(inner.get("k")) == b"new"
    assert store.log == ["put k", "put k"]
