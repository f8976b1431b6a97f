"""The bounded pools of threads in which awaited functions run.

A thread of these pools waits for the engine, which has its own threads and limits. There are two pools, so that slow
stores do not occupy the threads of fast ones. Further calls wait in line, without a thread.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from typing import Any, TypeVar

from exzarr import config
from exzarr._engine.executor import SharedExecutor
from exzarr._stop import Stop, Stopped, stopping
from exzarr._stream.async_iteration import Waiter, event_loops
from exzarr.stores.base import Store

__all__ = ["finished", "threads_for", "unless_cancelled"]

T = TypeVar("T")

_fast = SharedExecutor("exzarr-aio")
_slow = SharedExecutor("exzarr-aio-slow")


def threads_for(store: Store | None) -> ThreadPoolExecutor:
    """Return the pool for calls that use `store`; None: a store that is not known yet.

    It has ``config.workers`` threads; for stores that are slow to answer, one for each request in ``config.requests``.
    """
    settings = config.get()
    if store is None or store.traits.concurrency:
        return _slow.threads(settings.requests)
    return _fast.threads(settings.workers)


async def unless_cancelled(threads: ThreadPoolExecutor, call: Callable[[], T]) -> T:
    """Await ``call()``, which only reads. If the task is cancelled, the read is stopped and not waited for."""
    stop = Stop()

    def stoppable() -> T:
        with stopping(stop):
            return call()

    return await _result(threads, stoppable, stop.set, waits=False)


async def finished(
    threads: ThreadPoolExecutor, call: Callable[[], T], on_cancel: Callable[[], object] = lambda: None
) -> T:
    """Await ``call()``. If the task is cancelled after the call began, the cancellation waits until the call ends.

    `on_cancel` is called first. It can make the call end early, with `Stopped`.
    """
    return await _result(threads, call, on_cancel, waits=True)


async def _result(
    threads: ThreadPoolExecutor, call: Callable[[], T], on_cancel: Callable[[], object], *, waits: bool
) -> T:
    anyio, waiter = event_loops(), Waiter()
    await anyio.lowlevel.checkpoint_if_cancelled()
    future = threads.submit(copy_context().run, call)
    future.add_done_callback(lambda _: waiter.wake())
    try:
        while not future.done():
            await waiter.wait()
    except anyio.get_cancelled_exc_class():
        on_cancel()
        if not future.cancel() and waits:
            await _wait_shielded(waiter, future)
            if not isinstance(future.exception(), (Stopped, type(None))):
                future.result()  # an error is more important than the cancellation
        raise
    return future.result()


async def _wait_shielded(waiter: Waiter, future: Future[Any]) -> None:
    anyio = event_loops()
    with anyio.CancelScope(shield=True):
        while not future.done():
            try:
                await waiter.wait()
            except (
                anyio.get_cancelled_exc_class()
            ):  # a cancellation of asyncio, from which anyio does not shield
                continue
