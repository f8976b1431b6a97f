"""`Array.slice_stream` equals iteration over a NumPy axis, and reads each stored chunk once."""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, strategies as st

from exzarr import Retry, config
from exzarr.errors import ArgumentError, ChunkCorruptError, SelectionError, StoreError
from exzarr.stores.memory import MemoryStore
from tests.breadth import examples
from tests.engine.spy import Hook, Spy
from tests.engine.strategies import arrays, blank, configs, slices
from tests.engine.tools import assert_same, data_for, make, numbered, open_array
from tests.stream.model import regions
from tests.stream.tools import eventually, stream_threads


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    before = stream_threads()
    yield
    gc.collect()
    assert eventually(lambda: stream_threads() <= before), stream_threads()


@given(st.data())
@examples(50)
def test_any_axis_of_any_array(data: Any) -> None:
    array = data.draw(arrays())
    assume(array.ndim)
    model = blank(array)
    if data.draw(st.booleans()) and model.size:
        model[...] = array[...] = data_for(array, 3)
    axis = data.draw(st.integers(-array.ndim, array.ndim - 1))
    which = data.draw(slices(array.shape[axis]))
    region = data.draw(regions(array.shape))
    if region is not None:
        region = tuple([slice(None) if d == axis % array.ndim else part for d, part in enumerate(region)])
    seen: list[tuple[int, int]] = []
    with config.override(**data.draw(configs)):
        stream = array.slice_stream(
            axis,
            which.start,
            which.stop,
            which.step,
            region=region,
            prefetch=data.draw(st.integers(0, 3)),
            progress=lambda *now: seen.append(now),
        )
        got = [*stream]
    positions = range(array.shape[axis])[which]
    assert [item.index for item in got] == [*positions]
    inside = model if region is None else model[region]
    for item in got:
        wanted: Any = inside[(*[slice(None)] * (axis % array.ndim), item.index, ...)]
        assert_same(item.data, np.array(wanted, model.dtype))
        assert_same(item.data, np.squeeze(array[item.region], axis))
    assert seen[-1] == (len(positions), len(positions))


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("step", [1, 3, -2])
def test_each_stored_chunk_is_read_once(axis: int, step: int) -> None:
    inner = MemoryStore()
    make((12, 20), store=inner, chunks=(4, 5), compressors="zstd")[...] = numbered((12, 20))
    spy = Spy(inner)
    got = [*open_array(spy).slice_stream(axis, step=step)]
    assert len(got) == len(range((12, 20)[axis])[::step])
    assert set(Counter(key for key, _ in spy.reads).values()) == {1}
    assert len(spy.reads) == 12


def test_the_axis_may_be_named() -> None:
    array = make((4, 6), dimension_names=("time", "x"))
    array[...] = numbered((4, 6))
    assert [item.data[0] for item in array.slice_stream("x")] == [1, 2, 3, 4, 5, 6]
    with pytest.raises(SelectionError, match="'time', 'x'"):
        array.slice_stream("y")


def test_slices_are_frozen_and_their_data_is_writable() -> None:
    array = make((4, 6), chunks=(2, 3))
    array[...] = numbered((4, 6))
    for axis in (0, 1):
        got = [*array.slice_stream(axis)]
        with pytest.raises(AttributeError):
            got[0].data = 1  # type: ignore[misc, assignment]
        for item in got:
            assert item.data.flags.c_contiguous
            item.data[...] = 0
    assert_same(array[...], numbered((4, 6)))


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"axis": 2}, SelectionError),
        ({"axis": -3}, SelectionError),
        ({"axis": 1.0}, ArgumentError),
        ({"step": 0}, SelectionError),
        ({"start": "a"}, SelectionError),
        ({"region": (slice(0, 1), slice(None))}, SelectionError),
        ({"workers": 0}, ArgumentError),
        ({"prefetch": -1}, ArgumentError),
        ({"on_error": "ignore"}, ArgumentError),
    ],
)
def test_arguments_are_checked(arguments: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        make((4, 6)).slice_stream(**arguments)


def test_scalar_array_has_no_slices() -> None:
    with pytest.raises(SelectionError):
        make(()).slice_stream()


def test_a_damaged_slab_can_be_left_out() -> None:
    store = MemoryStore()
    array = make((8, 4), store=store, chunks=(2, 2), compressors="zstd")
    array[...] = numbered((8, 4))
    store.put("c/1/0", b"damaged")
    stream = array.slice_stream()
    got: list[int] = []
    with pytest.raises(ChunkCorruptError) as caught:
        got.extend(item.index for item in stream)
    assert (got, caught.value.index) == ([0, 1], (1, 0))
    assert stream_threads() == set()
    stream = array.slice_stream(on_error="skip")
    assert [item.index for item in stream] == [0, 1, 4, 5, 6, 7]
    assert (stream.stats.chunks, stream.stats.failed) == (6, 2)


def test_store_failures_are_retried() -> None:
    inner = MemoryStore()
    make((8, 4), store=inner, chunks=(2, 4))[...] = numbered((8, 4))
    asked: list[str] = []

    def hook(what: str, key: str) -> None:
        asked.append(key)
        if key == "c/2/0" and asked.count(key) < 3:
            raise StoreError("503")

    array = open_array(Hook(inner, hook))
    stream = array.slice_stream(retries=Retry(attempts=3, wait_initial=0, wait_jitter=0))
    assert_same(np.stack([item.data for item in stream]), numbered((8, 4)))
    assert stream.stats.retries == 2


def test_prefetch_bounds_the_slabs_read_ahead() -> None:
    inner = MemoryStore()
    make((40, 4), store=inner, chunks=(4, 4))[...] = 1
    spy = Spy(inner)
    with open_array(spy).slice_stream(prefetch=2) as stream:
        for at, _ in enumerate(stream):
            ahead = min(10, at // 4 + 3)
            assert eventually(lambda: len(spy.reads) >= ahead)  # noqa: B023
            assert len(spy.reads) == ahead
