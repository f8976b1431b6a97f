"""Samples from cached chunks equal NumPy; no chunk is read twice per call, and the cache stays within its limit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st

from exzarr._nodes.array import Array
from exzarr._stream.batches.arrays import layout_of
from exzarr._stream.batches.blocks import Blocks
from exzarr._stream.batches.chunk_cache import ChunkCache, InMemory, KeptWhole, RowReader, gather
from exzarr._stream.batches.permutation import IntArray
from exzarr._stream.batches.reading import Samples
from tests.engine.tools import assert_same
from tests.stream.batches.tools import layouts, stored


@st.composite
def cases(draw: Any) -> tuple[Array, np.ndarray, int, list[np.ndarray], int]:
    shape = tuple(draw(st.lists(st.integers(1, 4), min_size=1, max_size=3)))
    axis = draw(st.integers(0, len(shape) - 1))
    shape = (*shape[:axis], draw(st.integers(1, 30)), *shape[axis + 1 :])
    array, data = stored(shape, **draw(layouts(shape)))
    takes = draw(
        st.lists(st.lists(st.integers(0, shape[axis] - 1), min_size=1, max_size=12, unique=True), max_size=5)
    )
    return array, data, axis, [np.array(take) for take in takes], draw(st.integers(1, 8))


@given(cases())
def test_samples_are_those_of_numpy(case: Any) -> None:
    array, data, axis, takes, slots = case
    layout = layout_of(array, axis, "a")
    samples = Samples(array.chunk_source, axis)
    for rows in (
        ChunkCache(samples, layout.bands, slots),
        KeptWhole(samples, layout.bands),
        RowReader(samples),
        InMemory(data, axis),
    ):
        for take in takes:
            got = rows.take(take)
            assert_same(got, np.take(data, take, axis))
            got[...] = 0  # it is the caller's


class Noted:
    """Samples that record which bands are read."""

    def __init__(self, samples: Samples, bands: Blocks) -> None:
        self.axis, self.empty = samples.axis, samples.empty
        self.read: list[int] = []
        self._samples, self._bands = samples, bands

    def read_ranges(self, starts: IntArray, stops: IntArray, into: np.ndarray, at: IntArray) -> None:
        self.read += self._bands.of(starts).tolist()
        self._samples.read_ranges(starts, stops, into, at)


@given(cases())
def test_no_band_is_read_twice_for_one_take_nor_while_it_is_kept(case: Any) -> None:
    array, _, axis, takes, slots = case
    bands = layout_of(array, axis, "a").bands
    noted: Any = Noted(Samples(array.chunk_source, axis), bands)
    cache = ChunkCache(noted, bands, slots)
    kept: set[int] = set()
    for take in takes:
        noted.read.clear()
        cache.take(take)
        assert sorted(noted.read) == sorted(set(bands.of(take).tolist()) - kept)
        kept = {*cache._slot_of}
        assert len(kept) <= slots
        assert cache._array is not None
        assert cache._array.shape[axis] == min(slots, bands.count) * bands.longest
    noted.read.clear()
    whole = KeptWhole(noted, bands)
    for take in takes:
        whole.take(take)
    assert sorted(noted.read) == sorted({band for take in takes for band in bands.of(take).tolist()})


@pytest.mark.parametrize("kind", ["cached", "kept"])
def test_a_failed_read_leaves_nothing_wrong_behind(kind: str) -> None:
    array, data = stored((20, 3), chunks=(2, 3))
    damaged = array.store.get("c/4/0")
    array.store.put("c/4/0", b"damaged")
    layout = layout_of(array, 0, "a")
    samples = Samples(array.chunk_source, 0)
    rows = KeptWhole(samples, layout.bands) if kind == "kept" else ChunkCache(samples, layout.bands, 3)
    assert_same(rows.take(np.array([0, 2])), data[[0, 2]])
    with pytest.raises(ValueError, match="c/4/0"):
        rows.take(np.array([0, 8, 4]))
    assert damaged is not None
    array.store.put("c/4/0", damaged)
    for take in ([0, 8, 4], [2, 9, 5], [18, 1, 8]):
        assert_same(rows.take(np.array(take)), data[take])


@pytest.mark.parametrize("dtype", ["U3", "string", bytes, "M8[s]", "f2", [("a", "i2"), ("b", "f8")], "S3"])
@pytest.mark.parametrize("axis", [0, 1])
def test_gathering_of_any_data_type(dtype: Any, axis: int) -> None:
    array, data = stored((6, 5), dtype)
    where = np.array([3, 0, 4])
    out = np.empty((3, 5) if axis == 0 else (6, 3), array.dtype)
    gather(data, where, axis, out)
    assert_same(out, np.take(data, where, axis))
