"""The part of the store suite about concurrent updates of a value."""

from __future__ import annotations

from threading import Barrier, Thread

import pytest

from exzarr.errors import ReadOnlyError
from exzarr.stores.base import KEEP, NewValue, Store, ValueReader
from exzarr.testing.store_case import StoreCase, as_bytes

__all__ = ["StoreUpdates"]


class StoreUpdates(StoreCase):
    """Concurrent updates of one value do not overwrite each other."""

    def test_update_creates_changes_keeps_and_deletes_value(self, store: Store) -> None:
        seen: list[bytes | None] = []

        def update(parts: NewValue) -> None:
            def change(value: ValueReader | None) -> NewValue:
                seen.append(_read(value))
                return parts

            store.update("a/k", change)

        update(KEEP)
        update(None)
        assert as_bytes(store.get("a/k")) is None
        update([b"1", memoryview(b"23")])
        assert as_bytes(store.get("a/k")) == b"123"
        update([b""])
        assert as_bytes(store.get("a/k")) == b""
        update([bytearray(b"4")])
        update(KEEP)
        assert as_bytes(store.get("a/k")) == b"4"
        update(None)
        assert as_bytes(store.get("a/k")) is None
        assert seen == [None, None, None, b"123", b"", b"4", b"4"]
        assert [*store.list()] == []

    @pytest.mark.parametrize("present", [True, False])
    def test_failed_change_leaves_value_unchanged(self, store: Store, present: bool) -> None:
        if present:
            store.put("a/k", b"old")

        def fail(_: ValueReader | None) -> NewValue:
            raise LookupError("on purpose")

        for _ in range(2):  # the second attempt checks that the key is not locked
            with pytest.raises(LookupError, match="on purpose"):
                store.update("a/k", fail)
        assert as_bytes(store.get("a/k")) == (b"old" if present else None)
        assert [*store.list()] == ["a/k"] * present

    def test_other_keys_can_be_written_during_update(self, store: Store) -> None:
        """As `Array.append` does: chunks are written, also by other threads, before the document is replaced."""

        def change(_: ValueReader | None) -> NewValue:
            store.put("a/0", b"0")
            store.update("a/1", lambda _: [b"1"])
            other = Thread(target=store.put, args=("a/2", b"2"), daemon=True)
            other.start()
            other.join(20)
            assert not other.is_alive(), "another thread cannot write other keys during an update"
            store.delete("a/0")
            return [b"done"]

        store.update("a/k", change)
        assert sorted(store.list()) == ["a/1", "a/2", "a/k"]
        assert as_bytes(store.get("a/k")) == b"done"

    def test_concurrent_updates_lose_nothing(self, store: Store) -> None:
        start = Barrier(4)

        def count() -> None:
            start.wait(60)
            for _ in range(25):
                store.update("a/k", lambda value: [_read(value) or b"", b"."])

        threads = [Thread(target=count) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert as_bytes(store.get("a/k")) == b"." * 100

    def test_conditional_put_succeeds_in_one_thread_only(self, store: Store) -> None:
        start = Barrier(4)
        made: list[tuple[int, int]] = []

        def make(thread: int) -> None:
            for i in range(20):
                start.wait(60)
                if store.put_if_absent(f"a/{i}", b"%d" % thread):
                    made.append((i, thread))

        threads = [Thread(target=make, args=(thread,)) for thread in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(i for i, _ in made) == [*range(20)]
        assert all(as_bytes(store.get(f"a/{i}")) == b"%d" % thread for i, thread in made)
        assert not store.put_if_absent("a/0", b"again")

    def test_read_only_view_refuses_updates(self, store: Store) -> None:
        store.put("a/k", b"1")
        view = store.as_read_only()
        with pytest.raises(ReadOnlyError):
            view.update("a/k", lambda _: [b"2"])
        with pytest.raises(ReadOnlyError):
            view.put_if_absent("a/other", b"2")
        assert [*store.list()] == ["a/k"]
        assert as_bytes(store.get("a/k")) == b"1"


def _read(value: ValueReader | None) -> bytes | None:
    if value is None:
        return None
    whole = bytearray(value.size)
    value.read_into(memoryview(whole), 0)
    return bytes(whole)
