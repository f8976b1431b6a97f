"""`Array.write_stream` stores the same as assigning one item after the other, from a bounded number of items."""

from __future__ import annotations

import gc
import json
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st

from exzarr import Retry, WriteReport, config
from exzarr._nodes.array import Array
from exzarr.errors import (
    ArgumentError,
    ChunkError,
    ChunkStoreError,
    ReadOnlyError,
    SelectionError,
    StoreError,
)
from exzarr.stores.local.store import LocalStore
from exzarr.stores.memory import MemoryStore
from exzarr.stores.wrappers.base import StoreWrapper
from exzarr.stores.wrappers.latency import LatencyStore
from exzarr.stores.zip.store import ZipStore
from tests.breadth import examples
from tests.engine.spy import Hook, Spy
from tests.engine.strategies import arrays, blank, configs
from tests.engine.tools import assert_same, data_for, make, numbered, open_array, raw
from tests.stream.model import chunk_edges, regions
from tests.stream.tools import PATIENCE, eventually, stream_threads


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    before = stream_threads()
    yield
    gc.collect()
    assert eventually(lambda: stream_threads() <= before), stream_threads()


# -- against NumPy -------------------------------------------------------------------------------


@st.composite
def item_lists(draw: Any, array: Array) -> tuple[list[Any], np.ndarray]:
    """Generate items that may overlap, and the result of assigning them one after the other."""
    edges = chunk_edges(array)
    model = blank(array)
    items = []
    for seed in range(draw(st.integers(0, 12))):
        if all(edges) and draw(st.booleans()):
            indices = [draw(st.integers(0, len(edge) - 1)) for edge in edges]
            place: Any = tuple(indices)
            region = tuple([slice(*edge[i]) for edge, i in zip(edges, indices, strict=True)])
        else:
            place = region = draw(regions(array.shape)) or (slice(None),) * array.ndim
            if not array.ndim:
                place = draw(st.sampled_from([(), Ellipsis]))
        data = data_for(array, seed, np.shape(model[region]))
        model[region] = data
        items.append((place, data))
    return items, model


@pytest.mark.slow
@given(st.data())
@examples(83)
def test_any_items_into_any_array(data: Any) -> None:
    array = data.draw(arrays())
    items, model = data.draw(item_lists(array))
    seen: list[tuple[int, int | None]] = []
    with config.override(**data.draw(configs)):
        report = array.write_stream(
            iter(items) if data.draw(st.booleans()) else items,
            workers=data.draw(st.integers(1, 3)),
            max_pending=data.draw(st.none() | st.integers(1, 5)),
            copy=data.draw(st.booleans()),
            progress=lambda *now: seen.append(now),
        )
    assert_same(array[...], model)
    assert (report.written, report.failed, report.skipped) == (len(items), (), 0)
    assert report.bytes == sum(given.nbytes for _, given in items)
    assert seen[-1] == (len(items), len(items))


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("store", ["memory", "local", "zip"])
@pytest.mark.parametrize("shards", [None, (8, 12)])
def test_every_kind_of_store(zarr_format: Any, store: str, shards: Any, tmp_path: Path) -> None:
    if zarr_format == 2 and shards:
        pytest.skip("v2 has no shards")
    stores: dict[str, Any] = {
        "memory": MemoryStore,
        "local": lambda: LocalStore(tmp_path / "a.zarr"),
        "zip": lambda: ZipStore(tmp_path / "a.zip", mode="w"),
    }
    made = stores[store]()
    more = {"shards": shards} if shards else {}
    array = make((13, 29), "f4", store=made, chunks=(4, 6), zarr_format=zarr_format, **more)
    model = numbered((13, 29), "f4")
    rows = [((slice(i, i + 1), slice(None)), model[i : i + 1]) for i in range(13)]
    assert array.write_stream(rows, workers=3).written == 13
    assert_same(array[...], model)
    made.close()


def test_streams_of_chunks_can_be_written() -> None:
    source = make((13, 29), "i4", chunks=(4, 6))
    source[...] = numbered((13, 29))
    target = make((13, 29), "f8", chunks=(5, 5), shards=(10, 10))
    report = target.write_stream(source.chunk_stream(), max_pending=4)
    assert_same(target[...], numbered((13, 29), "f8"))
    assert report.written == 4 * 5


def test_data_broadcasts_and_converts() -> None:
    array = make((6, 4), "f4", chunks=(3, 2))
    array.write_stream(
        [((0, 0), 1), ((0, 1), [[2, 3]]), ((slice(3, 6), slice(None)), np.arange(4, dtype="i1"))]
    )
    wanted = np.array([[1, 1, 2, 3]] * 3 + [[0, 1, 2, 3]] * 3, "f4")
    assert_same(array[...], wanted)


def test_producer_may_reuse_its_buffer() -> None:
    array = raw((400, 100), chunks=(10, 100))
    buffer = np.empty((10, 100), "i4")

    def items() -> Iterator[Any]:
        for n in range(40):
            buffer[...] = n
            yield (n, 0), buffer
            buffer[...] = -1

    array.write_stream(items(), workers=2)
    assert_same(array[...], np.repeat(np.arange(40, dtype="i4"), 1000).reshape(400, 100))


# -- parts of stored chunks ----------------------------------------------------------------------


def spied(**options: Any) -> tuple[Array, Spy]:
    inner = MemoryStore()
    make((16, 16), store=inner, **options)
    spy = Spy(inner)
    return open_array(spy), spy


def test_inner_chunks_that_make_a_shard_are_written_once_and_nothing_is_read() -> None:
    array, spy = spied(chunks=(2, 2), shards=(8, 8))
    model = numbered((16, 16))
    items = [((i, j), model[2 * i : 2 * i + 2, 2 * j : 2 * j + 2]) for i in range(8) for j in range(8)]
    array.write_stream(items, workers=3)
    assert sorted(spy.writes) == ["c/0/0", "c/0/1", "c/1/0", "c/1/1"]
    assert spy.reads == []
    assert_same(array[...], model)


def test_rows_that_make_chunks_are_written_once_and_nothing_is_read() -> None:
    array, spy = spied(chunks=(8, 4))
    model = numbered((16, 16))
    array.write_stream((((slice(i, i + 1), slice(None)), model[i : i + 1]) for i in range(16)), workers=3)
    assert sorted(spy.writes) == sorted(f"c/{i}/{j}" for i in range(2) for j in range(4))
    assert spy.reads == []
    assert_same(array[...], model)


def test_parts_of_an_incomplete_chunk_are_written_together() -> None:
    array, spy = spied(chunks=(2, 2), shards=(8, 8))
    model = numbered((16, 16))
    items = [((i, j), model[2 * i : 2 * i + 2, 2 * j : 2 * j + 2]) for i in range(3) for j in range(4)]
    array.write_stream(items)
    assert spy.writes == ["c/0/0"]
    wanted = np.zeros((16, 16), "i4")
    wanted[:6, :8] = model[:6, :8]
    assert_same(array[...], wanted)


def test_small_limits_cause_extra_writes_but_no_loss() -> None:
    array, spy = spied(chunks=(2, 2), shards=(8, 8))
    model = numbered((16, 16))
    items = [((i, j), model[2 * i : 2 * i + 2, 2 * j : 2 * j + 2]) for i in range(8) for j in range(8)]
    array.write_stream(items, max_pending=4, workers=3)
    assert_same(array[...], model)
    assert len(spy.writes) > 4


@pytest.mark.parametrize("shards", [None, (8, 8)])
def test_items_that_share_a_chunk_are_never_written_at_the_same_time(shards: Any) -> None:
    inner = MemoryStore()
    make((16, 16), store=inner, chunks=(4, 4), compressors=None, **({"shards": shards} if shards else {}))
    writing: Counter[str] = Counter()
    most: Counter[str] = Counter()
    guard = threading.Lock()

    class Watched(StoreWrapper):
        """Notes how many write one key at a time."""

        def put(self, key: str, value: Any) -> None:
            self.watch(key, super().put, value)

        def put_parts(self, key: str, parts: Any) -> None:
            self.watch(key, super().put_parts, parts)

        def update(self, key: str, change: Any) -> None:
            self.watch(key, super().update, change)

        def watch(self, key: str, write: Any, what: Any) -> None:
            with guard:
                writing[key] += 1
                most[key] = max(most[key], writing[key])
            write(key, what)
            with guard:
                writing[key] -= 1

    array = open_array(Watched(inner))
    rng = np.random.default_rng(0)
    model = np.zeros((16, 16), "i4")
    items = []
    for n in range(1, 400):
        low = rng.integers(0, 15, 2)
        high = low + rng.integers(1, 6, 2)
        region = (slice(int(low[0]), int(high[0])), slice(int(low[1]), int(high[1])))
        items.append((region, n))
        model[region] = n
    array.write_stream(items, workers=4, max_pending=9)
    assert_same(array[...], model)
    assert set(most.values()) == {1}


# -- backpressure --------------------------------------------------------------------------------


def test_a_store_that_wants_many_requests_in_flight_gets_them() -> None:
    inner = MemoryStore()
    raw((40, 4), store=inner, chunks=(2, 4))
    all_at_once = threading.Barrier(20)
    far = Hook(
        LatencyStore(inner, 0, concurrency=20), lambda what, key: what != "put" or all_at_once.wait(PATIENCE)
    )
    report = open_array(far).write_stream(((n, 0), n) for n in range(20))
    assert report.written == 20
    assert_same(open_array(inner)[...], np.repeat(np.arange(20, dtype="i4"), 8).reshape(40, 4))


@pytest.mark.parametrize(("workers", "max_pending"), [(1, 1), (2, 3), (3, 8)])
def test_slow_store_bounds_the_pending_items(workers: int, max_pending: int) -> None:
    inner = MemoryStore()
    raw((60, 4), store=inner, chunks=(2, 4))
    turns = threading.Semaphore(0)
    written: list[str] = []

    def hook(what: str, key: str) -> None:
        if what == "put":
            assert turns.acquire(timeout=PATIENCE)
            written.append(key)

    array = open_array(Hook(inner, hook))
    taken: list[int] = []
    ahead: list[int] = []

    def items() -> Iterator[Any]:
        for n in range(30):
            taken.append(n)
            ahead.append(len(taken) - len(written))
            yield (n, 0), n

    runner = threading.Thread(
        target=array.write_stream, args=(items(),), kwargs={"workers": workers, "max_pending": max_pending}
    )
    runner.start()
    for done in range(30):
        # All that may be taken is taken, and no more, however slow the store is.
        wanted = min(30, done + max_pending)
        assert eventually(lambda: len(taken) >= wanted)  # noqa: B023
        assert len(taken) == wanted
        turns.release()
    runner.join()
    assert len(written) == 30
    assert max(ahead) <= max_pending
    assert_same(open_array(inner)[...], np.repeat(np.arange(30, dtype="i4"), 8).reshape(60, 4))


def test_pending_bytes_are_bounded_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("exzarr._stream.writing.write_stream.PENDING_NBYTES", 10 * 32)
    inner = MemoryStore()
    raw((60, 4), store=inner, chunks=(2, 4))
    gate = threading.Event()
    array = open_array(Hook(inner, lambda what, key: what == "get" or gate.wait(PATIENCE)))
    taken: list[int] = []

    def items() -> Iterator[Any]:
        for n in range(30):
            taken.append(n)
            yield (n, 0), n

    runner = threading.Thread(target=array.write_stream, args=(items(),), kwargs={"workers": 2})
    runner.start()
    assert eventually(lambda: len(taken) >= 10)
    assert len(taken) == 10
    gate.set()
    runner.join()
    assert len(taken) == 30


# -- failures ------------------------------------------------------------------------------------


def failing(keys: set[str], failures: int = 10**9, **options: Any) -> tuple[Array, Counter[str]]:
    inner = MemoryStore()
    make((12, 12), store=inner, **{"chunks": (4, 4), **options})
    tries: Counter[str] = Counter()

    def hook(what: str, key: str) -> None:
        if what == "put":
            tries[key] += 1
            if key in keys and tries[key] <= failures:
                raise StoreError("no room")

    return open_array(Hook(inner, hook)), tries


CHUNKS = [((i, j), 3 * i + j + 1) for i in range(3) for j in range(3)]


def test_a_chunk_that_cannot_be_written_ends_the_stream() -> None:
    array, _ = failing({"c/1/1"})
    with pytest.raises(ChunkStoreError, match="no room") as caught:
        array.write_stream(CHUNKS, workers=1, max_pending=1)
    assert (caught.value.index, caught.value.key) == ((1, 1), "c/1/1")
    assert stream_threads() == set()
    assert (array[:4] != 0).all()
    assert (array[8:] == 0).all()


def test_a_chunk_that_cannot_be_written_is_in_the_report() -> None:
    array, _ = failing({"c/1/1", "c/2/0"})
    seen: list[tuple[int, int]] = []
    report = array.write_stream(CHUNKS, on_error="skip", progress=lambda *now: seen.append(now))
    assert report.written == 7
    assert report.bytes == 7 * 64
    corners = sorted([[part.start for part in failed.region] for failed in report.failed])
    assert corners == [[4, 4], [8, 0]]
    assert all("no room" in failed.reason for failed in report.failed)
    assert seen[-1] == (9, 9)
    assert "7 written, 2 failed" in str(report)
    errors: list[Any] = []
    array.write_stream(CHUNKS, on_error=errors.append)
    assert {error.index for error in errors} == {(1, 1), (2, 0)}


def test_an_item_fails_with_any_part_of_it_and_other_items_do_not() -> None:
    array, _ = failing({"c/0/1"}, chunks=(2, 2), shards=(4, 4))
    items = [((slice(0, 2), slice(None)), 1), ((slice(2, 4), slice(0, 4)), 2), ((5, 5), 3)]
    report = array.write_stream(items, on_error="skip")
    assert report.written == 2
    assert [failed.region[0] for failed in report.failed] == [slice(0, 2)]
    assert isinstance(report.failed[0].error, ChunkError)


def test_failed_writes_are_retried() -> None:
    array, tries = failing({"c/1/1"}, failures=2)
    report = array.write_stream(CHUNKS, retries=Retry(attempts=3, wait_initial=0, wait_jitter=0))
    assert report.written == 9
    assert tries["c/1/1"] == 3
    assert array[4, 4] == 5


BAD = [
    (((0, 0), np.zeros((3, 4))), ArgumentError),
    (((0, 3), 1), SelectionError),
    (((-1, 0), 1), SelectionError),
    (((0,), 1), SelectionError),
    (((slice(0, 8, 2), slice(None)), 1), SelectionError),
    (("c/0/0", 1), SelectionError),
    (((0, 0), "many"), ArgumentError),
    ((0, 0, 1), ArgumentError),
    (None, ArgumentError),
]


@pytest.mark.parametrize(("item", "error"), BAD)
def test_invalid_items_are_reported(item: Any, error: type[Exception]) -> None:
    array = raw((12, 12), chunks=(4, 4))
    with pytest.raises(error):
        array.write_stream([item])
    report = array.write_stream([CHUNKS[0], item, CHUNKS[1]], on_error="skip")
    assert report.written == 2
    assert [type(failed.error) for failed in report.failed] == [error]


@pytest.mark.parametrize(
    "options",
    [{"workers": 0}, {"max_pending": 0}, {"max_pending": 1.5}, {"on_error": "ignore"}, {"retries": -1}],
)
def test_arguments_are_checked_before_anything_is_taken(options: dict[str, Any]) -> None:
    items = iter(CHUNKS)
    with pytest.raises(ArgumentError):
        raw((12, 12), chunks=(4, 4)).write_stream(items, **options)
    assert len([*items]) == 9


def test_a_read_only_array_takes_nothing() -> None:
    items = iter(CHUNKS)
    array = raw((12, 12), chunks=(4, 4), access={"read_only": True})
    with pytest.raises(ReadOnlyError):
        array.write_stream(items)
    assert len([*items]) == 9


def test_items_before_an_error_of_the_producer_are_written() -> None:
    array, spy = spied(chunks=(2, 2), shards=(8, 8))

    def items() -> Iterator[Any]:
        yield (0, 0), 1
        yield (0, 1), 2
        raise LookupError("no more")

    with pytest.raises(LookupError, match="no more"):
        array.write_stream(items())
    assert spy.writes == ["c/0/0"]
    assert array[0, 0] == 1
    assert array[0, 2] == 2
    assert stream_threads() == set()


# -- checkpoints ---------------------------------------------------------------------------------


def test_callable_checkpoint_gets_stored_regions() -> None:
    array = raw((12, 12), chunks=(4, 4))
    noted: list[Any] = []

    def checkpoint(region: Any) -> None:
        assert (array[region] != 0).all()
        noted.append(region)

    array.write_stream(CHUNKS, checkpoint=checkpoint)
    assert len(noted) == 9
    assert (slice(8, 12), slice(4, 8)) in noted


def test_a_run_that_was_interrupted_is_resumed(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "run.checkpoint"
    inner = MemoryStore()
    raw((12, 12), store=inner, chunks=(4, 4))
    spy = Spy(inner)
    array = open_array(spy)

    def items(until: int) -> Iterator[Any]:
        for n, item in enumerate(CHUNKS):
            if n == until:
                raise LookupError("cut off")
            yield item

    with pytest.raises(LookupError):
        array.write_stream(items(5), checkpoint=path)
    assert len(spy.writes) == 5
    seen: list[tuple[int, int]] = []
    report = array.write_stream(CHUNKS, checkpoint=path, progress=lambda *now: seen.append(now))
    assert (report.written, report.skipped) == (4, 5)
    assert seen[-1] == (9, 9)
    assert sorted(spy.writes) == sorted(f"c/{i}/{j}" for i in range(3) for j in range(3))
    report = array.write_stream(CHUNKS, checkpoint=path)
    assert (report.written, report.skipped) == (0, 9)
    assert_same(array[...], np.kron(np.arange(1, 10).reshape(3, 3), np.ones((4, 4), int)).astype("i4"))


def test_items_that_failed_are_tried_by_the_next_run(tmp_path: Path) -> None:
    path = tmp_path / "run.checkpoint"
    array, tries = failing({"c/1/1"}, failures=1)
    assert array.write_stream(CHUNKS, on_error="skip", checkpoint=path).written == 8
    report = array.write_stream(CHUNKS, checkpoint=path)
    assert (report.written, report.skipped) == (1, 8)
    assert tries["c/1/1"] == 2


def test_items_with_equal_regions_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "run.checkpoint"
    array = raw((12, 12), chunks=(4, 4))
    array.write_stream([((0, 0), 1), ((0, 0), 2)], checkpoint=path, max_pending=1)
    report = array.write_stream([((0, 0), 1), ((0, 0), 2), ((0, 0), 3)], checkpoint=path)
    assert (report.written, report.skipped) == (1, 2)
    assert array[0, 0] == 3


def test_a_line_that_was_cut_off_does_not_count(tmp_path: Path) -> None:
    path = tmp_path / "run.checkpoint"
    array = raw((12, 12), chunks=(4, 4))
    array.write_stream(CHUNKS[:3], checkpoint=path, workers=1)
    path.write_bytes(path.read_bytes()[:-3])
    report = array.write_stream(CHUNKS, checkpoint=path)
    assert (report.written, report.skipped) == (7, 2)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert len(lines) == 1 + 9
    assert array.write_stream(CHUNKS, checkpoint=path).skipped == 9


@pytest.mark.parametrize("content", ["no JSON\n", "[]\n", '{"exzarr": "write_stream"}\n[[0]]\n', "{}\n"])
def test_other_files_are_rejected_as_checkpoints(content: str, tmp_path: Path) -> None:
    path = tmp_path / "run.checkpoint"
    path.write_text(content)
    with pytest.raises(ArgumentError, match="checkpoint"):
        raw((12, 12), chunks=(4, 4)).write_stream(CHUNKS, checkpoint=path)
    assert path.read_text() == content


def test_a_checkpoint_is_of_one_array(tmp_path: Path) -> None:
    path = tmp_path / "run.checkpoint"
    raw((12, 12), chunks=(4, 4), path="a").write_stream(CHUNKS, checkpoint=path)
    with pytest.raises(ArgumentError, match="'a'.*'b'"):
        raw((12, 12), chunks=(4, 4), path="b").write_stream(CHUNKS, checkpoint=path)


def test_unwritable_checkpoint_raises_before_writing(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="checkpoint"):
        raw((12, 12), chunks=(4, 4)).write_stream(CHUNKS, checkpoint=tmp_path)


KILLED = """
import os, signal, sys
import numpy as np
from exzarr.stores.local.store import LocalStore
from tests.engine.tools import open_array

array = open_array(LocalStore(sys.argv[1]))

def items():
    for n in range(64):
        if n == 40:
            print("dying", flush=True)
            os.kill(os.getpid(), signal.SIGKILL)
        yield (n // 8, n % 8), n + 1

array.write_stream(items(), checkpoint=sys.argv[2], workers=2, max_pending=6)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
@pytest.mark.parametrize("shards", [None, (4, 4)])
def test_a_run_that_was_killed_is_resumed_and_complete(shards: Any, tmp_path: Path) -> None:
    store = LocalStore(tmp_path / "a.zarr")
    array = make((16, 16), store=store, chunks=(2, 2), **({"shards": shards} if shards else {}))
    path = tmp_path / "run.checkpoint"
    command = [sys.executable, "-c", KILLED, store.path, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ})
    assert done.returncode == -signal.SIGKILL, done.stderr
    items = [((n // 8, n % 8), n + 1) for n in range(64)]
    report = array.write_stream(items, checkpoint=path)
    assert report.written + report.skipped == 64
    assert 64 - 40 <= report.written <= 64 - 40 + 6
    wanted = np.kron(np.arange(1, 65).reshape(8, 8), np.ones((2, 2), int)).astype("i4")
    assert_same(array[...], wanted)


def test_reports_are_frozen() -> None:
    report = raw((12, 12), chunks=(4, 4)).write_stream([])
    assert report == WriteReport(0, (), 0, 0, report.seconds)
    with pytest.raises(AttributeError):
        report.written = 1  # type: ignore[misc]
