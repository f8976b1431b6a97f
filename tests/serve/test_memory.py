"""The memory of requests in progress."""

from __future__ import annotations

import anyio
import pytest

from exzarr.serve.memory import Memory
from exzarr.serve.replayed import MOST_KEPT, Replayed
from exzarr.serve.replies import Reply

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def test_waiting_tasks_are_served_in_order_and_within_the_bound() -> None:
    memory, held, most, order = Memory(10), 0, 0, []

    async def task(number: int, nbytes: int) -> None:
        nonlocal held, most
        async with memory.reserved(nbytes):
            order.append(number)
            held += nbytes
            most = max(most, held)
            await anyio.lowlevel.checkpoint()
            held -= nbytes

    async with anyio.create_task_group() as tasks:
        for number in range(40):
            tasks.start_soon(task, number, 10 if number % 5 == 0 else 3)
            await anyio.lowlevel.checkpoint()
    assert order == [*range(40)]
    assert most <= 10
    assert held == 0


async def test_cancelled_task_leaves_the_line() -> None:
    memory = Memory(10)
    async with memory.reserved(10):
        with anyio.move_on_after(0):
            async with memory.reserved(10):
                pytest.fail("reserved more than there is")
    async with memory.reserved(10):
        pass


async def test_marked_write_is_carried_out_once() -> None:
    replayed, count = Replayed(), 0

    async def write() -> Reply:
        nonlocal count
        count += 1
        reply = Reply(201, {"number": str(count)})
        await anyio.lowlevel.checkpoint()
        return reply

    async def ask(mark: str | None) -> None:
        await replayed.once(mark, write)

    async with anyio.create_task_group() as tasks:
        for mark in ("a", "a", None, None, "b", "a"):
            tasks.start_soon(ask, mark)
    assert count == 4
    assert (await replayed.once("a", write)).headers == {"number": "1"}


async def test_failed_write_may_be_repeated() -> None:
    replayed, statuses = Replayed(), [500, 201, 412]

    async def write() -> Reply:
        return Reply(statuses.pop(0))

    assert (await replayed.once("a", write)).status == 500
    assert (await replayed.once("a", write)).status == 201
    assert (await replayed.once("a", write)).status == 201


async def test_number_of_kept_replies_is_bounded() -> None:
    replayed = Replayed()

    async def write() -> Reply:
        return Reply(201)

    for mark in range(MOST_KEPT + 100):
        await replayed.once(mark, write)
    assert len(replayed._known) == MOST_KEPT
