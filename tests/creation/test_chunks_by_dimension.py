"""Chunks by dimension name, `"auto"` and True for single dimensions, and the limit of the chunk size."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import zarr

import exzarr
from exzarr.errors import ArgumentError

NAMES = ("time", "lat", "lon")
SHAPE = (3650, 721, 1440)


def chunks_of(chunks: Any, **more: Any) -> Any:
    options = {"shape": SHAPE, "dtype": "f4", "dimension_names": NAMES, **more}
    return exzarr.create_array(chunks=chunks, **options).chunks


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_chunks_by_name_choose_other_dimensions(zarr_format: Any) -> None:
    found = chunks_of({"time": 10}, zarr_format=zarr_format)
    assert found[0] == 10
    assert 2**18 <= math.prod(found) * 4 <= 2**20
    assert chunks_of({"time": 10, "lat": -1, "lon": 100}, zarr_format=zarr_format) == (10, 721, 100)
    assert chunks_of({0: 10, 1: 7, 2: 3}, zarr_format=zarr_format) == (10, 7, 3)


@pytest.mark.parametrize("left", ["auto", True])
def test_auto_for_single_dimensions(left: Any) -> None:
    assert chunks_of((left, left, left)) == chunks_of("auto")
    found = chunks_of((10, left, 1440))
    assert found[0::2] == (10, 1440)
    assert 1 <= found[1] <= 2**20 // (10 * 1440 * 4)
    assert chunks_of((1, left, left)) == (1, 361, 720)
    # The given lengths exceed the target size: the other dimensions get length 1.
    assert chunks_of((3650, 721, left)) == (3650, 721, 1)
    varying = exzarr.array_metadata(shape=SHAPE, dtype="f4", chunks=([1000, 2650], left, left))
    assert varying.chunk_grid.max_chunk_shape == chunks_of((2650, left, left))


def test_false_is_the_whole_dimension() -> None:
    assert chunks_of((10, False, None)) == (10, 721, 1440)


def test_every_creating_function_takes_chunks_by_dimension(tmp_path: Any) -> None:
    data = np.arange(12).reshape(3, 4)
    group = exzarr.group()
    for array in (
        exzarr.create_array(tmp_path / "a", data=data, chunks={"y": 2, "x": 3}, dimension_names=("y", "x")),
        group.create_array("a", data=data, chunks={"y": 2, "x": 3}, dimension_names=("y", "x")),
        exzarr.array(data, chunks={"y": 2, "x": 3}, dimension_names=("y", "x")),
        exzarr.open_array(
            tmp_path / "b", mode="w", shape=(3, 4), chunks={"y": 2, "x": 3}, dimension_names=("y", "x")
        ),
    ):
        assert array.chunks == (2, 3)
    np.testing.assert_array_equal(zarr.open_array(tmp_path / "a")[...], data)


@pytest.mark.parametrize(
    ("chunks", "said"),
    [
        ({"tim": 10}, "there is no dimension 'tim'.*did you mean 'time'?"),
        ({3: 10}, "there is no dimension 3: the array has 3"),
        ({"time": 0}, "0 in dimension 0 is not a size"),
        (("1MiB", 1, 1), "'1MiB' in dimension 0 is not a size.*'auto'"),
        (("large", 1, 1), "'large' in dimension 0 is not a size"),
    ],
)
def test_invalid_chunks_error_names_the_entry(chunks: Any, said: str) -> None:
    with pytest.raises(ArgumentError, match=said):
        chunks_of(chunks)
    with pytest.raises(ArgumentError, match="no dimension 'time'.*none: the array has no dimension names"):
        exzarr.zeros((3,), chunks={"time": 1})


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("dtype", ["u1", "f8", "U10", "T"])
def test_chunks_larger_than_memory_are_refused(tmp_path: Any, zarr_format: Any, dtype: str) -> None:
    place = tmp_path / "a"
    dtype = str if dtype == "T" else dtype  # type: ignore[assignment]
    for chunks in ((2**62, 1), (2**40, 2**40), {0: 2**62}, (2**62, "auto"), (-1, -1)):
        with pytest.raises(ArgumentError, match="more than any machine has"):
            exzarr.create_array(
                place, shape=(2**62, 2**50), chunks=chunks, dtype=dtype, zarr_format=zarr_format
            )
        assert not place.exists()
    if zarr_format == 3:
        with pytest.raises(ArgumentError, match="more than any machine has"):
            exzarr.zeros((2**62, 1), chunks=(2**61, 1), shards=(2**62, 1))
    exzarr.create_array(place, shape=(2**62, 2**50), dtype="u1")
