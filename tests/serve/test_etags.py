"""Entity tags differ if values differ, also within one tick of a file system's clock."""

from __future__ import annotations

from pathlib import Path

import pytest

from exzarr.serve.etags import Etags
from exzarr.stores import LocalStore, MappingStore, MemoryStore, SQLiteStore, Store, ZipStore
from exzarr.stores.base import BytesReader


def tag_of(etags: Etags, store: Store, key: str = "a") -> str:
    value = store.open_value(key)
    assert value is not None
    try:
        tags = etags.of(value)
        tag = tags.current
        assert tags.matches(tag)
        assert not tags.matches('"other"')
        assert not tags.matches('""')
        assert not tags.matches('"v' + "0" * 24 + '"')
    finally:
        value.close()
    return tag


@pytest.mark.parametrize("kind", ["local", "memory", "mapping", "sqlite"])
def test_tag_changes_with_the_value(tmp_path: Path, kind: str) -> None:
    made: dict[str, Store] = {
        "local": LocalStore(tmp_path / "l"),
        "memory": MemoryStore(),
        "mapping": MappingStore({}),
        "sqlite": SQLiteStore(tmp_path / "s.sqlite"),
    }
    store = made[kind]
    etags = Etags(store)
    tags = []
    for value in (b"one", b"two", b"", b"x" * 3_000_000):
        store.put("a", value)
        assert tag_of(etags, store) == tag_of(etags, store)
        tags.append(tag_of(etags, store))
    assert len({*tags}) == 4


def test_file_with_the_inode_and_times_of_another_one_has_another_tag(tmp_path: Path) -> None:
    """The file system gives a replaced file's inode to the next one, and its times have a granularity."""
    store = LocalStore(tmp_path)
    etags = Etags(store)
    now = [0]
    etags = Etags(store, lambda: now[0])
    version = (7, 1_000, 1_000, 3)
    now[0] = 1_000 + 1_000_000  # a millisecond later
    first, second = BytesReader(b"one", version), BytesReader(b"two", version)
    tag = etags.of(first).current
    assert tag != etags.of(second).current
    assert etags.of_version(version) is None
    assert etags.of(first).matches(tag)
    assert not etags.of(second).matches(tag)
    now[0] = 1_000 + 3_000_000_000  # later changes have other times
    settled = etags.of(first).current
    assert settled == etags.of_version(version) != tag
    assert etags.of(first).matches(tag)
    assert etags.of(first).matches(settled)


def test_value_is_read_once_for_many_tags() -> None:
    """A client may send hundreds of tags, and each would otherwise cost a read of the whole value."""

    class Counted(BytesReader):
        reads = 0

        def read_into(self, buffer: memoryview, start: int = 0) -> None:
            Counted.reads += 1
            super().read_into(buffer, start)

    tags = Etags(MappingStore({})).of(Counted(b"one"))
    assert not any(tags.matches(f'"c{number:032x}"') for number in range(100))
    assert tags.matches(tags.current)
    assert Counted.reads == 1


def test_old_file_is_not_read_for_its_tag(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    store.put("a", b"one")
    value = store.open_value("a")
    assert value is not None
    changed = (tmp_path / "a").stat().st_ctime_ns
    assert Etags(store, lambda: changed + 1).of_version(value.version) is None
    assert Etags(store, lambda: changed + 10**10).of_version(value.version) is not None
    value.close()


def test_tag_of_a_counter_differs_between_servers() -> None:
    store = MemoryStore()
    store.put("a", b"one")
    assert tag_of(Etags(store), store) != tag_of(Etags(store), store)


def test_tag_of_a_zip_member_does_not_read_it(tmp_path: Path) -> None:
    with ZipStore(tmp_path / "a.zip", "w") as writing:
        writing.put("a", b"one")
        writing.put("b", b"two")
    with ZipStore(tmp_path / "a.zip") as store:
        etags = Etags(store)
        value = store.open_value("a")
        assert value is not None
        assert etags.of_version(value.version) == tag_of(etags, store, "a") != tag_of(etags, store, "b")
