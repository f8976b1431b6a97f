"""Read many ranges of rows in one plan."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st

import exzarr
from exzarr import config
from exzarr._engine.planning.grid_plan import GridPlan
from exzarr._engine.planning.selections import Ranges, SliceIndex
from exzarr._engine.reading.ranges import plan_ranges, read_ranges
from exzarr._engine.reading.read import read
from exzarr.stores import CountingStore, LatencyStore, MemoryStore
from tests.breadth import examples
from tests.engine.strategies import configs, grids
from tests.engine.tools import data_for, make


@st.composite
def ranged(draw: Any) -> tuple[Any, np.ndarray, np.ndarray, np.ndarray]:
    """Draw an array, its data, and ranges along its first dimension."""
    shape = tuple(draw(st.lists(st.integers(1, 14), min_size=1, max_size=2)))
    zarr_format = draw(st.sampled_from([2, 3]))
    layout = draw(grids(shape, zarr_format).filter(lambda layout: "serializer" not in layout))
    compressors = draw(st.sampled_from([None, "zstd"]))
    array = make(shape, "i4", zarr_format=zarr_format, compressors=compressors, **layout)
    data = data_for(array, 1)
    array[...] = data
    starts = draw(st.lists(st.integers(0, shape[0] - 1), max_size=8))
    counts = [draw(st.integers(0, shape[0] - start)) for start in starts]
    return array, data, np.array(starts, np.int64), np.array(counts, np.int64)


def rows_of(data: np.ndarray, starts: np.ndarray, counts: np.ndarray) -> np.ndarray:
    parts = [data[start : start + count] for start, count in zip(starts, counts, strict=True)]
    return np.concatenate([data[:0], *parts])


@examples(13)
@given(ranged(), configs)
def test_ranges_are_read_one_after_the_other(case: Any, options: dict[str, Any]) -> None:
    array, data, starts, counts = case
    with config.override(**options):
        found = read_ranges(array.chunk_source, starts, counts)
    np.testing.assert_array_equal(found, rows_of(data, starts, counts))


@examples(13)
@given(ranged(), st.integers(0, 1))
def test_each_chunk_is_visited_once_on_any_axis(case: Any, axis: int) -> None:
    array, data, starts, counts = case
    axis %= data.ndim
    length, filled = data.shape[axis], counts > 0
    starts, counts = starts[filled] % length, counts[filled]
    counts = np.minimum(counts, length - starts)
    source, at = array.chunk_source, np.cumsum(counts) - counts
    axes: list[Any] = [SliceIndex(0, 1, n) for n in data.shape]
    axes[axis] = Ranges(starts, counts, at)
    shape = (*data.shape[:axis], int(counts.sum()), *data.shape[axis + 1 :])
    plan = GridPlan(axes, source.dims, source.shape, shape)
    work = np.full(shape, -77, data.dtype)
    read(source, plan, work)
    wanted = np.moveaxis(rows_of(np.moveaxis(data, axis, 0), starts, counts), 0, axis)
    np.testing.assert_array_equal(work, wanted)
    touched = [item[0] for item in plan.walk(source.labels, source.join)]
    assert len(touched) == len(set(touched)) == plan.chunks
    for key in touched:  # the same, chunk by chunk
        part = np.full(shape, -77, data.dtype)
        read(source, plan.only(source.index(key)), part)
        np.testing.assert_array_equal(part[part != -77], wanted[part != -77])


def test_an_array_is_read_in_two_dimensions_of_indexes() -> None:
    data = np.arange(60).reshape(10, 6)
    array = make((10, 6), "i8", chunks=(4, 4))
    array[...] = data
    source = array.chunk_source
    many = Ranges(np.array([1, 3]), np.array([1, 5]), np.array([0, 1]))
    across = Ranges(np.array([0, 5]), np.array([2, 1]), np.array([0, 2]))
    work = np.empty((6, 3), "i8")
    read(source, GridPlan([many, across], source.dims, source.shape, work.shape), work)
    np.testing.assert_array_equal(work, data[np.ix_([1, 3, 4, 5, 6, 7], [0, 1, 5])])


STARTS, COUNTS = np.array([60, 0, 3, 65]), np.array([4, 2, 5, 2])


@pytest.mark.parametrize(
    ("compressors", "remote", "kinds"),
    [("zstd", False, {"get": 2}), (None, True, {"range": 4}), ("zstd", True, {"get": 2})],
)
def test_ranges_that_share_a_chunk_cost_one_request(
    compressors: Any, remote: bool, kinds: dict[str, int]
) -> None:
    inner = MemoryStore()
    data = np.arange(128, dtype="i4")
    exzarr.create_array(inner, data=data, chunks=(64,), compressors=compressors)
    store = CountingStore(LatencyStore(inner, 0.0001) if remote else inner)
    source = exzarr.open_array(store).chunk_source
    store.reset()
    found = read_ranges(source, STARTS, COUNTS)
    np.testing.assert_array_equal(found, rows_of(data, STARTS, COUNTS))
    assert store.requests == kinds
    assert plan_ranges(source, STARTS, COUNTS).work_shape == (13,)
