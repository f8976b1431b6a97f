"""zarr-python on exzarr, with object stores over HTTP."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest
import zarr

from exzarr.zarr.stores import counterpart
from tests.zarr.tools import create, fallbacks, open_ours, open_plain, same

pytest.importorskip("obstore")

ROWS, WRITERS = 24, 4


@pytest.mark.parametrize("shards", [None, (ROWS, 6)])
def test_writers_of_parts_lose_no_rows_in_an_object_store(object_server: Any, shards: Any) -> None:
    store = zarr.storage.ObjectStore(object_server.store()._client)
    create(store, shape=(ROWS, 6), chunks=(ROWS, 6) if shards is None else (4, 3), shards=shards, dtype="i4")
    # Each writer has an array and a client of its own, as other processes have.
    arrays = [open_ours(zarr.storage.ObjectStore(store.store), mode="r+") for _ in range(WRITERS)]

    def write(me: int) -> None:
        for row in range(me, ROWS, WRITERS):
            arrays[me][row] = row + 1

    with fallbacks() as fell_back:
        threads = [threading.Thread(target=write, args=(me,)) for me in range(WRITERS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        expected = np.repeat(np.arange(1, ROWS + 1, dtype="i4"), 6).reshape(ROWS, 6)
        same(arrays[0][:], expected)
        same(arrays[0].oindex[[5, 1], 2:4], expected[[5, 1], 2:4])
    assert fell_back == []
    same(open_plain(store)[:], expected)


def test_file_system_of_s3_is_read(s3_server: Any) -> None:
    pytest.importorskip("s3fs")
    access = s3_server._access()
    store = zarr.storage.FsspecStore.from_url(
        f"s3://{s3_server.make_bucket()}/a.zarr",
        storage_options={
            "key": access["access_key_id"],
            "secret": access["secret_access_key"],
            "endpoint_url": access["endpoint"],
        },
    )
    values = np.arange(120, dtype="f4").reshape(12, 10)
    assert counterpart(store) is not None
    a = create(store, shape=(12, 10), chunks=(5, 4), dtype="f4")
    a[:] = values
    with fallbacks() as fell_back:
        same(a[:], values)
        same(a[3:9:2, 7], values[3:9:2, 7])
    assert fell_back == []
