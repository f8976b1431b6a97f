"""The part of the store suite about keys: valid keys, listing and deleting."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import ClassVar

import pytest

from exzarr.errors import InvalidKeyError
from exzarr.stores.base import Store
from exzarr.testing.store_case import StoreCase, as_bytes, buffer_of

__all__ = ["BAD_KEYS", "UNUSUAL_KEYS", "StoreKeys"]

BAD_KEYS = [
    "",
    "/",
    "/a",
    "a/",
    "a//b",
    ".",
    "..",
    "../a",
    "a/../b",
    "a/..",
    "a/./b",
    "./a",
    "a\0b",
    ".1-2-3.exzarr-tmp",
    "a/.1-2-3.exzarr-tmp",
    "a/.exzarr-lock/b",
]

UNUSUAL_KEYS = [
    "...",
    "..a",
    ".zarray",
    "a b/c d",
    "grüße/ζ/世界",
    "100%/%2e%2e",
    "a?b#c&d=e+f",
    "a'b\"c",
    "~/x",
    "-rf",
    "$HOME/*",
    "a;b|c",
    "x" * 200,
    "deep/" * 30 + "key",
    "c.exzarr-tmp",
    *([] if os.name == "nt" else ["a\\b", "..\\a"]),
]


class StoreKeys(StoreCase):
    """Keys can be found, listed and deleted without an effect on other keys."""

    unusual_keys: ClassVar[list[str]] = UNUSUAL_KEYS
    """Unusual keys that must work."""

    many: ClassVar[int] = 1100
    """Number of keys that one listing must return: more than a server returns in one response."""

    # -- listing of values -------------------------------------------------------

    def test_list_values_has_sizes_and_versions(self, store: Store) -> None:
        values = {"a/1": b"one", "a/b/2": b"", "ab": b"not below a", "c": bytes(70_000)}
        for key, value in values.items():
            store.put(key, value)
        for prefix in ("x", "a", ""):
            found = {one.key: one for one in store.list_values(prefix)}
            assert sorted(found) == sorted(store.list(prefix))
            assert all(one.size == len(values[key]) for key, one in found.items())
        store.put("a/1", b"another one")
        changed = {one.key: one for one in store.list_values("a")}["a/1"]
        assert changed.size == len(b"another one")
        assert changed.version is None or changed.version != found["a/1"].version

    # -- deleting ----------------------------------------------------------------

    def test_delete_removes_one_key(self, store: Store) -> None:
        for key in ("a", "ab", "b/c"):
            store.put(key, key.encode())
        store.delete("a")
        store.delete("b/c")
        assert store.get("a") is None
        assert store.get("b/c") is None
        assert as_bytes(store.get("ab")) == b"ab"
        assert [*store.list()] == ["ab"]

    def test_delete_of_missing_key_does_nothing(self, store: Store) -> None:
        store.put("a/b", b"1")
        for key in ("x", "a", "a/c", "a/b/c", "x/y/z"):
            store.delete(key)
        assert [*store.list()] == ["a/b"]

    def test_deleted_key_can_be_put_again(self, store: Store) -> None:
        store.put("a/b", b"1")
        store.delete("a/b")
        store.put("a/b", b"2")
        assert as_bytes(store.get("a/b")) == b"2"

    def test_delete_prefix_removes_only_keys_below_prefix(self, store: Store) -> None:
        gone = ["a/1", "a/2", "a/b/3", "a/b/c/d/4"]
        kept = ["ab/1", "a-b/1", "b/a/1", "zarr.json", "aa"]
        for key in gone + kept:
            store.put(key, b"1")
        store.delete_prefix("a")
        assert sorted(store.list()) == sorted(kept)
        assert all(store.get(key) is None for key in gone)
        store.put("a/b/3", b"2")
        assert as_bytes(store.get("a/b/3")) == b"2"

    def test_delete_prefix_of_missing_prefix_does_nothing(self, store: Store) -> None:
        store.put("a", b"1")
        for prefix in ("a", "b", "b/c"):
            store.delete_prefix(prefix)
        assert [*store.list()] == ["a"]

    def test_delete_of_empty_prefix_empties_store(self, store: Store) -> None:
        store.delete_prefix("")
        for key in ("a/1", "b", "c/d/e"):
            store.put(key, b"1")
        store.delete_prefix("")
        assert [*store.list()] == []
        store.put("a/1", b"2")
        assert [*store.list()] == ["a/1"]

    # -- listing -----------------------------------------------------------------

    KEYS = (
        "zarr.json",
        "a/zarr.json",
        "a/c/0/0",
        "a/c/0/1",
        "a/c/10/0",
        "a-b/x",
        "ab/zarr.json",
        "b/c",
        "é/x",
    )

    @pytest.fixture
    def filled(self, store: Store) -> Store:
        for key in self.KEYS:
            store.put(key, b"1")
        return store

    def test_list_returns_keys_below_prefix(self, filled: Store) -> None:
        for prefix in ("", "a", "a/c", "a/c/0", "ab", "b", "é", "x", "a/c/1", "b/c", "zarr.json"):
            expected = [key for key in self.KEYS if not prefix or key.startswith(prefix + "/")]
            assert sorted(filled.list(prefix)) == sorted(expected), prefix

    def test_list_dir_returns_sorted_names(self, filled: Store) -> None:
        expected: dict[str, tuple[list[str], list[str]]] = {
            "": (["zarr.json"], ["a", "a-b", "ab", "b", "é"]),
            "a": (["zarr.json"], ["c"]),
            "a/c": ([], ["0", "10"]),
            "a/c/0": (["0", "1"], []),
            "ab": (["zarr.json"], []),
            "b": (["c"], []),
            "x": ([], []),
            "a/c/1": ([], []),
            "b/c": ([], []),
        }
        for prefix, names in expected.items():
            keys, prefixes = filled.list_dir(prefix)
            assert ([*keys], [*prefixes]) == names, prefix

    def test_empty_store_lists_no_keys(self, store: Store) -> None:
        assert [*store.list()] == []
        assert [[*names] for names in store.list_dir()] == [[], []]

    def test_list_returns_all_of_many_keys(self, store: Store) -> None:
        keys = [f"a/c/{i}" for i in range(self.many)]
        for key in keys:
            store.put(key, b"")
        assert sorted(store.list("a")) == sorted(keys)
        assert [*store.list_dir("a/c")[0]] == sorted(key.removeprefix("a/c/") for key in keys)

    def test_keys_can_be_deleted_during_listing(self, store: Store) -> None:
        keys = [f"{i % 7}/{i}" for i in range(50)]
        for key in keys:
            store.put(key, b"")
        for key in store.list():
            store.delete(key)
        assert [*store.list()] == []

    # -- keys --------------------------------------------------------------------

    def test_invalid_key_is_refused_by_all_methods(self, store: Store) -> None:
        store.put("a/b", b"1")
        methods: dict[str, Callable[[str], object]] = {
            "get": store.get,
            "get of a range": lambda key: store.get(key, (0, 1)),
            "put": lambda key: store.put(key, b""),
            "delete": store.delete,
            "read_into": lambda key: store.read_into(key, buffer_of(1)),
            "open_value": store.open_value,
            "size": store.size,
            "exists": store.exists,
        }
        # "" is a valid prefix.
        with_prefix: dict[str, Callable[[str], object]] = {
            "list": lambda key: [*store.list(key)],
            "list_dir": store.list_dir,
            "delete_prefix": store.delete_prefix,
        }
        for key in BAD_KEYS:
            for name, method in (methods | with_prefix if key else methods).items():
                try:
                    method(key)
                except InvalidKeyError:
                    continue
                pytest.fail(f"{name} accepts the invalid key {key!r}")
            assert [*store.list()] == ["a/b"], repr(key)

    def test_unusual_keys_work(self, store: Store) -> None:
        for number, key in enumerate(self.unusual_keys):
            store.put(key, b"%d" % number)
        for number, key in enumerate(self.unusual_keys):
            assert as_bytes(store.get(key)) == b"%d" % number, key
        assert sorted(store.list()) == sorted(self.unusual_keys)
        for key in self.unusual_keys:
            above, _, name = key.rpartition("/")
            assert name in store.list_dir(above)[0], key
            store.delete(key)
        assert [*store.list()] == []
