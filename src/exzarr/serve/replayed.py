"""Responses to writes that a client may repeat because the first response was lost.

A client marks a write with an ``Idempotency-Key`` (draft-ietf-httpapi-idempotency-key-header). A write with the same mark is
carried out once: the repeated request gets the first response. Without this, a repeated conditional write fails its own
condition.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable
from http import HTTPStatus

import anyio

from exzarr.serve.replies import Reply

__all__ = ["Replayed"]

MOST_KEPT = 4096


class Replayed:
    """The latest responses to marked writes, for the tasks of one event loop."""

    def __init__(self) -> None:
        self._known: dict[Hashable, Reply | anyio.Event] = {}

    async def once(self, mark: Hashable, write: Callable[[], Awaitable[Reply]]) -> Reply:
        """Return ``write()``, or the response to the earlier write with the same mark (None: no mark)."""
        if mark is None:
            return await write()
        while (known := self._known.get(mark)) is not None:
            if isinstance(known, Reply):
                return known
            await known.wait()
        done = self._known[mark] = anyio.Event()
        try:
            reply = await write()
            if reply.status < HTTPStatus.INTERNAL_SERVER_ERROR:
                self._known[mark] = reply
                if len(self._known) > MOST_KEPT:
                    del self._known[
                        next(one for one, reply in self._known.items() if isinstance(reply, Reply))
                    ]
            return reply
        finally:
            if self._known.get(mark) is done:
                del self._known[mark]
            done.set()
