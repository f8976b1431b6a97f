"""Reads a source in a thread, a bounded number of blocks ahead."""

from __future__ import annotations

import enum
import threading
from collections.abc import Iterator
from contextvars import copy_context
from queue import Empty, Full, Queue
from typing import Any, Final, Self

from exzarr._stream.ingest.blocks import Numbered

__all__ = ["Prefetcher"]

LOOK = 0.1
"""Seconds between checks, by a thread that waits for room, that its prefetcher is still in use."""


class _End(enum.Enum):
    """Type of `_END`, which follows the last block."""

    END = "end"


_END: Final = _End.END


class Prefetcher:
    """Blocks of an iterator, read by a thread while earlier blocks are being stored.

    At most `most` blocks wait. The source is asked for another one only after one of them is taken. `take` raises an
    error of the source after the blocks before it.
    """

    __slots__ = ("_closed", "_queue", "_thread")

    def __init__(self, blocks: Iterator[Numbered], most: int) -> None:
        # The thread holds one more block while it waits for room.
        self._queue: Queue[Any] = Queue(max(1, most - 1))
        self._closed = threading.Event()
        self._thread = threading.Thread(
            target=copy_context().run,
            args=(_read_ahead, blocks, self._queue, self._closed),
            name="exzarr-ingest",
            daemon=True,
        )
        self._thread.start()

    def take(self, *, wait: bool) -> Numbered | None:
        """Return the next block; None at the end or, without `wait`, if none is ready."""
        try:
            item = self._queue.get(block=wait)
        except Empty:
            return None
        if isinstance(item, Numbered):
            return item
        self._queue.put(item)  # keep the end marker for further calls
        if item is _END or not wait:
            return None
        raise item

    def close(self) -> None:
        """End the thread: immediately, or when the source yields the block that it is working on."""
        self._closed.set()
        self._thread.join(LOOK * 5)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _read_ahead(blocks: Iterator[Numbered], queue: Queue[Any], closed: threading.Event) -> None:
    last: Any = _END
    try:
        for block in blocks:
            if not _put(queue, block, closed):
                break
    except BaseException as error:  # noqa: BLE001 - raised by `take`
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
