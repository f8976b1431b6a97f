"""Stores that need a server or a library of their own: buckets, references to HDF5, icechunk; and stores that fail."""

from __future__ import annotations

import http.client
import json
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import exzarr
from exzarr.serve import ServeOptions, app, background
from exzarr.stores import MemoryStore, Request, StoreWrapper
from tests.serve.asgi import ask

pytestmark = pytest.mark.slow

VALUES = np.random.default_rng(0).normal(size=(600, 1000))


def test_bucket(s3_server: Any) -> None:
    store = s3_server.store("cube.zarr")
    exzarr.create_array(store, data=VALUES, chunks=(600, 500), compressors=None)
    chunk = VALUES[:, :500].tobytes()
    served = app(store, ServeOptions(write=True))
    whole = ask(served, "GET", "/c/0/0")  # read block by block
    assert (whole.status, whole.body) == (200, chunk)
    tag = whole.headers["etag"]
    for text, part in (("bytes=5-104", chunk[5:105]), ("bytes=-100", chunk[-100:]), ("bytes=5-", chunk[5:])):
        found = ask(served, "GET", "/c/0/0", range=text, if_match=tag)
        assert (found.status, found.body, found.headers["etag"]) == (206, part, tag)
    assert ask(served, "GET", "/c/0/0", range="bytes=9999999-").status == 416
    assert ask(served, "HEAD", "/c/0/0", if_none_match=tag).status == 304
    assert ask(served, "GET", "/c/9/9").status == 404
    assert ask(served, "PUT", "/c/0/0", chunk, if_match='"other"').status == 412
    assert ask(served, "PUT", "/c/0/0", chunk[::-1], if_match=tag).status == 204
    assert ask(served, "PUT", "/c/0/0", chunk, if_match=tag).status == 412
    assert ask(served, "PUT", "/c/0/0", chunk, if_none_match="*").status == 412
    assert ask(served, "DELETE", "/c/0/0", if_match=tag).status == 501  # S3 has no conditional delete
    assert store.get("c/0/0") == chunk[::-1]


def test_references_to_hdf5(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("x", data=VALUES, chunks=(100, 1000), compression="gzip")
    exzarr.virtualize(tmp_path / "a.h5", tmp_path / "a.json")
    with background(tmp_path / "a.json") as served:
        np.testing.assert_array_equal(exzarr.open_array(served.url, path="x")[90:210], VALUES[90:210])


def test_icechunk(tmp_path: Path) -> None:
    icechunk = pytest.importorskip("icechunk")
    repository = icechunk.Repository.create(icechunk.local_filesystem_storage(str(tmp_path / "r")))
    session = repository.writable_session("main")
    exzarr.open_group(session.store, mode="a").create_array("x", data=VALUES, chunks=(600, 500))
    session.commit("first")
    with background(repository.readonly_session("main").store, ServeOptions(consolidate=True)) as served:
        np.testing.assert_array_equal(exzarr.open_group(served.url, mode="r")["x"][...], VALUES)  # type: ignore[index]
        with urllib.request.urlopen(f"{served.url}/x/c/0/0") as response:
            tag = response.headers["ETag"]
        again = urllib.request.Request(f"{served.url}/x/c/0/0", headers={"If-None-Match": tag})
        with pytest.raises(urllib.error.HTTPError, match="304") as caught:
            urllib.request.urlopen(again)
        caught.value.close()


class FailsLater(StoreWrapper):
    """A store that fails when the third part of an opened value is read."""

    reads = 0

    def around(self, request: Request, call: Any) -> Any:
        if request.kind == "range" and request.key == "c/0/0":
            self.reads += 1
            if self.reads > 2:
                raise exzarr.StoreError("the disk is broken")
        return call()


def test_response_that_breaks_off_is_not_taken_for_a_whole_one(caplog: pytest.LogCaptureFixture) -> None:
    store = MemoryStore()
    exzarr.create_array(store, data=VALUES, chunks=(600, 500), compressors=None)
    with background(FailsLater(store)) as served:
        with (
            urllib.request.urlopen(f"{served.url}/c/0/0") as response,
            pytest.raises(http.client.IncompleteRead),
        ):
            response.read()
        with urllib.request.urlopen(f"{served.url}/zarr.json") as response:
            assert json.load(response)["shape"] == [600, 1000]
    assert "the disk is broken" in caplog.text
