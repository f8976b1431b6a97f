"""Concurrent appends, resizes and changes of attributes: nothing is lost, and no reader sees part of a change."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorstore
import zarr

import exzarr
from exzarr import MemoryStore, NodeExistsError
from exzarr._nodes import node_creation
from exzarr.stores.sqlite.store import SQLiteStore
from tests.nodes.test_concurrent_writes import run_all, start

posix = pytest.mark.skipif(os.name != "posix", reason="threads only")

HEAD = """
import sys
import exzarr
path, me, times = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
"""
READY = """
print("ready", flush=True)
sys.stdin.readline()
"""
APPEND = f"""
{HEAD}
import numpy as np
arrays = [exzarr.open_array(path, path=name, mode="r+") for name in ("chunks", "shards", "rows", "v2")]
{READY}
for i in range(times):
    for a in arrays:
        a.append(np.full((10, 3), 1 + me * times + i))
"""
APPEND_TO_SQLITE = f"""
{HEAD}
import numpy as np
from exzarr.stores.sqlite.store import SQLiteStore
a = exzarr.open_array(SQLiteStore(path), mode="r+")
{READY}
for i in range(times):
    a.append(np.full((10, 3), 1 + me * times + i))
"""
ATTRIBUTES = f"""
{HEAD}
nodes = [exzarr.open(path, path=name, mode="r+") for name in ("", "a", "g", "g/b")]
{READY}
for i in range(times):
    for node in nodes:
        node.attrs[f"{{me}}-{{i}}"] = [me, i]
"""
CREATE = f"""
{HEAD}
root = exzarr.open_group(path, mode="r+")
{READY}
made = 0
for i in range(times):
    root.create_array(f"g{{me % 2}}/x{{i}}-{{me}}", shape=(me + 1,), dtype="i1", attributes={{"i": i}})
    try:
        root.create_array(f"all/y{{i}}", shape=(me + 1,), dtype="i1", attributes={{"me": me}})
        made += 1
    except exzarr.NodeExistsError:
        pass
root.attrs[str(me)] = made
"""
# Dies just before it puts the key that is the last argument of its command line.
DIE = """
import os, signal, sys
import numpy as np
import exzarr
from exzarr.stores.wrappers.base import StoreWrapper

class Deadly(StoreWrapper):
    def die(self, key):
        if key == sys.argv[2]:
            os.kill(os.getpid(), signal.SIGKILL)
    def update(self, key, change):
        def deadly(value):
            parts = change(value)
            self.die(key)
            return parts
        super().update(key, deadly)
    def put(self, key, value):
        self.die(key)
        super().put(key, value)
    def put_parts(self, key, parts):
        self.die(key)
        super().put_parts(key, parts)
    def delete(self, key):
        self.die(key)
        super().delete(key)

a = exzarr.open_array(Deadly(exzarr.LocalStore(sys.argv[1])), mode="r+")
"""

LAYOUTS: dict[str, dict[str, Any]] = {
    "chunks": {"chunks": (7, 2)},
    "shards": {"chunks": (4, 3), "shards": (16, 3)},
    "rows": {"chunks": (10, 3), "compressors": None},
    "v2": {"chunks": (25, 3), "zarr_format": 2},
}


def blocks(data: Any) -> list[int]:
    """Return the numbers of the blocks of ten rows in `data`; each block must be complete."""
    values = np.asarray(data).reshape(-1, 30)
    assert (values == values[:, :1]).all()
    return values[:, 0].tolist()


@pytest.mark.slow
@posix
def test_a_hundred_appends_by_five_processes_are_never_seen_partially(tmp_path: Path) -> None:
    for name, layout in LAYOUTS.items():
        exzarr.create_array(tmp_path / name, shape=(0, 3), dtype="i4", fill_value=-1, **layout)
    processes = [start(APPEND, tmp_path, i, 20) for i in range(5)]
    stop = threading.Event()
    failures: list[BaseException] = []
    seen: set[int] = set()

    def read() -> None:
        try:
            while not stop.is_set():
                for name in LAYOUTS:
                    ours = exzarr.open_array(tmp_path / name)[:]
                    theirs = zarr.open_array(tmp_path / name, mode="r")[:]
                    for found in (blocks(ours), blocks(theirs)):
                        seen.add(len(found))
                        assert len({*found}) == len(found)
                        assert min(found, default=1) > 0
        except BaseException as error:  # noqa: BLE001 - raised below, in the thread that pytest looks at
            failures.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    try:
        run_all(processes)
    finally:
        stop.set()
        reader.join()
    assert not failures, failures
    assert len(seen) > 3
    for name in LAYOUTS:
        assert sorted(blocks(exzarr.open_array(tmp_path / name)[:])) == [*range(1, 101)], name
        assert sorted(blocks(zarr.open_array(tmp_path / name, mode="r")[:])) == [*range(1, 101)], name


@pytest.mark.slow
@posix
def test_processes_append_to_an_array_in_one_file(tmp_path: Path) -> None:
    file = tmp_path / "a.sqlite"
    with SQLiteStore(file) as store:
        exzarr.create_array(store, shape=(0, 3), dtype="i4", chunks=(7, 2))
        run_all([start(APPEND_TO_SQLITE, file, i, 10) for i in range(4)])
        assert sorted(blocks(exzarr.open_array(store)[:])) == [*range(1, 41)]
    assert [path.name for path in tmp_path.iterdir()] == ["a.sqlite"]


def test_append_concurrent_with_writer_without_locks_raises(tmp_path: Path) -> None:
    class Slow(exzarr.LocalStore):
        def put(self, key: str, value: Any) -> None:
            super().put(key, value)
            if key == "c/1" and not theirs.shape[0] > 4:
                theirs.append(np.zeros(4, "i4"))

    exzarr.create_array(tmp_path, data=np.arange(4, dtype="i4"), chunks=4)
    theirs = zarr.open_array(tmp_path, mode="r+")
    a = exzarr.open_array(Slow(tmp_path), mode="r+")
    with pytest.raises(
        exzarr.StoreError, match=r"from \(4,\) to \(8,\) while .* took no lock: the elements past 4"
    ):
        a.append(np.ones(4, "i4"))


def test_threads_append_to_shared_array_and_it_has_the_last_shape() -> None:
    a = exzarr.create_array(MemoryStore(), shape=(0, 3), dtype="i4", chunks=(7, 2))

    def append(me: int) -> None:
        for i in range(10):
            a.append(np.full((10, 3), 1 + 10 * me + i))

    threads = [threading.Thread(target=append, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert a.shape == (800, 3)
    assert sorted(blocks(a[:])) == [*range(1, 81)]


@pytest.mark.slow
@posix
@pytest.mark.parametrize("zarr_format", [2, 3])
def test_attributes_of_five_processes_are_all_stored(tmp_path: Path, zarr_format: Any) -> None:
    root = exzarr.create_group(tmp_path, zarr_format=zarr_format, attributes={"first": 1})
    root.create_array("a", shape=(0,), dtype="i1", attributes={"first": 1})
    root.create_array("g/b", shape=(), dtype="i1")
    root.consolidate_metadata()
    appending = exzarr.open_array(tmp_path, path="a", mode="r+")
    processes = [start(ATTRIBUTES, tmp_path, i, 10) for i in range(5)]
    thread = threading.Thread(target=lambda: [appending.append([i]) for i in range(30)])
    thread.start()
    run_all(processes)
    thread.join()
    keys = {f"{me}-{i}" for me in range(5) for i in range(10)}
    for consolidated in (True, False):
        root = exzarr.open_group(tmp_path, use_consolidated=consolidated)
        nodes: dict[str, Any] = {"": root, **dict(root.walk())}
        assert [*nodes] == ["", "a", "g", "g/b"]
        assert [{*node.attrs} - {"first"} for node in nodes.values()] == [keys] * 4
        assert nodes[""].attrs["first"] == nodes["a"].attrs["first"] == 1
        assert nodes["a"].shape == (30,)
    theirs = zarr.open_group(tmp_path, mode="r")
    assert {*theirs.attrs} - {"first"} == {*theirs["g/b"].attrs} == keys
    assert theirs["a"][:].tolist() == [*range(30)]  # type: ignore[index, union-attr]


@pytest.mark.slow
@posix
@pytest.mark.parametrize("zarr_format", [2, 3])
def test_one_of_several_concurrent_creators_succeeds_and_consolidated_metadata_is_complete(
    tmp_path: Path, zarr_format: Any
) -> None:
    exzarr.create_group(tmp_path, zarr_format=zarr_format)
    exzarr.consolidate_metadata(tmp_path)
    run_all([start(CREATE, tmp_path, i, 10) for i in range(4)])
    root = exzarr.open_group(tmp_path, use_consolidated=True)
    assert sum(root.attrs[str(i)] for i in range(4)) == 10
    plain = exzarr.open_group(tmp_path, use_consolidated=False)
    found = dict(root.walk())
    assert found == dict(plain.walk())
    assert len(found) == 3 + 4 * 10 + 10
    for i in range(10):
        array = root.get_array(f"all/y{i}")
        assert array.shape == (array.attrs["me"] + 1,), "all from one creator"


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_change_of_node_during_first_consolidation_is_recorded(zarr_format: Any) -> None:
    class Consolidating(MemoryStore):
        """A store in which a node changes during a consolidation that has already read all nodes."""

        armed = False

        def update(self, key: str, change: Any) -> None:
            def changed(value: Any) -> Any:
                parts = change(value)
                if self.armed and key in ("zarr.json", ".zmetadata"):
                    self.armed = False
                    thread.start()
                    while b"meanwhile" not in bytes(self.get(document) or b""):
                        time.sleep(0.001)
                    thread.join(0.1)  # long enough for a writer that does not wait for the lock
                return parts

            super().update(key, changed)

    store = Consolidating()
    root = exzarr.create_group(store, zarr_format=zarr_format)
    array = root.create_array("a", shape=(3,), dtype="i1", attributes={"x": 1})
    document = "a/zarr.json" if zarr_format == 3 else "a/.zattrs"
    thread = threading.Thread(target=lambda: array.attrs.update(x="meanwhile"))
    store.armed = True
    exzarr.consolidate_metadata(store)
    thread.join()
    assert exzarr.open_group(store, use_consolidated=True)["a"].attrs["x"] == "meanwhile"


def test_node_created_concurrently_is_not_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    store = MemoryStore()
    require_room = node_creation.require_room

    def late(*args: Any, **options: Any) -> Any:
        missing = require_room(*args, **options)
        monkeypatch.undo()
        exzarr.create_array(store, name="a", data=[1, 2], overwrite=True)
        return missing

    monkeypatch.setattr("exzarr._nodes.node_creation.require_room", late)
    with pytest.raises(NodeExistsError, match="at the same time") as caught:
        exzarr.create_array(store, name="a", shape=5, dtype="i1")
    assert "overwrite" not in str(caught.value)
    assert exzarr.open_array(store, path="a")[:].tolist() == [1, 2]


# -- killed writers ---------------------------------------------------------------------------------


def die(folder: Path, what: str, at: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", DIE + what, str(folder), at], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (-signal.SIGKILL, "")


DEATHS: dict[str, tuple[dict[str, Any], list[str]]] = {
    "chunks": ({"chunks": (4, 3)}, ["zarr.json", "c/2/0", "c/3/0"]),
    "shards": ({"chunks": (2, 3), "shards": (4, 3)}, ["zarr.json", "c/2/0", "c/3/0"]),
    "v2": ({"chunks": (4, 3), "zarr_format": 2}, [".zarray", "2.0", "3.0"]),
}


@pytest.mark.slow
@posix
@pytest.mark.parametrize(("layout", "at"), [(name, at) for name, (_, keys) in DEATHS.items() for at in keys])
def test_killed_append_is_never_visible(tmp_path: Path, layout: str, at: str) -> None:
    data = np.arange(30).reshape(10, 3)
    a = exzarr.create_array(tmp_path, data=data, fill_value=-1, **DEATHS[layout][0])
    die(tmp_path, "a.append(np.full((7, 3), 99))", at)
    np.testing.assert_array_equal(exzarr.open_array(tmp_path)[:], data)
    np.testing.assert_array_equal(zarr.open_array(tmp_path, mode="r")[:], data)
    if at.endswith("0"):
        a.append([[7, 7, 7]])
        data = np.vstack([data, [[7, 7, 7]]])
    a.resize((14, 4))
    a.resize((23, 4))
    expected = np.full((23, 4), -1)
    expected[: len(data), :3] = data
    np.testing.assert_array_equal(exzarr.open_array(tmp_path)[:], expected)
    np.testing.assert_array_equal(zarr.open_array(tmp_path, mode="r")[:], expected)


@pytest.mark.slow
@posix
@pytest.mark.parametrize(
    ("layout", "at"), [("chunks", "c/1/0"), ("chunks", "c/2/0"), ("v2", "1.0"), ("v2", "2.0")]
)
def test_killed_resize_is_complete_or_absent_and_old_data_is_never_visible(
    tmp_path: Path, layout: str, at: str
) -> None:
    data = np.arange(30).reshape(10, 3)
    exzarr.create_array(tmp_path, data=data, fill_value=-1, **DEATHS[layout][0])
    die(tmp_path, "a.resize((5, 3))", at)
    a = exzarr.open_array(tmp_path, mode="r+")
    assert a.shape == (5, 3)
    np.testing.assert_array_equal(a[:], data[:5])
    a.resize((12, 3))
    np.testing.assert_array_equal(a[:5], data[:5])
    assert (a[5:] == -1).all()


@pytest.mark.parametrize("layout", DEATHS)
@pytest.mark.parametrize("few", [0, 100])
def test_writes_outside_of_shrunk_array_are_never_visible(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, layout: str, few: int
) -> None:
    monkeypatch.setattr("exzarr._nodes.resize.FEW", few)
    data = np.arange(60).reshape(20, 3)
    a = exzarr.create_array(tmp_path, data=data, fill_value=-1, **DEATHS[layout][0])
    behind = exzarr.open_array(tmp_path, mode="r+")
    a.resize((6, 2))
    behind[:] = 77  # in the shape that it had when it was opened
    a.resize((20, 5))
    expected = np.full((20, 5), -1)
    expected[:6, :2] = 77
    np.testing.assert_array_equal(a[:], expected)
    # If nothing has to be cleared, no file is written again.
    before = {
        path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file() and len(path.name) < 5
    }
    a.resize((21, 5))
    assert before == {path: path.stat().st_mtime_ns for path in before}


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_resize_starts_from_stored_shape(zarr_format: Any) -> None:
    store = MemoryStore()
    a = exzarr.create_array(store, data=np.arange(4), chunks=3, zarr_format=zarr_format)
    other = exzarr.open_array(store, mode="r+")
    other.resize(9)
    other[:] = 5
    a.resize(7)
    assert a[:].tolist() == [5] * 7
    other.append([6])
    assert other.shape == (8,)
    assert other[:].tolist() == [5] * 7 + [6]
    other.attrs["x"] = 1
    a.attrs["y"] = 2
    assert a.shape == (8,)
    assert dict(a.attrs) == {"x": 1, "y": 2}


def test_deleted_or_replaced_node_is_not_changed(tmp_path: Path) -> None:
    a = exzarr.create_array(tmp_path, name="a", shape=3, dtype="i1")
    exzarr.create_group(tmp_path, path="a", overwrite=True)
    for change in (lambda: a.append([1]), lambda: a.resize(9), lambda: a.attrs.update(x=1)):
        with pytest.raises(exzarr.NodeTypeError, match="another kind now"):
            change()
    del exzarr.open_group(tmp_path, mode="r+")["a"]
    for change in (lambda: a.append([1]), lambda: a.resize(9), lambda: a.attrs.update(x=1)):
        with pytest.raises(exzarr.NodeNotFoundError):
            change()
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["zarr.json"]


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_locks_leave_no_keys_that_other_libraries_list(tmp_path: Path, zarr_format: Any) -> None:
    root = exzarr.create_group(tmp_path, zarr_format=zarr_format)
    a = root.create_array("g/a", shape=(10,), chunks=(4,), dtype="i4", compressors=None)
    a[1:9] = 1  # parts of chunks
    a.append([2, 3])
    a.resize(11)
    a.attrs["x"] = root.attrs["y"] = 1
    root.consolidate_metadata()
    documents = ["zarr.json"] if zarr_format == 3 else [".zattrs", ".zgroup"]
    array = ["zarr.json", "c/0", "c/1", "c/2"] if zarr_format == 3 else [".zarray", ".zattrs", "0", "1", "2"]
    keys = {*documents, *(f"g/{name}" for name in documents), *(f"g/a/{name}" for name in array)}
    keys |= set() if zarr_format == 3 else {".zmetadata"}
    assert {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()} == keys
    assert {*exzarr.LocalStore(tmp_path).list()} == keys
    kvstore = tensorstore.KvStore.open({"driver": "file", "path": f"{tmp_path}/"}).result()
    assert {key.decode() for key in kvstore.list().result()} == keys
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        theirs = zarr.open_group(tmp_path, mode="r", use_consolidated=False)
        assert [name for name, _ in theirs.members(max_depth=None)] == ["g", "g/a"]
        assert theirs["g/a"][:].tolist() == a[:].tolist()  # type: ignore[index, union-attr]


@posix
def test_leftovers_of_killed_writer_do_not_affect_readers(tmp_path: Path) -> None:
    a = exzarr.create_array(tmp_path, name="a", data=np.arange(12, dtype="i4"), chunks=4)
    die(tmp_path / "a", "a[1:3] = 5", "c/0")
    die(tmp_path / "a", "a.append([1, 2, 3])", "zarr.json")
    die(tmp_path / "a", "a.attrs['x'] = 1", "zarr.json")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        theirs = zarr.open_group(tmp_path, mode="r")
        assert [*theirs.array_keys()] == ["a"]
        assert theirs["a"][:].tolist() == [*range(12)]  # type: ignore[index, union-attr]
        assert theirs["a"].nchunks_initialized == 3  # type: ignore[union-attr]
    a[1:3] = 5
    assert a[:4].tolist() == [0, 5, 5, 3]
