"""Slow stores give the same results, with few requests and many in flight."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st

import exzarr
from exzarr import config, telemetry
from exzarr._nodes.array import Array
from exzarr._nodes.hierarchy import Location
from exzarr.errors import ChangedError, ChunkCorruptError, ChunkMissingError, CodecError, StoreError
from exzarr.stores import CountingStore, LatencyStore, MemoryStore, StoreWrapper
from tests.breadth import examples
from tests.engine.strategies import arrays, blank, configs, picks, values_for
from tests.engine.tools import assert_same, numbered, open_array


def remote(array: Array, limit: int = 5, **access: Any) -> tuple[Any, Any]:
    """Return the same array in a store that declares itself slow to answer."""
    store = CountingStore(LatencyStore(array.store, 0, concurrency=limit))
    return Array(Location(store, array.path), array.metadata, **access), store


def stored(data: np.ndarray, **options: Any) -> tuple[Any, Any]:
    array, store = remote(exzarr.create_array(MemoryStore(), data=data, **options))
    store.reset()
    return array, store


# -- results --------------------------------------------------------------------------------------


@pytest.mark.slow
@given(st.data())
@examples(67)
def test_any_selection_of_any_array_in_a_slow_store(data: Any) -> None:
    local = data.draw(arrays())
    array, _ = remote(local, data.draw(st.integers(1, 7)))
    model = blank(local)
    own = {
        "requests": data.draw(st.sampled_from([1, 3, 64])),
        "fetch_bytes": data.draw(st.sampled_from([0, 100, 1 << 20])),
        "remote_gap": data.draw(st.sampled_from([0, 20, 1 << 20])),
        "remote_most": data.draw(st.sampled_from([0, 100, 1 << 20])),
    }
    with config.override(**data.draw(configs), **own):
        for _ in range(data.draw(st.integers(0, 2))):
            pick = data.draw(picks(array))
            value = data.draw(values_for(array, np.shape(pick.expect(model))))
            pick.write(array, value)
            pick.assign(model, value)
        for _ in range(3):
            pick = data.draw(picks(array))
            assert_same(pick.read(array), pick.expect(model))
    assert_same(open_array(local.store)[...], model)


@pytest.mark.parametrize("options", [{}, {"shards": (20, 20)}, {"compressors": None}], ids=str)
def test_results_are_the_same_with_a_hook(options: Any) -> None:
    data = numbered((40, 40), "f4")
    array, _ = stored(data, chunks=(10, 10), **options)
    seen: list[Any] = []
    with telemetry.listening(seen.append):
        assert_same(array[3:33, ::-2], data[3:33, ::-2])
        array[5:25, 5:25] = 7
    chunks = [event for event in seen if isinstance(event, telemetry.ChunkRead) and event.stored]
    assert {event.index for event in chunks} >= {(i, j) for i in range(4) for j in range(4)}
    assert sum(event.fetching for event in chunks) > 0
    assert (array[5:25, 5:25] == 7).all()


def test_each_request_emits_an_event() -> None:
    data = numbered((64, 64), "u1")
    array, store = stored(data, chunks=(4, 4), shards=(32, 64))
    for selection in (np.s_[...], np.s_[5, 7], np.s_[...]):
        store.reset()
        seen: list[Any] = []
        with telemetry.listening(seen.append):
            assert_same(array[selection], data[selection])
        requests = [event for event in seen if isinstance(event, telemetry.StoreRequest)]
        assert len(requests) == store.total
        assert sum(event.bytes for event in requests) == store.bytes_read
        read = {event.index for event in seen if isinstance(event, telemetry.ChunkRead)}
        assert read == (
            {(1, 1)} if selection != np.s_[...] else {(i, j) for i in range(16) for j in range(16)}
        )


@pytest.mark.parametrize(
    "options",
    [{}, {"compressors": None}, {"shards": (20, 20)}, {"shards": (20, 20), "compressors": None}],
    ids=str,
)
def test_writes_emit_an_event_per_chunk_with_many_requests_in_flight(options: Any) -> None:
    local, _ = stored(np.zeros((40, 40), "f4"), chunks=(10, 10), **options)
    slow = LatencyStore(local.store, 0.002, concurrency=8)
    array = Array(Location(slow, ""), local.metadata)
    data = numbered((40, 40), "f4") + 1
    for selection in (np.s_[...], np.s_[5:35, 5:35]):
        seen: list[Any] = []
        with telemetry.listening(seen.append):
            array[selection] = data[selection]
        written = [event for event in seen if isinstance(event, telemetry.ChunkWritten)]
        assert sorted(event.index for event in written) == [(i, j) for i in range(4) for j in range(4)]
        assert all(event.putting > 0 for event in written)
        puts = [event for event in seen if isinstance(event, telemetry.StoreRequest) and event.kind == "put"]
        assert len(puts) == (4 if "shards" in options else 16)
        if "shards" not in options:
            assert len({event.thread for event in puts}) > 2
    assert_same(open_array(local.store)[...], data)


# -- how many requests -----------------------------------------------------------------------------


def test_each_chunk_is_one_request() -> None:
    data = numbered((40, 40))
    array, store = stored(data, chunks=(10, 10))
    assert_same(array[...], data)
    assert store.requests == {"get": 16}
    store.reset()
    array[...] = data + 1
    assert store.requests == {"put": 16}


def test_raw_chunks_are_fetched_only_in_selected_bytes() -> None:
    data = numbered((40, 40))
    array, store = stored(data, chunks=(20, 20), compressors=None)
    assert_same(array[3, 4:9], data[3, 4:9])
    assert store.requests == {"range": 1}
    assert store.bytes_read == 5 * 4


def test_an_index_is_fetched_once_and_then_only_ranges() -> None:
    data = numbered((64, 64), "u1")
    array, store = stored(data, chunks=(4, 4), shards=(64, 64), compressors=None)
    with config.override(remote_gap=0):
        assert array[0, 0] == data[0, 0]
        assert store.requests == {"range": 2}, "the index, by its place at the end, and a range"
        store.reset()
        assert array[60, 60] == data[60, 60]
        assert store.requests == {"range": 1}
        assert store.bytes_read == 16


def test_mostly_selected_shard_takes_one_request() -> None:
    data = numbered((64, 64), "u1")
    array, store = stored(data, chunks=(4, 4), shards=(32, 64))
    assert_same(array[...], data)
    assert store.requests == {"get": 2}
    store.reset()
    assert_same(array[...], data)  # now the index is cached
    assert store.requests == {"range": 2}


@pytest.mark.parametrize(("gap", "most", "requests"), [(0, 1 << 20, 3), (64, 1 << 20, 1), (64, 3 * 64, 2)])
def test_close_ranges_take_one_request(gap: int, most: int, requests: int) -> None:
    data = numbered((8, 64), "u1")
    array, store = stored(data, chunks=(1, 64), shards=(8, 64), compressors=None)
    array[0]
    store.reset()
    with config.override(remote_gap=gap, remote_most=most):
        assert_same(array[0:5:2], data[0:5:2])
    assert store.requests == {"range": requests}


def test_concurrent_readers_fetch_an_index_once() -> None:
    data = numbered((16, 64), "u1")
    array, store = stored(data, chunks=(1, 64), shards=(16, 64), compressors=None)
    start, go = threading.Barrier(8), threading.Event()

    class Slow(StoreWrapper):
        def fetch(self, key, byte_range=None, version=None):
            if version is None:
                go.wait(10)
            return super().fetch(key, byte_range, version)

    slow = Slow(store)
    array = Array(Location(slow, array.path), array.metadata)
    layout: Any = array.chunk_source.layout

    def read(i: int) -> Any:
        start.wait()
        return array[i]

    with ThreadPoolExecutor(8) as pool:
        rows = [pool.submit(read, i) for i in range(8)]
        while not layout.coming:
            pass
        go.set()
        for i, row in enumerate(rows):
            assert_same(row.result(), data[i])
    assert store.requests["range"] <= 8 + 2, "eight ranges, one index, and hardly ever one more"


def test_requests_in_flight_are_bounded_per_process() -> None:
    data = numbered((60, 10))
    array, _ = stored(data, chunks=(1, 10))

    class Watched(StoreWrapper):
        now = most = 0
        lock = threading.Lock()

        def get(self, key, byte_range=None):
            with self.lock:
                self.now += 1
                self.most = max(self.most, self.now)
            try:
                return super().get(key, byte_range)
            finally:
                with self.lock:
                    self.now -= 1

    store = Watched(LatencyStore(array.store, 0.002, concurrency=9))
    watched = Array(Location(store, array.path), array.metadata)
    assert_same(watched[...], data)
    assert 1 < store.most <= 9
    store.most = 0
    with config.override(requests=3):
        assert_same(watched[...], data)
    assert 1 < store.most <= 3


# -- concurrent changes --------------------------------------------------------------------------


def test_shard_replaced_during_a_read_is_read_again() -> None:
    data = numbered((16, 64), "u1")
    array, store = stored(data, chunks=(1, 64), shards=(16, 64))
    other = open_array(array.store.inner)

    class Replaced(StoreWrapper):
        times = 0

        def fetch(self, key, byte_range=None, version=None):
            if version is not None and self.times:
                self.times -= 1
                other[...] = np.random.default_rng(self.times).integers(0, 99, (16, 64))
            return super().fetch(key, byte_range, version)

    replaced = Replaced(store)
    array = Array(Location(replaced, array.path), array.metadata)
    with config.override(remote_gap=0, requests=1):
        for times in (1, 3):
            replaced.times = times
            assert_same(array[::5], other[::5])
        replaced.times = 1000
        with pytest.raises(ChangedError):
            array[::5]


def test_missing_chunk_in_a_cached_index_is_checked_again() -> None:
    array, store = stored(numbered((8, 4), "u1"), chunks=(1, 4), shards=(8, 4))
    other = open_array(array.store.inner)
    other[3] = 0
    assert not array[3].any()
    store.reset()
    assert not array[3].any()
    assert store.requests == {"size": 1}
    other[3] = 9
    assert (array[3] == 9).all()


# -- errors --------------------------------------------------------------------------------------


class Failing(StoreWrapper):
    def __init__(self, inner, error):
        super().__init__(inner)
        self.error = error
        self.after = 3

    def _fail(self):
        self.after -= 1
        if self.after < 0:
            raise self.error

    def get(self, key, byte_range=None):
        self._fail()
        return super().get(key, byte_range)

    def fetch(self, key, byte_range=None, version=None):
        self._fail()
        return super().fetch(key, byte_range, version)

    def put(self, key, value):
        self._fail()
        super().put(key, value)

    def put_parts(self, key, parts):
        self._fail()
        super().put_parts(key, parts)


@pytest.mark.parametrize("shards", [None, (2, 10)])
def test_first_error_is_raised_and_stops_all_requests(shards: Any) -> None:
    data = numbered((60, 10))
    array, _ = stored(data, chunks=(1, 10), shards=shards)
    error = StoreError("503")
    failing = Failing(array.store, error)
    store = CountingStore(failing)
    broken = Array(Location(store, array.path), array.metadata)
    for act in (lambda: broken[...], lambda: broken.__setitem__(..., data)):
        failing.after = 3
        with pytest.raises(StoreError) as caught:
            act()
        assert caught.value is error
        count = store.total
        assert store.total == count
    failing.after = 10_000
    assert_same(broken[...], data)


@pytest.mark.parametrize("shards", [None, (20, 20)])
def test_errors_for_damaged_and_missing_chunks_name_the_chunk(shards: Any) -> None:
    array, _ = stored(numbered((40, 40), "f4"), chunks=(10, 10), shards=shards)
    key = "c/1/0"
    value = bytearray(array.store.get(key))
    value[20] ^= 255
    array.store.put(key, value)
    with pytest.raises(ChunkCorruptError, match=key):
        array[...]
    array.store.put(key, value[:9])
    with pytest.raises(ChunkCorruptError, match=key):
        open_array(array.store)[...]
    array.store.delete(key)
    assert not array[15:20, :10].any() if shards is None else not array[20:, :20].any()
    strict = open_array(array.store, missing="error")
    with pytest.raises(ChunkMissingError, match=key):
        strict[...]


@pytest.mark.parametrize("cut", [-1, 1])
def test_raw_chunks_of_the_wrong_size_are_corrupt(cut: int) -> None:
    array, _ = stored(numbered((40, 40)), chunks=(20, 20), compressors=None)
    value = bytes(array.store.get("c/0/1"))
    array.store.put("c/0/1", value[:-1] if cut < 0 else value + b"1")
    for selection in (np.s_[...], np.s_[19, 20:40]):
        with pytest.raises(ChunkCorruptError, match="c/0/1"):
            array[selection]


def test_encode_error_names_the_chunk() -> None:
    array, _ = remote(
        exzarr.create_array(
            MemoryStore(),
            shape=(8,),
            chunks=(4,),
            dtype="f8",
            filters=[
                {"name": "cast_value", "configuration": {"data_type": "int8", "rounding": "nearest-even"}}
            ],
        )
    )
    for selection in (np.s_[...], np.s_[1:3]):
        with pytest.raises(CodecError, match=r"chunk \(0,\)"):
            array[selection] = 1e9


def test_read_inside_a_request_does_not_deadlock() -> None:
    data = numbered((6, 4))
    inner, _ = stored(data, chunks=(1, 4))

    class FromArray(StoreWrapper):
        def get(self, key, byte_range=None):
            inner[...]
            inner[1:3, 1:3] = inner[1:3, 1:3]
            return super().get(key, byte_range)

    outer = Array(Location(FromArray(inner.store), ""), inner.metadata)
    with config.override(requests=2):
        assert_same(outer[...], data)
