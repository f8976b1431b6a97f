"""Folders that other software wrote or reads."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from exzarr.stores.local.store import LocalStore


def test_zarr_python_lists_and_reads_stored_values(tmp_path):
    zarr = pytest.importorskip("zarr")
    from zarr.core.buffer import default_buffer_prototype

    store = LocalStore(tmp_path)
    values = {"a/zarr.json": b"{}", "a/c/0/1": b"chunk", "é x": b""}
    for key, value in values.items():
        store.put(key, value)

    async def read():
        theirs = await zarr.storage.LocalStore.open(tmp_path, read_only=True)
        keys = [key async for key in theirs.list()]
        return {key: (await theirs.get(key, default_buffer_prototype())).to_bytes() for key in keys}

    assert asyncio.run(read()) == values


def test_zarr_python_reads_a_hierarchy_copied_key_by_key(tmp_path):
    zarr = pytest.importorskip("zarr")
    data = np.arange(60, dtype="f4").reshape(6, 10)
    group = zarr.create_group(tmp_path / "theirs", attributes={"x": 1})
    group.create_array("g/a", data=data, chunks=(2, 5), shards=(4, 10))
    theirs, ours = LocalStore(tmp_path / "theirs"), LocalStore(tmp_path / "ours")
    for key in theirs.list():
        ours.put(key, theirs.get(key))
    copied = zarr.open_group(tmp_path / "ours", mode="r")
    assert copied.attrs.asdict() == {"x": 1}
    assert np.array_equal(copied["g/a"][:], data)


def test_tensorstore_sees_the_same_keys_and_values(tmp_path):
    tensorstore = pytest.importorskip("tensorstore")
    theirs = tensorstore.KvStore.open({"driver": "file", "path": f"{tmp_path}/"}).result()
    ours = LocalStore(tmp_path)
    ours.put("a/b", b"ours")
    theirs.write("a/c/d", b"theirs").result()
    assert theirs.read("a/b").result().value == b"ours"
    assert ours.get("a/c/d") == b"theirs"
    assert sorted(theirs.list().result()) == sorted(key.encode() for key in ours.list())
    theirs.write("a/b", b"replaced by them").result()
    assert ours.get("a/b") == b"replaced by them"
