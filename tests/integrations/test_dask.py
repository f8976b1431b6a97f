"""dask reads arrays in blocks, in threads and in processes of a cluster, and stores into them."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import exzarr
from exzarr.errors import ArgumentError, MissingDependencyError
from tests.stream.arrays import LAYOUTS, numbers

da = pytest.importorskip("dask.array")
distributed = pytest.importorskip("distributed")


def stored(store: Any, layout: str, shape: tuple[int, ...] = (23, 17)) -> tuple[exzarr.Array, np.ndarray]:
    """Return an array with partial and missing chunks, and its values."""
    array = exzarr.create_array(store, shape=shape, dtype="i8", fill_value=-1, **LAYOUTS[layout])
    data = numbers(shape)
    data[8:16, :9] = -1  # some chunks are not stored
    array[...] = data
    return array, data


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    """Yield a client of a local cluster with two worker processes."""
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0", memory_limit=0
        ) as cluster,
        distributed.Client(cluster) as made,
    ):
        yield made


@pytest.fixture(params=LAYOUTS)
def layout(request: pytest.FixtureRequest) -> str:
    return str(request.param)


# -- blocks ------------------------------------------------------------------------------


def test_default_blocks_are_chunks_or_shards(layout: str) -> None:
    array, data = stored(exzarr.MemoryStore(), layout)
    blocks = exzarr.to_dask(array)
    assert blocks.chunks == array.write_chunk_sizes
    assert blocks.dtype == data.dtype
    assert type(blocks._meta) is np.ndarray
    np.testing.assert_array_equal(blocks.compute(), data)
    np.testing.assert_array_equal(blocks[3:20:2, ::-1].compute(), data[3:20:2, ::-1])
    np.testing.assert_array_equal(blocks[[22, 1, 9]].compute(), data[[22, 1, 9]])
    assert blocks.sum().compute() == data.sum()


@pytest.mark.parametrize("chunks", [(10, -1), "auto", "256 B", ((1, 22), (17,)), {0: 4}])
def test_blocks_of_other_shapes(chunks: Any, layout: str) -> None:
    array, data = stored(exzarr.MemoryStore(), layout)
    blocks = exzarr.to_dask(array, chunks=chunks)
    wanted = da.core.normalize_chunks(
        chunks, array.shape, dtype="i8", previous_chunks=array.write_chunk_sizes
    )
    assert blocks.chunks == wanted
    np.testing.assert_array_equal(blocks.compute(), data)


def test_blocks_that_do_not_fit_raise_argument_error() -> None:
    array, _ = stored(exzarr.MemoryStore(), "v3")
    with pytest.raises(ArgumentError, match=r"does not fit an array of shape \(23, 17\)"):
        exzarr.to_dask(array, chunks=((1, 2), (17,)))


@pytest.mark.parametrize("shape", [(), (0,), (0, 5), (3, 0)])
def test_arrays_without_elements_or_dimensions(shape: tuple[int, ...]) -> None:
    array = exzarr.full(shape, fill_value=7, chunks=tuple(2 for _ in shape), dtype="i2")
    found = exzarr.to_dask(array).compute()
    assert found.shape == shape
    assert found.dtype == "i2"
    np.testing.assert_array_equal(found, array[...])


@pytest.mark.parametrize("dtype", ["datetime64[s]", "U3", str, [("x", "f4"), ("n", "i2")], ">c8"])
def test_data_types(dtype: Any) -> None:
    array = exzarr.zeros((5, 4), chunks=(2, 3), dtype=dtype)
    found = exzarr.to_dask(array)
    assert found.dtype == array.dtype
    computed = found.compute()
    assert computed.dtype == array.dtype
    np.testing.assert_array_equal(computed, array[...])


NAMES = """
import sys, exzarr
array = exzarr.open(sys.argv[1])
print(exzarr.to_dask(array).name, exzarr.to_dask(array, chunks=(10, 10)).name)
"""


@pytest.mark.slow
def test_names_are_unique_and_equal_in_all_processes(tmp_path: Path) -> None:
    array, _ = stored(tmp_path / "a.zarr", "v3")
    other, _ = stored(tmp_path / "b.zarr", "v3")
    names = [
        exzarr.to_dask(array).name,
        exzarr.to_dask(array, chunks=(10, 10)).name,
        exzarr.to_dask(other).name,
        exzarr.to_dask(exzarr.open_array(tmp_path / "a.zarr", missing="error")).name,
    ]
    assert len(set(names)) == 4
    command = [sys.executable, "-c", NAMES, str(tmp_path / "a.zarr")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split() == [exzarr.to_dask(exzarr.open_array(tmp_path / "a.zarr")).name, names[1]]
    array.resize((30, 17))
    assert exzarr.to_dask(array).name not in names


def test_memory_stores_have_different_names() -> None:
    one, _ = stored(exzarr.MemoryStore(), "v3")
    two, _ = stored(exzarr.MemoryStore(), "v3")
    two[...] = 0
    assert exzarr.to_dask(one).name != exzarr.to_dask(two).name
    assert (exzarr.to_dask(one) - exzarr.to_dask(two)).any().compute()


@pytest.mark.slow
def test_pickled_blocks_contain_no_data(tmp_path: Path) -> None:
    array, _ = stored(tmp_path / "a.zarr", "v3", (2000, 200))
    assert len(pickle.dumps(exzarr.to_dask(array, chunks=(1000, 200)))) < 5000


def test_missing_dask_error_names_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "dask", None)
    with pytest.raises(MissingDependencyError, match=r"exzarr\[dask\]"):
        exzarr.to_dask(exzarr.zeros((4,), chunks=(2,)))


# -- on a cluster ------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["local", "zip"])
def test_cluster_reads(client: Any, tmp_path: Path, layout: str, kind: str) -> None:
    where = tmp_path / "a.zarr"
    array, data = stored(where, layout)
    if kind == "zip":
        with exzarr.ZipStore(tmp_path / "a.zip", "w") as store:
            exzarr.copy(array, store)
        array = exzarr.open_array(tmp_path / "a.zip")
    blocks = exzarr.to_dask(array)
    pids = blocks.map_blocks(lambda _: np.full((1, 1), os.getpid()), chunks=(1, 1)).compute()
    assert os.getpid() not in pids
    np.testing.assert_array_equal(blocks.compute(), data)
    np.testing.assert_array_equal((blocks + 1).mean(axis=0).compute(), (data + 1).mean(axis=0))


def test_cluster_cannot_read_memory_store(client: Any) -> None:
    array, _ = stored(exzarr.MemoryStore(), "v3")
    with pytest.raises(Exception, match="MemoryStore lives in the process that made it"):
        exzarr.to_dask(array).compute()


@pytest.mark.parametrize("lock", [True, False])
def test_cluster_cannot_write_memory_store(client: Any, lock: bool) -> None:
    target = exzarr.zeros((8, 8), chunks=(4, 4))
    work = da.store(da.ones((8, 8), chunks=(4, 4)), target, lock=lock, compute=False)
    with pytest.raises(Exception, match="MemoryStore lives in the process that made it"):
        client.compute(work).result(timeout=60)  # a lost task would wait forever
    assert not target[...].any()


def test_cluster_stores_blocks_of_whole_chunks(client: Any, tmp_path: Path, layout: str) -> None:
    source, data = stored(tmp_path / "source.zarr", layout)
    target = exzarr.create_array(
        tmp_path / "target.zarr", shape=data.shape, dtype="i8", fill_value=-1, **LAYOUTS[layout]
    )
    da.store(exzarr.to_dask(source) * 2, target, lock=False)
    np.testing.assert_array_equal(target[...], data * 2)
    da.store(exzarr.to_dask(source)[:7], target, regions=(slice(0, 7), slice(None)), lock=False)
    np.testing.assert_array_equal(target[:7], data[:7])


@pytest.mark.parametrize("how", ["threads", "cluster"])
def test_blocks_smaller_than_chunks_lose_nothing(
    request: pytest.FixtureRequest, tmp_path: Path, layout: str, how: str
) -> None:
    if how == "cluster":
        request.getfixturevalue("client")
        options = {}
    else:
        options = {"scheduler": "threads", "num_workers": 8}
    data = numbers((23, 17))
    target = exzarr.create_array(tmp_path / "a.zarr", shape=data.shape, dtype="i8", **LAYOUTS[layout])
    # By default dask uses one lock for all blocks: correct, but slower.
    for chunks, lock in (((2, 3), {}), ((2, 3), {"lock": False}), ((5, 17), {"lock": False}), ((23, 1), {})):
        target[...] = 0
        da.store(da.from_array(data, chunks=chunks), target, **lock, **options)
        np.testing.assert_array_equal(target[...], data)
