"""Zip files: compatibility with other software, and atomic writes."""

from __future__ import annotations

import gc
import io
import os
import pickle
import warnings
import zipfile
from pathlib import Path
from threading import Thread

import pytest

import exzarr
from exzarr.errors import ArgumentError, NodeExistsError, NodeNotFoundError, ReadOnlyError, StoreError
from exzarr.stores.wrappers.base import StoreWrapper
from exzarr.stores.wrappers.prefix import PrefixStore
from exzarr.stores.zip.store import ZipStore

FIXTURES = Path(__file__).parents[4] / "shared" / "fixtures" / "zarrita"

METHODS = {
    "stored": zipfile.ZIP_STORED,
    "deflated": zipfile.ZIP_DEFLATED,
    "bzip2": zipfile.ZIP_BZIP2,
    "lzma": zipfile.ZIP_LZMA,
}


def written(path: Path, values: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, value in values.items():
            archive.writestr(name, value)
    return path


def everything(store) -> dict[str, bytes]:
    return {key: bytes(store.get(key)) for key in store.list()}


# -- reading -------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_members_read_equal_with_every_compression(tmp_path, method):
    value = b"".join(i.to_bytes(4, "little") for i in range(5000))
    with ZipStore(written(tmp_path / "x.zip", {"a/b": value, "empty": b""}, method)) as store:
        assert store.get("a/b") == value
        assert store.get("empty") == b""
        assert bytes(store.get("a/b", (100, 50))) == value[100:150]
        assert bytes(store.get("a/b", (-50, None))) == value[-50:]
        buffer = memoryview(bytearray(20_001))
        assert store.read_into("a/b", buffer) == 20_000
        assert buffer[:20_000] == value
        assert store.read_into("a/b", memoryview(bytearray(10))) > 10
        assert store.read_into("a/b", buffer, 19_000) == 1000
        assert buffer[:1000] == value[19_000:]
        opened = store.open_value("a/b")
        assert opened.size == 20_000
        opened.read_into(buffer[:7], 9)
        assert buffer[:7] == value[9:16]
        assert store.size("a/b") == 20_000
        assert store.read_only is True


@pytest.mark.parametrize(
    "name", ["v2/data.zipped_from_within", "v3/data.zipped_from_within", "v3/data.uncompressed"]
)
def test_zip_fixtures_equal_their_folders(name):
    path = FIXTURES / f"{name}.zarr.zip"
    if not path.exists():
        pytest.skip("the fixtures are not here")
    with zipfile.ZipFile(path) as oracle, ZipStore(path) as store:
        assert everything(store) == {i.filename: oracle.read(i) for i in oracle.infolist() if not i.is_dir()}


@pytest.mark.parametrize("version", ["v2", "v3"])
def test_a_hierarchy_under_a_folder_in_the_zip_is_reached_by_its_path(version):
    within, parent = (
        FIXTURES / version / f"data.zipped_from_{kind}.zarr.zip" for kind in ("within", "parent")
    )
    if not parent.exists():
        pytest.skip("the fixtures are not here")
    with ZipStore(parent) as store, ZipStore(within) as other:
        below = PrefixStore(store, "data.zarr")
        assert below.list_dir() == other.list_dir()
        assert everything(below) == everything(other)


def test_folders_in_a_zip_are_no_keys(tmp_path):
    with ZipStore(written(tmp_path / "x.zip", {"a/": b"", "a/b/": b"", "a/b/c": b"1"})) as store:
        assert [*store.list()] == ["a/b/c"]
        assert store.list_dir() == ([], ["a"])
        assert store.get("a/b") is None


def test_names_that_begin_with_a_dot_and_a_slash_are_read(tmp_path):
    with ZipStore(written(tmp_path / "x.zip", {"./a/b": b"1"})) as store:
        assert everything(store) == {"a/b": b"1"}


def test_last_member_of_a_name_counts(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
            for value in (b"first", b"second", b"third one"):
                archive.writestr("a", value)
    with zipfile.ZipFile(tmp_path / "x.zip") as oracle, ZipStore(tmp_path / "x.zip") as store:
        assert store.get("a") == oracle.read("a") == b"third one"
        assert [*store.list()] == ["a"]


def test_what_zarr_python_wrote_reads_back(tmp_path):
    zarr = pytest.importorskip("zarr")
    import numpy as np

    with zarr.storage.ZipStore(tmp_path / "x.zip", mode="w") as theirs:
        array = zarr.create_array(
            theirs, name="g/a", shape=(10, 10), chunks=(5, 5), dtype="i4", compressors=None
        )
        array[:] = np.arange(100).reshape(10, 10)
    with ZipStore(tmp_path / "x.zip") as store:
        chunk = np.frombuffer(store.get("g/a/c/1/0"), "<i4").reshape(5, 5)
        assert np.array_equal(chunk, np.arange(100).reshape(10, 10)[5:, :5])
        assert store.list_dir("g/a") == (["zarr.json"], ["c"])


def test_a_zip_behind_other_bytes_is_read(tmp_path):
    written(tmp_path / "x.zip", {"a": b"value"})
    (tmp_path / "y.zip").write_bytes(b"#!/bin/sh\n" * 100 + (tmp_path / "x.zip").read_bytes())
    assert everything(ZipStore(tmp_path / "y.zip")) == {"a": b"value"}


def test_open_store_is_stable_when_the_file_is_replaced(tmp_path):
    path = tmp_path / "x.zip"
    old = ZipStore(written(path, {"a": b"old"}))
    with ZipStore(path, mode="w") as new:
        new.put("a", b"the new one")
    assert old.get("a") == b"old"
    assert ZipStore(path).get("a") == b"the new one"


def test_a_pickle_of_a_store_that_reads_reads(tmp_path):
    store = ZipStore(written(tmp_path / "x.zip", {"a": b"1"}))
    again = pickle.loads(pickle.dumps(store))
    assert again == store
    assert again.get("a") == b"1"


def test_missing_zip_raises(tmp_path):
    with pytest.raises(NodeNotFoundError, match=r"x\.zip"):
        ZipStore(tmp_path / "x.zip")
    with pytest.raises(StoreError):
        ZipStore(tmp_path)
    with pytest.raises(ArgumentError, match="as a whole"):
        ZipStore(tmp_path / "x.zip", mode="a")  # type: ignore[arg-type]
    assert [*tmp_path.iterdir()] == []


def test_forked_child_reads_concurrently_with_its_parent(tmp_path):
    values = {f"{i}": os.urandom(1000) * 3 for i in range(50)}
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2):
        store = ZipStore(written(tmp_path / f"{method}.zip", values, method))
        child = os.fork()
        same = all(store.get(key) == value for _ in range(5) for key, value in values.items())
        if not child:
            os._exit(0 if same else 1)
        assert same
        assert os.waitpid(child, 0)[1] == 0


# -- writing -------------------------------------------------------------------------


def test_other_software_reads_the_archive(tmp_path):
    values = {"zarr.json": b"{}", "a/c/0": os.urandom(5000), "é/x y": b"", "big": bytes(1 << 20)}
    with ZipStore(tmp_path / "x.zip", mode="w") as store:
        for key, value in values.items():
            store.put(key, value)
    with zipfile.ZipFile(tmp_path / "x.zip") as oracle:
        assert oracle.testzip() is None
        assert {name: oracle.read(name) for name in oracle.namelist()} == values
        assert {info.compress_type for info in oracle.infolist()} == {zipfile.ZIP_STORED}
        assert {info.external_attr >> 16 for info in oracle.infolist()} == {0o644}
    assert everything(ZipStore(tmp_path / "x.zip")) == values


def test_zarr_python_reads_the_archive(tmp_path):
    zarr = pytest.importorskip("zarr")
    import numpy as np

    data = np.arange(100, dtype="i4").reshape(10, 10)
    memory: dict = {}
    zarr.create_array(memory, data=data, chunks=(5, 5))
    with ZipStore(tmp_path / "x.zip", mode="w") as store:
        for key, value in memory.items():
            store.put(key, value.to_bytes())
    with zarr.storage.ZipStore(tmp_path / "x.zip", mode="r") as theirs:
        assert np.array_equal(zarr.open_array(theirs, mode="r")[:], data)


def test_equal_content_gives_equal_files(tmp_path):
    for name in ("x.zip", "y.zip"):
        with ZipStore(tmp_path / name, mode="w") as store:
            store.put("a", b"1")
    assert (tmp_path / "x.zip").read_bytes() == (tmp_path / "y.zip").read_bytes()


def test_only_the_last_value_of_a_key_and_no_deleted_one_is_in_the_archive(tmp_path):
    with ZipStore(tmp_path / "x.zip", mode="w") as store:
        for value in (b"1", b"22", b"3"):
            store.put("a", value)
            store.put("b", value)
            assert store.get("a") == value
        store.delete("b")
    with zipfile.ZipFile(tmp_path / "x.zip") as oracle:
        assert {name: oracle.read(name) for name in oracle.namelist()} == {"a": b"3"}
        assert oracle.testzip() is None


def test_an_archive_in_which_everything_was_deleted_or_nothing_put_is_empty(tmp_path):
    ZipStore(tmp_path / "x.zip", mode="w").close()
    with ZipStore(tmp_path / "y.zip", mode="x") as store:
        store.put("a", b"1")
        store.delete("a")
    for name in ("x.zip", "y.zip"):
        assert zipfile.ZipFile(tmp_path / name).namelist() == []
        assert everything(ZipStore(tmp_path / name)) == {}


def test_old_archive_stays_until_close(tmp_path):
    path = written(tmp_path / "x.zip", {"a": b"old"})
    store = ZipStore(path, mode="w")
    store.put("a", b"new")
    assert everything(ZipStore(path)) == {"a": b"old"}
    store.close()
    assert everything(ZipStore(path)) == {"a": b"new"}
    assert [*tmp_path.iterdir()] == [path]


def test_failed_with_block_leaves_only_the_old_archive(tmp_path):
    path = written(tmp_path / "x.zip", {"a": b"old"})

    def fail(store):
        with store:
            store.put("a", b"new")
            raise RuntimeError("mine")

    for wrap in (lambda store: store, StoreWrapper, lambda store: PrefixStore(store, "p")):
        with pytest.raises(RuntimeError, match="mine"):
            fail(wrap(ZipStore(path, mode="w")))
    assert everything(ZipStore(path)) == {"a": b"old"}
    assert [*tmp_path.iterdir()] == [path]


def test_killed_writer_leaves_the_old_archive(tmp_path, run_python):
    path = written(tmp_path / "x.zip", {"a": b"old"})
    done = run_python(
        "import os, sys; from exzarr.stores.zip.store import ZipStore; s = ZipStore(sys.argv[1], mode='w');"
        "s.put('a', b'new'); os.kill(os.getpid(), 9)",
        str(path),
    )
    assert done.returncode == -9
    assert everything(ZipStore(path)) == {"a": b"old"}
    put(path, "b", b"next")  # reuses the temporary file of the killed writer
    assert everything(ZipStore(path)) == {"b": b"next"}
    assert [*tmp_path.iterdir()] == [path]


def put(path, key, value):
    with ZipStore(path, mode="w") as store:
        store.put(key, value)


@pytest.mark.parametrize("mode", ["w", "x"])
def test_second_writer_is_refused(tmp_path, run_python, mode):
    path = tmp_path / "new" / "x.zip"
    with ZipStore(path, mode=mode) as store:
        store.put("a", b"1")
        with pytest.raises(
            StoreError, match=rf"x.zip is being written by process {os.getpid()} .*one writer"
        ):
            ZipStore(path, mode="w")
        done = run_python(
            "import sys; from exzarr.stores.zip.store import ZipStore; ZipStore(sys.argv[1], mode='x')",
            str(path),
        )
        assert f"is being written by process {os.getpid()} (" in done.stderr
        store.put("b", b"2")
        ZipStore(path.with_name("y.zip"), mode="w").discard()
    assert everything(ZipStore(path)) == {"a": b"1", "b": b"2"}
    put(path, "a", b"3")
    assert [*path.parent.iterdir()] == [path]


def test_one_writer_after_the_other_from_many_threads(tmp_path):
    path = tmp_path / "x.zip"
    done, refused = [], []

    def write(thread):
        for i in range(20):
            try:
                put(path, "a", b"%d %d" % (thread, i))
            except StoreError as error:
                refused.append(str(error))
            else:
                done.append(b"%d %d" % (thread, i))

    threads = [Thread(target=write, args=(thread,)) for thread in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(done) + len(refused) == 80
    assert done
    assert all("one writer" in error for error in refused)
    assert everything(ZipStore(path))["a"] in done
    assert [*tmp_path.iterdir()] == [path]


def test_without_locks_each_writer_has_its_own_file_and_the_last_one_remains(tmp_path, monkeypatch):
    path = tmp_path / "x.zip"
    with exzarr.config.override(file_locks=False):
        with ZipStore(path, mode="w") as first, ZipStore(path, mode="w") as second:
            first.put("a", b"1")
            second.put("b", b"2")
        assert everything(ZipStore(path)) == {"a": b"1"}
        ZipStore(path, mode="w").discard()
    assert [*tmp_path.iterdir()] == [path]


def test_zip_is_synced_before_the_rename_with_fsync(tmp_path, monkeypatch):
    synced = []
    real = os.fsync
    monkeypatch.setattr(os, "fsync", lambda fd: (synced.append((tmp_path / "x.zip").exists()), real(fd)))
    put(tmp_path / "x.zip", "a", b"1")
    assert synced == []
    (tmp_path / "x.zip").unlink()
    with exzarr.config.override(durability="fsync"):
        put(tmp_path / "x.zip", "a", b"1")
    assert synced == [False, True]  # the file, and its folder


def test_unclosed_store_warns_and_leaves_the_old_archive(tmp_path, run_python):
    path = written(tmp_path / "x.zip", {"a": b"old"})
    drop = [ZipStore(path, mode="w")]
    drop[0].put("a", b"new")
    with pytest.warns(RuntimeWarning, match="never closed"):
        drop.pop()
    gc.collect()
    done = run_python(
        "import sys; from exzarr.stores.zip.store import ZipStore; s = ZipStore(sys.argv[1], mode='w'); s.put('a', b'')",
        str(path),
    )
    assert "never closed" in done.stderr
    assert everything(ZipStore(path)) == {"a": b"old"}
    assert [*tmp_path.iterdir()] == [path]


def test_forked_child_does_not_discard_its_parents_archive(tmp_path):
    store = ZipStore(tmp_path / "x.zip", mode="w")
    store.put("a", b"1")
    child = os.fork()
    if not child:
        del store
        gc.collect()
        os._exit(0)
    os.waitpid(child, 0)
    store.close()
    assert everything(ZipStore(tmp_path / "x.zip")) == {"a": b"1"}


def test_failed_write_invalidates_the_new_archive_and_leaves_the_old_one(tmp_path, monkeypatch):
    path = written(tmp_path / "x.zip", {"a": b"old"})
    store = ZipStore(path, mode="w")
    store.put("b", b"new")

    def full(*args):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(store._writer._zip, "writestr", full)
        with pytest.raises(StoreError, match="No space left"):
            store.put("a", b"new")
    with pytest.raises(StoreError, match="an earlier write failed"):
        store.put("a", b"new")
    with pytest.raises(StoreError, match="an earlier write failed"):
        store.close()
    assert everything(ZipStore(path)) == {"a": b"old"}
    assert [*tmp_path.iterdir()] == [path]


def test_mode_x_refuses_an_existing_file(tmp_path):
    path = written(tmp_path / "x.zip", {"a": b"old"})
    with pytest.raises(NodeExistsError):
        ZipStore(path, mode="x")
    store = ZipStore(tmp_path / "y.zip", mode="x")
    store.put("a", b"1")
    written(tmp_path / "y.zip", {"a": b"theirs"})
    with pytest.raises(NodeExistsError, match="meanwhile"):
        store.close()
    assert everything(ZipStore(tmp_path / "y.zip")) == {"a": b"theirs"}
    assert len([*tmp_path.iterdir()]) == 2


def test_a_store_that_writes_cannot_be_pickled(tmp_path):
    store = ZipStore(tmp_path / "x.zip", mode="w")
    with pytest.raises(StoreError, match="while it is written"):
        pickle.dumps(store)
    store.discard()
    assert [*tmp_path.iterdir()] == []


def test_a_store_that_reads_refuses_to_write(tmp_path):
    store = ZipStore(written(tmp_path / "x.zip", {"a": b"old"}))
    for write in (lambda: store.put("b", b""), lambda: store.delete("a"), lambda: store.delete_prefix("")):
        with pytest.raises(ReadOnlyError):
            write()


@pytest.mark.parametrize("mode", ["r", "w"])
def test_closed_store_raises_and_can_be_closed_again(tmp_path, mode):
    path = written(tmp_path / "x.zip", {"a": b"1"})
    store = ZipStore(path, mode=mode)
    store.close()
    store.close()
    for use in (
        lambda: store.get("a"),
        lambda: store.put("a", b""),
        lambda: store.list(),
        lambda: store.size("a"),
    ):
        with pytest.raises(StoreError, match="closed"):
            use()


def test_archive_at_an_invalid_place_raises(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StoreError, match="cannot write a zip file"):
        ZipStore(tmp_path / "file" / "x.zip", mode="w")


def test_a_zip_made_in_memory_is_the_same_on_disk(tmp_path):
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w") as archive:
        archive.writestr("a", b"1")
    (tmp_path / "no-suffix").write_bytes(memory.getvalue())
    assert everything(ZipStore(tmp_path / "no-suffix")) == {"a": b"1"}
