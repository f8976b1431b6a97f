"""Stores of zarr-python that exzarr reads and writes, and those that it leaves to zarr-python."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import obstore.store
import pytest
import zarr
from zarr.storage import (
    FsspecStore,
    LocalStore,
    LoggingStore,
    MemoryStore,
    ObjectStore,
    WrapperStore,
    ZipStore,
)

from exzarr.stores import MappingStore
from exzarr.zarr import pipeline
from exzarr.zarr.stores import counterpart
from tests.zarr.tools import create, fallbacks, open_ours, open_plain, plain, same

VALUES = np.arange(200, dtype="i4").reshape(20, 10)


def fill(store: Any, **options: Any) -> None:
    with plain():
        zarr.create_array(store, name="a", data=VALUES, chunks=(6, 4), **options)


def test_parts_of_chunks_are_written_through_exzarr(tmp_path: Path) -> None:
    stores = [
        LocalStore(tmp_path / "local"),
        MemoryStore(),
        ObjectStore(obstore.store.MemoryStore()),
    ]
    if hasattr(zarr.storage, "ManagedMemoryStore"):
        stores += [zarr.storage.ManagedMemoryStore(), zarr.storage.ManagedMemoryStore(path="in/side")]
    for store in stores:
        fill(store)
        a = open_ours(store, path="a", mode="r+")
        expected = VALUES.copy()
        with fallbacks() as fell_back:
            a[3:5] = expected[3:5] = -1
            a[:, 9] = expected[:, 9] = -2
            same(a[:], expected)
            same(a[4, 3:], expected[4, 3:])
        assert fell_back == [], store
        same(open_plain(store, path="a")[:], expected)


@pytest.mark.parametrize("kind", ["file", "memory", "folder"])
def test_stores_without_safe_updates_are_written_by_zarr_python(
    kind: str, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline, "_said", set())
    store: Any
    if kind == "folder":
        (tmp_path / "objects").mkdir()
        store = ObjectStore(obstore.store.LocalStore(str(tmp_path / "objects")))
    elif kind == "file":
        store = FsspecStore.from_url(f"file://{tmp_path}/f.zarr", storage_options={"auto_mkdir": True})
    else:
        store = FsspecStore.from_url(f"memory://{tmp_path.name}-f")
    fill(store)
    a = open_ours(store, path="a", mode="r+")
    with fallbacks() as fell_back:
        same(a[:], VALUES)
        same(a[3:17:2, 4], VALUES[3:17:2, 4])
    assert fell_back == []
    with fallbacks() as fell_back, caplog.at_level(logging.WARNING, "exzarr.zarr"):
        a[:] = VALUES + 1
        a[3:5] = 0
        a[3:5] = 1
    assert fell_back == ["write"] * 3
    assert [record.name for record in caplog.records] == ["exzarr.zarr"]
    assert "safe updates" in caplog.text or "no conditional put" in caplog.text
    same(open_plain(store, path="a")[5:], VALUES[5:] + 1)


def test_finished_zip_files_are_read(tmp_path: Path) -> None:
    with ZipStore(tmp_path / "a.zip", mode="w") as store:
        fill(store, shards=(12, 8))
        writing = open_ours(store, path="a", mode="r+")
        with fallbacks() as fell_back:
            same(writing[:], VALUES)
        assert fell_back == ["read"]
    with ZipStore(tmp_path / "a.zip", mode="r") as store, fallbacks() as fell_back:
        same(open_ours(store, path="a", mode="r")[3:9], VALUES[3:9])
    assert fell_back == []


def test_subclasses_and_wrappers_see_every_request() -> None:
    class Mine(MemoryStore):
        pass

    for store in (Mine(), LoggingStore(MemoryStore()), WrapperStore(MemoryStore())):
        assert counterpart(store) is None
        a = create(store, shape=(4,), chunks=(2,), dtype="i4")
        with fallbacks() as fell_back:
            a[:] = 3
            same(a[:], np.full(4, 3, "i4"))
        assert fell_back == ["write", "read"]


def test_reference_file_systems_are_left_to_zarr_python() -> None:
    fs = fsspec.filesystem("reference", fo={"version": 1, "refs": {}}, asynchronous=True)
    assert counterpart(FsspecStore(fs, path="", read_only=True)) is None


def test_read_only_stores_raise_the_error_of_zarr_python(tmp_path: Path) -> None:
    for store in (MemoryStore(), LocalStore(tmp_path / "x")):
        fill(store)
        a = open_ours(store.with_read_only(True), path="a", mode="r")
        same(a[:], VALUES)
        with pytest.raises(ValueError, match="read-only"):
            a[3:5] = 0
        same(a[:], VALUES)


def test_stores_with_one_dict_are_equal() -> None:
    values: dict[str, Any] = {}
    assert MappingStore(values) == MappingStore(values)
    assert len({MappingStore(values), MappingStore(values), MappingStore({})}) == 2
