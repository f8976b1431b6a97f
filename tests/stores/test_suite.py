"""Every store of exzarr passes the suite that authors of stores run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from exzarr.stores.base import Buffer, ByteRange, Store, check_key, check_prefix, resolve_range
from exzarr.stores.local.store import LocalStore
from exzarr.stores.memory import MemoryStore
from exzarr.stores.sqlite.store import SQLiteStore
from exzarr.stores.wrappers.base import StoreWrapper
from exzarr.stores.wrappers.caching import CachedStore
from exzarr.stores.wrappers.counting import CountingStore
from exzarr.stores.wrappers.disk_cache import DiskCache
from exzarr.stores.wrappers.latency import LatencyStore
from exzarr.stores.wrappers.memory_cache import MemoryCache
from exzarr.stores.wrappers.prefix import PrefixStore
from exzarr.stores.wrappers.retry import RetryStore
from exzarr.stores.wrappers.throttle import ThrottledStore
from exzarr.stores.zip.store import ZipStore
from exzarr.testing.store_suite import StoreSuite


class TestLocalStore(StoreSuite):
    def make_store(self, tmp_path: Path) -> Store:
        return LocalStore(tmp_path / "not" / "yet" / "there")


class TestLocalStoreWithFsync(StoreSuite):
    def make_store(self, tmp_path: Path) -> Store:
        return LocalStore(tmp_path / "data", durability="fsync")

    @pytest.mark.skip("as slow as the disk")
    def test_list_returns_all_of_many_keys(self): ...

    @pytest.mark.skip("as slow as the disk")
    def test_random_operations_match_dict(self): ...

    @pytest.mark.skip("as slow as the disk")
    def test_reader_sees_old_or_new_value(self): ...

    @pytest.mark.skip("as slow as the disk")
    def test_concurrent_updates_lose_nothing(self): ...

    @pytest.mark.skip("as slow as the disk")
    def test_conditional_put_succeeds_in_one_thread_only(self): ...


class TestLocalStoreWithoutPreadv(StoreSuite):
    """As on Windows, as far as this system can simulate it."""

    @pytest.fixture(autouse=True)
    def portable(self, monkeypatch):
        from exzarr.stores.local import files

        monkeypatch.setattr(files, "read_into", files._portable_into)
        monkeypatch.setattr(files, "_pread_into", files._seek_and_read)

    def make_store(self, tmp_path: Path) -> Store:
        return LocalStore(tmp_path / "data")


class TestLocalStoreWithoutFileLocks(StoreSuite):
    """As on Windows, and on file systems without locks."""

    @pytest.fixture(autouse=True)
    def unlocked(self, monkeypatch):
        from exzarr.stores.local import update

        monkeypatch.setattr(update, "available", lambda: False)

    processes = False  # updates exclude threads only

    def make_store(self, tmp_path: Path) -> Store:
        return LocalStore(tmp_path / "data")


class TestLocalStoreWithoutWaitingMarks(StoreSuite):
    """As on macOS, which has flock but no locks of open file descriptions."""

    @pytest.fixture(autouse=True)
    def unmarked(self, monkeypatch):
        from exzarr.stores.local import file_locks

        monkeypatch.setattr(file_locks, "_FLAGS", False)

    def make_store(self, tmp_path: Path) -> Store:
        return LocalStore(tmp_path / "data")


class TestMemoryStore(StoreSuite):
    def make_store(self, tmp_path: Path) -> Store:
        return MemoryStore()


class TestNamedMemoryStore(StoreSuite):
    def make_store(self, tmp_path: Path) -> Store:
        return MemoryStore(str(tmp_path))


class TestZipStore(StoreSuite):
    pickles = False  # a store that writes cannot be pickled
    processes = False

    def make_store(self, tmp_path: Path) -> Store:
        return ZipStore(tmp_path / "new" / "data.zip", mode="w")


class TestPrefixOfLocalStore(StoreSuite):
    def make_store(self, tmp_path: Path) -> Store:
        inner = LocalStore(tmp_path / "data")
        inner.put("beside", b"1")
        inner.put("a/beside", b"1")
        inner.put("a/bc", b"1")
        return PrefixStore(inner, "a/b")


class TestPrefixOfMemoryStore(StoreSuite):
    def make_store(self, tmp_path: Path) -> Store:
        return PrefixStore(MemoryStore(), "")


class TestWrapper(StoreSuite):
    def make_store(self, tmp_path: Path) -> Store:
        return StoreWrapper(LocalStore(tmp_path / "data"))


class TestSQLiteStore(StoreSuite):
    def make_store(self, tmp_path: Path) -> Store:
        return SQLiteStore(tmp_path / "new" / "data.sqlite")


class TestSlowStore(StoreSuite):
    """Wrapper that intercepts every request."""

    def make_store(self, tmp_path: Path) -> Store:
        return LatencyStore(LocalStore(tmp_path / "data"), 0, bytes_per_second=1e12)


class TestEverythingAtOnce(StoreSuite):
    """Wrappers compose."""

    def make_store(self, tmp_path: Path) -> Store:
        throttled = ThrottledStore(MemoryStore(), requests_per_second=1e9, bytes_per_second=1e12)
        return RetryStore(CountingStore(throttled))


class TestCachedInMemory(StoreSuite):
    pickles = False  # a pickle has an empty cache, which is not equal
    processes = False  # a cache without max_age does not see changes of others

    def make_store(self, tmp_path: Path) -> Store:
        return CachedStore(LocalStore(tmp_path / "data"), MemoryCache(100_000), max_age=None)


class TestCachedOnDisk(StoreSuite):
    processes = False  # as above

    def make_store(self, tmp_path: Path) -> Store:
        return CachedStore(LocalStore(tmp_path / "data"), DiskCache(tmp_path / "cache", 100_000))


class FiveMethods(Store):
    """Store with only the five required methods."""

    def __init__(self) -> None:
        self.values: dict[str, bytes] = {}

    def get(self, key: str, byte_range: ByteRange | None = None) -> Buffer | None:
        value = self.values.get(check_key(key))
        if value is None or byte_range is None:
            return value
        begin, end = resolve_range(byte_range, len(value))
        return value[begin:end]

    def put(self, key: str, value: Buffer) -> None:
        self.values[check_key(key)] = bytes(memoryview(value))

    def delete(self, key: str) -> None:
        self.values.pop(check_key(key), None)

    def list(self, prefix: str = "") -> Iterator[str]:
        start = check_prefix(prefix) and prefix + "/"
        return iter([key for key in self.values if key.startswith(start)])

    def list_dir(self, prefix: str = "") -> tuple[Sequence[str], Sequence[str]]:
        skip = len(prefix) + bool(prefix)
        names = [key[skip:].partition("/") for key in self.list(prefix)]
        return sorted(n[0] for n in names if not n[1]), sorted({n[0] for n in names if n[1]})


class TestAStoreOfFiveMethods(StoreSuite):
    pickles = False
    processes = False  # it is in memory

    def make_store(self, tmp_path: Path) -> Store:
        return FiveMethods()
