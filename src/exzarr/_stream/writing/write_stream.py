"""`Array.write_stream`: write the items that a producer yields in threads, with backpressure on the producer.

The caller's thread takes items from the producer and cuts them along the stored chunks (shards, if the array has them).
It gathers the parts of each stored chunk (`writing.assembly`). Threads write the complete ones. At most one thread
writes a stored chunk at a time; further data for that chunk waits and is merged. When the limit of pending items is
reached, the caller waits for the threads. If nothing pending is complete, the fullest assembly is written as it is.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sized
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from exzarr import config
from exzarr._engine.pool import in_flight
from exzarr._nodes.casting import Casting, check_casting
from exzarr._stop import Stop
from exzarr._stream.chunks.grid import Region
from exzarr._stream.options import StreamOptions
from exzarr._stream.stream import Stream
from exzarr._stream.window import Window, may_wait
from exzarr._stream.writing.checkpoint import Checkpoint
from exzarr._stream.writing.writer import BoxWriter, FailedWrite, Task, Writer
from exzarr.errors import ArgumentError
from exzarr.telemetry.units import human_bytes

if TYPE_CHECKING:
    from exzarr._stream.stored_array import StoredArray

__all__ = ["WriteReport", "write_stream"]

PENDING_NBYTES = 64 * 1024 * 1024
"""Default limit on the bytes of pending items."""


@dataclass(frozen=True, slots=True)
class WriteReport:
    """Result of `Array.write_stream`.

    Attributes
    ----------
    written
        Number of items that are in the store.
    failed
        Items that were not written, each with its error.
    skipped
        Number of items that were left out because the checkpoint lists them.
    bytes
        Bytes of the written data, in memory.
    seconds
        Duration of the call.
    """

    written: int
    failed: tuple[FailedWrite, ...]
    skipped: int
    bytes: int
    seconds: float

    def __str__(self) -> str:
        rest = [f", {n} {what}" for n, what in ((len(self.failed), "failed"), (self.skipped, "skipped")) if n]
        return f"{self.written} written{''.join(rest)}, {self.bytes} bytes in {self.seconds:.3g} s"

    def _repr_html_(self) -> str:
        from exzarr._html.fragments import facts, folded, framed, items

        amount = f"{self.written:,} items, {human_bytes(self.bytes)} in {self.seconds:.3g} s"
        failed = items([str(one) for one in self.failed])
        return framed(
            facts([("Written", amount), ("Skipped", f"{self.skipped:,}")]),
            folded("Failed", failed, f"({len(self.failed):,})", opened=True) if failed else "",
        )


def write_stream(
    array: StoredArray,
    items: Iterable[Any],
    options: StreamOptions,
    *,
    max_pending: int | None = None,
    checkpoint: str | os.PathLike[str] | Callable[[Region], object] | None = None,
    copy: bool = True,
    casting: Casting = "same_kind",
) -> WriteReport:
    """Write the items of a producer to `array`; see `Array.write_stream`."""
    check_casting(casting)
    if max_pending is not None and (type(max_pending) is not int or max_pending < 1):
        raise ArgumentError(f"max_pending must be a positive number of items, not {max_pending!r}")
    workers = options.workers
    if workers is None:
        shape = array.metadata.chunk_grid.max_chunk_shape
        workers = in_flight(array.store, math.prod(shape) * array.dtype.itemsize)
    iterator = iter(items)
    stop, started = Stop(), time.monotonic()
    total = len(items) if isinstance(items, Sized) else items.total if isinstance(items, Stream) else None
    opened: Any = checkpoint
    if checkpoint is not None and not callable(checkpoint):
        opened = Checkpoint(checkpoint, array.path, str(array.metadata.data_type))
    meter = options.meter(total, "items", stream="write_stream", array=array.path)
    with config.override(workers=1):  # each thread writes alone
        window: Window[Task, list[BaseException | None]] = Window(
            BoxWriter(array, options.retry, stop), (), workers=workers, prefetch=0, ordered=False, stop=stop
        )
    writer = Writer(
        array,
        window,
        copy=copy,
        casting=casting,
        most=_limit(max_pending, 2 * options.threads),
        options=options,
        checkpoint=opened,
        meter=meter,
    )
    try:
        _consume(iterator, writer)
        meter.finish()
    except BaseException as error:
        window.close(wait=may_wait(error))
        raise
    finally:
        window.close(wait=False)
        if isinstance(opened, Checkpoint):
            opened.close()
        meter.close()
    return WriteReport(
        writer.written, tuple(writer.failed), writer.skipped, writer.nbytes, time.monotonic() - started
    )


def _consume(items: Iterator[Any], writer: Writer) -> None:
    """Write all items. If `items` raises, write the items before the error first."""
    while True:
        try:
            given = next(items)
        except StopIteration:
            break
        except Exception:
            writer.flush()
            raise
        writer.take(given)
        del given
    writer.flush()


def _limit(most: int | None, least: int) -> Callable[[int, int], bool]:
    """Return a predicate: are this many items with this many bytes as much as may be pending?"""
    if most is not None:
        return lambda items, _: items >= most
    return lambda items, nbytes: items >= least and nbytes >= PENDING_NBYTES
