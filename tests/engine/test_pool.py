"""Threads share work, and keep errors and settings, also after a fork and at the end of the process."""

from __future__ import annotations

import gc
import os
import pickle
import signal
import threading
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from exzarr import config
from exzarr._engine import pool
from exzarr._engine.pool import WorkFeed, run
from exzarr._nodes.array import Array
from exzarr._nodes.hierarchy import Location
from exzarr.errors import ChunkCorruptError
from exzarr.stores.local.store import LocalStore
from exzarr.stores.memory import MemoryStore
from tests.engine.spy import Hook, Spy
from tests.engine.tools import SHARES, assert_same, make, numbered, open_array, raw

SHAPE = (64, 48)


def take_all(feed: WorkFeed) -> list[Any]:
    taken = []
    while batch := feed.take():
        taken += batch
    return taken


def drain(feed: WorkFeed) -> None:
    take_all(feed)


# -- the feed ------------------------------------------------------------------------------------


def test_a_feed_gives_every_item_once() -> None:
    feed = WorkFeed(iter(range(1000)), 7)
    got: list[Any] = []
    lock = threading.Lock()

    def work(feed: WorkFeed) -> None:
        mine = take_all(feed)
        with lock:
            got.extend(mine)

    run(work, iter(range(1000)), 1000, 4)
    assert sorted(got) == [*range(1000)]
    assert take_all(feed) == [*range(1000)]
    assert feed.take() == []


@pytest.mark.parametrize("workers", [1, 2, 5])
@pytest.mark.parametrize("count", [0, 1, 2, 100])
def test_any_number_of_workers_for_any_number_of_items(workers: int, count: int) -> None:
    got: list[Any] = []
    run(lambda feed: got.extend(take_all(feed)), iter(range(count)), count, workers)
    assert sorted(got) == [*range(count)]


def test_work_for_one_worker_stays_in_the_calling_thread() -> None:
    threads = set()

    def work(feed: WorkFeed) -> None:
        threads.add(threading.get_ident())
        take_all(feed)

    run(work, iter(range(100)), 100, 1)
    run(work, iter(range(1)), 1, 8)
    assert threads == {threading.get_ident()}


# -- errors ----------------------------------------------------------------------------------------


class Once(Exception):
    pass


@pytest.mark.parametrize("where", ["caller", "other"])
def test_exception_stops_other_workers_and_is_raised_once(where: str) -> None:
    caller = threading.get_ident()
    failed = threading.Event()
    done: list[int] = []

    def work(feed: WorkFeed) -> None:
        mine = (threading.get_ident() == caller) == (where == "caller")
        while batch := feed.take():
            if mine:
                failed.set()
                raise Once
            failed.wait(30)
            done.extend(batch)

    with pytest.raises(Once):
        run(work, iter(range(100_000)), 100_000, 2)
    assert len(done) <= 3 * 64


def test_an_exception_of_the_plan_itself_is_raised() -> None:
    def items() -> Any:
        yield from range(10)
        raise Once

    with pytest.raises(Once):
        run(drain, items(), 100, 2)


@pytest.mark.parametrize("compressors", [None, "zstd"])
@pytest.mark.parametrize("shards", [None, (32, 24)])
def test_a_damaged_chunk_ends_a_shared_read(compressors: Any, shards: Any) -> None:
    array = make(SHAPE, chunks=(4, 4), shards=shards, compressors=compressors)
    array[...] = numbered(SHAPE)
    key = "c/1/1"
    array.store.put(key, b"damaged")
    with config.override(**SHARES), pytest.raises(ChunkCorruptError) as caught:
        array[...]
    assert caught.value.key == key


def test_a_store_that_fails_ends_a_shared_read_and_write() -> None:
    def hook(what: str, key: str) -> None:
        if key == "c/7/3":
            raise Once

    inner = make(SHAPE, chunks=(4, 4))
    inner[...] = numbered(SHAPE)
    array = Array(Location(Hook(inner.store, hook), ""), inner.metadata)
    with config.override(**SHARES):
        with pytest.raises(Once):
            array[...]
        with pytest.raises(Once):
            array[...] = 1
    assert_same(inner[28:, 12], inner[28:, 12])


def test_interrupt_stops_the_read_and_the_array_stays_usable() -> None:
    """Ctrl-C raises in the main thread, at any point."""
    array = make(SHAPE, chunks=(4, 4))
    array[...] = numbered(SHAPE)
    caller = threading.get_ident()

    def hook(what: str, key: str) -> None:
        if threading.get_ident() == caller and key.startswith("c/"):
            signal.raise_signal(signal.SIGINT)

    hooked = Array(Location(Hook(array.store, hook), ""), array.metadata)
    with config.override(**SHARES):
        for _ in range(20):
            with pytest.raises(KeyboardInterrupt):
                hooked[...]
        with pytest.raises(KeyboardInterrupt):
            hooked[...] = 1
        assert_same(array[...][60:], array[60:])


# -- settings --------------------------------------------------------------------------------------


def test_overridden_settings_apply_in_every_thread() -> None:
    seen = set()

    def work(feed: WorkFeed) -> None:
        while feed.take():
            seen.add((threading.get_ident(), config.get().coalesce_gap))

    with config.override(coalesce_gap=12345):
        for _ in range(50):
            run(work, iter(range(200)), 200, 3)
    assert {gap for _, gap in seen} == {12345}


def test_shards_are_read_with_the_overridden_gap_in_every_thread() -> None:
    array = raw((4, 4096), "u1", chunks=(1, 64), shards=(4, 4096))
    array[...] = numbered((4, 4096), "u1")
    spy = Spy(array.store)
    array = Array(Location(spy, ""), array.metadata)
    with config.override(**SHARES, coalesce_gap=0):
        for _ in range(30):
            array[:, ::128]
    assert max(n for _, n in spy.reads if n != 16 * 256 + 4) == 64


# -- growing and sharing -------------------------------------------------------------------------


def test_concurrent_reads_with_different_numbers_of_workers() -> None:
    """The pool grows while other threads submit to it."""
    array = make(SHAPE, chunks=(4, 4))
    model = numbered(SHAPE)
    array[...] = model
    failures = []

    def read(workers: int) -> None:
        try:
            with config.override(workers=workers, inline_bytes=0):
                for _ in range(5):
                    assert_same(array[...], model)
        except BaseException as error:  # noqa: BLE001 - the test reports any error
            failures.append(error)

    for _ in range(5):
        pool._shared.forget()
        threads = [threading.Thread(target=read, args=(n,)) for n in (2, 9, 3, 5, 12, 4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert not failures


def test_replaced_pool_still_accepts_work() -> None:
    pool._shared.forget()
    small = pool._shared.threads(1)
    assert pool._shared.threads(3) is not small
    assert small.submit(lambda: 7).result() == 7


def test_replaced_pool_ends_its_threads() -> None:
    pool._shared.forget()
    run(drain, iter(range(100)), 100, 2)
    (old,) = [t for t in threading.enumerate() if t.name.startswith("exzarr")][-1:]
    run(drain, iter(range(100)), 100, 4)
    gc.collect()
    old.join(30)
    assert not old.is_alive()


def test_nested_use_neither_blocks_nor_adds_threads() -> None:
    """As under dask: threads of a foreign pool and of exzarr's pool read concurrently."""
    array = make(SHAPE, chunks=(4, 4))
    model = numbered(SHAPE)
    array[...] = model
    pool._shared.forget()

    def window(feed: WorkFeed) -> None:
        for _ in take_all(feed):
            assert_same(array[4:9], model[4:9])

    def inner(feed: WorkFeed) -> None:
        for _ in take_all(feed):
            run(window, iter(range(4)), 4, 2)

    before = threading.active_count()
    with config.override(**SHARES):
        run(inner, iter(range(16)), 16, 2)
    assert threading.active_count() <= before + 1
    with ThreadPoolExecutor(8) as others, config.override(**SHARES):
        for result in others.map(lambda _: array[...], range(32)):
            assert_same(result, model)


@pytest.mark.parametrize("shards", [None, (16, 24)])
def test_threads_write_and_read_their_own_chunks_of_one_array(shards: Any, tmp_path: Path) -> None:
    array = make((64, 48), "i4", store=LocalStore(tmp_path), chunks=(8, 8), shards=shards)
    rows = 16 if shards else 8
    model = np.zeros((64, 48), "i4")

    def work(start: int) -> None:
        region = np.s_[start : start + rows]
        for round_ in range(5):
            value = numbered((rows, 48)) * (start + round_)
            array[region] = value
            model[region] = value
            assert_same(array[region], value)

    with ThreadPoolExecutor(8) as threads:
        [*threads.map(work, range(0, 64, rows))]
    assert_same(array[...], model)
    assert_same(open_array(array.store)[...], model)


def test_many_threads_use_an_array_that_was_just_opened() -> None:
    """Several threads may bind the codecs concurrently, on the first use."""
    model = numbered(SHAPE)
    store = MemoryStore()
    make(SHAPE, store=store, chunks=([4] * 16, [8] * 6), dtype="i4")[...] = model
    for _ in range(10):
        array = open_array(store)
        start = threading.Barrier(6)

        def read(_: int, array: Array = array, start: threading.Barrier = start) -> Any:
            start.wait(30)
            return array[...]

        with ThreadPoolExecutor(6) as threads:
            for result in threads.map(read, range(6)):
                assert_same(result, model)


# -- processes --------------------------------------------------------------------------------------


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.parametrize("shards", [None, (32, 24)])
def test_a_forked_child_reads_with_threads_of_its_own(shards: Any) -> None:
    array = make(SHAPE, chunks=(4, 4), shards=shards)
    model = numbered(SHAPE)
    array[...] = model
    with config.override(**SHARES):
        assert_same(array[...], model)  # the parent's pool is warm
        child = os.fork()
        if not child:
            try:
                good = np.array_equal(array[...], model) and np.array_equal(
                    array[3:50, ::3], model[3:50, ::3]
                )
                os._exit(0 if good else 1)
            finally:
                os._exit(2)
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == 0
        assert_same(array[...], model)


AT_THE_END = """
import atexit, sys
import numpy as np
from exzarr import config
from tests.engine.tools import make, numbered
config.set(workers=2, inline_bytes=0)
array = make((64, 48), chunks=(4, 4))
array[...] = numbered((64, 48))

@atexit.register
def read():
    assert np.array_equal(array[...], numbered((64, 48)))
    array[...] = 1
    print("read", array[...].sum())
"""


@pytest.mark.parametrize("warm", [True, False])
def test_an_array_is_read_while_the_interpreter_ends(run_python: Callable[..., Any], warm: bool) -> None:
    done = run_python(AT_THE_END + ("array[...]\n" if warm else ""))
    assert done.stderr == ""
    assert done.stdout.split() == ["read", str(64 * 48)]


def test_pickled_array_holds_only_its_location(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    array = make((100, 100), store=store, path="deep/a", chunks=(10, 10), access={"missing": "error"})
    array[...] = numbered((100, 100))
    text = pickle.dumps(array)
    assert len(text) < 1000
    again = pickle.loads(text)
    assert again == array
    assert_same(again[3:50, ::7], array[3:50, ::7])
    array[5, 5] = -1
    assert again[5, 5] == -1
    store.delete("deep/a/c/0/0")
    with pytest.raises(KeyError):
        again[...]


def test_work_that_no_thread_started_is_released_at_the_end() -> None:
    """While other work occupies all threads, the caller does the work alone, and nothing keeps its data."""
    workers = 2
    release = threading.Event()
    threads = pool._shared.threads(workers)
    blockers = [threads.submit(release.wait) for _ in range(pool._shared._size)]
    try:
        array = np.zeros(100)
        kept = weakref.ref(array)

        def work(feed: pool.WorkFeed, array: np.ndarray = array) -> None:
            while batch := feed.take():
                array[batch] += 1

        pool.run(work, iter(range(100)), 100, workers)
        assert array.all()
        del work, array
        gc.collect()
        assert kept() is None
    finally:
        release.set()
        for blocker in blockers:
            blocker.result()
