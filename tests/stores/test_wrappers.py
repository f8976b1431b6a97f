"""Stores around stores, and what the package hands on."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

import exzarr.stores
from exzarr.errors import InvalidKeyError, ReadOnlyError
from exzarr.stores import LocalStore, MemoryStore, PrefixStore, ReadOnlyStore, StoreWrapper


def test_every_name_of_the_package_is_there():
    for name in exzarr.stores.__all__:
        assert getattr(exzarr.stores, name) is not None
    assert dir(exzarr.stores) == exzarr.stores.__all__
    with pytest.raises(AttributeError, match="has no attribute 'S4Store'"):
        _ = exzarr.stores.S4Store


def test_a_wrapper_hands_on_the_faster_ways_of_its_store():
    calls = []

    class Told(MemoryStore):
        def read_into(self, key, buffer, start=0):
            calls.append("read_into")
            return super().read_into(key, buffer, start)

        def read_ranges(self, key, ranges, buffer):
            calls.append("read_ranges")
            return super().read_ranges(key, ranges, buffer)

        def open_value(self, key):
            calls.append("open_value")
            return super().open_value(key)

        def delete_prefix(self, prefix):
            calls.append("delete_prefix")
            super().delete_prefix(prefix)

    store = PrefixStore(StoreWrapper(Told()), "p")
    store.put("a", b"123")
    store.read_into("a", memoryview(bytearray(3)))
    store.read_ranges("a", [(0, 1)], memoryview(bytearray(1)))
    store.open_value("a")
    store.delete_prefix("a")
    assert calls == ["read_into", "read_ranges", "open_value", "delete_prefix"]


def test_a_prefix_store_cannot_be_left(tmp_path):
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


def test_where_a_value_lies_is_known_through_wrappers(tmp_path):
    store = ReadOnlyStore(PrefixStore(LocalStore(tmp_path), "p"))
    assert Path(store.local_path("a/b")) == tmp_path / "p" / "a" / "b"
    assert Path(store.local_path("")) == tmp_path / "p"
    assert PrefixStore(MemoryStore(), "p").local_path("a") is None


def test_a_prefix_of_a_store_that_is_read_only_is(tmp_path):
    store = PrefixStore(LocalStore(tmp_path, read_only=True), "p")
    assert store.read_only is True
    with pytest.raises(ReadOnlyError, match="'p/a'"):
        store.put("a", b"")


def test_wrappers_pickle_with_what_they_wrap(tmp_path):
    store = ReadOnlyStore(PrefixStore(LocalStore(tmp_path), "p"))
    again = pickle.loads(pickle.dumps(store))
    assert again == store
    assert hash(again) == hash(store)
    assert again.read_only is True


def test_urls_and_reprs_say_what_is_wrapped(tmp_path):
    store = PrefixStore(LocalStore(tmp_path), "p/q")
    assert store.url == f"{LocalStore(tmp_path).url}/p/q"
    assert repr(store) == f"PrefixStore({LocalStore(tmp_path)!r}, 'p/q')"
