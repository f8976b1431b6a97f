"""The bytes that requests in progress hold, all together: reserved in the order of requests."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio

__all__ = ["Memory"]


class Memory:
    """A number of bytes that tasks of one event loop reserve. The task that waits longest is served first.

    A task reserves once, before its first byte. Tasks therefore never wait for each other in a circle.
    """

    def __init__(self, nbytes: int) -> None:
        self._free = nbytes
        self._waiting: deque[tuple[int, anyio.Event]] = deque()

    @asynccontextmanager
    async def reserved(self, nbytes: int) -> AsyncIterator[None]:
        """Reserve bytes, at most the whole memory, for the time of a block."""
        if self._waiting or nbytes > self._free:
            await self._turn(nbytes)
        else:
            self._free -= nbytes
        try:
            yield
        finally:
            self._free += nbytes
            self._serve()

    async def _turn(self, nbytes: int) -> None:
        turn = (nbytes, anyio.Event())
        self._waiting.append(turn)
        try:
            await turn[1].wait()
        except BaseException:
            if turn in self._waiting:
                self._waiting.remove(turn)
            else:  # served at the moment of the cancellation
                self._free += nbytes
            self._serve()
            raise

    def _serve(self) -> None:
        while self._waiting and self._waiting[0][0] <= self._free:
            nbytes, turn = self._waiting.popleft()
            self._free -= nbytes
            turn.set()
