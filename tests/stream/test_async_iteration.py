"""``async for`` gives the items of ``for``, under asyncio and trio, and leaves no threads and requests behind."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable, Iterator
from typing import Any

import anyio
import numpy as np
import pytest

import exzarr
from exzarr.errors import ChunkCorruptError, ChunkTimeoutError, StreamError
from tests.aio.tools import GatedStore
from tests.stream.tools import eventually, stream_threads

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    before = stream_threads()
    yield
    gc.collect()
    assert eventually(lambda: stream_threads() <= before), stream_threads()


def numbers(**options: Any) -> exzarr.Array:
    array = exzarr.create_array(
        exzarr.MemoryStore(), shape=(40, 30), chunks=options.pop("chunks", (4, 15)), dtype="i4", **options
    )
    array[...] = np.arange(1200).reshape(40, 30)
    return array


async def until(condition: Callable[[], bool]) -> None:
    with anyio.fail_after(60):
        while not condition():
            await anyio.sleep(0.001)


# -- items --------------------------------------------------------------------------------------


@pytest.mark.parametrize("ordered", [True, False])
@pytest.mark.parametrize("shards", [None, (8, 30)])
async def test_chunks_are_those_of_a_for_loop(ordered: bool, shards: Any) -> None:
    array = numbers(shards=shards)
    stream = array.chunk_stream(ordered=ordered, workers=3)
    found = [chunk async for chunk in stream]
    indices = [chunk.index for chunk in found]
    expected = [chunk.index for chunk in array.chunk_stream()]
    assert (indices if ordered else sorted(indices)) == expected
    for chunk in found:
        np.testing.assert_array_equal(chunk.data, array[chunk.region])
    assert stream.stats.chunks == 20
    assert [chunk async for chunk in stream] == []


async def test_slices_are_those_of_a_for_loop() -> None:
    array = numbers()
    found = [part async for part in array.slice_stream(0, 30, 2, -3)]
    assert [part.index for part in found] == [*range(30, 2, -3)]
    for part in found:
        np.testing.assert_array_equal(part.data, array[part.index])


@pytest.mark.parametrize("prefetch", [0, 2])
async def test_batches_are_those_of_a_for_loop(prefetch: int) -> None:
    array = numbers()
    batches = exzarr.batches({"x": array}, 7, shuffle="window", seed=3, prefetch=prefetch)
    found = [batch["x"] async for batch in batches]
    assert batches.epoch == 1
    batches.set_epoch(0)
    expected = [batch["x"] for batch in batches]
    assert len(found) == len(expected) == 6
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)


async def test_batches_resume_and_change_from_for_to_async_for() -> None:
    batches = exzarr.batches(numbers(), 8, prefetch=0)
    first = iter(batches)
    rows = [next(first)[:, 0]]
    rows += [batch[:, 0] async for batch in first]
    np.testing.assert_array_equal(np.concatenate(rows), np.arange(0, 1200, 30))


async def test_map_results_are_those_of_a_for_loop() -> None:
    array = numbers()
    found = [value async for value in array.parallel_chunk_map(np.sum, workers=2)]
    assert found == [*array.parallel_chunk_map(np.sum)]


async def test_errors_name_the_chunk_and_end_the_stream() -> None:
    array = numbers(checksum=True)
    key = "c/2/0"
    array.store.put(key, bytes(array.store.get(key) or b"")[:-1] + b"?")
    stream = array.chunk_stream(workers=2)
    found = [(await anext(stream)).index for _ in range(4)]
    assert found == [(0, 0), (0, 1), (1, 0), (1, 1)]
    with pytest.raises(ChunkCorruptError, match=r"chunk \(2, 0\)"):
        await anext(stream)
    assert [chunk async for chunk in stream] == []
    left = [chunk async for chunk in array.chunk_stream(on_error="skip")]
    assert len(left) == 19


async def test_timeout_of_a_chunk_ends_the_wait() -> None:
    store = GatedStore(numbers().store)
    stream = exzarr.open_array(store, mode="r").chunk_stream(timeout=0.02, workers=1)
    with pytest.raises(ChunkTimeoutError):
        async for _ in stream:
            pass
    store.gate.set()


# -- backpressure -----------------------------------------------------------------------------------


async def test_slow_consumer_holds_the_reads_back() -> None:
    store = GatedStore(numbers().store)
    store.gate.set()
    async with exzarr.open_array(store, mode="r").chunk_stream(workers=2, prefetch=2) as stream:
        async for chunk in stream:
            await until(lambda: store.in_flight == 0 and store.started >= 4)
            await anyio.sleep(0.005)
            assert chunk.index == (0, 0)
            assert store.started <= 4
            break


async def test_fast_stream_lets_other_tasks_run() -> None:
    turns, done = 0, False

    async def other() -> None:
        nonlocal turns
        while not done:
            turns += 1
            await anyio.sleep(0)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(other)
        chunks = [chunk async for chunk in numbers().chunk_stream()]
        done = True
    assert turns >= len(chunks)


async def test_waiting_consumers_occupy_no_thread() -> None:
    store = GatedStore(numbers().store)
    slow = exzarr.open_array(store, mode="r")
    found: list[int] = []

    async def read() -> None:
        found.append(len([chunk async for chunk in slow.chunk_stream(workers=1, prefetch=0)]))

    before = threading.active_count()
    async with anyio.create_task_group() as tasks:
        for _ in range(30):
            tasks.start_soon(read)
        await until(lambda: store.in_flight == 30)
        assert threading.active_count() - before == 30  # each stream's own worker
        store.gate.set()
    assert found == [20] * 30


# -- the end ------------------------------------------------------------------------------------------


async def test_leaving_the_block_ends_the_threads_before_it_returns() -> None:
    array = numbers()
    async with array.chunk_stream(workers=3) as stream:
        async for _ in stream:
            break
        assert stream_threads()
    assert not stream_threads()


async def test_cancelled_consumer_closes_the_stream_and_no_further_request_starts() -> None:
    store = GatedStore(numbers().store)
    stream = exzarr.open_array(store, mode="r").chunk_stream(workers=2, prefetch=6)
    with anyio.CancelScope() as scope:
        async with anyio.create_task_group() as tasks:

            async def cancel() -> None:
                await until(lambda: store.in_flight == 2)
                scope.cancel()

            tasks.start_soon(cancel)
            async for _ in stream:
                pass
    assert scope.cancelled_caught
    store.gate.set()
    assert eventually(lambda: not stream_threads())
    assert store.started == 2
    assert [chunk async for chunk in stream] == []


async def test_closing_in_another_task_ends_the_wait() -> None:
    store = GatedStore(numbers().store)
    stream = exzarr.open_array(store, mode="r").chunk_stream(workers=2)
    found: list[Any] = []

    async def consume() -> None:
        found.extend([chunk async for chunk in stream])
        found.append("ended")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(consume)
        await until(lambda: store.in_flight == 2)
        tasks.start_soon(stream.aclose)
        await until(lambda: found == ["ended"])
        store.gate.set()


async def test_second_task_is_refused_while_one_waits() -> None:
    store = GatedStore(numbers().store)
    stream = exzarr.open_array(store, mode="r").chunk_stream(workers=1)

    async def first() -> None:
        await anext(stream)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(first)
        await until(lambda: store.in_flight == 1)
        with pytest.raises(StreamError, match="another task"):
            await anext(stream)
        store.gate.set()
    await stream.aclose()
