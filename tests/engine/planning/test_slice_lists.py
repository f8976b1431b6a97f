"""Read several slices of one dimension in one plan, each to its own position."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given, strategies as st

from exzarr import config
from exzarr._engine.planning.grid_plan import GridPlan
from exzarr._engine.planning.selections import SliceIndex, SliceIndexes
from exzarr._engine.reading.read import read
from tests.engine.strategies import configs, grids
from tests.engine.tools import data_for, make


@st.composite
def spanned(draw: Any) -> tuple[Any, np.ndarray, int, list[SliceIndex]]:
    """Draw an array, its data, an axis, and slices along it that share no chunk."""
    shape = tuple(draw(st.lists(st.integers(1, 12), min_size=1, max_size=3)))
    zarr_format = draw(st.sampled_from([2, 3]))
    layout = draw(grids(shape, zarr_format).filter(lambda layout: "serializer" not in layout))
    compressors = draw(st.sampled_from([None, "zstd"]))
    array = make(shape, "i4", zarr_format=zarr_format, compressors=compressors, **layout)
    data = data_for(array, 1)
    array[...] = data
    axis = draw(st.integers(0, len(shape) - 1))
    dim, length = array.chunk_source.dims[axis], shape[axis]
    chunks = draw(st.lists(st.integers(0, dim.count(length) - 1), min_size=1, unique=True))
    spans: list[SliceIndex] = []
    for chunk in chunks:
        low, high = dim.offset(chunk), min(length, dim.offset(chunk) + dim.size(chunk))
        start = draw(st.integers(low, high - 1))
        spans.append(SliceIndex(start, 1, draw(st.integers(1, high - start))))
    at = 0
    for i in draw(st.permutations(range(len(spans)))):
        spans[i].at = at = at + draw(st.integers(0, 1))
        at += spans[i].count
    return array, data, axis, spans


@given(spanned(), configs)
def test_each_slice_is_read_to_its_position(case: Any, settings: dict[str, Any]) -> None:
    array, data, axis, spans = case
    room = max(span.at + span.count for span in spans)
    shape = (*data.shape[:axis], room, *data.shape[axis + 1 :])
    axes: list[Any] = [SliceIndex(0, 1, n) for n in data.shape]
    axes[axis] = SliceIndexes(spans)
    source = array.chunk_source
    plan = GridPlan(axes, source.dims, source.shape, shape)
    work = np.full(shape, -77, data.dtype)
    wanted = work.copy()
    before = (slice(None),) * axis
    for span in spans:
        part = data[(*before, slice(span.start, span.start + span.count))]
        wanted[(*before, slice(span.at, span.at + span.count))] = part
    with config.override(**settings):
        read(source, plan, work)
    np.testing.assert_array_equal(work, wanted)
    touched = [item[0] for item in plan.walk(source.labels, source.join)]
    assert len(touched) == len(set(touched)) == plan.chunks
    for key in touched:  # the same, chunk by chunk
        part = np.full(shape, -77, data.dtype)
        read(source, plan.only(source.index(key)), part)
        np.testing.assert_array_equal(part[part != -77], wanted[part != -77])
