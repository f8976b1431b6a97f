"""Nodes below arrays are refused for every form of path, and opening requires a path."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

import exzarr
from exzarr.stores import FsspecStore, MemoryStore, ObjectStore, PrefixStore, SQLiteStore, ZipStore
from tests.cli.test_commands import run

CREATE: dict[str, Callable[[Any], Any]] = {
    "create_array": lambda path: exzarr.create_array(path, shape=3, dtype="i4"),
    "create_array with data": lambda path: exzarr.create_array(path, data=np.arange(3)),
    "create_array overwriting": lambda path: exzarr.create_array(path, data=np.arange(3), overwrite=True),
    "create_group": lambda path: exzarr.create_group(path),
    "open mode a": lambda path: exzarr.open(path, mode="a"),
    "open_group mode w": lambda path: exzarr.open_group(path, mode="w"),
    "open_array mode w-": lambda path: exzarr.open_array(path, mode="w-", shape=3, dtype="i4"),
    "save": lambda path: exzarr.save(path, np.arange(3)),
    "save_group": lambda path: exzarr.save_group(path, x=np.arange(3)),
    "zeros": lambda path: exzarr.zeros(3, store=path),
}


def content(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("create", CREATE)
@pytest.mark.parametrize("below", ["sub", "sub/deeper", "sub.zip", "sub.sqlite"])
@pytest.mark.parametrize("zarr_format", [2, 3])
def test_nothing_is_created_below_an_array_on_disk(tmp_path, create, below, zarr_format):
    path = tmp_path / "arr.zarr"
    zarr.create_array(path, data=np.arange(4), zarr_format=zarr_format)
    before = content(tmp_path)
    for name in (path / below, os.fspath(path / below), f"file://{path / below}"):
        if str(name).startswith("file:") and below.endswith((".zip", ".sqlite")):
            continue
        with pytest.raises(exzarr.NodeExistsError, match="is an array, and arrays have no children"):
            CREATE[create](name)
    assert content(tmp_path) == before


def test_a_group_between_array_and_path_is_checked(tmp_path):
    exzarr.create_array(tmp_path / "g.zarr", name="a", data=np.arange(3))
    made = exzarr.create_array(tmp_path / "g.zarr" / "b", data=np.arange(3))
    assert made.shape == (3,)
    with pytest.raises(exzarr.NodeExistsError, match=r"g\.zarr/a is an array"):
        exzarr.create_group(tmp_path / "g.zarr" / "a" / "b")


@pytest.mark.parametrize("create", CREATE)
def test_nothing_is_created_below_an_array_in_other_stores(tmp_path, create, s3_server):
    memory = MemoryStore("arrays of test_below_arrays")
    s3 = s3_server.store("deep/arr.zarr")
    options = s3_server.options()
    exzarr.create_array(memory, name="arr", shape=3, dtype="i4", overwrite=True)
    exzarr.create_array(s3, shape=3, dtype="i4")
    for place in (
        "memory://arrays of test_below_arrays/arr/sub",
        PrefixStore(memory, "arr/sub"),
        ObjectStore(f"{s3.url}/sub/deeper", options=options),
        PrefixStore(s3, "sub"),
    ):
        with pytest.raises(exzarr.NodeExistsError, match="is an array, and arrays have no children"):
            CREATE[create](place)
    assert [*s3.list()] == ["zarr.json"]
    assert [key for key in memory.list() if key.startswith("arr/")] == ["arr/zarr.json"]


def test_nothing_is_created_below_an_array_through_fsspec(tmp_path):
    pytest.importorskip("fsspec")
    exzarr.create_array(tmp_path / "arr.zarr", shape=3, dtype="i4")
    store = FsspecStore(f"file://{tmp_path}/arr.zarr/sub", single_writer=True)
    with pytest.raises(exzarr.NodeExistsError, match="is an array"):
        exzarr.create_group(store)


@pytest.mark.parametrize("kind", [ZipStore, SQLiteStore])
def test_nothing_is_created_below_an_array_in_one_file(tmp_path, kind):
    args = ("w",) if kind is ZipStore else ()
    with kind(tmp_path / "one.file", *args) as store:
        exzarr.create_array(store, name="arr", shape=3, dtype="i4")
        with pytest.raises(exzarr.NodeExistsError, match="is an array"):
            exzarr.create_group(store, path="arr/sub")
        with pytest.raises(exzarr.NodeExistsError, match="is an array"):
            exzarr.create_group(PrefixStore(store, "arr/sub"))


def test_nothing_is_copied_below_an_array(tmp_path):
    exzarr.save(tmp_path / "arr.zarr", np.arange(3))
    exzarr.save(tmp_path / "other.zarr", np.arange(3))
    with pytest.raises(exzarr.NodeExistsError, match="is an array"):
        exzarr.copy(tmp_path / "other.zarr", tmp_path / "arr.zarr" / "sub")
    done = run("copy", tmp_path / "other.zarr", tmp_path / "arr.zarr" / "sub")
    assert done.returncode != 0
    assert "is an array" in done.stderr
    assert sorted(path.name for path in (tmp_path / "arr.zarr").iterdir()) == ["c", "zarr.json"]


@pytest.mark.parametrize("mode", [None, "r", "r+"])
@pytest.mark.parametrize("function", [exzarr.open, exzarr.open_array, exzarr.open_group])
def test_open_without_path_raises(function, mode):
    with pytest.raises(exzarr.ArgumentError, match="no path was given"):
        function(None, mode=mode)
    with pytest.raises(exzarr.ArgumentError, match="no path was given"):
        function(mode=mode)


@pytest.mark.parametrize(
    "function",
    [
        exzarr.load,
        exzarr.tree,
        exzarr.consolidate_metadata,
        exzarr.open_consolidated,
        exzarr.check,
        exzarr.checksum,
        lambda store: exzarr.copy(store, MemoryStore()),
        lambda store: exzarr.copy(MemoryStore(), store),
    ],
)
def test_reading_functions_without_path_raise(function):
    with pytest.raises(exzarr.ArgumentError, match="no path was given"):
        function(None)


def test_creating_modes_without_path_create_a_memory_store():
    assert isinstance(exzarr.open(mode="w").store, MemoryStore)
    assert isinstance(exzarr.open_group(mode="a").store, MemoryStore)
