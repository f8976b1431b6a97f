"""A source in a thread of its own, never more than some blocks ahead."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextvars import copy_context
from queue import Empty, Full, Queue
from typing import Any, Self

from exzarr._stream.ingest.blocks import Numbered

__all__ = ["Prefetcher"]

LOOK = 0.1
"""Seconds after which a thread that waits for room looks whether anybody is still there."""

_END = object()


class Prefetcher:
    """The blocks of an iterator, taken by a thread while the ones before are being stored.

    At most `most` blocks wait; the source is not asked for another one before one of them is taken. What
    the source raises is raised by `take`, after the blocks that came before.
    """

    __slots__ = ("_closed", "_queue", "_thread")

    def __init__(self, blocks: Iterator[Numbered], most: int) -> None:
        # The thread holds one block in its hands while it waits for room.
        self._queue: Queue[Any] = Queue(max(1, most - 1))
        self._closed = threading.Event()
        self._thread = threading.Thread(
            target=copy_context().run,
            args=(_pump, blocks, self._queue, self._closed),
            name="exzarr-ingest",
            daemon=True,
        )
        self._thread.start()

    def take(self, *, wait: bool) -> Numbered | None:
        """The next block; None at the end, or, without `wait`, where none is ready."""
        try:
            item = self._queue.get(block=wait)
        except Empty:
            return None
        if isinstance(item, Numbered):
            return item
        self._queue.put(item)  # the end stays the end
        if item is _END or not wait:
            return None
        raise item

    def close(self) -> None:
        """Have the thread end: at once, or when the source gives the block that it waits for."""
        self._closed.set()
        self._thread.join(LOOK * 5)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _pump(blocks: Iterator[Numbered], queue: Queue[Any], closed: threading.Event) -> None:
    last: Any = _END
    try:
        for block in blocks:
            if not _put(queue, block, closed):
                break
    except BaseException as error:  # noqa: BLE001 - whoever takes raises it
        last = error
    finally:
        close = getattr(blocks, "close", None)
        if close is not None:
            close()
    _put(queue, last, closed)


def _put(queue: Queue[Any], item: Any, closed: threading.Event) -> bool:
    while not closed.is_set():
        try:
            queue.put(item, timeout=LOOK)
        except Full:
            continue
        return True
    return False
