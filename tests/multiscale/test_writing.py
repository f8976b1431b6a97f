"""Building pyramids."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st
from hypothesis.extra import numpy as hnp

import exzarr
from exzarr import multiscale
from exzarr.errors import ArgumentError, NodeExistsError, NodeTypeError, StreamError
from exzarr.multiscale import Pyramid, reduce_blocks
from exzarr.stores import MemoryStore
from exzarr.stores.wrappers.counting import CountingStore
from tests.breadth import examples

RNG = np.random.default_rng(15)


def check_levels(pyramid: Pyramid, source: np.ndarray, method: Any = "mean", nodata: Any = None) -> None:
    """Check every level against the reduction of the level before it."""
    expected = source
    for before, level in zip((None, *pyramid.levels), pyramid.levels, strict=False):
        if before is not None:
            factors = [round(b / a) for a, b in zip(before.scale, level.scale, strict=True)]
            expected = reduce_blocks(expected, factors, method, nodata=nodata)
        np.testing.assert_array_equal(level.array[...], expected)


def test_every_level_is_a_reduction_of_the_one_before(tmp_path: Path) -> None:
    image = RNG.integers(0, 2**16, (2, 13, 203, 157), dtype="u2")
    pyramid = multiscale.write(
        image,
        tmp_path / "image.zarr",
        axes="czyx",
        chunks=(1, 8, 32, 32),
        scale={"z": 2.0},
        unit="micrometer",
    )
    assert [level.shape for level in pyramid] == [
        (2, 13, 203, 157),
        (2, 13, 102, 79),
        (2, 7, 51, 40),
        (2, 4, 26, 20),
    ]
    check_levels(pyramid, image)
    assert pyramid.levels[2].scale == (1.0, 4.0, 4.0, 4.0)
    assert pyramid.levels[2].array.dimension_names == ("c", "z", "y", "x")


@given(
    hnp.arrays("u1", hnp.array_shapes(min_dims=2, max_dims=4, max_side=17)),
    st.data(),
)
@examples(12)
def test_any_shape_chunks_and_factors(image: np.ndarray, data: Any) -> None:
    chunks = tuple([data.draw(st.integers(1, 8)) for _ in image.shape])
    factors = tuple([data.draw(st.integers(1, 3)) for _ in image.shape])
    method = data.draw(st.sampled_from(["mean", "mode", "nearest", "max"]))
    source = exzarr.create_array(
        data=image, chunks=tuple([data.draw(st.integers(1, 8)) for _ in image.shape])
    )
    pyramid = multiscale.write(
        source, MemoryStore(), factors=factors, method=method, chunks=chunks, axes="tzyx"[-image.ndim :]
    )
    check_levels(pyramid, image, method)


@pytest.mark.parametrize("shards", [None, (16, 32)])
def test_each_chunk_of_the_source_is_read_once_and_each_stored_chunk_written_once(shards: Any) -> None:
    image = RNG.random((96, 112), "f4")
    stored = CountingStore(MemoryStore())
    source = exzarr.create_array(stored, data=image, chunks=(8, 16), compressors=None)
    target = CountingStore(MemoryStore())
    stored.reset()
    pyramid = multiscale.write(source, target, chunks=(16, 16), shards=shards and (32, 32), workers=2)
    assert stored.bytes_read == image.nbytes  # all chunks, each once
    chunks = sum(
        int(
            np.prod(
                [
                    -(-n // s)
                    for n, s in zip(level.shape, level.array.shards or level.array.chunks, strict=True)
                ]
            )
        )
        for level in pyramid
    )
    assert target.requests["put"] == chunks + len(pyramid) + 1  # and the documents
    check_levels(pyramid, image)


@pytest.mark.parametrize("layout", [{}, {"shards": (16, 32)}, {"compressors": None}, {"fill_value": 7}])
def test_chunks_that_are_encoded_in_the_same_way_are_copied(layout: Any) -> None:
    image = RNG.integers(0, 9, (60, 70), dtype="i4")
    stored = CountingStore(MemoryStore())
    source = exzarr.create_array(stored, data=image, chunks=(8, 16), attributes={"a": 1}, **layout)
    source[:16, :32] = source.fill_value
    image[:16, :32] = source.fill_value
    stored.reset()
    target = MemoryStore()
    check_levels(multiscale.write(source, target), image)
    chunks = [key for key in stored.list("") if key.startswith("c/")]
    assert chunks
    for key in chunks:
        assert bytes(target.get(f"0/{key}") or b"") == bytes(stored.get(key) or b"")
    counts = source.shards or source.chunks
    grid = -(-60 // counts[0]) * -(-70 // counts[1])
    assert stored.requests["get"] == grid + len(chunks)  # each once, and by this test
    assert stored.requests["range"] == 0


def test_a_damaged_chunk_of_the_source_is_not_copied(tmp_path: Path) -> None:
    source = exzarr.create_array(tmp_path / "a.zarr", data=RNG.random((16, 16)), chunks=(8, 8))
    chunk = tmp_path / "a.zarr" / "c" / "1" / "0"
    chunk.write_bytes(chunk.read_bytes()[:-9])
    with pytest.raises(exzarr.ChunkCorruptError, match=r"chunk \(1, 0\)"):
        multiscale.write(source, tmp_path / "i.zarr", levels=2)
    assert not (tmp_path / "i.zarr").exists()


def test_levels_end_when_one_fits_into_an_inner_chunk() -> None:
    image = RNG.random((64, 100))
    pyramid = multiscale.write(image, MemoryStore(), chunks=(8, 8), shards=(64, 128))
    assert [level.shape for level in pyramid][-1] == (4, 7)
    assert [level.array.shards for level in pyramid] == [(64, 128), (32, 56), (16, 32), (8, 16), (4, 7)]
    check_levels(pyramid, image)


@pytest.mark.parametrize(
    "convention", [{"version": "0.4"}, {"version": "0.5"}, {"version": "0.6"}, {"convention": "multiscales"}]
)
def test_conventions_are_read_back(tmp_path: Path, convention: Any) -> None:
    image = RNG.integers(0, 99, (60, 70), dtype="i2")
    unit: Any = {} if "convention" in convention else {"unit": "micrometer", "name": "cells"}
    written = multiscale.write(
        image, tmp_path / "i.zarr", chunks=(16, 16), scale=0.5, translation=10, **unit, **convention
    )
    found = multiscale.open(tmp_path / "i.zarr")
    assert isinstance(found, Pyramid)
    assert found.metadata == written.metadata
    assert [level.scale for level in found] == [(0.5, 0.5), (1.0, 1.0), (2.0, 2.0), (4.0, 4.0)][: len(found)]
    assert found.levels[1].translation == (10.25, 10.25)
    assert found.metadata.method == "mean"
    assert [axis.type for axis in found.axes] == ["space", "space"]
    check_levels(found, image)


def test_a_source_below_the_group_becomes_the_first_level(tmp_path: Path) -> None:
    root = exzarr.create_group(tmp_path / "i.zarr", attributes={"mine": 1})
    image = RNG.random((50, 40))
    root.create_array("full", data=image, chunks=(8, 8), dimension_names=("y", "x"))
    before = sorted(path.name for path in (tmp_path / "i.zarr" / "full").rglob("*"))
    pyramid = multiscale.write(root["full"], root)
    assert [level.array.basename for level in pyramid] == ["full", "1", "2", "3"]
    check_levels(pyramid, image)
    assert pyramid.group.attrs["mine"] == 1
    assert sorted(path.name for path in (tmp_path / "i.zarr" / "full").rglob("*")) == before
    with pytest.raises(NodeExistsError, match="overwrite=True replaces its levels"):
        multiscale.write(root["full"], root)
    again = multiscale.write(root["full"], root, method="max", overwrite=True)
    check_levels(again, image, "max")


def test_a_source_that_is_opened_by_its_own_path_is_the_first_level_too(tmp_path: Path) -> None:
    image = RNG.random((40, 40))
    exzarr.create_array(tmp_path / "i.zarr", name="0", data=image, chunks=(8, 8), dimension_names=("y", "x"))
    pyramid = multiscale.write(exzarr.open_array(tmp_path / "i.zarr" / "0"), tmp_path / "i.zarr")
    assert sorted(pyramid.group.array_keys()) == ["0", "1", "2", "3"]
    check_levels(pyramid, image)


def test_a_first_level_without_fitting_names_is_refused(tmp_path: Path) -> None:
    root = exzarr.create_group(tmp_path / "i.zarr")
    root.create_array("0", data=np.zeros((9, 9)))
    with pytest.raises(ArgumentError, match="dimension names None, and as the first level"):
        multiscale.write(root["0"], root)
    assert [*root] == ["0"]


@pytest.mark.parametrize("nodata", [None, -1])
def test_nan_and_nodata_do_not_bleed(nodata: Any) -> None:
    image = RNG.random((40, 40))
    image[10:30, 10:30] = np.nan if nodata is None else nodata
    pyramid = multiscale.write(image, MemoryStore(), chunks=(8, 8), nodata=nodata)
    check_levels(pyramid, image, nodata=nodata)
    level = pyramid.levels[1].array[...]
    assert np.nanmin(np.where(level == -1, np.nan, level)) >= 0
    assert np.isnan(level[7, 7]) if nodata is None else level[7, 7] == -1


def test_chunks_that_hold_only_the_fill_value_are_not_stored() -> None:
    store = MemoryStore()
    source = exzarr.create_array(MemoryStore(), shape=(64, 64), chunks=(8, 8), dtype="f4", fill_value=-9)
    source[0, 0] = 1
    pyramid = multiscale.write(source, store, nodata=-9)
    assert all(level.array.fill_value == -9 for level in pyramid)
    assert sorted(key for key in store.list("") if not key.endswith("zarr.json")) == [
        f"{level}/c/0/0" for level in range(len(pyramid))
    ]


def test_channels_labels_and_windows() -> None:
    red = multiscale.Channel("DAPI", "0000FF", multiscale.Window(1, 9, 0, 10), active=False)
    pyramid = multiscale.write(np.zeros((2, 9, 9), "u2"), MemoryStore(), axes="cyx", channels=[red, "GFP"])
    assert pyramid.channels[0] == red
    assert pyramid.channels[1] == multiscale.Channel("GFP", "FFFFFF", multiscale.Window(0, 65535, 0, 65535))
    with pytest.raises(ArgumentError, match="1 entries for 2 channels"):
        multiscale.write(np.zeros((2, 9, 9)), MemoryStore(), axes="cyx", channels=["a"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"axes": "abc"}, "OME-Zarr 0.5 does not allow the axes"),
        ({"axes": ["y", "t", "x"]}, "time comes before channel"),
        ({"version": "0.3"}, "writes OME-Zarr 0.4, 0.5 and 0.6"),
        ({"convention": "cog"}, "convention is"),
        ({"convention": "multiscales", "name": "n"}, "has no name"),
        ({"convention": "multiscales", "version": "0.5"}, "has no version"),
        ({"convention": "multiscales", "unit": "meter"}, "states no units"),
        (
            {"convention": "multiscales", "axes": "tyx", "scale": {"t": 2.0}},
            "not the scale or translation of axis 't'",
        ),
        ({"crs": "EPSG:4326"}, "crs requires 'multiscales'"),
        ({"method": "median"}, "method is one of"),
        ({"workers": 0}, "workers"),
    ],
)
def test_impossible_arguments_store_nothing(options: Any, message: str) -> None:
    store = MemoryStore()
    with pytest.raises(ArgumentError, match=message):
        multiscale.write(np.zeros((8, 9, 10)), store, **options)
    assert not [*store.list("")]


def test_existing_groups_are_kept_unless_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "i.zarr"
    multiscale.write(np.zeros((9, 9)), path)
    with pytest.raises(NodeExistsError, match="overwrite=True"):
        multiscale.write(np.ones((9, 9)), path)
    image = RNG.random((30, 30))
    check_levels(multiscale.write(image, path, overwrite=True, chunks=(8, 8), version="0.4"), image)
    exzarr.create_array(tmp_path / "a.zarr", data=image)
    with pytest.raises(NodeTypeError, match="is an array"):
        multiscale.write(image, tmp_path / "a.zarr")


@pytest.mark.parametrize("existing", [False, True])
def test_a_failed_build_leaves_nothing(tmp_path: Path, existing: bool) -> None:
    path = tmp_path / "i.zarr"
    if existing:
        exzarr.create_group(path, attributes={"mine": 1})

    def fail(values: Any, axis: Any) -> Any:
        raise RuntimeError("no")

    with pytest.raises(StreamError, match=r"region \[0:8, 0:8\] of level 0: RuntimeError: no"):
        multiscale.write(np.zeros((64, 64)), path, method=fail, chunks=(8, 8), workers=1)
    if existing:
        assert [*exzarr.open_group(path)] == []
        assert exzarr.open_group(path).attrs.asdict() == {"mine": 1}
    else:
        assert not path.exists()


def test_levels_can_be_read_by_zarr_python(tmp_path: Path) -> None:
    zarr = pytest.importorskip("zarr")
    image = RNG.integers(0, 9, (40, 40))
    for version in ("0.4", "0.5"):
        pyramid = multiscale.write(image, tmp_path / version, version=version, chunks=(8, 8))  # type: ignore[arg-type]
        group = zarr.open_group(tmp_path / version, mode="r")
        for number, level in enumerate(pyramid):
            np.testing.assert_array_equal(group[str(number)][:], level.array[...])


def test_progress_counts_blocks() -> None:
    seen: list[Any] = []
    multiscale.write(
        np.zeros((64, 64)),
        MemoryStore(),
        chunks=(8, 8),
        progress=lambda done, total: seen.append((done, total)),
    )
    assert seen[-1] == (64, 64)


def double(values: Any, axis: Any) -> Any:
    return np.max(values, axis=axis)


@pytest.mark.slow
@pytest.mark.parametrize("executor", ["processes", "pool"])
def test_processes_and_executors_build_the_same(tmp_path: Path, executor: Any) -> None:
    image = RNG.integers(0, 99, (300, 200), dtype="i4")
    source = exzarr.create_array(tmp_path / "a.zarr", data=image, chunks=(16, 16))
    if executor == "pool":
        with ThreadPoolExecutor(2) as pool:
            pyramid = multiscale.write(source, tmp_path / "i.zarr", method=np.max, executor=pool)
    else:
        pyramid = multiscale.write(source, tmp_path / "i.zarr", method=np.max, executor=executor, workers=2)
    check_levels(pyramid, image, np.max)


@pytest.mark.slow
def test_a_cluster_builds_the_same(tmp_path: Path) -> None:
    distributed = pytest.importorskip("distributed")
    image = RNG.integers(0, 99, (300, 200), dtype="i4")
    source = exzarr.create_array(tmp_path / "a.zarr", data=image, chunks=(16, 16))
    with (
        distributed.LocalCluster(
            n_workers=1, threads_per_worker=2, processes=False, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        pyramid = multiscale.write(source, tmp_path / "i.zarr", executor=client)
    check_levels(pyramid, image)


def test_a_dask_array_is_read_by_its_chunks() -> None:
    da = pytest.importorskip("dask.array")
    image = RNG.random((50, 60))
    pyramid = multiscale.write(da.from_array(image, chunks=(16, 16)), MemoryStore(), chunks=(8, 8))
    check_levels(pyramid, image)


# -- resuming ----------------------------------------------------------------------------


def test_an_interrupted_build_is_resumed(tmp_path: Path) -> None:
    image = RNG.integers(0, 99, (200, 200), dtype="i4")
    source = exzarr.create_array(tmp_path / "a.zarr", data=image, chunks=(8, 8))
    calls: list[int] = []

    def fail(values: Any, axis: Any) -> Any:
        calls.append(1)
        if len(calls) == 400:
            raise RuntimeError("no")
        return np.max(values, axis=axis)

    arguments: Any = {"checkpoint": tmp_path / "run", "workers": 1, "levels": 4, "chunks": (8, 8)}
    with pytest.raises(StreamError):
        multiscale.write(source, tmp_path / "i.zarr", method=fail, **arguments)
    with pytest.raises(NodeTypeError, match="no pyramid"):
        multiscale.open(tmp_path / "i.zarr")
    assert len(calls) == 400
    del calls[:]
    calls += [0] * 401  # never fails again
    pyramid = multiscale.write(source, tmp_path / "i.zarr", method=fail, **arguments)
    check_levels(pyramid, image, np.max)
    assert 0 < len(calls) - 401 < 600  # of more than 800
    again = multiscale.write(source, tmp_path / "i.zarr", method=fail, **arguments)
    check_levels(again, image, np.max)


def test_a_checkpoint_belongs_to_one_build(tmp_path: Path) -> None:
    image = RNG.random((30, 30))
    arguments: Any = {"checkpoint": tmp_path / "run", "chunks": (8, 8)}
    multiscale.write(image, tmp_path / "i.zarr", **arguments)
    with pytest.raises(ArgumentError, match="is of a run with other kwargs"):
        multiscale.write(image, tmp_path / "i.zarr", method="max", **arguments)
    del exzarr.open_group(tmp_path / "i.zarr")["1"]
    with pytest.raises(ArgumentError, match="there is no such array: remove the checkpoint"):
        multiscale.write(image, tmp_path / "i.zarr", **arguments)


@pytest.mark.slow
def test_a_killed_build_is_resumed(tmp_path: Path) -> None:
    image = RNG.integers(0, 99, (256, 256), dtype="i4")
    exzarr.create_array(tmp_path / "a.zarr", data=image, chunks=(16, 16))
    program = """
        import os, signal, sys
        import numpy as np, exzarr
        calls = []
        def method(values, axis):
            calls.append(1)
            if sys.argv[1] == "kill" and len(calls) == 200:
                os.kill(os.getpid(), signal.SIGKILL)
            return np.max(values, axis=axis)
        exzarr.multiscale.write(exzarr.open("a.zarr"), "i.zarr", method=method, checkpoint="run", workers=2)
        print(len(calls))
    """
    (tmp_path / "program.py").write_text(textwrap.dedent(program))
    killed = subprocess.run([sys.executable, "program.py", "kill"], cwd=tmp_path, check=False)
    assert killed.returncode == -9
    resumed = subprocess.run(
        [sys.executable, "program.py", "go"], cwd=tmp_path, check=True, capture_output=True, text=True
    )
    assert int(resumed.stdout) < 320
    pyramid = multiscale.open(tmp_path / "i.zarr")
    assert isinstance(pyramid, Pyramid)
    check_levels(pyramid, image, np.max)
