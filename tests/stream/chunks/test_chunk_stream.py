"""`Array.chunk_stream` yields every chunk once, as NumPy would cut it, in grid order, from a bounded window."""

from __future__ import annotations

import gc
import os
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st

import exzarr
from exzarr import Chunk, Retry, StreamStats, config
from exzarr.errors import (
    ArgumentError,
    ChunkCorruptError,
    ChunkError,
    ChunkMissingError,
    ChunkStoreError,
    ChunkTimeoutError,
    SelectionError,
    StoreError,
    StreamError,
)
from exzarr.stores.local.store import LocalStore
from exzarr.stores.memory import MemoryStore
from exzarr.stores.wrappers.latency import LatencyStore
from exzarr.stores.zip.store import ZipStore
from tests.breadth import examples
from tests.engine.spy import Hook, Short, Spy
from tests.engine.strategies import arrays, blank, configs
from tests.engine.tools import assert_same, data_for, make, numbered, open_array, raw
from tests.stream.model import chunk_edges, expected_chunks, regions, wheres
from tests.stream.tools import PATIENCE, eventually, stream_threads


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    before = stream_threads()
    yield
    gc.collect()
    assert eventually(lambda: stream_threads() <= before), stream_threads()


def assert_chunks(got: list[Chunk], wanted: Any) -> None:
    wanted = [*wanted]
    assert [chunk.index for chunk in got] == [index for index, _, _ in wanted]
    for chunk, (_, region, data) in zip(got, wanted, strict=True):
        assert chunk.region == region
        assert_same(chunk.data, data)


# -- against NumPy -------------------------------------------------------------------------------


@given(st.data())
@examples(83)
def test_any_array_with_any_options(data: Any) -> None:
    array = data.draw(arrays())
    model = blank(array)
    if data.draw(st.booleans()) and model.size:
        # Some chunks are stored, others are not.
        part = tuple([slice(0, data.draw(st.integers(1, n))) for n in array.shape])
        model[part] = array[part] = data_for(array, 3, model[part].shape)
    region = data.draw(regions(array.shape))
    where, wanted = data.draw(wheres(tuple([len(edge) for edge in chunk_edges(array)])))
    workers, prefetch = data.draw(st.integers(1, 3)), data.draw(st.none() | st.integers(0, 9))
    ordered = data.draw(st.booleans())
    seen: list[tuple[int, int]] = []
    with config.override(**data.draw(configs)):
        stream = array.chunk_stream(
            region,
            where=where,
            workers=workers,
            prefetch=prefetch,
            ordered=ordered,
            progress=lambda *now: seen.append(now),
        )
        got = [*stream]
    if not ordered:
        got.sort(key=lambda chunk: chunk.index)
    assert_chunks(got, expected_chunks(array, model, region, wanted))
    assert stream.stats.chunks == len(got)
    assert stream.stats.bytes == sum(chunk.data.nbytes for chunk in got)
    assert stream.stats.failed == stream.stats.retries == 0
    assert seen[-1] == (stream.total, stream.total)
    assert all(before[0] < after[0] for before, after in pairwise(seen))


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("store", ["memory", "local", "zip"])
@pytest.mark.parametrize("compressors", [None, "zstd"])
@pytest.mark.parametrize("shards", [None, (8, 12)])
def test_every_kind_of_store(
    zarr_format: int, store: str, compressors: Any, shards: Any, tmp_path: Path
) -> None:
    if zarr_format == 2 and shards:
        pytest.skip("v2 has no shards")
    stores: dict[str, Any] = {
        "memory": MemoryStore,
        "local": lambda: LocalStore(tmp_path / "a.zarr"),
        "zip": lambda: ZipStore(tmp_path / "a.zip", mode="w"),
    }
    made = stores[store]()
    more = {"shards": shards} if shards else {}
    array = make(
        (13, 29), "f4", store=made, chunks=(4, 6), zarr_format=zarr_format, compressors=compressors, **more
    )
    model = numbered((13, 29), "f4")
    array[...] = model
    for options in ({}, {"ordered": False}, {"prefetch": 0, "workers": 3}, {"timeout": 100.0}):
        got = sorted(array.chunk_stream(**options), key=lambda chunk: chunk.index)
        assert_chunks(got, expected_chunks(array, model))
    made.close()


def test_chunks_are_frozen_and_own_their_data() -> None:
    for options in ({"compressors": None}, {"compressors": "zstd"}, {"chunks": (3, 2), "shards": (6, 2)}):
        array = make((6, 4), chunks=options.pop("chunks", (3, 2)), **options)
        array[...] = numbered((6, 4))
        chunks = [*array.chunk_stream((slice(1, 6), slice(None)))]
        with pytest.raises(AttributeError):
            chunks[0].data = 1  # type: ignore[misc, assignment]
        for chunk in chunks:
            assert chunk.data.flags.writeable
            assert chunk.data.flags.c_contiguous
            chunk.data[...] = 0
        assert_same(array[...], numbered((6, 4)))


def test_a_million_chunks_are_walked_and_not_listed() -> None:
    array = make((10**6, 10**6), "u1", chunks=(1, 1000))
    with array.chunk_stream() as stream:
        assert stream.total == 10**9
        assert next(stream).index == (0, 0)
    with array.chunk_stream(where=lambda index: index[1] % 100 == 7) as stream:
        assert next(stream).index == (0, 7)
        assert next(stream).index == (0, 107)


@pytest.mark.parametrize(
    "region",
    [(slice(0, 4), 2), (slice(0, 4, 2),), (slice(None),) * 3, "x", (slice("a"),), (slice(None, None, -1),)],
)
def test_invalid_regions_are_rejected(region: Any) -> None:
    with pytest.raises(SelectionError):
        raw((6, 4)).chunk_stream(region)


@pytest.mark.parametrize(
    "where", [[(0, 9)], [(-1, 0)], [0], (0, 1), [(0.5, 1)], np.zeros((3, 3), bool), [(0, 0, 0)], [["a", "b"]]]
)
def test_invalid_chunk_indices_are_rejected(where: Any) -> None:
    with pytest.raises(SelectionError):
        raw((6, 4), chunks=(3, 2)).chunk_stream(where=where)


def test_indices_of_one_dimension_need_no_tuples() -> None:
    array = raw((10,), chunks=(3,))
    assert [chunk.index for chunk in array.chunk_stream(where=[3, 1, 3])] == [(1,), (3,)]
    assert [chunk.index for chunk in array.chunk_stream(where=[])] == []


@pytest.mark.parametrize(
    "options",
    [
        {"workers": 0},
        {"workers": -1},
        {"prefetch": -1},
        {"missing": "error"},
        {"on_error": "ignore"},
        {"timeout": 0},
        {"retries": -1},
        {"progress": "bar"},
    ],
)
def test_arguments_are_checked_before_anything_is_read(options: dict[str, Any]) -> None:
    with pytest.raises(ArgumentError):
        raw((6, 4)).chunk_stream(**options)


# -- missing chunks ------------------------------------------------------------------------------


@pytest.mark.parametrize("shards", [None, (4, 4)])
@pytest.mark.parametrize("compressors", [None, "zstd"])
def test_missing_chunks(shards: Any, compressors: Any) -> None:
    store = MemoryStore()
    more = {"shards": shards} if shards else {}
    array = make((8, 8), "i4", store=store, chunks=(2, 2), fill_value=7, compressors=compressors, **more)
    array[2:4, 2:4] = 1
    array[4:6, 0:2] = 2
    stored = [(1, 1), (2, 0)]
    filled = array.chunk_stream()
    chunks = {chunk.index: chunk.data for chunk in filled}
    assert len(chunks) == 16
    assert (chunks[1, 1] == 1).all()
    assert (chunks[2, 0] == 2).all()
    assert all((data == 7).all() for index, data in chunks.items() if index not in stored)
    assert (filled.stats.missing, filled.stats.skipped, filled.stats.chunks) == (14, 0, 16)

    with array.chunk_stream(missing="skip") as stream:
        assert [chunk.index for chunk in stream] == stored
    assert (stream.stats.missing, stream.stats.skipped, stream.stats.chunks) == (14, 14, 2)

    strict = open_array(store, missing="error")
    with pytest.raises(ChunkMissingError) as caught:
        next(strict.chunk_stream())
    assert caught.value.index == (0, 0)
    assert [chunk.index for chunk in strict.chunk_stream(missing="skip")] == stored
    stream = strict.chunk_stream(on_error="skip")
    assert [chunk.index for chunk in stream] == stored
    assert (stream.stats.failed, stream.stats.chunks) == (14, 2)


# -- failures ------------------------------------------------------------------------------------

ONE_BAD: list[dict[str, Any]] = [
    {"compressors": None},
    {"compressors": "zstd"},
    {"compressors": "zstd", "chunks": ([4, 4, 4], [4, 4, 4])},
]


def damaged(options: dict[str, Any]) -> tuple[Any, np.ndarray]:
    """Return an array of 3 × 3 chunks with chunk (1, 2) damaged."""
    store = MemoryStore()
    array = make((12, 12), "i4", store=store, **{"chunks": (4, 4), **options})
    model = numbered((12, 12))
    array[...] = model
    store.put("c/1/2", b"\x28\xb5\x2f\xfd damaged")
    return array, model


@pytest.mark.parametrize("options", ONE_BAD)
@pytest.mark.parametrize("prefetch", [0, 3, None])
def test_a_damaged_chunk_is_named_in_its_place(options: dict[str, Any], prefetch: int | None) -> None:
    array, _ = damaged(options)
    stream = array.chunk_stream(prefetch=prefetch, retries=5)
    got: list[Any] = []
    with pytest.raises(ChunkCorruptError) as caught:
        got.extend(chunk.index for chunk in stream)
    assert got == [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1)]
    assert (caught.value.index, caught.value.key) == ((1, 2), "c/1/2")
    assert stream.stats.failed == 1
    assert stream.stats.retries == 0  # damage does not heal
    assert [*stream] == []
    assert stream_threads() == set()


@pytest.mark.parametrize("options", ONE_BAD)
def test_a_damaged_chunk_can_be_left_out(options: dict[str, Any]) -> None:
    array, model = damaged(options)
    seen: list[tuple[int, int]] = []
    stream = array.chunk_stream(on_error="skip", progress=lambda *now: seen.append(now))
    assert_chunks([*stream], expected_chunks(array, model, None, lambda index: index != (1, 2)))
    assert stream.stats.failed == 1
    assert seen == [(n, 9) for n in range(1, 10)]
    errors: list[Exception] = []
    assert len([*array.chunk_stream(on_error=errors.append)]) == 8
    assert [type(error) for error in errors] == [ChunkCorruptError]


@pytest.mark.parametrize("ordered", [True, False])
def test_damage_in_a_shard_costs_only_the_inner_chunks_it_hits(ordered: bool) -> None:
    store = MemoryStore()
    array = make((8, 8), "i4", store=store, chunks=(2, 2), shards=(4, 4), compressors="zstd")
    model = numbered((8, 8))
    array[...] = model
    shard = bytearray(store.get("c/0/1") or b"")
    shard[2:20] = bytes(18)  # the first inner chunk
    store.put("c/0/1", bytes(shard))
    store.put("c/1/0", b"too short for an index")
    errors: list[ChunkError] = []
    got = [*array.chunk_stream(on_error=errors.append, ordered=ordered)]  # type: ignore[arg-type]
    bad = {(0, 2), (2, 0), (2, 1), (3, 0), (3, 1)}
    assert {error.index for error in errors} == bad
    assert all(isinstance(error, ChunkCorruptError) for error in errors)
    assert {error.key for error in errors} == {"c/0/1", "c/1/0"}
    got.sort(key=lambda chunk: chunk.index)
    assert_chunks(got, expected_chunks(array, model, None, lambda index: index not in bad))


def flaky(failures: int, keys: set[str], error: Exception) -> tuple[Any, list[str]]:
    """Return an array whose store fails `failures` times for each of `keys`, and the list of requests."""
    inner = MemoryStore()
    model = numbered((12, 12))
    raw((12, 12), store=inner, chunks=(4, 4))[...] = model
    asked: list[str] = []
    lock = threading.Lock()

    def hook(what: str, key: str) -> None:
        with lock:
            asked.append(key)
            if key in keys and asked.count(key) <= failures:
                raise error

    return open_array(Hook(inner, hook)), asked


AT_ONCE = Retry(attempts=3, wait_initial=0.0, wait_jitter=0.0)


@pytest.mark.parametrize("timeout", [None, 100.0])
@pytest.mark.parametrize("prefetch", [None, 0])
def test_store_failures_are_retried(timeout: float | None, prefetch: int | None) -> None:
    keys = {"c/0/1", "c/2/2"}
    array, asked = flaky(2, keys, StoreError("503"))
    stream = array.chunk_stream(retries=AT_ONCE, timeout=timeout, prefetch=prefetch)
    assert_chunks([*stream], expected_chunks(array, numbered((12, 12))))
    assert stream.stats.retries == 4
    assert stream.stats.failed == 0
    assert [asked.count(key) for key in sorted(keys)] == [3, 3]


@pytest.mark.parametrize("timeout", [None, 100.0])
def test_without_retries_one_failure_is_enough(timeout: float | None) -> None:
    array, asked = flaky(1, {"c/0/1"}, StoreError("503"))
    with pytest.raises(ChunkStoreError, match="503") as caught:
        [*array.chunk_stream(timeout=timeout)]
    assert (caught.value.index, caught.value.key) == ((0, 1), "c/0/1")
    assert isinstance(caught.value, OSError)
    assert asked.count("c/0/1") == 1


@pytest.mark.parametrize("timeout", [None, 100.0])
def test_retries_come_to_an_end(timeout: float | None) -> None:
    array, asked = flaky(99, {"c/0/1"}, StoreError("503"))
    stream = array.chunk_stream(retries=AT_ONCE, timeout=timeout, on_error="skip")
    assert len([*stream]) == 8
    assert asked.count("c/0/1") == 3
    assert (stream.stats.retries, stream.stats.failed) == (2, 1)


def test_overdue_chunk_fails_with_a_timeout() -> None:
    gate = threading.Event()
    inner = MemoryStore()
    raw((12, 12), store=inner, chunks=(4, 4))[...] = numbered((12, 12))

    def hook(what: str, key: str) -> None:
        if key == "c/1/1":
            assert gate.wait(PATIENCE)

    array = open_array(Hook(inner, hook))
    stream = array.chunk_stream(timeout=0.2, workers=2)
    got: list[Any] = []
    with pytest.raises(ChunkTimeoutError) as caught:
        got.extend(chunk.index for chunk in stream)
    assert got == [(0, 0), (0, 1), (0, 2), (1, 0)]
    assert caught.value.index == (1, 1)
    assert isinstance(caught.value, TimeoutError)
    assert len([*array.chunk_stream(timeout=0.2, workers=2, on_error="skip")]) == 8
    gate.set()


def test_short_reads_are_retried() -> None:
    inner = MemoryStore()
    for options in ({"compressors": None}, {"compressors": "zstd"}):
        make((12, 12), store=inner, chunks=(4, 4), **options)[...] = numbered((12, 12))
        array = open_array(Short(inner, 3))
        assert_chunks([*array.chunk_stream()], expected_chunks(array, numbered((12, 12))))


# -- requests to the store -----------------------------------------------------------------------


def test_each_chunk_is_read_once() -> None:
    inner = MemoryStore()
    raw((12, 12), store=inner, chunks=(4, 4))[...] = numbered((12, 12))
    spy = Spy(inner)
    assert len([*open_array(spy).chunk_stream()]) == 9
    assert sorted(key for key, _ in spy.reads) == sorted(f"c/{i}/{j}" for i in range(3) for j in range(3))
    assert threading.get_ident() not in spy.threads


@pytest.mark.parametrize("ordered", [True, False])
def test_each_shard_is_opened_once(ordered: bool) -> None:
    inner = MemoryStore()
    array = make((32, 32), store=inner, chunks=(2, 2), shards=(16, 16), compressors="zstd")
    array[...] = numbered((32, 32))
    opened: list[str] = []
    store = Hook(inner, lambda what, key: opened.append(key))
    array = open_array(store)
    del opened[:]
    got = sorted(array.chunk_stream(ordered=ordered, prefetch=1), key=lambda chunk: chunk.index)
    assert_chunks(got, expected_chunks(array, numbered((32, 32))))
    assert sorted(opened) == ["c/0/0", "c/0/1", "c/1/0", "c/1/1"]


def test_unordered_goes_shard_by_shard() -> None:
    array = make((8, 8), chunks=(2, 2), shards=(4, 4))
    array[...] = numbered((8, 8))
    first = [chunk.index for chunk in array.chunk_stream(ordered=False, workers=1)]
    assert set(first[:4]) == {(0, 0), (0, 1), (1, 0), (1, 1)}
    assert set(first[4:8]) == {(0, 2), (0, 3), (1, 2), (1, 3)}
    some = [
        chunk.index for chunk in array.chunk_stream(ordered=False, workers=1, where=[(0, 0), (0, 2), (1, 1)])
    ]
    assert some == [(0, 0), (1, 1), (0, 2)]


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="counts open files in /proc")
def test_shards_are_closed_with_the_stream(tmp_path: Path) -> None:
    array = make((32, 32), store=LocalStore(tmp_path / "a"), chunks=(2, 2), shards=(4, 4))
    array[...] = numbered((32, 32))

    def open_files() -> int:
        return sum(1 for _ in Path("/proc/self/fd").iterdir())

    before = open_files()
    stream = array.chunk_stream()
    next(stream)
    stream.close()
    assert open_files() == before
    stream = array.chunk_stream()
    for _ in range(40):
        next(stream)
    assert before < open_files() <= before + 64
    del stream
    assert eventually(lambda: open_files() == before)
    assert len([*array.chunk_stream()]) == 256
    assert open_files() == before


def test_a_small_region_of_a_large_raw_chunk_reads_only_its_bytes() -> None:
    inner = MemoryStore()
    raw((100, 100), "u1", store=inner, chunks=(50, 100))[...] = 1
    spy = Spy(inner)
    got = [*open_array(spy).chunk_stream((slice(48, 52), slice(None)))]
    assert [chunk.region[0] for chunk in got] == [slice(48, 50), slice(50, 52)]
    assert [n for _, n in spy.reads] == [200, 200]


# -- bounds, and the end -------------------------------------------------------------------------


class Gate:
    """Hold the reads of a store and release them one by one."""

    def __init__(self, shape: tuple[int, ...] = (40, 4), **options: Any) -> None:
        inner = MemoryStore()
        make(shape, store=inner, chunks=(2, 4), **{"compressors": None, **options})[...] = 1
        self.asked: list[str] = []
        self.closed = threading.Event()
        self.array = open_array(Hook(inner, self._hook))

    def _hook(self, what: str, key: str) -> None:
        if key == "zarr.json":
            return
        self.asked.append(key)
        assert self.closed.wait(PATIENCE)


@pytest.mark.parametrize(("workers", "prefetch"), [(1, 1), (1, 4), (2, 1), (2, 5), (4, 0)])
def test_a_slow_consumer_never_lets_the_readers_run_ahead(workers: int, prefetch: int) -> None:
    gate = Gate()
    gate.closed.set()
    bound = workers + prefetch
    with gate.array.chunk_stream(workers=workers, prefetch=prefetch) as stream:
        for handed_out, _ in enumerate(stream, 1):
            # While the consumer waits, everything that may be read is read, and no more.
            ahead = min(20, handed_out - 1 + bound)
            assert eventually(lambda: len(gate.asked) >= ahead)  # noqa: B023
            assert len(gate.asked) == ahead


def test_a_slow_store_is_asked_by_workers_only() -> None:
    gate = Gate()
    stream = gate.array.chunk_stream(workers=3, prefetch=10)
    taker = threading.Thread(target=next, args=(stream,))
    taker.start()
    assert eventually(lambda: len(gate.asked) == 3)
    gate.closed.set()
    taker.join()
    assert len(gate.asked) >= 3
    stream.close()


@pytest.mark.parametrize("shards", [None, (2, 4)])
def test_a_store_that_wants_many_requests_in_flight_gets_them(shards: Any) -> None:
    inner = MemoryStore()
    options = {"shards": shards} if shards else {}
    make((40, 4), store=inner, chunks=(2, 4), **options)[...] = numbered((40, 4))
    all_at_once = threading.Barrier(20)

    far = Hook(
        LatencyStore(inner, 0, concurrency=20),
        lambda what, key: key == "zarr.json" or all_at_once.wait(PATIENCE),
    )
    array = open_array(far)
    assert_chunks([*array.chunk_stream()], expected_chunks(array, numbered((40, 4))))


def test_leaving_early_cancels_what_is_ahead() -> None:
    gate = Gate()
    gate.closed.set()
    for chunk in gate.array.chunk_stream(workers=2, prefetch=2):
        if chunk.index == (3, 0):
            break
    assert eventually(lambda: stream_threads() == set())
    assert len(gate.asked) <= 8


def test_an_exception_in_the_consumer_ends_the_threads() -> None:
    gate = Gate()
    gate.closed.set()

    def consume() -> None:
        with gate.array.chunk_stream(workers=2, prefetch=2) as stream:
            for _ in stream:
                raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        consume()
    assert stream_threads() == set()
    assert len(gate.asked) <= 5


INTERRUPTED = """
import os, signal, threading
from tests.stream.chunks.test_chunk_stream import Gate, eventually, stream_threads

gate = Gate()

def interrupt():
    assert eventually(lambda: len(gate.asked) == 2)
    os.kill(os.getpid(), signal.SIGINT)

threading.Thread(target=interrupt).start()
stream = gate.array.chunk_stream(workers=2)
try:
    with stream:
        next(stream)
except KeyboardInterrupt:
    pass
else:
    raise SystemExit("not interrupted")
assert len(stream_threads()) == 2  # the store has not answered yet
assert [*stream] == []
gate.closed.set()
print("gone on")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs signals as POSIX has them")
def test_ctrl_c_does_not_wait_for_threads(run_python: Callable[..., Any]) -> None:
    done = run_python(INTERRUPTED, PYTHONPATH=os.pathsep.join(sys.path))
    assert done.stdout == "gone on\n", done.stderr
    assert done.returncode == 0, done.stderr


def test_dropped_stream_is_freed_immediately() -> None:
    gate = Gate()
    gate.closed.set()
    stream = gate.array.chunk_stream(workers=2, prefetch=2)
    next(stream)
    gone = weakref.ref(stream)
    gc.disable()
    try:
        del stream
        assert gone() is None  # there is no cycle
    finally:
        gc.enable()
    assert eventually(lambda: stream_threads() == set())


def test_a_stream_that_is_closed_gives_nothing_more() -> None:
    stream = raw((40, 4), chunks=(2, 4)).chunk_stream()
    next(stream)
    stream.close()
    assert [*stream] == []
    assert stream.stats.chunks == 1
    stream.close()


def test_a_predicate_that_raises_ends_the_stream() -> None:
    def where(index: tuple[int, ...]) -> bool:
        if index == (5, 0):
            raise LookupError("five")
        return True

    stream = raw((40, 4), chunks=(2, 4)).chunk_stream(where=where)
    got: list[Any] = []
    with pytest.raises(LookupError, match="five"):
        got.extend(chunk.index for chunk in stream)
    assert got == [(n, 0) for n in range(5)]
    assert stream_threads() == set()


def test_progress_that_raises_goes_to_the_consumer() -> None:
    def refuse(done: int, total: int) -> None:
        raise LookupError("no more")

    with pytest.raises(LookupError), raw((40, 4), chunks=(2, 4)).chunk_stream(progress=refuse) as stream:
        next(stream)
    assert stream_threads() == set()


def test_stats_are_a_snapshot() -> None:
    array = raw((40, 4), chunks=(2, 4))
    stream = array.chunk_stream()
    assert stream.stats == StreamStats()
    next(stream)
    before = stream.stats
    assert (before.chunks, before.bytes) == (1, 32)
    assert len([*stream]) == 19
    assert before.chunks == 1
    after = stream.stats
    assert (after.chunks, after.bytes, after.missing) == (20, 640, 20)
    assert after.seconds == stream.stats.seconds > 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
def test_a_forked_child_opens_its_own() -> None:
    array = raw((40, 4), chunks=(2, 4))
    array[...] = numbered((40, 4))
    stream = array.chunk_stream(workers=2, prefetch=3)
    next(stream)
    child = os.fork()
    if child == 0:  # nothing of pytest may run in here
        code = 1
        try:
            try:
                next(stream)
            except StreamError:
                code = 0
            stream.close()
            if sum(int(chunk.data.sum()) for chunk in array.chunk_stream()) != 160 * 161 // 2:
                code = 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert len([*stream]) == 19


def test_reader_threads_use_the_callers_settings() -> None:
    array = make((8, 8), chunks=(2, 2), shards=(4, 4))
    with config.override(shard_index_cache=0):
        stream = array.chunk_stream()
    assert len([*stream]) == 16


def test_hooks_get_an_event_for_every_chunk() -> None:
    array = raw((40, 4), chunks=(2, 4))
    array[...] = numbered((40, 4))
    array[4:6] = 0
    events: list[Any] = []
    with exzarr.telemetry.listening(events.append):
        got = [*array.chunk_stream((slice(1, None), slice(None)))]
        assert [chunk.index for chunk in array.chunk_stream(missing="skip")] == [
            (n, 0) for n in range(20) if n != 2
        ]
    model = numbered((40, 4))
    model[4:6] = 0
    assert_chunks(got, expected_chunks(array, model, (slice(1, 40), slice(0, 4))))


def test_retries_emit_events() -> None:
    array, _ = flaky(1, {"c/0/1"}, StoreError("503"))
    events: list[Any] = []
    with exzarr.telemetry.listening(events.append, only=exzarr.telemetry.Retried):
        assert len([*array.chunk_stream(retries=AT_ONCE)]) == 9
    (event,) = events
    assert (event.key, event.attempt) == ("c/0/1", 1)
    assert "(0, 1)" in event.what
    assert "503" in event.error
