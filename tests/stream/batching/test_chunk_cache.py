"""Samples by way of kept chunks: those that NumPy gives, no chunk read twice for them, no more kept than may be."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exzarr.array import Array
from exzarr.hierarchy import Location
from exzarr.stream.batching.arrays import layout_of
from exzarr.stream.batching.chunk_cache import ChunkCache, InMemory, KeptWhole, RowReader, gather
from exzarr.stream.batching.reading import Samples
from tests.engine.spy import Spy
from tests.engine.tools import assert_same
from tests.stream.batching.tools import layouts, stored


def spied(array: Array) -> tuple[Array, Spy]:
    spy = Spy(array.store)
    return Array(Location(spy, ""), array.metadata), spy


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
    samples = Samples(array._bound, axis)
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


@given(cases())
def test_no_band_is_read_twice_for_one_take_nor_while_it_is_kept(case: Any) -> None:
    array, _, axis, takes, slots = case
    layout = layout_of(array, axis, "a")
    for kind in (ChunkCache, KeptWhole):
        seen, _ = spied(array)
        read: list[int] = []
        samples = Samples(seen._bound, axis)
        real = samples.read_ranges

        class Noted:
            axis, empty = samples.axis, samples.empty

            def read_ranges(self, starts: Any, stops: Any, into: Any, at: Any) -> None:
                read.extend(layout.bands.of(starts).tolist())
                real(starts, stops, into, at)

        noted: Any = Noted()
        cache = (
            ChunkCache(noted, layout.bands, slots) if kind is ChunkCache else KeptWhole(noted, layout.bands)
        )
        kept: list[int] = []
        for take in takes:
            read.clear()
            cache.take(take)
            assert len(set(read)) == len(read)
            assert set(read) <= set(layout.bands.of(take).tolist()) - set(kept)
            kept = sorted(cache._slot_of) if isinstance(cache, ChunkCache) else [*{*kept, *read}]
            if isinstance(cache, ChunkCache):
                assert len(kept) <= slots
                assert cache._array is not None
                assert cache._array.shape[axis] == min(slots, layout.bands.count) * layout.bands.longest


@pytest.mark.parametrize("kind", ["cached", "kept"])
def test_a_failed_read_leaves_nothing_wrong_behind(kind: str) -> None:
    array, data = stored((20, 3), chunks=(2, 3))
    damaged = array.store.get("c/4/0")
    array.store.put("c/4/0", b"damaged")
    layout = layout_of(array, 0, "a")
    samples = Samples(array._bound, 0)
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
