"""The part of the store suite about values: putting them, and reading all or parts of them."""

from __future__ import annotations

import random
from itertools import product

import pytest

from exzarr.errors import ArgumentError, ExzarrError, StoreError
from exzarr.stores.base import Store
from exzarr.testing.store_case import StoreCase, as_bytes, buffer_of

__all__ = ["StoreValues"]


class StoreValues(StoreCase):
    """Reads return the bytes that were put."""

    # -- one value ---------------------------------------------------------------

    def test_missing_key_is_missing_for_all_read_methods(self, store: Store) -> None:
        store.put("a/b", b"here")
        for key in ("a", "a/c", "a/b/c", "b", "a/bb"):
            assert store.get(key) is None, key
            assert store.get(key, (0, 1)) is None, key
            assert store.get(key, (-1, None)) is None, key
            assert store.read_into(key, buffer_of(4)) == -1, key
            assert store.open_value(key) is None, key
            assert store.size(key) is None, key
            assert store.exists(key) is False, key

    @pytest.mark.parametrize("size", [0, 1, 100, 1 << 20], ids=str)
    def test_get_returns_put_value(self, store: Store, size: int) -> None:
        value = random.Random(size).randbytes(size)  # noqa: S311 - no secret
        store.put("a/c/0/1/2", value)
        assert as_bytes(store.get("a/c/0/1/2")) == value
        assert store.size("a/c/0/1/2") == size
        assert store.exists("a/c/0/1/2") is True
        buffer = buffer_of(size)
        assert store.read_into("a/c/0/1/2", buffer) == size
        assert bytes(buffer) == value

    @pytest.mark.parametrize(
        "value",
        [b"abc", bytearray(b"abc"), memoryview(b"abc"), memoryview(bytearray(b"xabcx"))[1:4]],
        ids=["bytes", "bytearray", "memoryview", "slice"],
    )
    def test_put_accepts_any_buffer(self, store: Store, value: bytes | bytearray | memoryview) -> None:
        store.put("k", value)
        assert as_bytes(store.get("k")) == b"abc"

    def test_value_does_not_change_with_buffer_after_put(self, store: Store) -> None:
        buffer = bytearray(b"before")
        store.put("k", buffer)
        store.put("v", memoryview(buffer))
        buffer[:] = b"after!"
        assert as_bytes(store.get("k")) == b"before"
        assert as_bytes(store.get("v")) == b"before"

    def test_second_put_replaces_longer_or_shorter_value(self, store: Store) -> None:
        for value in (b"abc", b"", b"a longer one", b"ab"):
            store.put("k", value)
            assert as_bytes(store.get("k")) == value
            assert store.size("k") == len(value)
        assert [*store.list()] == ["k"]

    def test_put_refuses_str(self, store: Store) -> None:
        with pytest.raises((TypeError, ExzarrError)):
            store.put("k", "text")  # type: ignore[arg-type]
        assert store.get("k") is None
        assert [*store.list()] == []

    # -- parts of a value --------------------------------------------------------

    def test_get_of_range_returns_existing_bytes(self, store: Store) -> None:
        store.put("k", b"0123456789")
        expected: dict[tuple[int, int | None], bytes] = {
            (0, None): b"0123456789",
            (0, 10): b"0123456789",
            (3, 4): b"3456",
            (3, None): b"3456789",
            (0, 0): b"",
            (9, 1): b"9",
            (8, 100): b"89",
            (10, None): b"",
            (10, 1): b"",
            (1000, 5): b"",
            (1 << 40, None): b"",
            (0, 1 << 40): b"0123456789",
            (-3, None): b"789",
            (-3, 2): b"78",
            (-10, None): b"0123456789",
            (-100, None): b"0123456789",
            (-1, 100): b"9",
        }
        for byte_range, part in expected.items():
            assert as_bytes(store.get("k", byte_range)) == part, byte_range

    def test_range_of_empty_value_is_empty(self, store: Store) -> None:
        store.put("k", b"")
        for byte_range in ((0, None), (0, 5), (-5, None), (3, 1)):
            assert as_bytes(store.get("k", byte_range)) == b""

    def test_negative_length_is_refused(self, store: Store) -> None:
        store.put("k", b"0123456789")
        with pytest.raises(ArgumentError):
            store.get("k", (0, -1))

    def test_read_into_fills_buffer_and_returns_size(self, store: Store) -> None:
        value = b"0123456789"
        store.put("k", value)
        for start, length in product((0, 1, 9, 10, 11, 1000), (0, 1, 5, 9, 10, 11, 100)):
            buffer = buffer_of(length)
            there = value[start:]
            n = store.read_into("k", buffer, start)
            assert bytes(buffer[: len(there)]) == there[:length], (start, length)
            if len(there) > length:
                assert n > length, (start, length)
            else:
                assert n == len(there), (start, length)

    def test_opened_value_reads_parts(self, store: Store) -> None:
        store.put("k", b"0123456789")
        value = store.open_value("k")
        assert value is not None
        try:
            assert value.size == 10
            for start, length in ((0, 10), (3, 4), (9, 1), (0, 0)):
                buffer = buffer_of(length)
                value.read_into(buffer, start)
                assert bytes(buffer) == b"0123456789"[start : start + length]
            with pytest.raises(StoreError):
                value.read_into(buffer_of(4), 8)
        finally:
            value.close()

    def test_opened_value_does_not_change_after_put(self, store: Store) -> None:
        store.put("k", b"old old old")
        value = store.open_value("k")
        assert value is not None
        try:
            store.put("k", b"new new new")
            buffer = buffer_of(11)
            value.read_into(buffer, 0)
            assert bytes(buffer) == b"old old old"
        finally:
            value.close()
        again = store.open_value("k")
        assert again is not None
        assert again.version is None or again.version != value.version
        again.close()
