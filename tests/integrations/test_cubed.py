"""Cubed reads and writes with exzarr's engine, through the codec pipeline of zarr-python."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import exzarr

pytest.importorskip("zarr")
cubed = pytest.importorskip("cubed", reason="cubed is not installed")
pytestmark = pytest.mark.filterwarnings("ignore")  # of its dependencies

DATA = np.arange(12_000, dtype="f8").reshape(120, 100)


@pytest.fixture
def spec(tmp_path: Path) -> Iterator[Any]:
    import zarr

    import exzarr.zarr

    # Cubed changes this setting of zarr-python, for the process.
    kept = {"array.write_empty_chunks": zarr.config.get("array.write_empty_chunks")}
    with exzarr.zarr.enable(), zarr.config.set(kept):
        yield cubed.Spec(str(tmp_path / "work"), allowed_mem="200MB")


@pytest.fixture
def source(tmp_path: Path) -> str:
    exzarr.save_array(tmp_path / "a.zarr", DATA, chunks=(25, 40), shards=(50, 80))
    return str(tmp_path / "a.zarr")


def test_cubed_computes_on_the_engine(source: str, spec: Any) -> None:
    import cubed.array_api as xp

    with exzarr.profile() as report:
        array = cubed.from_zarr(source, spec=spec)
        mean = xp.mean(xp.add(cubed.rechunk(array, (30, 100)), 1), axis=0)
        np.testing.assert_allclose(mean.compute(), DATA.mean(axis=0) + 1)
    assert report.total("read").chunks > 0  # by exzarr
    assert report.total("write").chunks > 0  # the intermediate arrays


@pytest.mark.slow
@pytest.mark.parametrize("executor", ["threads", "processes"])
def test_cubed_writes_arrays_with_each_local_executor(
    source: str, spec: Any, tmp_path: Path, executor: str
) -> None:
    from cubed.runtime.create import create_executor

    array = cubed.rechunk(cubed.from_zarr(source, spec=spec), (60, 50))
    target = str(tmp_path / "b.zarr")
    cubed.to_zarr(cubed.map_blocks(negative, array, dtype="f8"), target, executor=create_executor(executor))
    written = exzarr.open_array(target)
    assert written.chunks == (60, 50)
    np.testing.assert_array_equal(written[...], -DATA)
    assert not exzarr.check(target).findings
    assert "ZARR_CODEC_PIPELINE__PATH" in os.environ  # worker processes use the engine, too


def negative(block: Any) -> Any:
    return -block


def test_cubed_reads_exzarr_arrays_without_zarr_python(source: str, spec: Any) -> None:
    array = cubed.from_array(exzarr.open_array(source), chunks=(40, 100), spec=spec)
    np.testing.assert_array_equal(array.compute(), DATA)
