"""Tests of folders: files, links, permissions, names, temporary files."""

from __future__ import annotations

import errno
import os
import pickle
import stat
from contextlib import contextmanager
from pathlib import Path

import pytest

import exzarr
from exzarr.errors import ArgumentError, InvalidKeyError, ReadOnlyError, StoreError
from exzarr.stores.base import is_reserved
from exzarr.stores.local import files, write
from exzarr.stores.local.store import LocalStore

posix = pytest.mark.skipif(os.name != "posix", reason="POSIX file systems")


def files_in(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@contextmanager
def unprivileged():
    """Run as a user to whom permissions apply: they do not apply to root."""
    if os.geteuid():
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


# -- files ---------------------------------------------------------------------------


def test_a_key_is_the_file_of_that_name(tmp_path):
    LocalStore(tmp_path).put("a/c/0/1", b"value")
    assert (tmp_path / "a" / "c" / "0" / "1").read_bytes() == b"value"
    (tmp_path / "a" / "zarr.json").write_bytes(b"{}")
    assert LocalStore(tmp_path).get("a/zarr.json") == b"{}"


def test_reading_creates_nothing(tmp_path):
    store = LocalStore(tmp_path / "not" / "there")
    assert store.get("a") is None
    assert [*store.list()] == []
    assert store.list_dir("a") == ([], [])
    store.delete("a")
    store.delete_prefix("a")
    store.delete_prefix("")
    assert not (tmp_path / "not").exists()


def test_new_files_have_the_permissions_that_the_umask_leaves(tmp_path):
    before = os.umask(0o027)
    try:
        LocalStore(tmp_path).put("a/b", b"")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a" / "b").stat().st_mode) == 0o640


def test_path_is_absolute_from_creation(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    store = LocalStore("data")
    monkeypatch.chdir("/")
    store.put("a", b"1")
    assert (tmp_path / "data" / "a").exists()


@pytest.mark.parametrize("path", ["", "a\0b"])
def test_invalid_paths_raise(path):
    with pytest.raises(ArgumentError):
        LocalStore(path)
    with pytest.raises(ArgumentError, match="durability"):
        LocalStore("x", durability="hope")  # type: ignore[arg-type]


def test_a_path_may_be_a_path_object_or_end_in_a_slash(tmp_path):
    stores = {LocalStore(tmp_path), LocalStore(str(tmp_path) + "/"), LocalStore(tmp_path / "x" / "..")}
    assert len(stores) == 1


def test_url_is_a_file_url_that_opens_the_same_store(tmp_path):
    from urllib.parse import urlsplit
    from urllib.request import url2pathname

    store = LocalStore(tmp_path / "a b" / "50% ü?#")
    assert store.url.startswith("file:///")
    assert url2pathname(urlsplit(store.url).path) == store.path


def test_pickle_keeps_path_and_options(tmp_path):
    store = LocalStore(tmp_path, read_only=True, durability="fsync")
    again = pickle.loads(pickle.dumps(store))
    assert (again.path, again.read_only, again.durability) == (store.path, True, "fsync")
    assert len(pickle.dumps(store)) < 1000


def test_local_path_is_the_file_of_a_value(tmp_path):
    store = LocalStore(tmp_path)
    store.put("a/b", b"1")
    assert Path(store.local_path("a/b")).read_bytes() == b"1"
    assert Path(store.local_path("")) == tmp_path
    with pytest.raises(InvalidKeyError):
        store.local_path("../x")


def test_folder_or_key_below_a_key_is_missing(tmp_path):
    store = LocalStore(tmp_path)
    store.put("a/b", b"1")
    for key in ("a", "a/b/c"):
        assert store.get(key) is None
        assert store.read_into(key, memoryview(bytearray(4))) == -1
        assert store.size(key) is None
        store.delete(key)
    assert store.get("a/b") == b"1"


@pytest.mark.parametrize(("first", "second"), [("a", "a/b"), ("a", "a/b/c"), ("a/b", "a")])
def test_key_that_is_the_prefix_of_another_raises_and_leaves_no_file(tmp_path, first, second):
    store = LocalStore(tmp_path)
    store.put(first, b"1")
    with pytest.raises(StoreError, match="prefix of another"):
        store.put(second, b"2")
    assert store.get(first) == b"1"
    assert files_in(tmp_path) == [first]


# -- temporary files -----------------------------------------------------------------


def test_a_put_leaves_no_temporary_file(tmp_path):
    store = LocalStore(tmp_path)
    for _ in range(3):
        store.put("a/b", b"1")
    assert files_in(tmp_path) == ["a/b"]


@pytest.mark.parametrize("step", ["write", "close", "rename", "fsync"])
def test_failed_put_leaves_the_old_value_and_no_temporary_file(tmp_path, monkeypatch, step):
    store = LocalStore(tmp_path, durability="fsync")
    store.put("a/b", b"old")

    def fail(*args, **kwargs):
        if step == "close":
            real_close(*args)
        raise OSError(errno.ENOSPC, "No space left on device")

    real_close = os.close
    with monkeypatch.context() as patch:
        if step == "rename":
            patch.setattr(write, "_rename", fail)
        else:
            patch.setattr(os, step, fail)
        with pytest.raises(StoreError, match=r"'a/b'.*No space left") as caught:
            store.put("a/b", b"new")
    assert caught.value.errno == errno.ENOSPC
    assert store.get("a/b") == b"old"
    assert files_in(tmp_path) == ["a/b"]


def test_an_interrupted_put_leaves_no_temporary_file(tmp_path, monkeypatch):
    store = LocalStore(tmp_path)

    def interrupt(*args):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(write, "_rename", interrupt)
        with pytest.raises(KeyboardInterrupt):
            store.put("a", b"new")
    assert files_in(tmp_path) == []


def test_short_write_is_continued(tmp_path, monkeypatch):
    real = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: real(fd, bytes(memoryview(data)[:1000])))
    value = os.urandom(4321)
    for buffer in (value, bytearray(value), memoryview(value)):
        LocalStore(tmp_path).put("a", buffer)
        assert (tmp_path / "a").read_bytes() == value


def test_leftover_temporary_files_are_not_keys(tmp_path):
    store = LocalStore(tmp_path)
    store.put("a/b", b"1")
    name = write.temporary_name()
    assert is_reserved(name)
    assert name.startswith(".")
    assert name.endswith(".exzarr-tmp")
    (tmp_path / "a" / name).write_bytes(b"half")
    (tmp_path / name).mkdir()
    (tmp_path / name / "x").write_bytes(b"half deleted")
    assert [*store.list()] == ["a/b"]
    assert store.list_dir() == ([], ["a"])
    assert store.list_dir("a") == (["b"], [])
    with pytest.raises(InvalidKeyError, match="temporary"):
        store.get(f"a/{name}")
    store.delete_prefix("")
    assert [*tmp_path.iterdir()] == []


def test_temporary_names_are_unique_also_in_a_forked_child():
    names = [write.temporary_name() for _ in range(100)]
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        os.write(writer, write.temporary_name().encode())
        os._exit(0)
    os.waitpid(child, 0)
    theirs = os.read(reader, 1000).decode()
    ours = write.temporary_name()
    os.close(reader)
    os.close(writer)
    assert len({*names, theirs, ours}) == 102
    assert theirs.split("-")[:2] != ours.split("-")[:2]


def test_durability_fsync_syncs_the_file_before_the_rename_and_the_folders_after(tmp_path, monkeypatch):
    done = []
    real_fsync, real_rename = os.fsync, os.rename

    def fsync(fd):
        done.append(str(Path(f"/proc/self/fd/{fd}").readlink()))
        real_fsync(fd)

    def rename(source, target):
        done.append("rename")
        real_rename(source, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(write, "_rename", rename)
    LocalStore(tmp_path, durability="fsync").put("a/b/c", b"1")
    at = done.index("rename")
    assert done[: at - 1] == [str(tmp_path), str(tmp_path / "a")]  # the new folders' own entries
    assert is_reserved(Path(done[at - 1]).name)
    assert done[at + 1 :] == [str(tmp_path / "a" / "b")]
    done.clear()
    LocalStore(tmp_path).put("a/b/d", b"1")
    assert done == ["rename"]


def test_durability_setting_applies_to_arrays_opened_by_path(tmp_path, monkeypatch):
    synced = []
    real = os.fsync

    def fsync(fd):
        synced.append(Path(f"/proc/self/fd/{fd}").readlink().relative_to(tmp_path).as_posix())
        real(fd)

    monkeypatch.setattr(os, "fsync", fsync)

    def kinds(do):
        synced.clear()
        do()
        return ["file" if is_reserved(name.rpartition("/")[2]) else name for name in synced]

    with exzarr.config.override(durability="fsync"):
        a = exzarr.create_array(tmp_path / "a", shape=8, dtype="i1", chunks=4)
        again = exzarr.open_array(tmp_path / "a", mode="r+")
    assert a.store.durability == again.store.durability == "fsync"
    assert kinds(lambda: a.__setitem__(slice(0, 4), 1)) == ["a", "file", "a/c"]
    assert kinds(lambda: a.__setitem__(1, 2)) == ["file", "a/c"]
    assert kinds(lambda: pickle.loads(pickle.dumps(a)).__setitem__(5, 2)) == ["file", "a/c"]
    assert kinds(lambda: again.attrs.update(x=1)) == ["file", "a"]
    assert kinds(lambda: again.append([1, 2, 3, 4])) == ["file", "a/c", "file", "a"]
    with exzarr.config.override(durability="fsync"):
        assert kinds(lambda: exzarr.create_group(tmp_path / "b")) == [".", "file", "b"]
    quick = exzarr.open_array(tmp_path / "a", mode="r+")
    assert kinds(lambda: quick.append([1])) == []
    with pytest.raises(exzarr.ArgumentError, match=r"one of \('rename', 'fsync'\), not 'sync'"):
        exzarr.config.set(durability="sync")


# -- reading what is not as expected -------------------------------------------------


def test_short_read_is_continued(tmp_path, monkeypatch):
    value = os.urandom(5000)
    store = LocalStore(tmp_path)
    store.put("a", value)
    real = os.preadv

    def short(fd, buffers, start):
        return (
            real(fd, [memoryview(buffers[0])[:700]], start) if len(buffers[0]) else real(fd, buffers, start)
        )

    real_read = os.read
    monkeypatch.setattr(os, "preadv", short)
    monkeypatch.setattr(os, "read", lambda fd, n: real_read(fd, min(n, 700)))
    buffer = memoryview(bytearray(4000))
    opened = store.open_value("a")
    assert opened is not None
    opened.read_into(buffer, 1000)
    opened.close()
    assert bytes(buffer) == value[1000:]
    assert store.get("a") == value
    assert store.get("a", (10, 3000)) == value[10:3010]


def test_no_descriptor_is_left_open(tmp_path):
    store = LocalStore(tmp_path)
    store.put("a/b", b"0123456789")
    before = len(names_in(Path("/proc/self/fd")))
    for key in ("a/b", "a", "x"):
        store.get(key)
        store.get(key, (3, 3))
        store.read_into(key, memoryview(bytearray(3)))
    opened = store.open_value("a/b")
    with pytest.raises(StoreError):
        opened.read_into(memoryview(bytearray(3)), 8)
    opened.close()
    listing = store.list()
    next(listing)
    del listing
    assert len(names_in(Path("/proc/self/fd"))) == before


@posix
def test_fifo_or_socket_is_missing_and_does_not_block(tmp_path):
    import socket

    store = LocalStore(tmp_path)
    os.mkfifo(tmp_path / "fifo")
    with socket.socket(socket.AF_UNIX) as bound:
        here = Path.cwd()
        os.chdir(tmp_path)  # names of sockets must be short
        try:
            bound.bind("socket")
        finally:
            os.chdir(here)
        for key in ("fifo", "socket"):
            assert store.get(key) is None
            assert store.read_into(key, memoryview(bytearray(4))) == -1
            assert store.open_value(key) is None
            assert store.size(key) is None
        assert [*store.list()] == []
        assert store.list_dir() == ([], [])


@posix
@pytest.mark.parametrize("key", ["x" * 300, "a/" * 3000 + "b", "é" * 200], ids=["name", "path", "bytes"])
def test_key_too_long_for_the_file_system_is_invalid(tmp_path, key):
    store = LocalStore(tmp_path)
    for action in (store.get, store.size, lambda key: store.put(key, b""), store.delete, store.delete_prefix):
        with pytest.raises(InvalidKeyError, match="cannot hold the key") as caught:
            action(key)
        assert len(str(caught.value)) < 1000
    assert files_in(tmp_path) == []


@posix
def test_key_that_is_not_valid_text_is_invalid(tmp_path):
    store = LocalStore(tmp_path)
    for action in (store.get, lambda key: store.put(key, b""), store.size, store.delete):
        with pytest.raises(InvalidKeyError):
            action("a/\ud800")


@posix
def test_names_that_cannot_be_keys_are_not_listed(tmp_path):
    store = LocalStore(tmp_path)
    store.put("good", b"1")
    for name in (b"\xff\xfe", b"dir\xff/x"):
        path = tmp_path / os.fsdecode(name)
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"")
    (tmp_path / "new\nline").write_bytes(b"2")
    assert sorted(store.list()) == ["good", "new\nline"]
    assert store.list_dir() == (["good", "new\nline"], [])
    assert store.get("new\nline") == b"2"


@posix
def test_permission_error_names_the_key(tmp_path):
    store = LocalStore(tmp_path / "data")
    store.put("a/secret", b"1")
    (tmp_path / "data" / "a" / "secret").chmod(0)
    (tmp_path / "data" / "a").chmod(0o555)
    (tmp_path / "data" / "b").mkdir(mode=0o000)
    for folder in (tmp_path, *tmp_path.parents):
        if folder.stat().st_uid == os.geteuid() and folder != Path("/"):
            folder.chmod(folder.stat().st_mode | 0o055)
    try:
        with unprivileged():
            with pytest.raises(StoreError, match=r"may not read 'a/secret'.*Permission denied"):
                store.get("a/secret")
            with pytest.raises(StoreError, match=r"a/secret"):
                store.read_into("a/secret", memoryview(bytearray(1)))
            with pytest.raises(StoreError, match=r"may not read 'b"):
                store.list_dir("b")
            with pytest.raises(ReadOnlyError, match=r"may not write 'a/new'.*Permission denied"):
                store.put("a/new", b"")
            with pytest.raises(ReadOnlyError, match=r"a/secret"):
                store.delete("a/secret")
            with pytest.raises(ReadOnlyError):
                store.delete_prefix("a")
    finally:
        (tmp_path / "data" / "a").chmod(0o755)
        (tmp_path / "data" / "b").chmod(0o755)
    assert files_in(tmp_path / "data") == ["a/secret"]


# -- links ---------------------------------------------------------------------------


@pytest.fixture
def linked(tmp_path):
    """Return a store with links to a file and to a folder outside, and the outside folder."""
    outside = tmp_path / "outside"
    (outside / "folder").mkdir(parents=True)
    (outside / "file").write_bytes(b"outside")
    (outside / "folder" / "x").write_bytes(b"outside")
    store = LocalStore(tmp_path / "store")
    store.put("own", b"1")
    (tmp_path / "store" / "file").symlink_to(outside / "file")
    (tmp_path / "store" / "folder").symlink_to(outside / "folder")
    (tmp_path / "store" / "broken").symlink_to(outside / "nothing")
    return store, outside


@posix
def test_links_are_read_and_listed_as_their_targets(linked):
    store, _ = linked
    assert store.get("file") == b"outside"
    assert store.get("folder/x") == b"outside"
    assert store.get("broken") is None
    assert sorted(store.list()) == ["file", "folder/x", "own"]
    assert store.list_dir() == (["file", "own"], ["folder"])


@posix
def test_writing_and_deleting_links_leaves_their_targets(linked):
    store, outside = linked
    store.put("file", b"new")
    store.put("broken", b"new")
    store.delete_prefix("folder")
    assert store.get("file") == b"new"
    assert (outside / "file").read_bytes() == b"outside"
    assert files_in(outside) == ["file", "folder/x"]
    assert sorted(store.list()) == ["broken", "file", "own"]


@posix
def test_deleting_everything_leaves_link_targets(linked):
    store, outside = linked
    store.delete_prefix("")
    assert names_in(Path(store.path)) == []
    assert files_in(outside) == ["file", "folder/x"]


@posix
def test_deleting_a_prefix_leaves_link_targets(linked):
    store, outside = linked
    store.put("a/b/c", b"1")
    (Path(store.path) / "a" / "b" / "link").symlink_to(outside)
    store.delete_prefix("a")
    assert files_in(outside) == ["file", "folder/x"]
    assert sorted(store.list_dir("")[1]) == ["folder"]


@posix
def test_listing_of_circular_links_ends(tmp_path):
    store = LocalStore(tmp_path)
    store.put("a/b/c", b"1")
    (tmp_path / "a" / "up").symlink_to(tmp_path)
    (tmp_path / "a" / "self").symlink_to(tmp_path / "a" / "self")
    assert sorted(store.list()) == ["a/b/c", "a/up/a/b/c"]
    assert store.get("a/self") is None
    store.put("a/self", b"2")
    assert store.get("a/self") == b"2"


@posix
def test_list_dir_of_circular_links_ends(tmp_path):
    """Two links make 2 ** 40 paths, until the system stops."""
    store = LocalStore(tmp_path)
    store.put("a/b/c", b"1")
    for name in ("one", "two"):
        (tmp_path / "a" / name).symlink_to(tmp_path / "a")
    found, pending = [], [""]
    while pending:
        prefix = pending.pop()
        keys, prefixes = store.list_dir(prefix)
        found += [f"{prefix}/{key}" for key in keys]
        pending += [f"{prefix}/{name}".strip("/") for name in prefixes]
    assert sorted(found) == sorted(store.list()) == ["a/b/c", "a/one/b/c", "a/two/b/c"]


@posix
def test_the_store_itself_may_be_a_link(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    store = LocalStore(tmp_path / "link")
    store.put("a", b"1")
    assert [*store.list()] == ["a"]
    store.delete_prefix("")
    assert (tmp_path / "link").is_symlink()
    assert [*(tmp_path / "real").iterdir()] == []


# -- deleting ------------------------------------------------------------------------


def test_deleting_a_prefix_removes_its_folder(tmp_path):
    store = LocalStore(tmp_path)
    store.put("a/b/c", b"1")
    store.put("d", b"1")
    store.delete_prefix("a")
    assert names_in(tmp_path) == ["d"]
    store.delete_prefix("d")  # a key is not a prefix
    assert names_in(tmp_path) == ["d"]


def test_folder_that_cannot_be_renamed_is_emptied(tmp_path, monkeypatch):
    store = LocalStore(tmp_path)
    store.put("a/b/c", b"1")
    store.put("a/d", b"1")

    def busy(*args):
        raise OSError(errno.EBUSY, "Device or resource busy")

    monkeypatch.setattr(os, "rename", busy)
    store.delete_prefix("a")
    assert [*store.list()] == []


def test_folder_deleted_during_listing_is_no_error(tmp_path):
    store = LocalStore(tmp_path)
    for i in range(20):
        store.put(f"{i}/x/y", b"")
    seen = []
    for key in store.list():
        seen.append(key)
        store.delete_prefix("")
    assert len(seen) <= 20
    assert [*store.list()] == []


def test_portable_reads_equal_preadv(tmp_path):
    path = str(tmp_path / "x")
    Path(path).write_bytes(bytes(range(200)))
    for start in (0, 5, 200, 300):
        for size in (0, 50, 195, 200, 300):
            ours, theirs = memoryview(bytearray(size)), memoryview(bytearray(size))
            assert files._preadv_into(path, ours, start) == files._portable_into(path, theirs, start)
            if 200 - start <= size:
                assert ours == theirs
