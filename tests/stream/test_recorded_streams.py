"""Hooks get the events of streams, and streams behave the same with and without hooks."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st

import exzarr
from exzarr import telemetry
from exzarr._nodes.array import Array
from exzarr._nodes.hierarchy import Location
from exzarr.errors import ChunkCorruptError
from exzarr.telemetry import CacheHit, ChunkRead, Event, SelectionRead, StoreRequest
from tests.engine.spy import Spy
from tests.engine.strategies import arrays, picks, values_for
from tests.engine.tools import assert_same, make, numbered


def spied(array: Array) -> tuple[Array, Spy]:
    spy = Spy(array.store)
    return Array(Location(spy, array.path), array.metadata), spy


def of(heard: list[Event], kind: type) -> list[Any]:
    return [event for event in heard if type(event) is kind]


@given(st.data())
def test_hooks_do_not_change_the_requests(data: Any) -> None:
    array = data.draw(arrays())
    pick = data.draw(picks(array))
    pick.write(array, data.draw(values_for(array, np.shape(pick.expect(np.zeros(array.shape, array.dtype))))))
    missing = data.draw(st.sampled_from(["fill", "skip"]))
    seen = []
    heard: list[Event] = []
    for listen in (False, True):
        one, spy = spied(array)
        if listen:
            with telemetry.listening(heard.append):
                chunks = [*one.chunk_stream(workers=1, missing=missing)]
        else:
            chunks = [*one.chunk_stream(workers=1, missing=missing)]
        seen.append((Counter(spy.reads), [(chunk.index, chunk.region) for chunk in chunks]))
        for chunk in chunks:
            assert_same(chunk.data, np.asarray(array[chunk.region], array.dtype).reshape(chunk.data.shape))
    assert seen[0] == seen[1]
    reads, _ = seen[1]
    requests = [(e.key, e.bytes) for e in of(heard, StoreRequest) if e.kind in ("get", "range")]
    assert Counter(requests) == reads

    read = of(heard, ChunkRead)
    everywhere, _ = spied(array)
    grid = Counter(chunk.index for chunk in everywhere.chunk_stream(workers=1))
    assert Counter(event.index for event in read) == grid  # missing chunks, too
    if missing == "skip":
        assert {event.index for event in read if event.stored} == {chunk.index for chunk in chunks}
    wanted = sum(event.bytes for event in of(heard, SelectionRead))
    assert wanted == array.size * array.dtype.itemsize


@pytest.mark.parametrize("shards", [None, (32, 32)])
@pytest.mark.parametrize("scope", ["process", "context"])
def test_threads_emit_one_event_per_chunk(shards: Any, scope: Any) -> None:
    array, spy = spied(make((128, 128), chunks=(8, 8), shards=shards, compressors="gzip"))
    array[...] = numbered((128, 128))
    heard: list[Event] = []
    with telemetry.listening(heard.append, scope=scope), array.chunk_stream(workers=4, prefetch=8) as stream:
        spy.reads.clear()
        for chunk in stream:
            assert_same(chunk.data, numbered((128, 128))[chunk.region])
    assert Counter(event.index for event in of(heard, ChunkRead)) == Counter(np.ndindex(16, 16))
    requests = [(e.key, e.bytes) for e in of(heard, StoreRequest) if e.kind in ("get", "range")]
    assert Counter(requests) == Counter(spy.reads)
    assert not [event.error for event in of(heard, SelectionRead) if event.error]


def test_missing_chunks_emit_events_without_failure() -> None:
    for shards in (None, (16, 16)):
        array = make((32, 32), chunks=(8, 8), shards=shards)
        array[:8] = 1
        with exzarr.profile() as report:
            stream = array.chunk_stream(workers=1)
            assert sum(int(chunk.data.sum()) for chunk in stream) == 8 * 32
        read = report.total("read")
        assert (read.chunks, read.absent, read.failed) == (16, 12, 0)
        assert read.bytes_wanted == 32 * 32 * 4


def test_a_shard_that_stays_open_is_opened_once_and_its_index_is_a_cache_hit() -> None:
    array = make((32, 32), chunks=(8, 8), shards=(32, 32))
    array[...] = numbered((32, 32))
    array = Array(Location(array.store, ""), array.metadata)
    heard: list[Event] = []
    with telemetry.listening(heard.append):
        for _ in array.chunk_stream(workers=1, prefetch=0):
            pass
    index = 16 * 16 + 4
    assert [e.bytes for e in of(heard, StoreRequest)].count(index) == 1
    pieces = len(of(heard, SelectionRead))
    assert len(of(heard, CacheHit)) == pieces - 1


def test_a_chunk_that_fails_is_a_read_that_failed() -> None:
    array = make((32, 32), chunks=(8, 8))
    array[...] = numbered((32, 32))
    array.store.put("c/1/2", b"no chunk")
    heard: list[Event] = []
    with telemetry.listening(heard.append):
        stream = array.chunk_stream(workers=1, on_error="skip")
        assert len([*stream]) == 15
    assert len(of(heard, ChunkRead)) == 15
    (failed,) = [event for event in of(heard, SelectionRead) if event.error]
    assert "ChunkCorruptError" in failed.error
    with telemetry.listening(heard.append), pytest.raises(ChunkCorruptError):
        [*array.chunk_stream(workers=1)]


def test_hook_registered_midway_gets_the_remaining_events() -> None:
    array = make((64,), chunks=(1,), compressors="zstd")
    array[...] = numbered((64,))
    heard: list[Event] = []
    with array.chunk_stream(workers=1, prefetch=0, timeout=60) as stream:  # a chunk at a time
        first = [next(stream) for _ in range(10)]
        with telemetry.listening(heard.append):
            middle = [next(stream) for _ in range(10)]
        rest = [*stream]
    assert [chunk.index[0] for chunk in (*first, *middle, *rest)] == [*range(64)]
    told = [event.index[0] for event in of(heard, ChunkRead)]
    assert told == sorted(told)
    assert set(range(12, 19)) <= set(told) <= set(range(9, 22))
