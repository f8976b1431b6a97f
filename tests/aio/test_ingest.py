"""Asynchronous sources are ingested exactly once, with backpressure, and resume after a cancellation."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio
import numpy as np
import pytest

import exzarr
from exzarr.errors import ArgumentError, IngestError

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
