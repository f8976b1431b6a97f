"""Overwrite an array or a group: the source may be the node itself, and a failure leaves the old node."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

import exzarr
from exzarr._nodes import new_nodes
from exzarr.stores import CountingStore, LocalStore, MemoryStore, PrefixStore, SQLiteStore, Store, ZipStore

pytestmark = pytest.mark.slow

DATA = np.arange(60, dtype="i4").reshape(6, 10)
OTHER = np.arange(24, dtype="f8").reshape(4, 6)

STORES: dict[str, Callable[[Path], Store]] = {
    "local": lambda path: LocalStore(path / "s.zarr"),
    "fsync": lambda path: LocalStore(path / "s.zarr", durability="fsync"),
    "memory": lambda path: MemoryStore(),
    "sqlite": lambda path: SQLiteStore(path / "s.sqlite"),
    "zip": lambda path: ZipStore(path / "s.zip", mode="w"),
    "prefix": lambda path: PrefixStore(LocalStore(path / "s.zarr"), "below"),
    "prefix in sqlite": lambda path: PrefixStore(SQLiteStore(path / "s.sqlite"), "below"),
    "wrapped": lambda path: CountingStore(LocalStore(path / "s.zarr")),
}


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read data row by row, so that some rows are written before the source fails."""
    monkeypatch.setattr(new_nodes, "BLOCK", 64)


@pytest.fixture(params=[*STORES, "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    if request.param == "s3":
        yield request.getfixturevalue("s3_server").store("deep/s.zarr")
        return
    with STORES[request.param](tmp_path) as made:
        yield made


def stored(store: Store) -> dict[str, bytes]:
    """Return all values of a store by key."""
    return {key: bytes(store.get(key) or b"") for key in store.list()}


def nothing_is_left(folder: Path) -> None:
    """Return all files, except the archive that the test is still writing."""
    found = [path.name for path in folder.rglob("*") if path.name.endswith(".exzarr-tmp")]
    assert not set(found) - {".s.zip.exzarr-tmp"}


class Failing:
    """Data that raises after some rows."""

    def __init__(self, error: BaseException, last: int = 2) -> None:
        self.shape, self.dtype = (6, 8), np.dtype("i8")
        self.error, self.last = error, last

    def __getitem__(self, region: Any) -> np.ndarray:
        if region[0].stop > self.last:
            raise self.error
        return np.full([part.stop - part.start for part in region], 9, self.dtype)


# -- an array as the source of itself ----------------------------------------------------


def test_an_array_assigned_to_itself_stays(store):
    group = exzarr.create_group(store)
    group.create_array("x", data=DATA, chunks=(2, 3), attributes={"unit": "K"})
    group["x"] = group["x"]
    np.testing.assert_array_equal(exzarr.open_array(store, path="x")[...], DATA)


@pytest.mark.parametrize("name", [None, "x", "deep/er/x"])
@pytest.mark.parametrize("zarr_format", [2, 3])
def test_an_array_is_rechunked_in_place(store, name, zarr_format):
    exzarr.create_array(store, name=name, data=DATA, chunks=(2, 3), zarr_format=zarr_format)
    source = exzarr.open_array(store, path=name)
    made = exzarr.create_array(
        store, name=name, data=source, chunks=(5, 4), zarr_format=zarr_format, overwrite=True
    )
    again = exzarr.open_array(store, path=name)
    assert made.chunks == again.chunks == (5, 4)
    np.testing.assert_array_equal(again[...], DATA)
    np.testing.assert_array_equal(made[...], DATA)
    # No chunk of the old grid remains.
    below = f"{name}/" if name else ""
    chunks = [key for key in store.list() if not key.endswith((".zarray", ".zattrs", ".zgroup", "zarr.json"))]
    assert len([key for key in chunks if key.startswith(below)]) == 6


@pytest.mark.parametrize(
    "overwrite",
    [
        lambda store, data: exzarr.from_array(store, data=data, name="x", overwrite=True),
        lambda store, data: exzarr.array(data, store=store, path="x", overwrite=True),
        lambda store, data: exzarr.create(data=data, store=store, path="x", overwrite=True),
        lambda store, data: exzarr.save_array(store, data, path="x"),
        lambda store, data: exzarr.save(store, data, path="x"),
        lambda store, data: exzarr.open_group(store, mode="r+").create_array("x", data=data, overwrite=True),
    ],
)
@pytest.mark.parametrize("lazily", [False, True])
def test_every_function_that_overwrites_reads_first(store, overwrite, lazily):
    exzarr.create_array(store, name="x", data=DATA, chunks=(2, 3))
    source: Any = exzarr.open_array(store, path="x")
    if lazily:
        da = pytest.importorskip("dask.array")
        source = da.from_array(source, chunks=(4, 5))
    overwrite(store, source)
    np.testing.assert_array_equal(exzarr.open_array(store, path="x")[...], DATA)


def test_save_group_over_its_own_sources(store):
    exzarr.save_group(store, a=DATA, b=OTHER, path="g")
    group = exzarr.open_group(store, path="g")
    exzarr.save_group(store, b=group["a"], c=group["b"], path="g")
    again = exzarr.open_group(store, path="g")
    assert sorted(again.keys()) == ["b", "c"]
    np.testing.assert_array_equal(again["b"][...], DATA)
    np.testing.assert_array_equal(again["c"][...], OTHER)


@pytest.mark.parametrize("name", [None, "g"])
def test_overwrite_parent_with_its_own_child(store, name):
    exzarr.create_array(store, name="g/sub/x", data=DATA, chunks=(2, 3))
    exzarr.create_array(store, name=name, data=exzarr.open_array(store, path="g/sub/x"), overwrite=True)
    again = exzarr.open(store, path=name)
    assert isinstance(again, exzarr.Array)
    np.testing.assert_array_equal(again[...], DATA)
    assert not [key for key in store.list() if "sub" in key]


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_overwrite_with_zarr_python_array_of_the_same_path(tmp_path, zarr_format):
    path = tmp_path / "a.zarr"
    zarr.create_array(path, data=DATA, chunks=(2, 3), zarr_format=zarr_format)
    exzarr.create_array(
        path, data=zarr.open_array(path), chunks=(6, 2), zarr_format=zarr_format, overwrite=True
    )
    again = zarr.open_array(path, mode="r")
    assert again.chunks == (6, 2)
    np.testing.assert_array_equal(again[...], DATA)
    nothing_is_left(tmp_path)


@pytest.mark.parametrize("call", ["save", "save_array", "create_array"])
def test_a_zip_file_is_saved_over_itself(tmp_path, call):
    path = tmp_path / "a.zip"
    exzarr.save(path, DATA)
    source = exzarr.open_array(path)
    if call == "create_array":
        exzarr.create_array(path, data=source, chunks=(1, 1), overwrite=True).store.close()
    else:
        getattr(exzarr, call)(path, source)
    np.testing.assert_array_equal(exzarr.load(path), DATA)
    source.store.close()


def test_overwrite_through_different_paths_to_one_folder(tmp_path):
    path = tmp_path / "a.zarr"
    exzarr.save(path, x=DATA)
    (tmp_path / "link").symlink_to(path)
    for source in (exzarr.open(tmp_path / "link" / "x"), exzarr.open(path / "x")):
        exzarr.open_group(f"file://{path}", mode="r+").create_array("x", data=source, overwrite=True)
        np.testing.assert_array_equal(exzarr.open(path)["x"][...], DATA)
    exzarr.create_array(tmp_path / "link", data=exzarr.open(path)["x"], overwrite=True)
    assert (tmp_path / "link").is_symlink()
    np.testing.assert_array_equal(exzarr.open(path)[...], DATA)


# -- failures leave the old node -----------------------------------------------------


@pytest.mark.parametrize("error", [ValueError("source"), KeyboardInterrupt()], ids=["error", "interrupt"])
@pytest.mark.parametrize("name", [None, "x"])
@pytest.mark.parametrize("consolidated", [False, True])
def test_failing_source_leaves_the_old_array(store, error, name, consolidated, tmp_path):
    exzarr.create_array(store, name=name, data=DATA, chunks=(2, 3), attributes={"unit": "K"})
    if consolidated and name:
        exzarr.consolidate_metadata(store)
    before = stored(store)
    with pytest.raises(type(error)):
        exzarr.create_array(store, name=name, data=Failing(error), chunks=(1, 8), overwrite=True)
    assert stored(store) == before
    nothing_is_left(tmp_path)


@pytest.mark.parametrize("name", [None, "x"])
def test_failing_source_leaves_no_new_node(store, name, tmp_path):
    exzarr.create_group(store, path="other")
    name = name and "x"
    if name is None:
        store.delete_prefix("other")
        for key in [*store.list()]:
            store.delete(key)
    before = stored(store)
    with pytest.raises(ValueError, match="source"):
        exzarr.create_array(store, name=name, data=Failing(ValueError("source")), chunks=(1, 8))
    assert stored(store) == before
    nothing_is_left(tmp_path)


def test_failing_member_leaves_the_old_group(store):
    exzarr.save_group(store, a=DATA, b=OTHER, path="g")
    before = stored(store)
    with pytest.raises(ValueError, match="source"):
        exzarr.save_group(store, path="g", a=OTHER, c=Failing(ValueError("source")))
    assert stored(store) == before


def test_failing_conversion_leaves_the_old_array(store):
    class Words(Failing):
        def __getitem__(self, region):
            return np.full((1, 8), "x" if region[0].start > 1 else "7", "U1")

    exzarr.create_array(store, name="x", data=DATA, chunks=(2, 3))
    before = stored(store)
    with pytest.raises(exzarr.ExzarrError):
        exzarr.create_array(store, name="x", data=Words(ValueError()), chunks=(1, 8), overwrite=True)
    assert stored(store) == before


KILLED = """
import os, signal, sys
import numpy as np
import exzarr
from exzarr._nodes import new_nodes
new_nodes.BLOCK = 64
class Source:
    shape, dtype = (4, 8), np.dtype("i8")
    def __getitem__(self, region):
        if region[0].stop > 2:
            os.kill(os.getpid(), signal.SIGKILL)
        return np.ones([part.stop - part.start for part in region], "i8")
if sys.argv[2] == "array":
    exzarr.create_array(sys.argv[1], name="x", data=Source(), chunks=(1, 8), overwrite=True)
else:
    exzarr.save_group(sys.argv[1], path="x", y=Source())
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no SIGKILL")
@pytest.mark.parametrize("kind", ["array", "group"])
@pytest.mark.parametrize("name", ["s.zarr", "s.sqlite"])
def test_killed_writer_leaves_the_old_node(tmp_path, kind, name):
    path = tmp_path / name
    group = exzarr.create_group(path)
    group.create_array("x", data=DATA, chunks=(2, 3))
    group.consolidate_metadata()
    group.store.close()
    done = subprocess.run([sys.executable, "-c", KILLED, os.fspath(path), kind], check=False)
    assert done.returncode == -signal.SIGKILL
    again = exzarr.open_group(path, mode="r")
    assert again.consolidated
    np.testing.assert_array_equal(again["x"][...], DATA)
    findings = exzarr.check(path, deep=True, grace=0).findings
    assert {finding.code for finding in findings} <= {"EXZ501"}
    again.store.close()


# -- other properties of overwriting --------------------------------------------------


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_consolidated_metadata_has_the_new_node_after_overwrite(store, zarr_format):
    root = exzarr.create_group(store, zarr_format=zarr_format)
    root.create_array("g/old/x", data=DATA)
    root.create_array("y", data=DATA)
    root.consolidate_metadata()
    exzarr.save_group(store, path="g", new=OTHER, zarr_format=zarr_format)
    exzarr.open_group(store, mode="r+")["y"] = OTHER
    again = exzarr.open_group(store, use_consolidated=True)
    assert sorted(path for path, _ in again.members(max_depth=None)) == ["g", "g/new", "y"]
    np.testing.assert_array_equal(again["g/new"][...], OTHER)
    np.testing.assert_array_equal(again["y"][...], OTHER)


def test_group_sees_the_node_that_it_overwrote(store):
    root = exzarr.create_group(store)
    root.create_array("g/old", data=DATA)
    root.consolidate_metadata()
    root.create_array("g", data=OTHER, overwrite=True)
    assert sorted(path for path, _ in root.members(max_depth=None)) == ["g"]
    np.testing.assert_array_equal(root["g"][...], OTHER)


def test_overwrite_keeps_folder_permissions(tmp_path):
    path = tmp_path / "a.zarr"
    exzarr.save(path, DATA)
    path.chmod(0o750)
    exzarr.save(path, OTHER)
    assert path.stat().st_mode & 0o777 == 0o750
    np.testing.assert_array_equal(exzarr.load(path), OTHER)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_overwrite_in_a_read_only_parent_folder(tmp_path):
    path = tmp_path / "closed" / "a.zarr"
    exzarr.save(path, DATA)
    path.parent.chmod(0o555)
    try:
        exzarr.create_array(path, data=exzarr.open(path), chunks=(1, 1), overwrite=True)
        np.testing.assert_array_equal(exzarr.load(path), DATA)
    finally:
        path.parent.chmod(0o755)
    nothing_is_left(tmp_path)


def test_foreign_files_are_not_overwritten(tmp_path):
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "letter.txt").write_text("dear")
    with pytest.raises(exzarr.NodeExistsError, match="letter"):
        exzarr.save(tmp_path / "home", DATA)
    assert (tmp_path / "home" / "letter.txt").read_text() == "dear"


def test_failing_copy_leaves_the_old_node(store, tmp_path):
    source = tmp_path / "from.zarr"
    array = exzarr.create_array(source, name="g/x", data=DATA, chunks=(2, 3))
    (source / "g/x/c/1/1").write_bytes(b"broken")
    exzarr.save_group(store, path="there", y=OTHER)
    before = stored(store)
    with pytest.raises(exzarr.ChunkCorruptError):
        exzarr.copy(source, store, path="there", chunks=(3, 3), overwrite=True)
    assert stored(store) == before
    assert array.shape == DATA.shape


def test_error_of_failed_upload_names_the_path_of_the_new_data(tmp_path):
    class Breaking(CountingStore):
        broken = False

        def put(self, key, value):
            if self.broken and "/c/" in key:
                raise exzarr.StoreError("the network is gone")
            super().put(key, value)

    inner = MemoryStore()
    store = Breaking(inner)
    exzarr.create_array(store, name="x", data=DATA, chunks=(2, 3))
    store.broken = True
    with pytest.raises(exzarr.StoreError, match="network is gone") as caught:
        exzarr.create_array(store, name="x", data=OTHER, chunks=(2, 3), overwrite=True)
    [folder] = [word.strip("'") for word in str(caught.value).split() if word.startswith("'/")]
    np.testing.assert_array_equal(exzarr.open_array(folder, path="x")[...], OTHER)
