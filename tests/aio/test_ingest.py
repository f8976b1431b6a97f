"""Asynchronous sources are ingested exactly once, with backpressure, and resume after a cancellation."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any

import anyio
import numpy as np
import pytest

import exzarr
from exzarr.errors import ArgumentError, IngestError, StreamError

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> Any:
    return request.param


def target(folder: Path) -> exzarr.Array:
    return exzarr.create_array(folder / "a.zarr", shape=(0, 4), chunks=(10, 4), dtype="i4")


async def blocks(count: int, first: int = 0) -> AsyncIterator[Any]:
    for number in range(first, count):
        await anyio.sleep(0)
        yield np.full((3, 4), number)


def expected(count: int) -> Any:
    return np.repeat(np.arange(count), 3)


async def test_asynchronous_source_is_stored_completely(tmp_path: Path) -> None:
    array = target(tmp_path)
    report = await exzarr.aio.ingest(array, blocks(20), key="days")
    assert (report.blocks, report.rows, report.position) == (20, 60, 20)
    np.testing.assert_array_equal(array[:, 0], expected(20))
    report = await exzarr.aio.ingest(array, blocks(23), key="days")
    assert (report.blocks, report.already) == (3, 20)
    np.testing.assert_array_equal(array[:, 0], expected(23))


async def test_sources_of_threads_are_accepted(tmp_path: Path) -> None:
    array = target(tmp_path)
    await exzarr.aio.ingest(array, [np.full((3, 4), n) for n in range(5)], key="list")
    await exzarr.aio.ingest(
        array, lambda at: [np.full((3, 4), n) for n in range(5 + (at or 0), 9)], key="function"
    )
    np.testing.assert_array_equal(array[:, 0], expected(9))
    with pytest.raises(ArgumentError, match="a source is an iterable"):
        await exzarr.aio.ingest(array, 7, key="number")  # type: ignore[arg-type]


async def test_source_is_asked_only_when_there_is_room(tmp_path: Path) -> None:
    array, given, ahead = target(tmp_path), 0, 0

    async def counted() -> AsyncIterator[Any]:
        nonlocal given, ahead
        for number in range(40):
            stored = exzarr.open_array(tmp_path / "a.zarr").shape[0] // 3
            ahead = max(ahead, given - stored)
            given += 1
            yield np.full((3, 4), number)

    await exzarr.aio.ingest(array, counted(), key="days", max_pending=2, batch=3)
    assert given == 40
    assert ahead <= 4  # two that wait, one that is handed over, one that is being stored


async def test_error_of_the_source_is_raised_after_the_blocks_before_it(tmp_path: Path) -> None:
    array = target(tmp_path)

    async def broken() -> AsyncIterator[Any]:
        async for block in blocks(4):
            yield block
        raise KeyError("feed")

    with pytest.raises(KeyError, match="feed"):
        await exzarr.aio.ingest(array, broken(), key="days")
    np.testing.assert_array_equal(array[:, 0], expected(4))


async def test_bad_block_raises_ingest_error(tmp_path: Path) -> None:
    async def bad() -> AsyncIterator[Any]:
        yield np.zeros((3, 5))

    with pytest.raises(IngestError, match="block 0"):
        await exzarr.aio.ingest(target(tmp_path), bad(), key="days")


async def test_cancelled_ingestion_resumes_without_loss(tmp_path: Path) -> None:
    array = target(tmp_path)

    async def endless() -> AsyncIterator[Any]:
        async for block in blocks(10):
            yield block
        scope.cancel()
        await anyio.sleep_forever()

    with anyio.CancelScope() as scope:
        await exzarr.aio.ingest(array, endless(), key="days")
    assert scope.cancelled_caught
    np.testing.assert_array_equal(array.refresh()[:, 0], expected(array.shape[0] // 3))
    await exzarr.aio.ingest(array, blocks(25), key="days")
    np.testing.assert_array_equal(array[:, 0], expected(25))


async def test_cancelled_source_of_a_thread_is_not_read_further(tmp_path: Path) -> None:
    array, given = target(tmp_path), 0

    def endless() -> Any:
        nonlocal given
        while True:
            given += 1
            yield np.full((3, 4), given - 1)

    with anyio.CancelScope() as scope:
        async with anyio.create_task_group() as tasks:

            async def cancel() -> None:
                while given < 20:
                    await anyio.sleep(0.001)
                scope.cancel()

            tasks.start_soon(cancel)
            await exzarr.aio.ingest(array, endless(), key="days")
    stored = array.refresh().shape[0] // 3
    assert stored <= given
    np.testing.assert_array_equal(array[:, 0], expected(stored))


async def test_reports_come_while_the_ingestion_runs(tmp_path: Path) -> None:
    array, seen = target(tmp_path), anyio.Event()

    async def stepwise() -> AsyncIterator[Any]:
        nonlocal seen
        async for block in blocks(8):
            yield block
            await seen.wait()  # until the loop has the report of this block
            seen = anyio.Event()

    reports = []
    async with exzarr.aio.ingest_reports(array, stepwise(), key="days") as running:
        async for report in running:
            reports.append(report)
            assert exzarr.open_array(tmp_path / "a.zarr").shape[0] >= report.rows
            seen.set()
    assert [report.blocks for report in reports] == [*range(1, 9), 8]
    assert [report.position for report in reports] == [*range(1, 9), 8]
    async with exzarr.aio.ingest_reports(array, blocks(8), key="days") as running:
        assert [(report.blocks, report.already) async for report in running] == [(0, 8)]


async def test_slow_loop_gets_the_latest_report_only(tmp_path: Path) -> None:
    array, given = target(tmp_path), anyio.Event()

    async def announced() -> AsyncIterator[Any]:
        async for block in blocks(30):
            yield block
        given.set()

    async with exzarr.aio.ingest_reports(array, announced(), key="days", batch=3) as running:
        await given.wait()
        while exzarr.open_array(tmp_path / "a.zarr").shape[0] < 90:
            await anyio.sleep(0.001)
        found = [report.blocks async for report in running]
    assert found[-1] == 30
    assert len(found) <= 3
    assert min(found) >= 29


async def test_error_follows_the_report_of_the_blocks_before_it(tmp_path: Path) -> None:
    array = target(tmp_path)

    async def bad() -> AsyncIterator[Any]:
        async for block in blocks(4):
            yield block
        yield np.zeros((3, 5))

    found: list[int] = []

    async def collect(running: AsyncIterator[Any]) -> None:
        async for report in running:
            found.append(report.blocks)  # noqa: PERF401 - an error ends the loop

    async def read_all() -> None:
        async with exzarr.aio.ingest_reports(array, bad(), key="days", batch=3) as running:
            await collect(running)

    async def read_none() -> None:
        async with exzarr.aio.ingest_reports(array, bad(), key="days") as running:
            while not running._done:  # type: ignore[attr-defined]
                await anyio.sleep(0.001)

    with pytest.raises(IngestError, match="block 4"):
        await read_all()
    assert found[-1] == 4
    np.testing.assert_array_equal(array.refresh()[:, 0], expected(4))
    with pytest.raises(IngestError, match="block 4"):
        await read_none()


async def test_leaving_the_loop_ends_the_ingestion_without_loss(tmp_path: Path) -> None:
    array, given = target(tmp_path), 0

    async def endless() -> AsyncGenerator[Any, None]:
        nonlocal given
        for number in range(1_000_000):
            given = max(given, number + 1)
            await anyio.sleep(0)
            yield np.full((3, 4), number)

    async def until(done: Callable[[Any], object]) -> None:
        async with (
            aclosing(endless()) as source,
            exzarr.aio.ingest_reports(array, source, key="days") as running,
        ):
            async for report in running:
                if done(report):
                    break

    def check() -> None:
        stored = array.refresh().shape[0] // 3
        assert 3 < stored <= given
        np.testing.assert_array_equal(array[:, 0], expected(stored))

    await until(lambda report: report.blocks > 3)
    check()
    with anyio.CancelScope() as scope:
        await until(lambda _: scope.cancel())
    assert scope.cancelled_caught
    check()
    with pytest.raises(ZeroDivisionError):
        await until(lambda report: report.blocks / 0)
    check()


async def test_reports_are_for_one_task(tmp_path: Path) -> None:
    async def silent() -> AsyncIterator[Any]:
        await anyio.sleep_forever()
        yield

    async with (
        exzarr.aio.ingest_reports(target(tmp_path), silent(), key="days") as running,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(anext, running)
        await anyio.wait_all_tasks_blocked()
        with pytest.raises(StreamError, match="one task only"):
            await anext(running)
        tasks.cancel_scope.cancel()
    with pytest.raises(ArgumentError, match="on_commit"):
        async with exzarr.aio.ingest_reports(target(tmp_path / "b"), silent(), key="days", on_commit=print):
            pass
