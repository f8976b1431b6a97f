"""Blocks of dask of any shape are written without a loss, from threads and processes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

import exzarr
from exzarr.xarray import to_zarr
from exzarr.xarray.writing.grids import aligned
from tests.object_servers import OPEN
from tests.xarray.writing.compared import read

dask = pytest.importorskip("dask")


def numbers(*shape: int) -> xr.Dataset:
    return xr.Dataset({"a": (("y", "x")[: len(shape)], np.arange(1.0, np.prod(shape) + 1).reshape(shape))})


@pytest.mark.parametrize("align", [False, True])
@pytest.mark.parametrize(
    "encoding", [{"chunks": (5, 4)}, {"chunks": (5, 4), "shards": (10, 8)}], ids=["chunks", "shards"]
)
def test_blocks_that_share_stored_chunks(encoding: dict[str, Any], align: bool, tmp_path: Path) -> None:
    data = numbers(23, 17)
    to_zarr(
        data.chunk(y=(3, 7, 1, 12), x=3), tmp_path / "a.zarr", encoding={"a": encoding}, align_chunks=align
    )
    xr.testing.assert_identical(read(tmp_path / "a.zarr").load(), data)
    assert exzarr.open_array(tmp_path / "a.zarr", path="a").chunks == (5, 4)


def test_uneven_blocks_without_encoding_become_chunks_of_the_largest(tmp_path: Path) -> None:
    data = numbers(12, 6)
    to_zarr(data.chunk(y=(2, 5, 5), x=(4, 2)), tmp_path / "a.zarr")
    assert read(tmp_path / "a.zarr")["a"].encoding["chunks"] == (5, 4)
    xr.testing.assert_identical(read(tmp_path / "a.zarr").load(), data)


def test_rectilinear_chunks(tmp_path: Path) -> None:
    data = numbers(12, 6)
    encoding: Any = {"a": {"chunks": ((2, 5, 5), (4, 2))}}
    to_zarr(data.chunk(y=(2, 5, 5), x=(4, 2)), tmp_path / "a.zarr", encoding=encoding)
    array = exzarr.open_array(tmp_path / "a.zarr", path="a")
    assert array.write_chunk_sizes == ((2, 5, 5), (4, 2))
    assert len(list((tmp_path / "a.zarr" / "a" / "c").rglob("*/*"))) == 6
    found = xr.open_dataset(tmp_path / "a.zarr", engine="exzarr")
    xr.testing.assert_identical(found.load(), data)
    # The encoding of a dataset that was read has them, too.
    to_zarr(found, tmp_path / "again.zarr")
    assert exzarr.open_array(tmp_path / "again.zarr", path="a").write_chunk_sizes == ((2, 5, 5), (4, 2))
    with pytest.raises(ValueError, match="require zarr_format=3"):
        to_zarr(data, tmp_path / "v2.zarr", encoding=encoding, zarr_format=2)


def test_rectilinear_chunks_are_appended_to_and_written_by_region(tmp_path: Path) -> None:
    data = numbers(12, 6)
    to_zarr(data.isel(y=slice(7)), tmp_path / "a.zarr", encoding={"a": {"chunks": ((2, 5), 6)}})
    to_zarr(data.isel(y=slice(3, 6)), tmp_path / "a.zarr", region={"y": slice(3, 6)})
    found = xr.open_dataset(tmp_path / "a.zarr", engine="exzarr").load()
    xr.testing.assert_identical(found, data.isel(y=slice(7)))


@pytest.mark.parametrize(
    ("blocks", "stored", "wanted"),
    [
        ((3, 3, 3), (5, 4), (5, 4)),
        ((2,) * 6, (4, 4, 4), (4, 4, 4)),
        ((6, 6), (5, 5, 2), (5, 7)),
        ((12,), (5, 5, 2), (12,)),
        ((4, 4), (8,), (8,)),
        ((0,), (), (0,)),
        ((1, 7, 2), (3, 2, 5), (10,)),
    ],
)
def test_aligned_blocks(blocks: tuple[int, ...], stored: tuple[int, ...], wanted: tuple[int, ...]) -> None:
    variable = xr.Variable("x", np.arange(sum(blocks))).chunk(x=blocks)
    found = aligned(variable, [stored])
    borders = {0, *np.cumsum(stored)}
    assert {*np.cumsum(found.chunks[0])} <= borders
    assert sum(found.chunks[0]) == sum(blocks)
    if wanted != (10,):
        assert found.chunks == (wanted,)
    assert aligned(xr.Variable("x", [1]), [(1,)]).chunks is None


def test_aligned_regions_write_each_chunk_once(tmp_path: Path) -> None:
    data = numbers(40)
    encoding: Any = {"a": {"chunks": (8,), "compressors": None}}
    to_zarr(data, tmp_path / "a.zarr", encoding=encoding)
    part = -data.isel(y=slice(4, 36))
    counting = exzarr.stores.CountingStore(exzarr.stores.LocalStore(tmp_path / "a.zarr"))
    to_zarr(part.chunk(y=5), counting, region={"y": slice(4, 36)}, align_chunks=True)
    np.testing.assert_array_equal(
        read(tmp_path / "a.zarr")["a"], np.concatenate([data["a"][:4], part["a"], data["a"][36:]])
    )
    assert counting.requests["put"] == 5  # the chunks 0 to 4


def test_delayed_writes(tmp_path: Path) -> None:
    data = numbers(20, 8)
    delayed: Any = to_zarr(
        data.chunk(y=3), tmp_path / "a.zarr", encoding={"a": {"chunks": (4, 8)}}, compute=False
    )
    assert np.isnan(read(tmp_path / "a.zarr")["a"]).all()
    delayed.compute(scheduler="threads")
    xr.testing.assert_identical(read(tmp_path / "a.zarr").load(), data)


def test_keywords_for_dask(tmp_path: Path) -> None:
    data = numbers(20, 8).chunk(y=4)
    to_zarr(data, tmp_path / "a.zarr", chunkmanager_store_kwargs={"scheduler": "sync"})
    xr.testing.assert_identical(read(tmp_path / "a.zarr").load(), data.load())


def test_objects_of_dask(tmp_path: Path) -> None:
    data = xr.Dataset({"s": ("x", np.array(["a", "bcd", "ä"], object))})
    with pytest.warns(xr.SerializationWarning, match="loaded into memory"):
        to_zarr(data.chunk(x=1), tmp_path / "a.zarr")
    xr.testing.assert_identical(xr.open_dataset(tmp_path / "a.zarr", engine="exzarr").load(), data)


CLUSTER = (
    OPEN
    + """
import numpy as np, xarray as xr, zarr
from distributed import Client, LocalCluster
import exzarr
from exzarr.xarray import to_zarr

if __name__ == "__main__":
    data = xr.Dataset({"a": (("y", "x"), np.arange(1.0, 30 * 20 + 1).reshape(30, 20))}, {"y": np.arange(30)})
    encoding = {"a": {"chunks": (7, 6)}}
    with LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as cluster:
        with Client(cluster):
            to_zarr(data.chunk(y=2, x=3), sys.argv[2], encoding=encoding)
            more = data.assign_coords(y=np.arange(30, 60))
            to_zarr(more.chunk(y=2, x=3), sys.argv[2], append_dim="y", key="k")
            later = to_zarr(data.assign_coords(y=np.arange(60, 90)).chunk(y=4), sys.argv[2], append_dim="y", key="l", compute=False)
            assert later.compute() == exzarr.Appended(60, 90, stored=True)
            later = to_zarr(-data.chunk(y=2, x=3)[["a"]].drop_vars("y"), sys.argv[2], region={"y": slice(60, 90)}, compute=False)
            later.compute()
            store = open_store()
            to_zarr(data, store, encoding=encoding)
            to_zarr(more.chunk(y=10, x=10), store, append_dim="y", key="k")
"""
)


@pytest.mark.slow
def test_processes_of_a_cluster_lose_nothing(s3_server: Any, tmp_path: Path) -> None:
    pytest.importorskip("distributed")
    store = s3_server.store()
    script = tmp_path / "script.py"
    script.write_text(CLUSTER)
    done = subprocess.run(  # noqa: PLW1510 - checked below
        [sys.executable, str(script), s3_server.describe(store), str(tmp_path / "a.zarr")],
        capture_output=True,
        text=True,
        timeout=170,
    )
    assert done.returncode == 0, done.stderr
    one = np.arange(1.0, 30 * 20 + 1).reshape(30, 20)
    found = read(tmp_path / "a.zarr")
    np.testing.assert_array_equal(found["a"], np.concatenate([one, one, -one]))
    np.testing.assert_array_equal(found["y"], np.arange(90))
    found = xr.open_dataset(store, engine="exzarr")
    np.testing.assert_array_equal(found["a"], np.concatenate([one, one]))
