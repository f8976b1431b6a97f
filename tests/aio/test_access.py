"""Reads and writes are awaited in few threads, and cancelled reads release their requests."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import numpy as np
import pytest

import exzarr
from exzarr import config
from exzarr.aio.threads import finished, unless_cancelled
from exzarr.errors import ArgumentError, MissingDependencyError, NodeNotFoundError, SelectionError
from exzarr.stores.wrappers.retry import RetryStore
from tests.aio.tools import FailingStore, GatedStore
from tests.stream.tools import eventually

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> Any:
    return request.param


def numbers() -> exzarr.Array:
    array = exzarr.create_array(exzarr.MemoryStore(), shape=(40, 30), chunks=(4, 30), dtype="i4")
    array[...] = np.arange(1200).reshape(40, 30)
    return array


async def until(condition: Callable[[], bool]) -> None:
    with anyio.fail_after(60):
        while not condition():
            await anyio.sleep(0.001)


async def in_background(
    tasks: Any, call: Callable[[], Awaitable[Any]]
) -> tuple[anyio.CancelScope, anyio.Event]:
    """Start `call` in a task, and return what cancels it, and what is set when it has ended."""
    scope, ended = anyio.CancelScope(), anyio.Event()

    async def body() -> None:
        with scope:
            await call()
        ended.set()

    tasks.start_soon(body)
    return scope, ended


# -- results ------------------------------------------------------------------------------------


async def test_selections_equal_those_of_numpy(tmp_path: Path) -> None:
    data = np.arange(1200).reshape(40, 30)
    await exzarr.aio.call(exzarr.save_array, tmp_path / "a.zarr", data)
    array = await exzarr.aio.open(tmp_path / "a.zarr")
    assert isinstance(array, exzarr.Array)
    np.testing.assert_array_equal(await exzarr.aio.get(array), data)
    np.testing.assert_array_equal(await exzarr.aio.get(array, (slice(3, 20, 2), -1)), data[3:20:2, -1])
    np.testing.assert_array_equal(
        await exzarr.aio.get(array, ([3, 1], [0, 5]), index="vindex"), data[[3, 1], [0, 5]]
    )
    np.testing.assert_array_equal(
        await exzarr.aio.get(array, ([3, 1], slice(2)), index="oindex"), data[[3, 1]][:, :2]
    )
    np.testing.assert_array_equal(await exzarr.aio.get(array, (0, 0), index="blocks"), array.blocks[0, 0])
    out = np.empty((5, 30), "i8")
    assert await exzarr.aio.get(array, slice(0, 5), out=out) is out
    np.testing.assert_array_equal(out, data[:5])


async def test_writes_are_those_of_numpy() -> None:
    array, data = numbers(), np.arange(1200).reshape(40, 30)
    await exzarr.aio.set(array, (slice(3, 9), 2), -1)
    await exzarr.aio.set(array, ([20, 22], [1, 3]), [7, 8], index="vindex")
    data[3:9, 2] = -1
    data[[20, 22], [1, 3]] = [7, 8]
    np.testing.assert_array_equal(array[...], data)
    assert await exzarr.aio.call(array.append, data[:2]) == (42, 30)


async def test_errors_are_those_of_the_functions(tmp_path: Path) -> None:
    array = numbers()
    with pytest.raises(NodeNotFoundError):
        await exzarr.aio.open(tmp_path / "none.zarr")
    with pytest.raises(SelectionError):
        await exzarr.aio.get(array, 40)
    with pytest.raises(ArgumentError, match="index is 'basic'"):
        await exzarr.aio.get(array, 0, index="rows")  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="out is for basic indexing"):
        await exzarr.aio.get(array, 0, index="oindex", out=np.empty(30, "i4"))
    with pytest.raises(ArgumentError, match="exzarr arrays, not ndarray"):
        await exzarr.aio.get(np.zeros(3), 0)  # type: ignore[arg-type]
    with pytest.raises(ArgumentError):
        await exzarr.aio.set(array, 0, "text")


async def test_settings_of_the_task_apply_in_the_thread() -> None:
    with config.override(lock_timeout=7.0):
        assert (await exzarr.aio.call(config.get)).lock_timeout == 7.0


def test_missing_anyio_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "anyio", None)
    with pytest.raises(MissingDependencyError, match=r"exzarr\[aio\]"):
        asyncio.run(exzarr.aio.get(numbers(), 0))


# -- many readers ---------------------------------------------------------------------------------


async def test_hundreds_of_readers_share_few_threads_and_the_request_budget() -> None:
    array = numbers()
    store = GatedStore(array.store, concurrency=16)
    slow, found, limit = exzarr.open_array(store, mode="r"), {}, config.get().requests

    async def read(row: int) -> None:
        found[row] = await exzarr.aio.get(slow, row % 40)

    before = threading.active_count()
    async with anyio.create_task_group() as tasks:
        for row in range(300):
            tasks.start_soon(read, row)
        await until(lambda: store.in_flight == limit)
        assert threading.active_count() - before <= 2 * limit
        fast = numbers()  # slow stores do not occupy the threads of fast ones
        np.testing.assert_array_equal(await exzarr.aio.get(fast, 3), fast[3])
        store.gate.set()
    assert store.most <= limit
    for row in range(300):
        np.testing.assert_array_equal(found[row], array[row % 40])


# -- cancellation -----------------------------------------------------------------------------------


async def test_cancelled_read_returns_at_once_and_starts_no_further_request() -> None:
    store = GatedStore(numbers().store, concurrency=4)
    slow = exzarr.open_array(store, mode="r")
    with ThreadPoolExecutor(1) as threads:
        async with anyio.create_task_group() as tasks:
            scope, ended = await in_background(tasks, partial(unless_cancelled, threads, slow.get))
            await until(lambda: store.in_flight == 4)
            scope.cancel()
            await ended.wait()  # the four requests are still waiting
            assert store.in_flight == 4
        store.gate.set()
        # The thread is free again: this runs in it.
        assert await finished(threads, lambda: "next") == "next"
    assert store.started == 4
    assert eventually(lambda: store.in_flight == 0)


async def test_cancelled_read_in_a_local_store_decodes_no_further_batch(tmp_path: Path) -> None:
    started, go_on, count = threading.Event(), threading.Event(), 0

    class Slow(exzarr.LocalStore):
        def read_each(self, keys: Any, buffers: Any, starts: Any = None) -> Any:
            nonlocal count
            count += len(keys)
            started.set()
            assert go_on.wait(60)
            return super().read_each(keys, buffers, starts)

    exzarr.save_array(tmp_path / "a.zarr", np.ones((600, 2)), chunks=(1, 2))
    array = exzarr.open_array(Slow(tmp_path / "a.zarr"), mode="r")
    with ThreadPoolExecutor(1) as threads:
        async with anyio.create_task_group() as tasks:
            scope, ended = await in_background(tasks, partial(unless_cancelled, threads, array.get))
            await until(started.is_set)
            scope.cancel()
            await ended.wait()
            go_on.set()
        await finished(threads, lambda: None)
    assert count < 300


async def test_cancelled_read_does_not_wait_for_the_next_retry() -> None:
    store = FailingStore(numbers().store)
    policy = exzarr.Retry(attempts=5, wait_initial=3000, wait_max=3000, timeout=None)
    slow = exzarr.open_array(RetryStore(store, policy), mode="r")
    with ThreadPoolExecutor(1) as threads:
        async with anyio.create_task_group() as tasks:
            scope, ended = await in_background(tasks, partial(unless_cancelled, threads, slow.get))
            await until(lambda: store.failures > 0)
            scope.cancel()
            await ended.wait()
        await finished(threads, lambda: None)


async def test_call_that_is_cancelled_before_it_begins_never_happens() -> None:
    go_on, called = threading.Event(), []
    with ThreadPoolExecutor(1) as threads:
        threads.submit(go_on.wait)
        with anyio.move_on_after(0.01):
            await finished(threads, lambda: called.append(1))
        go_on.set()
    assert called == []


async def test_cancellation_of_a_write_waits_until_the_write_is_complete() -> None:
    store = GatedStore(numbers().store, concurrency=2)
    array = exzarr.open_array(store, mode="r+")
    async with anyio.create_task_group() as tasks:
        scope, ended = await in_background(tasks, partial(exzarr.aio.set, array, ..., 5))
        await until(lambda: store.in_flight == 2)
        scope.cancel()
        await anyio.sleep(0.01)
        assert not ended.is_set()
        store.gate.set()
    assert (array[...] == 5).all()


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_cancellation_by_asyncio_waits_for_a_write_too() -> None:
    store = GatedStore(numbers().store, concurrency=2)
    array = exzarr.open_array(store, mode="r+")
    task = asyncio.create_task(exzarr.aio.set(array, ..., 5))
    await until(lambda: store.in_flight == 2)
    for _ in range(3):
        task.cancel()
        await asyncio.sleep(0.001)
        assert not task.done()
    store.gate.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (array[...] == 5).all()


async def test_error_of_a_cancelled_write_is_raised() -> None:
    go_on, begun = threading.Event(), threading.Event()

    def fails() -> None:
        begun.set()
        go_on.wait(60)
        raise OSError("disk full")

    async def cancel(scope: anyio.CancelScope) -> None:
        await until(begun.is_set)
        scope.cancel()
        go_on.set()

    error = None
    with ThreadPoolExecutor(1) as threads:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(cancel, tasks.cancel_scope)
            try:
                await finished(threads, fails)
            except OSError as raised:
                error = raised
    assert str(error) == "disk full"
