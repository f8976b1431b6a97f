"""Iterate over the reports of an ingestion while it runs."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from exzarr._stream.async_iteration import Waiter, event_loops
from exzarr.aio.ingest import ingest
from exzarr.errors import ArgumentError, StreamError

if TYPE_CHECKING:
    from exzarr._nodes.array import Array
    from exzarr._nodes.group import Group
    from exzarr._stream.ingest.blocks import Source
    from exzarr._stream.ingest.report import IngestReport

__all__ = ["ingest_reports"]


@asynccontextmanager
async def ingest_reports(
    target: Array | Group, source: AsyncIterable[Any] | Source, *, key: str, **options: Any
) -> AsyncIterator[AsyncIterator[IngestReport]]:
    """Ingest `source` as `exzarr.aio.ingest` does, and iterate over the reports so far.

    ::

        async with exzarr.aio.ingest_reports(array, subscribe("days"), key="days") as reports:
            async for report in reports:
                print(report.rows)

    There is a report after each commit, and a last one at the end, which is the result of `exzarr.aio.ingest`. The
    ingestion does not wait for the loop: a slow loop gets only the latest report. Each report counts everything since the
    start.

    If you leave the block early, or the task is cancelled, the source is asked for no further block. The block ends when
    the blocks that it gave are stored. The next ingestion resumes after them. An asynchronous generator is not closed: use
    `contextlib.aclosing`.

    Parameters
    ----------
    target, source, key, **options
        As for `exzarr.aio.ingest`, except `on_commit`.

    Returns
    -------
    async context manager
        It gives an asynchronous iterator of `IngestReport`, for one task.

    Raises
    ------
    IngestError
        A block failed and `on_error` is ``"raise"``. The loop raises it after the report of the blocks before it; if
        you left the loop, the end of the block does.
    """
    if "on_commit" in options:
        raise ArgumentError("on_commit is for exzarr.aio.ingest: ingest_reports yields what it would get")
    reports, failed = _Reports(), None
    work = partial(ingest, target, source, key=key, on_commit=reports.put, **options)
    async with event_loops().create_task_group() as tasks:
        tasks.start_soon(reports.run, work)
        try:
            yield reports
        except Exception as error:  # noqa: BLE001 - raised below: a task group would wrap it
            failed = error
        tasks.cancel_scope.cancel()
    if failed is not None:
        raise failed
    reports.check()


class _Reports:
    """The latest report of an ingestion, for one task that iterates."""

    def __init__(self) -> None:
        self._latest: deque[IngestReport] = deque(maxlen=1)
        self._waiter = Waiter()
        self._waiting = self._done = False
        self._error: Exception | None = None

    def put(self, report: IngestReport) -> None:
        """Replace the latest report. Any thread may call this."""
        self._latest.append(report)
        self._waiter.wake()

    async def run(self, work: Callable[[], Awaitable[IngestReport]]) -> None:
        """Await the ingestion, and keep its result or error for the iteration."""
        try:
            self._latest.append(await work())
        except Exception as error:  # noqa: BLE001 - the iteration raises it
            self._error = error
        finally:
            self._done = True
            self._waiter.wake()

    def check(self) -> None:
        """Raise the error of the ingestion, unless it was raised before."""
        error, self._error = self._error, None
        if error is not None:
            raise error

    def __aiter__(self) -> _Reports:
        return self

    async def __anext__(self) -> IngestReport:
        await event_loops().lowlevel.checkpoint()
        if self._waiting:
            raise StreamError("another task waits for the next report: iterate in one task only")
        self._waiting = True
        try:
            while not self._latest:
                if self._done:
                    self.check()
                    raise StopAsyncIteration
                await self._waiter.wait()
            return self._latest.popleft()
        finally:
            self._waiting = False
