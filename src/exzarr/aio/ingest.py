"""Await an ingestion, also of an asynchronous source."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from exzarr._stop import Stop, Stopped
from exzarr._stream.async_iteration import Waiter, event_loops
from exzarr._stream.ingest.ingest import ingest as ingest_blocks
from exzarr.aio.threads import finished

if TYPE_CHECKING:
    from exzarr._nodes.array import Array
    from exzarr._nodes.group import Group
    from exzarr._stream.ingest.blocks import Source
    from exzarr._stream.ingest.report import IngestReport

__all__ = ["ingest"]


async def ingest(
    target: Array | Group, source: AsyncIterable[Any] | Source, *, key: str, **options: Any
) -> IngestReport:
    """Await `exzarr.ingest`: append the blocks of `source`, each of them exactly once.

    ::

        report = await exzarr.aio.ingest(array, subscribe("days"), key="days")

    The source is asked for a block only when there is room for it (`max_pending`). If the task is cancelled, the source
    is asked for no further block, and the cancellation waits until the blocks that it gave are stored.

    Parameters
    ----------
    target
        An array of Zarr format 3, or a group of such arrays.
    source
        An asynchronous iterable of blocks, which is iterated in this task's event loop; or an iterable or a function as
        for `exzarr.ingest`, which is iterated in a thread.
    key
        Name of the source.
    **options
        The other keywords of `exzarr.ingest`. Callables among them are called in a thread.

    Returns
    -------
    IngestReport

    Raises
    ------
    IngestError
        A block failed and `on_error` is ``"raise"``. The blocks before it are stored.
    """
    work = partial(ingest_blocks, target, key=key, **options)
    if not isinstance(source, AsyncIterable):
        stop = Stop()
        return await _ingested(partial(work, _stoppable(source, stop)), stop.set)
    blocks, failed = _HandOver(), None
    async with event_loops().create_task_group() as tasks:
        tasks.start_soon(blocks.feed, aiter(source))
        try:
            report = await _ingested(partial(work, blocks), tasks.cancel_scope.cancel)
        except Exception as error:  # noqa: BLE001 - raised below: a task group would wrap it
            failed = error
        tasks.cancel_scope.cancel()
    if failed is not None:
        raise failed
    return report


async def _ingested(work: Callable[[], IngestReport], on_cancel: Callable[[], object]) -> IngestReport:
    threads = ThreadPoolExecutor(1, "exzarr-aio-ingest")  # its own: an ingestion may take days
    try:
        return await finished(threads, work, on_cancel)
    finally:
        threads.shutdown(wait=False)


def _stoppable(source: Source, stop: Stop) -> Source:
    """Return `source`, which ends with `Stopped` before the next block once `stop` is set."""

    def blocks(found: Iterable[Any]) -> Iterator[Any]:
        for block in found:
            stop.check()
            yield block

    if callable(source):
        opened: Callable[[Any], Iterable[Any]] = source
        return lambda position: blocks(opened(position))
    return blocks(source) if isinstance(source, Iterable) else source


class _End:
    """Ends the blocks of a `_HandOver`, with an error or without."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error


class _HandOver:
    """The blocks of an asynchronous iterator, for a thread that asks for one after the other."""

    def __init__(self) -> None:
        self._asked = Waiter()
        self._blocks: SimpleQueue[Any] = SimpleQueue()

    def __iter__(self) -> Iterator[Any]:
        while True:
            self._asked.wake()
            block = self._blocks.get()
            if not isinstance(block, _End):
                yield block
            elif block.error is None:
                return
            else:
                raise block.error

    async def feed(self, source: AsyncIterator[Any]) -> None:
        """Get the blocks that the thread asks for, in the event loop."""
        end = _End(None)
        try:
            while True:
                await self._asked.wait()
                self._blocks.put(await anext(source))
        except StopAsyncIteration:
            pass
        except Exception as error:  # noqa: BLE001 - the ingestion raises it
            end = _End(error)
        except BaseException:  # cancelled
            end = _End(Stopped())
            raise
        finally:
            self._blocks.put(end)
