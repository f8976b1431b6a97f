"""Rows of several arrays are appended in one commit."""

from __future__ import annotations

import json
import pickle
import shutil
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

import exzarr
from exzarr._nodes.leases import _LeaseLost
from exzarr.errors import ArgumentError, StoreError, UnsupportedError
from exzarr.stores import MemoryStore, ObjectStore, SQLiteStore
from tests.kill_points import kill_steps, killed_at


def objects(_: Path) -> Any:
    return ObjectStore(pytest.importorskip("obstore").store.MemoryStore())


STORES: dict[str, Callable[[Path], Any]] = {
    "folder": lambda tmp: tmp / "cube.zarr",
    "objects": objects,
    "memory": lambda _: MemoryStore(),
    "sqlite": lambda tmp: SQLiteStore(tmp / "cube.sqlite"),
}


def new_cube(store: Any, zarr_format: int = 3, *, consolidated: bool = True, path: str = "") -> exzarr.Group:
    root = exzarr.create_group(store, zarr_format=zarr_format)  # type: ignore[arg-type]
    group = root.create_group(path) if path else root
    group.create_array("time", data=np.arange(3), chunks=(4,), dimension_names=("time",))
    group.create_array("x", data=np.arange(2), dimension_names=("x",))
    group.create_array("t2m", data=rows_of(0, 3), chunks=(1, 2), dimension_names=("x", "time"))
    return root.consolidate_metadata() if consolidated else root


def rows_of(start: int, count: int) -> np.ndarray[Any, Any]:
    return np.stack([np.arange(start, start + count), 10.0 + np.arange(start, start + count)])


def writer(start: int, count: int) -> Callable[[Mapping[str, Any]], None]:
    def write(rows: Mapping[str, Any]) -> None:
        rows["time"][:] = np.arange(start, start + count)
        rows["t2m"][:, :1] = rows_of(start, count)[:, :1]
        rows["t2m"][..., 1:] = rows_of(start, count)[:, 1:]

    return write


def check_cube(group: Any, count: int) -> None:
    np.testing.assert_array_equal(group["time"][:], np.arange(count))
    np.testing.assert_array_equal(group["t2m"][:], rows_of(0, count))


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("consolidated", [True, False])
@pytest.mark.parametrize("place", STORES)
def test_rows_are_appended(place: str, consolidated: bool, zarr_format: int, tmp_path: Path) -> None:
    store = STORES[place](tmp_path)
    root = new_cube(store, zarr_format, consolidated=consolidated)
    if place == "objects" and zarr_format == 2 and consolidated:
        with pytest.raises(UnsupportedError, match="Convert the group to format 3"):
            root.append_together(["time", "t2m"], 5, writer(3, 5), dimension="time")
        return
    for start in (3, 8):
        done = root.append_together(
            ["time", "t2m"], 5, writer(start, 5), dimension="time", consolidated=consolidated
        )
        assert (done.start, done.stop, done.stored) == (start, start + 5, True)
    check_cube(root, 13)
    for use in (False, None):
        check_cube(exzarr.open_group(store, mode="r", use_consolidated=use), 13)
    if place == "folder":
        check_cube(zarr.open_group(str(store), mode="r"), 13)
        check_cube(zarr.open_group(str(store), mode="r", use_consolidated=False), 13)
    assert (exzarr.open_group(store, mode="r").consolidated) is consolidated


def test_arrays_in_a_group_below_commit_in_the_consolidated_metadata_of_the_root(tmp_path: Path) -> None:
    root = new_cube(tmp_path / "cube.zarr", path="a/b")
    done = root.append_together(
        ["time", "t2m"], 2, writer(3, 2), dimension="time", path="a/b", key="k", attributes={"title": "x"}
    )
    assert done.stored
    group = zarr.open_group(str(tmp_path / "cube.zarr"), mode="r")["a/b"]
    check_cube(group, 5)
    assert dict(group.attrs) == {"title": "x", "exzarr_append_keys": {"k": [3, 5]}}


def test_a_key_is_stored_once(tmp_path: Path) -> None:
    root = new_cube(tmp_path / "cube.zarr")
    first = root.append_together(["time", "t2m"], 2, writer(3, 2), dimension="time", key="monday")

    def unexpected(_: object) -> None:
        raise AssertionError

    again = root.append_together(["time", "t2m"], 2, unexpected, dimension="time", key="monday")
    assert first.stored
    assert not again.stored
    assert (again.start, again.stop) == (3, 5)
    root.append_together(["time", "t2m"], 2, writer(5, 2), dimension="time", key="tuesday")
    check_cube(exzarr.open_group(tmp_path / "cube.zarr", mode="r"), 7)


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_a_writer_that_fails_changes_nothing(zarr_format: int, tmp_path: Path) -> None:
    root = new_cube(tmp_path / "cube.zarr", zarr_format)

    def fail(rows: Mapping[str, Any]) -> None:
        writer(3, 2)(rows)
        raise RuntimeError("no more data")

    with pytest.raises(RuntimeError, match="no more data"):
        root.append_together(["time", "t2m"], 2, fail, dimension="time")
    for use in (None, False):
        check_cube(exzarr.open_group(tmp_path / "cube.zarr", mode="r", use_consolidated=use), 3)
    root.append_together(["time", "t2m"], 1, writer(3, 1), dimension="time")
    check_cube(zarr.open_group(str(tmp_path / "cube.zarr"), mode="r"), 4)


@pytest.mark.parametrize(
    ("names", "options", "error"),
    [
        (["time"], {}, "would stay behind"),
        (["time", "t2m", "x"], {}, "no dimension"),
        (["time", "t2m", "sst"], {}, "no array 'sst'"),
        ([], {}, "names is empty"),
        (["time", "t2m"], {"path": "deep"}, "no group 'deep'"),
        (["time", "t2m"], {"key": ""}, "not empty"),
    ],
)
def test_invalid_appends_change_nothing(
    names: list[str], options: dict[str, Any], error: str, tmp_path: Path
) -> None:
    root = new_cube(tmp_path / "cube.zarr")
    before = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    with pytest.raises(ArgumentError, match=error):
        root.append_together(names, 2, writer(3, 2), dimension="time", **options)
    assert {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()} == before


@pytest.mark.parametrize(("zarr_format", "consolidated"), [(2, True), (3, False)])
def test_a_key_requires_one_document_for_key_and_lengths(
    zarr_format: int, consolidated: bool, tmp_path: Path
) -> None:
    root = new_cube(tmp_path / "cube.zarr", zarr_format, consolidated=consolidated)
    with pytest.raises(UnsupportedError, match="requires a group of Zarr format 3"):
        root.append_together(
            ["time", "t2m"], 2, writer(3, 2), dimension="time", key="k", consolidated=consolidated
        )


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_an_append_by_other_software_is_not_overwritten(zarr_format: int, tmp_path: Path) -> None:
    root = new_cube(tmp_path / "cube.zarr", zarr_format)
    # zarr-python does not update consolidated metadata.
    zarr.open_array(str(tmp_path / "cube.zarr" / "time")).append(np.array([3, 4]))
    with pytest.raises(StoreError, match="changed its shape without updating"):
        root.append_together(["time", "t2m"], 2, writer(3, 2), dimension="time")
    np.testing.assert_array_equal(zarr.open_array(str(tmp_path / "cube.zarr" / "time"))[:], np.arange(5))


def test_new_rows_pickle_with_the_shape_that_is_not_stored_yet(tmp_path: Path) -> None:
    root = new_cube(tmp_path / "cube.zarr")

    def write(rows: Mapping[str, Any]) -> None:
        assert rows["t2m"].chunk_sizes == ((1, 1), (1, 2))
        writer(3, 3)({name: pickle.loads(pickle.dumps(target)) for name, target in rows.items()})

    root.append_together(["time", "t2m"], 3, write, dimension="time")
    check_cube(root, 6)


def test_threads_append_one_after_the_other(tmp_path: Path) -> None:
    new_cube(tmp_path / "cube.zarr")
    starts = []

    def append(number: int) -> None:
        root = exzarr.open_group(tmp_path / "cube.zarr", mode="r+")

        def write(rows: Mapping[str, Any]) -> None:
            writer(rows["time"].start, 2)(rows)

        starts.append(
            root.append_together(["time", "t2m"], 2, write, dimension="time", key=str(number)).start
        )

    threads = [threading.Thread(target=append, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(starts) == [3, 5, 7, 9, 11, 13]
    check_cube(zarr.open_group(str(tmp_path / "cube.zarr"), mode="r"), 15)


@pytest.mark.slow
@pytest.mark.parametrize("zarr_format", [2, 3])
def test_an_append_that_is_killed_at_any_step_has_happened_or_not(zarr_format: int, tmp_path: Path) -> None:
    template, path = tmp_path / "template.zarr", tmp_path / "cube.zarr"
    new_cube(template, zarr_format)
    key = "k" if zarr_format == 3 else None

    def append() -> exzarr.Group:
        root = exzarr.open_group(path, mode="r+")
        root.append_together(["time", "t2m"], 5, writer(3, 5), dimension="time", key=key)
        return root

    def restore() -> None:
        shutil.rmtree(path, ignore_errors=True)
        shutil.copytree(template, path)

    restore()
    steps = kill_steps(path, append)
    seen = set()
    for step in steps:
        restore()
        killed_at(step, path, append)
        found = zarr.open_group(str(path), mode="r")["time"].shape[0]
        seen.add(found)
        for library in (exzarr, zarr):
            check_cube(library.open_group(str(path), mode="r"), found)
        if found == 3 or key is not None:
            append()
            for use in (None, False):
                check_cube(exzarr.open_group(path, mode="r", use_consolidated=use), 8)
                check_cube(zarr.open_group(str(path), mode="r", use_consolidated=use), 8)
    assert seen <= {3, 8}
    assert 3 in seen
    assert len(steps) >= 10


def test_zarr_python_opens_a_group_while_its_lease_is_held() -> None:
    client = pytest.importorskip("obstore").store.MemoryStore()
    root = new_cube(ObjectStore(client))

    def write(rows: Mapping[str, Any]) -> None:
        check_cube(zarr.open_group(zarr.storage.ObjectStore(client), mode="r"), 3)
        writer(3, 2)(rows)

    root.append_together(["time", "t2m"], 2, write, dimension="time", key="k")
    check_cube(zarr.open_group(zarr.storage.ObjectStore(client), mode="r"), 5)


def test_appends_on_an_object_store_are_all_kept() -> None:
    client = pytest.importorskip("obstore").store.MemoryStore()
    new_cube(ObjectStore(client))

    def append(number: int) -> None:
        root = exzarr.open_group(ObjectStore(client), mode="r+")

        def write(rows: Mapping[str, Any]) -> None:
            writer(rows["time"].start, 2)(rows)

        root.append_together(["time", "t2m"], 2, write, dimension="time", key=str(number))

    threads = [threading.Thread(target=append, args=(number,)) for number in (1, 2, 3, 3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    check_cube(zarr.open_group(zarr.storage.ObjectStore(client), mode="r"), 9)


def test_processes_write_for_the_holder_of_a_lease_and_not_after_it(s3_server: Any) -> None:
    store = s3_server.store()
    root = new_cube(store)
    kept = []

    def write(rows: Mapping[str, Any]) -> None:
        kept.append(pickle.dumps(dict(rows)))
        run_in_process(_write_rows, kept[0])

    root.append_together(["time", "t2m"], 2, write, dimension="time", key="k")
    check_cube(root, 5)
    with pytest.raises(_LeaseLost):
        pickle.loads(kept[0])["t2m"][:, :1] = -1
    check_cube(root, 5)


def _write_rows(pickled: bytes) -> None:
    writer(3, 2)(pickle.loads(pickled))


def run_in_process(function: Any, *args: Any) -> None:
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        pool.submit(function, *args).result()


def test_the_shapes_that_a_killed_append_announced_are_ignored_by_zarr_python(tmp_path: Path) -> None:
    path = tmp_path / "cube.zarr"
    new_cube(path)
    seen = []

    def write(rows: Mapping[str, Any]) -> None:
        seen.append(json.loads((path / "zarr.json").read_text()))
        check_cube(zarr.open_group(str(path), mode="r"), 3)
        writer(3, 5)(rows)

    exzarr.open_group(path).append_together(["time", "t2m"], 5, write, dimension="time")
    assert seen[0]["consolidated_metadata"]["exzarr_appends"]["reach"] == {"time": [8], "t2m": [2, 8]}
    assert "exzarr_appends" not in (path / "zarr.json").read_text()
