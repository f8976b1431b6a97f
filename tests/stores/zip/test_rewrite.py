"""A zip file that is changed: the store suite, and what is left of the old file."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from exzarr.stores.base import Store
from exzarr.stores.zip.rewrite import ZipRewrite
from exzarr.stores.zip.store import ZipStore
from exzarr.testing.store_suite import StoreSuite


def filled(path: Path, **values: bytes) -> Path:
    path.parent.mkdir(exist_ok=True)
    with ZipStore(path, "w") as store:
        for key, value in values.items():
            store.put(key, value)
    return path


class TestZipRewrite(StoreSuite):
    pickles = False

    def make_store(self, tmp_path: Path) -> Store:
        return ZipRewrite(filled(tmp_path / "a.zip"))


def test_old_members_are_seen_and_kept_unless_changed(tmp_path):
    path = filled(tmp_path / "a.zip", a=b"1", b=b"2", c=b"3")
    with ZipRewrite(path) as store:
        store.put("b", b"new")
        store.delete("c")
        store.put("d", b"4")
        assert {key: bytes(store.get(key)) for key in store.list()} == {"a": b"1", "b": b"new", "d": b"4"}
        assert {value.key: value.size for value in store.list_values()} == {"a": 1, "b": 3, "d": 1}
        assert store.size("c") is None
    with zipfile.ZipFile(path) as archive:
        assert {name: archive.read(name) for name in archive.namelist()} == {
            "a": b"1",
            "b": b"new",
            "d": b"4",
        }


def test_deleted_member_can_be_put_again(tmp_path):
    path = filled(tmp_path / "a.zip", a=b"1")
    with ZipRewrite(path) as store:
        store.delete("a")
        store.put("a", b"2")
    with ZipStore(path) as store:
        assert store.get("a") == b"2"


def test_file_stays_if_nothing_changes_or_the_block_fails(tmp_path):
    path = filled(tmp_path / "a.zip", a=b"1")
    before = path.stat().st_ino
    with ZipRewrite(path) as store:
        store.get("a")
        store.delete("missing")

    def fail():
        with ZipRewrite(path) as store:
            store.put("a", b"2")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert path.stat().st_ino == before
    assert [one.name for one in tmp_path.iterdir()] == ["a.zip"]
