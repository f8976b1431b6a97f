"""File systems of fsspec as stores."""

from __future__ import annotations

import pickle
from itertools import count
from pathlib import Path

import numpy as np
import pytest

import exzarr
from exzarr.errors import ArgumentError, ReadOnlyError, StoreError, UnsupportedError
from exzarr.stores import FsspecStore
from exzarr.stores.base import Store
from exzarr.testing.store_suite import StoreSuite
from tests.web_servers import web_server

fsspec = pytest.importorskip("fsspec")
_numbers = count()


class TestFsspecMemory(StoreSuite):
    processes = False  # the store has a single writer

    def make_store(self, tmp_path: Path) -> Store:
        return FsspecStore(fsspec.filesystem("memory"), f"/suite{next(_numbers)}", single_writer=True)


class TestFsspecFolder(StoreSuite):
    processes = False  # the store has a single writer

    def make_store(self, tmp_path: Path) -> Store:
        return FsspecStore(f"file://{tmp_path}/data", single_writer=True)

    @pytest.mark.skip("its puts are not atomic")
    def test_reader_sees_old_or_new_value(self): ...


def test_other_urls_open_an_fsspec_store(tmp_path):
    with pytest.raises(UnsupportedError, match="gopher"):
        FsspecStore("gopher://host/x")
    data = np.arange(20).reshape(4, 5)
    exzarr.create_array(tmp_path / "a.zarr", data=data, chunks=(2, 2))
    url = f"simplecache::file://{tmp_path}/a.zarr"
    store = FsspecStore(url, read_only=True)
    assert (exzarr.open(store)[1:3] == data[1:3]).all()


def test_fetch_of_a_range_reads_the_range_only(tmp_path):
    (tmp_path / "a").write_bytes(bytes(100))
    with web_server(tmp_path) as web:
        found = FsspecStore(fsspec.filesystem("http"), web.url).fetch("a", (10, 5))
        assert found is not None
        assert (len(found.data), found.size) == (5, 100)
        assert [line for line in web.seen if line.startswith("GET")] == ["GET /a bytes=10-14"]


def test_partial_writes_require_single_writer(tmp_path):
    a = exzarr.create_array(FsspecStore(f"file://{tmp_path}"), shape=(8,), chunks=(4,), dtype="i4")
    a[:4] = 1
    with pytest.raises(StoreError, match="single_writer=True"):
        a[1] = 2
    b = exzarr.open(FsspecStore(f"file://{tmp_path}", single_writer=True), mode="r+")
    b[1] = 2
    assert a[:4].tolist() == [1, 2, 1, 1]


def test_secrets_are_in_no_repr_and_no_error(tmp_path):
    class Broken(fsspec.AbstractFileSystem):
        protocol = "broken"

        def __init__(self, password, **more):
            super().__init__(**more)
            self.password = password

        def cat_file(self, path, start=None, end=None, **more):
            raise RuntimeError(f"login with {self.password} failed at https://me:hush@host/x?sig=hush")

    fsspec.register_implementation("broken", Broken, clobber=True)
    store = FsspecStore("broken://host/x", storage_options={"password": "hush"})
    with pytest.raises(StoreError) as caught:
        store.get("k")
    for text in (repr(store), str(store), str(caught.value)):
        assert "hush" not in text
    assert caught.value.__cause__ is caught.value.__context__ is None
    with pytest.raises(ArgumentError):
        FsspecStore(Broken("x"), storage_options={"password": "hush"})
    with pytest.raises(ArgumentError):
        FsspecStore(7)


def test_concurrency_and_pickle(tmp_path):
    store = FsspecStore(f"file://{tmp_path}", concurrency=5, read_only=True)
    again = pickle.loads(pickle.dumps(store))
    assert (again, again.traits.concurrency, again.read_only) == (store, 5, True)
    assert FsspecStore(f"file://{tmp_path}").traits.concurrency == 0
    with pytest.raises(ReadOnlyError):
        store.put("k", b"")
