"""Resolution of a path, a URL or a store to a store and the path in it."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import pytest

from exzarr.errors import (
    ArgumentError,
    InvalidKeyError,
    NodeExistsError,
    NodeNotFoundError,
    ReadOnlyError,
    StoreError,
    UnsupportedError,
)
from exzarr.stores.local.store import LocalStore
from exzarr.stores.mapping import MappingStore
from exzarr.stores.memory import MemoryStore
from exzarr.stores.resolve import resolve_store
from exzarr.stores.sqlite.store import SQLiteStore
from exzarr.stores.zip.store import ZipStore

MODES = [None, "r", "r+", "a", "w", "w-"]


@pytest.fixture
def archive(tmp_path):
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("top/a/zarr.json", b"{}")
    return path


@pytest.mark.parametrize("mode", MODES)
def test_a_path_is_a_local_store_and_nothing_is_created(tmp_path, mode):
    for like in (tmp_path / "a.zarr", str(tmp_path / "a.zarr"), (tmp_path / "a.zarr").as_uri()):
        store, path = resolve_store(like, mode=mode)
        assert (store, path) == (LocalStore(tmp_path / "a.zarr"), "")
        assert store.read_only is (mode == "r")
    assert [*tmp_path.iterdir()] == []


def test_a_relative_path_starts_at_the_working_folder_and_a_tilde_at_home(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert resolve_store("a/../b")[0] == LocalStore(tmp_path / "b")
    assert resolve_store("~/c")[0] == LocalStore(tmp_path / "home" / "c")
    assert resolve_store(Path("~/c"))[0] == LocalStore(tmp_path / "~" / "c")


def test_a_file_url_is_percent_decoded(tmp_path):
    odd = tmp_path / "a b" / "100% ü?#"
    assert resolve_store(odd.as_uri())[0] == LocalStore(odd)
    assert resolve_store(LocalStore(odd).url)[0] == LocalStore(odd)
    assert resolve_store("file:///nowhere/x")[0] == LocalStore("/nowhere/x")
    assert resolve_store("file://localhost/nowhere/x")[0] == LocalStore("/nowhere/x")
    assert resolve_store("FILE:///nowhere/x")[0] == LocalStore("/nowhere/x")
    assert resolve_store("file:/nowhere/x")[0] == LocalStore("/nowhere/x")


@pytest.mark.parametrize("url", ["file://server/share", "file://relative"])
def test_a_file_url_of_another_host_is_unsupported(url):
    with pytest.raises(UnsupportedError, match="three slashes"):
        resolve_store(url)


def test_a_memory_url_is_the_store_of_that_name():
    store, path = resolve_store("memory://test-resolve/group/array")
    assert (store, path) == (MemoryStore("test-resolve"), "group/array")
    assert resolve_store("memory://test-resolve") == (store, "")
    assert resolve_store("memory://test-resolve/")[1] == ""
    assert resolve_store("memory://test-resolve", mode="r")[0].read_only is True
    with pytest.raises(InvalidKeyError):
        resolve_store("memory://test-resolve/../x")


@pytest.mark.parametrize("url", ["gopher://host/key", "what://b"])
def test_unsupported_urls_raise(url):
    with pytest.raises(UnsupportedError, match=r"file:// URL.*memory://"):
        resolve_store(url)


@pytest.mark.parametrize("like", ["", "a\0b", 3, None, b"bytes", (), object()])
def test_invalid_stores_raise_and_the_error_lists_valid_ones(like):
    with pytest.raises(ArgumentError, match="a path"):
        resolve_store(like)


def test_invalid_mode_raises(tmp_path):
    with pytest.raises(ArgumentError, match="mode is"):
        resolve_store(tmp_path, mode="rw")  # type: ignore[arg-type]


def test_store_is_returned_as_is_or_as_read_only_view():
    store = MemoryStore()
    assert resolve_store(store) == (store, "")
    assert resolve_store(store, mode="a")[0] is store
    view, _ = resolve_store(store, mode="r")
    assert view.read_only is True
    assert view == store
    assert resolve_store(view)[0] is view
    for mode in ("r+", "a", "w", "w-"):
        with pytest.raises(ReadOnlyError, match="use mode 'r'"):
            resolve_store(view, mode=mode)


def test_folder_without_permission_opens_read_only_by_default(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, how: False)
    assert resolve_store(tmp_path)[0].read_only is True
    assert resolve_store(tmp_path, mode="r+")[0].read_only is False


def test_a_zip_file_is_a_zip_store(archive):
    for like in (archive, str(archive), archive.as_uri()):
        for mode in (None, "r"):
            store, path = resolve_store(like, mode=mode)
            assert isinstance(store, ZipStore)
            assert (store.path, path, store.read_only) == (str(archive), "", True)


def test_a_path_may_lead_into_a_zip_file(archive):
    for like in (archive / "top" / "a", f"{archive}/top/a", f"{archive}/top/a/", f"{archive.as_uri()}/top/a"):
        store, path = resolve_store(like)
        assert isinstance(store, ZipStore)
        assert path == "top/a"
        assert store.get("top/a/zarr.json") == b"{}"


def test_zip_file_is_recognized_by_content(archive):
    renamed = archive.rename(archive.with_name("x.zarr"))
    assert isinstance(resolve_store(renamed)[0], ZipStore)


def test_a_folder_may_be_called_zip(tmp_path):
    (tmp_path / "x.zip" / "a").mkdir(parents=True)
    assert resolve_store(tmp_path / "x.zip")[0] == LocalStore(tmp_path / "x.zip")
    assert resolve_store(tmp_path / "x.zip" / "a")[0] == LocalStore(tmp_path / "x.zip" / "a")
    assert resolve_store(tmp_path / "not.zip" / "a")[0] == LocalStore(tmp_path / "not.zip" / "a")


def test_zip_file_can_only_be_written_as_a_whole(archive, tmp_path):
    for mode in ("r+", "a"):
        with pytest.raises(ReadOnlyError, match="as a whole"):
            resolve_store(archive, mode=mode)
    with pytest.raises(NodeExistsError):
        resolve_store(archive, mode="w-")
    for mode in (None, "r", "r+"):
        with pytest.raises(NodeNotFoundError, match=r"new\.zip"):
            resolve_store(tmp_path / "new.zip", mode=mode)
    for mode in ("a", "w", "w-"):
        store, _ = resolve_store(tmp_path / "new.zip", mode=mode)
        with store:
            store.put("a", mode.encode())
        assert ZipStore(tmp_path / "new.zip").get("a") == mode.encode()
        (tmp_path / "new.zip").unlink()


def test_file_raises_and_the_error_names_the_folder_of_a_document(tmp_path):
    (tmp_path / "x.nc").write_bytes(b"CDF")
    (tmp_path / "zarr.json").write_bytes(b"{}")
    with pytest.raises(StoreError, match="is a NetCDF file"):
        resolve_store(tmp_path / "x.nc")
    with pytest.raises(StoreError, match=f"open '{tmp_path}'"):
        resolve_store(tmp_path / "zarr.json")


def test_file_stores_of_zarr_python_resolve(tmp_path, archive):
    zarr = pytest.importorskip("zarr")
    from zarr.storage import StorePath

    local = zarr.storage.LocalStore(tmp_path / "a")
    assert resolve_store(local) == (LocalStore(tmp_path / "a"), "")
    assert resolve_store(StorePath(local, "b/c"), mode="a") == (LocalStore(tmp_path / "a"), "b/c")
    frozen = zarr.storage.LocalStore(tmp_path / "a", read_only=True)
    assert resolve_store(frozen)[0].read_only is True
    with pytest.raises(ReadOnlyError):
        resolve_store(frozen, mode="a")
    assert isinstance(resolve_store(zarr.storage.ZipStore(archive, mode="r"))[0], ZipStore)
    assert isinstance(resolve_store(zarr.storage.MemoryStore())[0], MappingStore)


def test_sqlite_file_that_another_process_just_made_is_a_sqlite_store(tmp_path, monkeypatch):
    file = tmp_path / "s.sqlite"
    with SQLiteStore(file) as made:
        made.put("a", b"1")
    monkeypatch.setattr(os.path, "isfile", lambda path: False)  # the answer before the file was made
    store, path = resolve_store(file)
    assert isinstance(store, SQLiteStore)
    assert path == ""
