"""``async for`` over streams, under asyncio and trio.

The threads of a stream work ahead as they do for a ``for`` loop. A task that waits for the next item occupies no
thread: the thread that finishes an item wakes the event loop.
"""

from __future__ import annotations

import enum
import sys
from collections.abc import Callable
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Generic, Self, TypeVar

from exzarr.errors import MissingDependencyError, StreamError

if TYPE_CHECKING:
    from exzarr._stream.window import Window

__all__ = ["NOT_READY", "AsyncIteration", "NotReady", "Waiter", "event_loops"]

T = TypeVar("T")


class NotReady(enum.Enum):
    """Type of `NOT_READY`."""

    NOT_READY = "not ready"


NOT_READY: Final = NotReady.NOT_READY
"""What a stream gives in place of an item that its threads have not finished."""


def event_loops() -> Any:
    """Return the module anyio, which runs on the event loops of asyncio and of trio."""
    try:
        import anyio
    except ImportError:
        raise MissingDependencyError("awaiting exzarr requires anyio: pip install 'exzarr[aio]'") from None
    return anyio


class Waiter:
    """Wakes a task of the event loop that runs here, from any thread."""

    def __init__(self) -> None:
        self._anyio = event_loops()
        self._event = self._anyio.Event()
        trio: Any = sys.modules.get("trio")
        if trio is not None and trio.lowlevel.in_trio_run():
            self._run_soon: Callable[[Callable[[], object]], object] = (
                trio.lowlevel.current_trio_token().run_sync_soon
            )
        else:
            import asyncio

            self._run_soon = asyncio.get_running_loop().call_soon_threadsafe

    def wake(self) -> None:
        """Wake the task, or let its next wait return at once. Any thread may call this, any number of times."""
        try:
            self._run_soon(self._set)
        except RuntimeError:
            pass  # the event loop has ended, and the task with it

    def _set(self) -> None:
        self._event.set()

    async def wait(self, seconds: float | None = None) -> None:
        """Wait for `wake`, or for `seconds`. Look afterwards whether there is what you wait for."""
        with self._anyio.move_on_after(seconds):
            await self._event.wait()
        self._event = self._anyio.Event()


class AsyncIteration(Generic[T]):
    """Mixin of the streams: asynchronous iteration over the same items as ``for`` gives.

    Use ``async with`` around the loop if you may leave it early. A task that is cancelled while it waits for an item
    closes the stream, as it closes an asynchronous generator.
    """

    __slots__ = ()

    _window: Window[Any, Any] | None

    def _poll(self) -> T | NotReady:
        """Return the next item without waiting, or `NOT_READY`. Raise StopIteration at the end."""
        raise NotImplementedError

    def _end(self, *, wait: bool) -> None:
        """End the threads. If `wait` is True, wait for items in progress."""
        raise NotImplementedError

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        anyio = event_loops()
        try:
            # Also before an item that is ready: otherwise a fast stream would stop all other tasks.
            await anyio.lowlevel.checkpoint()
            if (item := self._polled()) is not NOT_READY:
                return item
            return await self._wait_for_item()
        except anyio.get_cancelled_exc_class():
            self._end(wait=False)
            raise

    async def _wait_for_item(self) -> T:
        window = self._window
        assert window is not None
        waiter = Waiter()
        if not window.listen(waiter.wake):
            raise StreamError("another task waits for the next item of this stream: iterate in one task only")
        try:
            while (item := self._polled()) is NOT_READY:
                await waiter.wait(window.patience())
            return item
        finally:
            window.listen(None)

    def _polled(self) -> T | NotReady:
        try:
            return self._poll()
        except StopIteration:  # a coroutine must not raise it
            raise StopAsyncIteration from None

    async def aclose(self) -> None:
        """End the stream, and wait until its threads have ended. Requests in flight end by themselves."""
        anyio = event_loops()
        self._end(wait=False)
        await anyio.to_thread.run_sync(partial(self._end, wait=True), abandon_on_cancel=True)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()
