"""The pipeline is switched on by a call, a setting or the environment, and processes keep it."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from zarr.core.codec_pipeline import BatchedCodecPipeline
from zarr.storage import MemoryStore

import exzarr.zarr
from tests.zarr.tools import create, fallbacks, plain, same

ROOT = Path(__file__).parents[2]


def kind(array: Any) -> type:
    return type(array._async_array.codec_pipeline)


def test_block_restores_the_previous_pipeline() -> None:
    before = os.environ.get("ZARR_CODEC_PIPELINE__PATH")
    with plain():
        with exzarr.zarr.enable():
            inside = zarr.create_array({}, shape=(3,), dtype="i4")
            assert os.environ["ZARR_CODEC_PIPELINE__PATH"] == "exzarr.zarr.CodecPipeline"
        assert kind(inside) is exzarr.zarr.CodecPipeline
        assert kind(zarr.create_array({}, shape=(3,), dtype="i4")) is BatchedCodecPipeline
    assert os.environ.get("ZARR_CODEC_PIPELINE__PATH") == before
    inside[:] = 1
    assert inside[0] == 1


def test_setting_of_zarr_python() -> None:
    with zarr.config.set({"codec_pipeline.path": "exzarr.zarr.CodecPipeline"}):
        assert kind(zarr.create_array({}, shape=(3,), dtype="i4")) is exzarr.zarr.CodecPipeline


def test_pipeline_of_another_setting_is_not_ours() -> None:
    a = create({}, shape=(3,), dtype="i4")
    with plain(), pytest.raises(NotImplementedError):
        exzarr.zarr.CodecPipeline.from_array_metadata_and_store(a.metadata, a.store)


def python(code: str, *, path: str = "", **environment: str) -> str:
    paths = os.pathsep.join(
        filter(None, [path, os.environ.get("PYTHONPATH", ""), str(ROOT / "src"), str(ROOT)])
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": paths, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def test_environment_variable_needs_no_import(tmp_path: Path) -> None:
    """The entry points of `pyproject.toml` are what the installed package has."""
    points = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]
    folder = tmp_path / "installed-1.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: installed\nVersion: 1\n")
    (point,) = points["zarr.codec_pipeline"].items()
    (folder / "entry_points.txt").write_text(f"[zarr.codec_pipeline]\n{point[0]} = {point[1]}\n")
    code = """
import zarr
a = zarr.create_array({}, shape=(3,), dtype="i4")
a[:] = 1
print(type(a._async_array.codec_pipeline).__module__)
"""
    name = "exzarr.zarr.CodecPipeline"
    assert python(code, path=str(tmp_path), ZARR_CODEC_PIPELINE__PATH=name) == "exzarr.zarr\n"


def test_neither_library_imports_the_other_before_it_is_used() -> None:
    assert python("import sys, exzarr, exzarr.zarr; print('zarr' in sys.modules)") == "False\n"
    code = "import sys, exzarr.zarr.pipeline; print('exzarr.chunks' in sys.modules, 'zarr' in sys.modules)"
    assert python(code) == "False True\n"


def test_pickles_keep_the_pipeline(tmp_path: Path) -> None:
    a = create(tmp_path / "a.zarr", shape=(10, 10), chunks=(4, 4), dtype="i4")
    a[:] = 1
    with plain():
        copy = pickle.loads(pickle.dumps(a))
    assert kind(copy) is exzarr.zarr.CodecPipeline
    with fallbacks() as fell_back:
        copy[2:5] = 3
        same(copy[:, 1], a[:, 1])
    assert fell_back == []
    assert copy == a


def write_row(array: Any, row: int) -> str:
    with fallbacks() as fell_back:
        array[row] = row + 1
    return f"{kind(array).__module__} {fell_back}"


def new_pipeline() -> str:
    return kind(zarr.create_array({}, shape=(3,), dtype="i4")).__module__


def inherits() -> str:
    return write_row(_inherited[0], 1)


_inherited: list[Any] = []


@pytest.mark.parametrize("method", ["fork", pytest.param("spawn", marks=pytest.mark.slow)])
def test_worker_processes_keep_the_pipeline(method: str, tmp_path: Path) -> None:
    a = create(tmp_path / "a.zarr", shape=(4, 10), chunks=(4, 4), dtype="i4")
    a[0] = 1  # starts the threads of both libraries
    context = multiprocessing.get_context(method)
    _inherited[:] = [a]
    with exzarr.zarr.enable(), context.Pool(1) as pool:
        if method == "fork":
            assert pool.apply(inherits) == "exzarr.zarr []"
        else:
            a[1] = 2
        assert pool.apply(write_row, (a, 2)) == "exzarr.zarr []"
        assert pool.apply(new_pipeline) == "exzarr.zarr"
    same(a[:3, 0], np.array([1, 2, 3], "i4"))


def test_memory_in_a_forked_process() -> None:
    a = create(MemoryStore(), shape=(4, 10), chunks=(4, 4), dtype="i4")
    a[0] = 1
    _inherited[:] = [a]
    with multiprocessing.get_context("fork").Pool(1) as pool:
        assert pool.apply(inherits) == "exzarr.zarr []"
    same(a[1, :2], np.zeros(2, "i4"))  # the child changed its own copy


def test_profiles_show_reads_and_writes_of_zarr_python(tmp_path: Path) -> None:
    a = create(tmp_path / "g.zarr", name="a", shape=(10, 10), chunks=(4, 4), dtype="i4")
    with exzarr.profile() as writing:
        a[:] = 1
    with exzarr.profile() as reading:
        a[3:9, 2]
    assert [(place[1], use.chunks) for place, use in writing.written.items()] == [("a", 9)]
    assert [(place[1], use.chunks) for place, use in reading.read.items()] == [("a", 3)]
