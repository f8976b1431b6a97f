"""Events of reads and writes equal the requests that a counting store sees, and the stored files."""

from __future__ import annotations

import math
import pickle
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st

import exzarr
from exzarr import config, telemetry
from exzarr._engine import recording, worker_timer
from exzarr._engine.reading.read import read
from exzarr._engine.scratch import with_scratch
from exzarr._engine.source import ChunkSource
from exzarr._nodes.array import Array
from exzarr._nodes.hierarchy import Location
from exzarr.errors import ChunkCorruptError, ChunkMissingError
from exzarr.stores import locks
from exzarr.stores.base import KEEP, ValueReader
from exzarr.stores.local import file_locks
from exzarr.stores.local.store import LocalStore
from exzarr.stores.memory import MemoryStore
from exzarr.stores.wrappers import instrumented
from exzarr.stores.wrappers.base import StoreWrapper
from exzarr.stores.wrappers.instrumented import InstrumentedStore
from exzarr.stores.zip.store import ZipStore
from exzarr.telemetry import (
    CacheHit,
    ChunkRead,
    ChunkWritten,
    Event,
    SelectionRead,
    SelectionWritten,
    StoreRequest,
)
from tests.engine.spy import Hook, Short, Spy
from tests.engine.strategies import Pick, arrays, blank, configs, picks, values_for
from tests.engine.tools import assert_same, contents, make, numbered, open_array, raw
from tests.stream.tools import eventually

GZIP = {"name": "gzip", "configuration": {"level": 1}}


class Ears:
    """Hook that keeps its events."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def __call__(self, event: Event) -> None:
        self.events.append(event)

    def of(self, kind: type) -> list[Any]:
        return [event for event in self.events if type(event) is kind]


@pytest.fixture
def ears() -> Iterator[Ears]:
    ears = Ears()
    with telemetry.listening(ears):
        yield ears


def spied(array: Array) -> tuple[Array, Spy]:
    spy = Spy(array.store)
    return Array(Location(spy, array.path), array.metadata), spy


def requests(ears: Ears, *kinds: str) -> Counter:
    return Counter([(event.key, event.bytes) for event in ears.of(StoreRequest) if event.kind in kinds])


def touched(array: Array, pick: Pick, sizes: Any) -> set[tuple[int, ...]]:
    """Return the indexes of the chunks that a selection touches, for chunk lengths along each dimension."""
    counts = [len(lengths) for lengths in sizes]
    ids = np.zeros(array.shape, "i8")
    for d, (lengths, n) in enumerate(zip(sizes, array.shape, strict=True)):
        index = np.repeat(np.arange(len(lengths)), lengths)[:n] * math.prod(counts[d + 1 :])
        ids += index.reshape([-1 if i == d else 1 for i in range(array.ndim)])
    found = np.unique(pick.expect(ids)).tolist()
    return {tuple([int(i) for i in np.unravel_index(n, counts)]) if counts else () for n in found}


def inner_sizes(array: Array) -> list[list[int]]:
    return [[size] * -(-n // size) for size, n in zip(array.chunks, array.shape, strict=True)]


def shard_of(array: Array, inner: tuple[int, ...]) -> tuple[int, ...]:
    ends = [np.cumsum(sizes) for sizes in array.write_chunk_sizes]
    starts = [i * size for i, size in zip(inner, array.chunks, strict=True)]
    return tuple([int(np.searchsorted(e, at, side="right")) for e, at in zip(ends, starts, strict=True)])


def length_in_shard(array: Array, event: Any) -> int:
    """Return the bytes of an inner chunk, from the index at the end (or start) of its shard."""
    value = bytes(array.store.get(event.key) or b"")
    grid, encoding = array.metadata.chunk_grid, array.metadata.chunk_key_encoding
    shard = encoding.decode(event.key, array.ndim)
    assert shard is not None
    size = 16 * math.prod([n // c for n, c in zip(grid.chunk_shape_at(shard), array.chunks, strict=True)])
    at_start = array.metadata.codecs[0].configuration.get("index_location") == "start"
    table = value[:size] if at_start else value[-size - 4 : -4]  # and a checksum of 4 bytes
    return int(np.frombuffer(table, "<u8").reshape(-1, 2)[event.number, 1])


@given(st.data())
def test_read_events_match_requests_and_selection(data: Any) -> None:
    array, spy = spied(data.draw(arrays()))
    model = blank(array)
    first, pick = data.draw(picks(array)), data.draw(picks(array))
    value = data.draw(values_for(array, np.shape(first.expect(model))))
    first.write(array, value)
    first.assign(model, value)
    spy.reads.clear()
    ears = Ears()
    with config.override(**data.draw(configs)), telemetry.listening(ears):
        got = pick.read(array)
    assert_same(got, pick.expect(model))
    assert requests(ears, "get", "range") == Counter(spy.reads)

    chunks = ears.of(ChunkRead)
    assert len({(event.key, event.number) for event in chunks}) == len(chunks)
    whole = {event.index for event in chunks if event.number is None}
    if array.chunk_source.sharded:
        inner = {event.index for event in chunks if event.number is not None}
        wanted = touched(array, pick, inner_sizes(array))
        assert inner <= wanted
        assert whole == {shard_of(array, index) for index in wanted - inner}  # missing shards
    else:
        assert whole == touched(array, pick, array.write_chunk_sizes)
    for event in chunks:
        size = spy.inner.size(event.key)
        if event.number is not None:
            length = length_in_shard(array, event)
            assert event.stored == (length != 2**64 - 1)
            assert event.bytes_stored == (length if event.stored else 0)
        else:
            assert event.stored == (size is not None)
            if event.bytes_stored != event.bytes_decoded:  # otherwise raw, and possibly read in part
                assert event.bytes_stored == size
        assert (event.store, event.array) == (array.store.url, array.path)
        assert min(event.waiting, event.fetching, event.decoding, event.copying) >= 0
    selections = ears.of(SelectionRead)
    assert sum(event.bytes for event in selections) == np.size(got) * array.dtype.itemsize
    for thread in {event.thread for event in chunks}:
        own = sum(event.seconds for event in chunks if event.thread == thread)
        assert own <= sum(event.seconds for event in selections)


@given(st.data())
def test_write_events_match_requests_and_stored_chunks(data: Any) -> None:
    array, spy = spied(data.draw(arrays()))
    model = blank(array)
    unheard = MemoryStore()
    for key, document in contents(array.store).items():
        unheard.put(key, document)
    for _ in range(2):  # the second write updates existing chunks
        pick = data.draw(picks(array))
        value = data.draw(values_for(array, np.shape(pick.expect(model))))
        spy.reads.clear()
        spy.writes.clear()
        ears = Ears()
        with config.override(**data.draw(configs)), telemetry.listening(ears):
            pick.write(array, value)
        pick.write(open_array(unheard), value)
        assert contents(unheard) == contents(spy.inner)
        assert requests(ears, "get", "range") == Counter(spy.reads)
        stored = ears.of(StoreRequest)
        assert Counter([e.key for e in stored if e.kind in ("put", "delete")]) == Counter(spy.writes)
        for event in stored:
            if event.kind in ("put", "delete"):
                assert spy.inner.size(event.key) == (event.bytes if event.kind == "put" else None)
        chunks = ears.of(ChunkWritten)
        assert len({(event.key, event.number) for event in chunks}) == len(chunks)
        assert {event.key for event in chunks} <= set(spy.writes)
        if array.chunk_source.sharded:
            inner = {event.index for event in chunks if event.number is not None}
            assert inner <= touched(array, pick, inner_sizes(array))
        else:
            assert {event.index for event in chunks} == touched(array, pick, array.write_chunk_sizes)
        for event in chunks:
            size = spy.inner.size(event.key)
            if event.number is not None:
                assert event.bytes_stored == length_in_shard(array, event)
            else:
                assert event.stored == (size is not None)
                assert event.bytes_stored == (size or 0)
            assert min(event.waiting, event.copying, event.encoding, event.putting) >= 0
        for event in ears.of(ChunkRead):  # of partial chunks
            assert event.key in spy.writes


# -- stores ------------------------------------------------------------------------------------


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("compressors", [None, "zstd"])
def test_event_bytes_equal_file_sizes_in_a_folder(
    tmp_path: Path, ears: Ears, zarr_format: Any, compressors: Any
) -> None:
    array = make(
        (30, 40), chunks=(8, 8), store=LocalStore(tmp_path), zarr_format=zarr_format, compressors=compressors
    )
    array[...] = numbered((30, 40))
    sizes = {
        path.relative_to(tmp_path).as_posix(): path.stat().st_size
        for path in tmp_path.rglob("*")
        if path.is_file() and path.name not in ("zarr.json", ".zarray", ".zattrs")
    }
    assert len(sizes) == 4 * 5
    assert {event.key: event.bytes_stored for event in ears.of(ChunkWritten)} == sizes
    assert_same(array[...], numbered((30, 40)))
    assert {event.key: event.bytes_stored for event in ears.of(ChunkRead)} == sizes
    assert all(event.bytes_decoded == 8 * 8 * 4 for event in ears.of(ChunkRead) if event.stored)
    assert {event.key: event.bytes for event in ears.of(StoreRequest) if event.key in sizes} == sizes


@pytest.mark.parametrize("shards", [None, (16, 16)])
def test_event_bytes_equal_member_sizes_in_a_zip(tmp_path: Path, ears: Ears, shards: Any) -> None:
    path = tmp_path / "a.zip"
    with ZipStore(path, mode="w") as store:
        make((30, 40), chunks=(8, 8), shards=shards, store=store)[...] = numbered((30, 40))
    written = ears.of(ChunkWritten)
    with ZipStore(path) as store:
        array = open_array(store)
        assert_same(array[...], numbered((30, 40)))
        # Writing the chunks at the array's end also requested them, and they were missing.
        read = [event for event in ears.of(ChunkRead) if event.stored]
        assert {event.store for event in (*written, *read)} == {store.url}
        sizes = {key: store.size(key) or 0 for key in store.list("c")}
        index = 0 if shards is None else 4 * 16 + 4
        for events in (written, read):
            assert len(events) == 20
            for key, size in sizes.items():
                assert sum(event.bytes_stored for event in events if event.key == key) == size - index


def test_event_bytes_of_raw_chunks_are_the_bytes_read(ears: Ears) -> None:
    array = raw((100, 100), "f8", chunks=(50, 50))
    array[...] = numbered((100, 100), "f8")
    for selection, nbytes in [
        (np.s_[7, 3:20], 17 * 8),
        (np.s_[7:9, 3], 51 * 8),
        (np.s_[:50, :50], 50 * 50 * 8),
    ]:
        ears.events.clear()
        array[selection]
        (event,) = ears.of(ChunkRead)
        assert (event.bytes_stored, event.bytes_decoded) == (nbytes, nbytes)
        assert event.decoding == 0


def test_repeated_short_read_counts_as_one_chunk(ears: Ears) -> None:
    for compressors in (None, "zstd", GZIP):
        array = make((30, 40), chunks=(8, 8), compressors=compressors)
        array[...] = numbered((30, 40))
        ears.events.clear()
        short = open_array(Short(array.store))
        assert_same(short[...], numbered((30, 40)))
        assert len(ears.of(ChunkRead)) == 20
        got = [event for event in ears.of(StoreRequest) if event.key.startswith("c/")]
        assert len(got) == 40


def test_metadata_requests_and_listings_emit_events(ears: Ears) -> None:
    store = MemoryStore()
    root = exzarr.open_group(store, mode="w")
    root.create_array("a", shape=(3,), dtype="i4")
    ears.events.clear()
    assert [*exzarr.open_group(store, mode="r").array_keys()] == ["a"]
    told = ears.of(StoreRequest)
    size = store.size("zarr.json")
    assert ("get", "zarr.json", size) in [(event.kind, event.key, event.bytes) for event in told]
    assert ("get", "a/zarr.json", store.size("a/zarr.json")) in [(e.kind, e.key, e.bytes) for e in told]
    assert [(event.kind, event.key) for event in told if event.kind == "list"] == [("list", "")]


def test_missing_keys_and_failures_emit_events(ears: Ears) -> None:
    array = make((20, 20), chunks=(8, 8))
    array[:8] = 1
    ears.events.clear()
    array[...]
    assert Counter(event.found for event in ears.of(StoreRequest)) == {True: 3, False: 6}
    assert Counter(event.stored for event in ears.of(ChunkRead)) == {True: 3, False: 6}

    def down(what: str, key: str) -> None:
        raise OSError("the network is down")

    for shards in (None, (16, 16)):
        broken = open_array(Hook(make((20, 20), chunks=(8, 8), shards=shards).store, lambda *_: None))
        broken.store.hook = lambda what, key: down(what, key)  # type: ignore[attr-defined]
        ears.events.clear()
        with pytest.raises(OSError, match="down"):
            broken[...]
        with pytest.raises(OSError, match="down"):
            broken[...] = 1
        assert {event.error for event in ears.of(StoreRequest)} == {"OSError: the network is down"}
        (read,), (written,) = ears.of(SelectionRead), ears.of(SelectionWritten)
        assert read.error == written.error == "OSError: the network is down"
        assert not ears.of(ChunkRead)
        assert not ears.of(ChunkWritten)


# -- shards --------------------------------------------------------------------------------------


def test_cached_shard_index_emits_a_cache_hit(ears: Ears) -> None:
    array = make((64, 64), "u1", chunks=(4, 4), shards=(32, 32))
    array[...] = numbered((64, 64), "u1")
    ears.events.clear()
    array[:40, :8]
    assert not ears.of(CacheHit)
    array[0, 0]
    assert [(e.cache, e.key, e.bytes) for e in ears.of(CacheHit)] == [("shard index", "c/0/0", 64 * 16 + 4)]


def test_gaps_between_shard_ranges_belong_to_no_chunk(ears: Ears) -> None:
    array = make((8, 64), "u1", chunks=(1, 64), shards=(8, 64), compressors=None)
    array[...] = numbered((8, 64), "u1")
    array[0]  # its index is cached
    ears.events.clear()
    with config.override(workers=1, coalesce_gap=64):
        array[1:6:2]
    (request,) = ears.of(StoreRequest)
    assert (request.kind, request.bytes) == ("range", 5 * 64)
    chunks = ears.of(ChunkRead)
    assert [(event.number, event.index, event.bytes_stored) for event in chunks] == [
        (n, (n, 0), 64) for n in (1, 3, 5)
    ]
    assert sum(event.fetching for event in chunks) == pytest.approx(request.seconds)


@pytest.mark.parametrize("shards", [None, (256, 256)])
def test_threads_emit_one_event_per_chunk(ears: Ears, shards: Any) -> None:
    array = make((512, 512), "f8", chunks=(64, 64), shards=shards, compressors=GZIP)
    model = np.random.default_rng(0).normal(size=(512, 512))
    with config.override(workers=4, inline_bytes=0):
        array[...] = model
        assert_same(array[...], model)
    wanted = Counter(dict.fromkeys(np.ndindex(8, 8), 1))
    assert Counter(event.index for event in ears.of(ChunkWritten)) == wanted
    assert Counter(event.index for event in ears.of(ChunkRead)) == wanted
    for kind, done in ((ChunkRead, SelectionRead), (ChunkWritten, SelectionWritten)):
        (whole,) = ears.of(done)
        for thread in {event.thread for event in ears.of(kind)}:
            assert sum(event.seconds for event in ears.of(kind) if event.thread == thread) <= whole.seconds


@pytest.mark.parametrize("shards", [None, (64, 64)])
@pytest.mark.parametrize("chunks", [(1, 64), (2, 2)])
def test_batch_decode_emits_one_event_per_chunk(ears: Ears, chunks: Any, shards: Any) -> None:
    array = make((64, 64), chunks=chunks, shards=shards, compressors="zstd")
    array[...] = numbered((64, 64))
    written = {event.index: event.bytes_stored for event in ears.of(ChunkWritten)}
    with config.override(workers=1):
        assert_same(array[...], numbered((64, 64)))
        picked = [5, 3, 3, 60, 7, 8, 9, 10, 11, 12]
        assert_same(array.oindex[picked], numbered((64, 64))[picked])
    whole, _ = ears.of(SelectionRead)
    read = [event for event in ears.of(ChunkRead) if event.at <= whole.at]
    assert {event.index: event.bytes_stored for event in read} == written
    assert len(read) == len(written) == 64 * 64 // math.prod(chunks)
    rest = Counter(event.index for event in ears.of(ChunkRead) if event.at > whole.at)
    assert rest == Counter({(r // chunks[0], c) for r in picked for c in range(64 // chunks[1])})
    assert sum(event.decoding for event in read) > 0


# -- locks -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("shards", [None, (8, 8)])
def test_waiting_for_a_thread_is_neither_fetching_nor_copying(shards: Any) -> None:
    array = make((8, 8), chunks=(4, 4), shards=shards)
    array[...] = numbered((8, 8))
    ears = Ears()
    key = "c/0/0"

    def write() -> None:
        with telemetry.listening(ears, scope="context"):
            array[1, 1] = 7

    inside, go_on = threading.Event(), threading.Event()

    def hold(value: Any) -> Any:
        inside.set()
        assert go_on.wait(60)
        return KEEP

    holder = threading.Thread(target=array.store.update, args=(key, hold))
    writer = threading.Thread(target=write)
    holder.start()
    assert inside.wait(60)
    writer.start()
    assert eventually(lambda: any(line.waiting for line in locks._lines.values()))
    start = perf_counter()
    assert not ears.events
    waited = perf_counter() - start
    go_on.set()
    writer.join()
    holder.join()
    (written,) = ears.of(ChunkWritten)
    (whole,) = ears.of(SelectionWritten)
    assert waited <= written.waiting <= whole.seconds
    assert written.seconds + sum(event.seconds for event in ears.of(ChunkRead)) <= whole.seconds
    assert all(event.seconds <= whole.seconds - waited for event in ears.of(StoreRequest))


@pytest.mark.skipif(not file_locks.available(), reason="needs locks of files")
def test_waiting_for_a_process_is_neither_fetching_nor_copying(tmp_path: Path) -> None:
    array = make((8, 8), chunks=(4, 4), store=LocalStore(tmp_path))
    array[...] = numbered((8, 8))
    ears = Ears()

    def write() -> None:
        with telemetry.listening(ears, scope="context"):
            array[1, 1] = 7

    other = file_locks.lock_file(str(tmp_path / "c/0/0"), locks.deadline())  # as another process would
    writer = threading.Thread(target=write)
    writer.start()
    assert eventually(lambda: file_locks._is_waited_for(other._fd))
    start = perf_counter()
    assert not ears.events
    waited = perf_counter() - start
    other.close()
    writer.join()
    (written,) = ears.of(ChunkWritten)
    (whole,) = ears.of(SelectionWritten)
    assert waited <= written.waiting <= whole.seconds
    assert all(event.seconds <= whole.seconds - waited for event in ears.of(StoreRequest))
    assert array[1, 1] == 7


class SlowToOpen(StoreWrapper):
    """Store that takes 100 seconds of a simulated clock to open a value, and no time for other calls."""

    clock = 0.0

    def open_value(self, key: str) -> ValueReader | None:
        SlowToOpen.clock += 100
        return super().open_value(key)


def test_the_time_to_open_a_shard_counts_once(monkeypatch: pytest.MonkeyPatch, ears: Ears) -> None:
    array = make((8, 8), chunks=(4, 4), shards=(8, 8))
    array[...] = numbered((8, 8))
    for module in (instrumented, recording, worker_timer):
        monkeypatch.setattr(module, "perf_counter", lambda: SlowToOpen.clock)
    ears.events.clear()
    assert_same(open_array(SlowToOpen(array.store))[...], numbered((8, 8)))
    (whole,) = ears.of(SelectionRead)
    assert whole.seconds == 100
    assert sum(event.fetching for event in ears.of(ChunkRead)) == pytest.approx(100)
    assert sum(event.seconds for event in ears.of(ChunkRead)) == pytest.approx(100)


# -- damage ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("shards", [None, (8, 8)])
def test_errors_are_the_same_with_and_without_hooks(shards: Any) -> None:
    array = make((8, 8), chunks=(4, 4), shards=shards)
    array[...] = numbered((8, 8))
    for key in [*array.store.list("c")]:
        array.store.put(key, bytes(array.store.get(key) or b"")[:-5])
    messages = []
    for listeners in (0, 1):
        with telemetry.listening(lambda _: None) if listeners else config.override():
            for act in (lambda: array[...], lambda: array.__setitem__((0, 0), 1)):
                with pytest.raises(ChunkCorruptError) as caught:
                    act()
                messages.append(str(caught.value))
    assert messages[:2] == messages[2:]


@pytest.mark.parametrize("shards", [None, (8, 8)])
def test_missing_chunk_error_emits_no_chunk_read(ears: Ears, shards: Any) -> None:
    array = make((8, 8), chunks=(4, 4), shards=shards, access={"missing": "error"})
    with pytest.raises(ChunkMissingError):
        array[...]
    assert not ears.of(ChunkRead)
    array[:4, :4] = 1
    with pytest.raises(ChunkMissingError, match=r"\(0, 1\)"):
        array[:4]


# -- hooks ----------------------------------------------------------------------------------------


def test_unpickled_events_locate_their_chunk(ears: Ears) -> None:
    array = make((20, 30), chunks=(4, 5), shards=(8, 10), path="group/a")
    array[9:11, 7:23] = 1
    told = pickle.loads(pickle.dumps(ears.of(ChunkWritten)))
    assert {event.index for event in told} == {(2, 1), (2, 2), (2, 3), (2, 4)}
    assert {event.array for event in told} == {"group/a"}


def test_reads_by_a_hook_emit_no_events() -> None:
    array = make((20, 20), chunks=(8, 8))
    array[...] = 1
    seen: list[int] = []
    with telemetry.listening(lambda event: seen.append(int(array[...].sum())), only=ChunkRead):
        array[...]
    assert seen == [400] * 9


def test_failing_hook_does_not_break_a_read() -> None:
    def broken(event: Event) -> None:
        raise RuntimeError("a hook's own mistake")

    for shards in (None, (16, 16)):
        array = make((20, 20), chunks=(8, 8), shards=shards)
        with telemetry.listening(broken):
            array[...] = numbered((20, 20))
            assert_same(array[...], numbered((20, 20)))


def test_two_threads_may_read_one_array_at_the_same_time() -> None:
    array = make((64, 64), chunks=(8, 8))
    array[...] = numbered((64, 64))
    ears = Ears()
    both = threading.Barrier(2, timeout=60)

    def work() -> None:
        both.wait()
        for _ in range(10):
            assert_same(array[...], numbered((64, 64)))

    with telemetry.listening(ears):
        threads = [threading.Thread(target=work) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert Counter(event.index for event in ears.of(ChunkRead)) == dict.fromkeys(np.ndindex(8, 8), 20)


# -- without hooks -----------------------------------------------------------------------------------


def test_without_hooks_nothing_is_instrumented(monkeypatch: pytest.MonkeyPatch) -> None:
    array = make((20, 20), chunks=(8, 8))

    def used(*_: Any, **__: Any) -> None:
        raise AssertionError("something was recorded")

    class Used:  # a class, because isinstance is called with it
        __init__ = used

    monkeypatch.setattr(recording, "recorded", used)
    monkeypatch.setattr("exzarr.stores.wrappers.instrumented.InstrumentedStore", Used)
    array[...] = 1
    array[3]
    array[3:4] = 2
    array.explain[...]
    exzarr.open_array(array.store)
    with telemetry.listening(lambda _: None):
        for act in (
            lambda: array[3],
            lambda: array.__setitem__(3, 1),
            lambda: exzarr.open_array(array.store),
        ):
            with pytest.raises(AssertionError, match="recorded"):
                act()
    array[3]


def test_worker_functions_are_the_same_with_and_without_hooks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    array = make((20, 20), chunks=(8, 8))
    array[...] = 1
    jobs: list[tuple[Any, ChunkSource, type]] = []
    module = sys.modules[read.__module__]
    run = module.run  # type: ignore[attr-defined]

    def noting(job: Any, *rest: Any) -> None:
        scratched = job if job.func is with_scratch else job.args[0]
        worker = scratched.args[0]
        source = worker.args[0]
        jobs.append((worker.func, source, type(source.store)))
        run(job, *rest)

    monkeypatch.setattr(module, "run", noting)
    array[...]
    with telemetry.listening(lambda _: None):
        array[...]
    (plain, plain_source, plain_store), (told, told_source, told_store) = jobs
    assert plain is told
    assert (plain_store, told_store) == (MemoryStore, InstrumentedStore)
    assert plain_source is array.chunk_source
    assert plain_source.recorder is None
    assert told_source.recorder is not None


def test_process_without_hooks_imports_no_recorder() -> None:
    code = """
import sys, exzarr
a = exzarr.zeros((8, 8), chunks=(4, 4))
a[:3] = 1
a[...]
lazy = ("exzarr.telemetry", "exzarr._engine.record", "exzarr.stores.wrappers.instrumented")
loaded = {name for name in sys.modules if name.startswith(lazy)}
assert loaded == {"exzarr.telemetry", "exzarr.telemetry.registry"}, loaded
with exzarr.profile() as report:
    a[...]
assert {"exzarr._engine.recorder", "exzarr.stores.wrappers.instrumented"} <= set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True)
