"""The conformance suite for stores: derive from `StoreSuite` and run pytest.

::

    from exzarr.testing.store_suite import StoreSuite

    class TestMyStore(StoreSuite):
        def make_store(self, tmp_path):
            return MyStore(tmp_path / "data")

This module requires pytest. No other module of exzarr imports it.
"""

from __future__ import annotations

import pickle
import random
from collections.abc import Callable
from pathlib import Path
from threading import Barrier, Event, Thread

import pytest

from exzarr.errors import ReadOnlyError
from exzarr.stores.base import Store
from exzarr.testing.store_case import as_bytes, buffer_of
from exzarr.testing.store_keys import StoreKeys
from exzarr.testing.store_processes import StoreProcesses
from exzarr.testing.store_updates import StoreUpdates
from exzarr.testing.store_values import StoreValues

__all__ = ["StoreSuite"]


class StoreSuite(StoreValues, StoreKeys, StoreUpdates, StoreProcesses):
    """All tests of the suite. A subclass defines `make_store`, and can set the attributes below."""

    # -- concurrency ------------------------------------------------------------

    def test_threads_can_write_different_keys(self, store: Store) -> None:
        start = Barrier(4)

        def write(thread: int) -> None:
            start.wait()
            for i in range(25):
                store.put(f"a/{i}/{thread}", b"%d %d" % (i, thread))

        _run([Thread(target=write, args=(thread,)) for thread in range(4)])
        assert len([*store.list()]) == 100
        assert all(
            as_bytes(store.get(f"a/{i}/{thread}")) == b"%d %d" % (i, thread)
            for i in range(25)
            for thread in range(4)
        )

    def test_reader_sees_old_or_new_value(self, store: Store) -> None:
        values = [bytes([i]) * (3000 + 500 * i) for i in range(4)]
        store.put("a/k", values[0])
        seen: list[bytes | None] = []
        done = Event()

        def read() -> None:
            buffer = buffer_of(10_000)
            while not done.is_set():
                n = store.read_into("a/k", buffer)
                seen.append(bytes(buffer[:n]) if n >= 0 else None)
                seen.append(as_bytes(store.get("a/k")))

        readers = [Thread(target=read) for _ in range(2)]
        for reader in readers:
            reader.start()
        for i in range(200):
            store.put("a/k", values[i % 4])
        done.set()
        for reader in readers:
            reader.join()
        assert set(seen) <= set(values)

    # -- the store itself --------------------------------------------------------

    def test_read_only_view_reads_and_refuses_writes(self, store: Store) -> None:
        store.put("a/b", b"1")
        view = store.as_read_only()
        assert view.read_only is True
        assert store.read_only is False
        assert as_bytes(view.get("a/b")) == b"1"
        assert [*view.list()] == ["a/b"]
        writes: list[Callable[[], None]] = [
            lambda: view.put("a/b", b"2"),
            lambda: view.delete("a/b"),
            lambda: view.delete_prefix("a"),
            lambda: view.delete_prefix(""),
        ]
        for write in writes:
            with pytest.raises(ReadOnlyError):
                write()
        assert as_bytes(store.get("a/b")) == b"1"
        assert view.as_read_only() is view

    def test_unpickled_store_has_same_values(self, store: Store) -> None:
        if not self.pickles:
            pytest.skip("this store can't be pickled")
        store.put("a/b", b"1")
        again = _pickled(store)
        assert again == store
        assert hash(again) == hash(store)
        assert again.read_only == store.read_only
        store.put("a/c", b"2")
        assert as_bytes(again.get("a/c")) == b"2"
        view = _pickled(store.as_read_only())
        assert view.read_only is True
        assert as_bytes(view.get("a/c")) == b"2"

    def test_store_equals_only_itself(self, store: Store, tmp_path: Path) -> None:
        other = self.make_store(tmp_path / "other")
        assert store == store
        assert store != other
        assert len({store, store, other}) == 2
        other.close()

    def test_str_is_url_and_repr_is_not_empty(self, store: Store) -> None:
        assert str(store) == store.url
        assert repr(store)

    # -- random operations ------------------------------------------------------------

    @pytest.mark.parametrize("seed", range(3))
    def test_random_operations_match_dict(self, store: Store, seed: int) -> None:
        rng = random.Random(seed)  # noqa: S311 - no secret
        names = [f"{top}/{middle}/{leaf}" for top in "ab" for middle in ("0", "1", "é") for leaf in "xyz"]
        model: dict[str, bytes] = {}
        for _ in range(150):
            key = rng.choice(names)
            match rng.randrange(8):
                case 0:
                    store.delete(key)
                    model.pop(key, None)
                case 1:
                    prefix = key[: rng.choice([1, 3])]
                    store.delete_prefix(prefix)
                    model = {k: v for k, v in model.items() if not k.startswith(prefix + "/")}
                case 2:
                    prefix = rng.choice(["", "a", "a/0", "b/é"])
                    expected = {k for k in model if not prefix or k.startswith(prefix + "/")}
                    assert set(store.list(prefix)) == expected
                case 3:
                    start, length = rng.randrange(-5, 50), rng.randrange(50)
                    expected_part = None
                    if key in model:
                        value = model[key]
                        begin = max(0, len(value) + start) if start < 0 else start
                        expected_part = value[begin : begin + length]
                    assert as_bytes(store.get(key, (start, length))) == expected_part
                case _:
                    model[key] = rng.randbytes(rng.choice([0, 1, 30, 5000]))
                    store.put(key, model[key])
            assert as_bytes(store.get(key)) == model.get(key)
        assert sorted(store.list()) == sorted(model)


def _pickled(store: Store) -> Store:
    again = pickle.loads(pickle.dumps(store))  # noqa: S301 - our own
    assert isinstance(again, Store)
    return again


def _run(threads: list[Thread]) -> None:
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
