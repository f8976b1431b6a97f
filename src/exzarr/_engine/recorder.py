"""Measure one read or write chunk by chunk, and emit an event for each chunk.

A read or write has one `ChunkRecorder` while a hook is registered, and none otherwise. Each of its worker threads has
a `WorkerTimer`. The recorder gets its data from three sources:

- the instrumented store reports the key, bytes and seconds of each request;
- timed pipelines (`ChunkRecorder.timed`) report the bytes and seconds of each call;
- the engine's loops report, once per run or batch, the chunks of these calls.

The time between two such calls is the engine's own work and is reported as copying. Therefore the phases of a thread
add up to its total time. Design note 008 explains the choice.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from copy import copy
from typing import TYPE_CHECKING, Any, TypeVar

from exzarr import telemetry
from exzarr._engine.remote.requests import in_request
from exzarr._engine.worker_timer import ChunkRecord, WorkerTimer
from exzarr._typing import AnyArray
from exzarr.codecs.pipeline import BoundPipeline
from exzarr.stores.base import Buffer
from exzarr.telemetry.events import CacheHit, ChunkRead, ChunkWritten, Locate, RequestKind, now

if TYPE_CHECKING:
    from exzarr._engine.source import ChunkSource

__all__ = ["ChunkRecorder"]

T = TypeVar("T")


class ChunkRecorder:
    """Measurements of one read or write.

    Parameters
    ----------
    hooks
        The hooks that receive the events.
    source
        The array, not instrumented.
    locate
        Function that returns the index of a chunk from its key and number, for the events.
    writing
        True for a write. It also reads partial chunks.
    """

    def __init__(self, hooks: telemetry.Hooks, source: ChunkSource, locate: Locate, *, writing: bool) -> None:
        self.hooks = hooks
        self.source = source
        self.writing = writing
        self._names: dict[str, Any] = {"store": source.store.url, "array": source.path, "locate": locate}
        self._local = threading.local()
        self._timers: list[WorkerTimer] = []
        self._lock = threading.Lock()
        self._fetched: dict[str, float] = {}
        """Seconds of requests made in request threads, by key."""
        self._encoded: dict[str, list[ChunkRecord]] = {}
        """Chunks that are encoded and not yet stored, by key."""

    def timer(self) -> WorkerTimer:
        """Return the timer of this thread."""
        found: WorkerTimer | None = getattr(self._local, "timer", None)
        if found is None:
            found = self._local.timer = WorkerTimer()
            self._timers.append(found)
        return found

    # -- workers -------------------------------------------------------------------

    def work(self, job: Callable[[Any], None], feed: Any) -> None:
        """Call ``job(feed)`` in a worker. Count the time to take items as waiting."""
        self.timer().resume()
        job(self.waiting_for(feed))

    def waiting_for(self, feed: Any) -> TimedFeed:
        """Return `feed`, a `WorkFeed` or `RequestWindow`, wrapped so that taking items counts as waiting."""
        return TimedFeed(feed, self)

    def finish(self) -> None:
        """Emit the remaining events, after all workers have returned."""
        for timer in self._timers:
            self.settle(timer)

    # -- requests (`stores.instrumented.RequestRecorder`) ------------------------------

    def requesting(self, key: str) -> None:
        timer = self.timer()
        if in_request():
            timer.resume()  # request threads are idle between two requests
        else:
            timer.own()
        if not self.writing:
            self.settle(timer)
        timer.at(key)

    def requested(self, kind: RequestKind, key: str, nbytes: int, seconds: float, found: bool) -> None:
        timer = self.timer()
        if kind in ("put", "delete"):
            self._stored(timer, kind, key, seconds)
        elif in_request():  # another thread decodes it
            with self._lock:
                self._fetched[key] = self._fetched.get(key, 0.0) + seconds
        else:
            timer.fetching[key] = timer.fetching.get(key, 0.0) + seconds
        if self.writing and not found:
            timer.add(ChunkRecord(key, None, False, 0, 0))
        timer.resume()

    def opened(self, key: str) -> None:
        self.timer().resume()

    def updating(self, key: str, waited: float) -> None:
        timer = self.timer()
        timer.waiting += waited
        timer.resume()
        self._encoded.pop(key, None)  # discard an earlier attempt

    def updated(self, key: str) -> None:
        self.timer().own()

    def _stored(self, timer: WorkerTimer, kind: RequestKind, key: str, seconds: float) -> None:
        """Emit the chunks encoded for `key`, which were stored or deleted."""
        chunks = self._encoded.pop(key, [])
        if kind == "delete":
            self._settle_old(timer)
            source = self.source
            shape = source.grid.chunk_shape_at(source.index(key))
            chunks = [ChunkRecord(key, None, False, 0, math.prod(shape) * source.dtype.itemsize, at=now())]
        share = 1 / max(1, len(chunks))
        for chunk in chunks:
            self._emit(
                ChunkWritten,
                chunk,
                timer,
                waiting=chunk.waiting + timer.waiting * share,
                copying=chunk.copying + timer.copying * share,
                encoding=chunk.coding,
                putting=seconds * share,
            )
        timer.waiting = timer.copying = 0.0

    # -- codecs ----------------------------------------------------------------------

    def timed(self, pipeline: BoundPipeline) -> BoundPipeline:
        """Return a copy of `pipeline` whose calls are measured."""
        nbytes = pipeline.spec.nbytes
        timed = copy(pipeline)
        timed.decode = self._decoding(pipeline.decode, nbytes)
        timed.decode_into = self._decoding(pipeline.decode_into, nbytes)
        timed.decode_bytes = self._decoding(pipeline.decode_bytes, nbytes)
        if (decode_each := pipeline.decode_each) is not None:
            timed.decode_each = lambda datas: self.coded(decode_each, datas)
        timed.encode = self._encoding(pipeline.encode, nbytes)
        return timed

    def _decoding(self, call: Callable[..., T], nbytes: int) -> Callable[..., T]:
        def decode(data: Buffer, *out: AnyArray) -> T:
            timer = self.timer()
            timer.own()
            try:
                result = call(data, *out)
            except BaseException:  # the chunk may be read again
                timer.coding += timer.lap()
                raise
            seconds = timer.lap()
            timer.add(ChunkRecord(*timer.where(), True, len(data), nbytes, coding=seconds))
            timer.resume()
            return result

        return decode

    def _encoding(self, call: Callable[[AnyArray], Buffer], nbytes: int) -> Callable[[AnyArray], Buffer]:
        def encode(array: AnyArray) -> Buffer:
            timer = self.timer()
            timer.own()
            self._settle_old(timer)
            timer.resume()
            data = call(array)
            seconds = timer.lap()
            key, number = timer.where()
            chunk = ChunkRecord(
                key, number, True, len(data), nbytes, timer.waiting, 0.0, seconds, timer.copying, now()
            )
            timer.waiting = timer.copying = 0.0
            self._encoded.setdefault(key, []).append(chunk)
            timer.resume()
            return data

        return encode

    def coded(self, call: Callable[..., T], *args: Any) -> T:
        """Return ``call(*args)``. Count its time, except its requests, as decoding."""
        timer = self.timer()
        timer.own()
        timer.in_codec = True
        try:
            return call(*args)
        finally:
            timer.own()
            timer.in_codec = False

    # -- events ----------------------------------------------------------------------

    def absent(self, key: str, number: int | None = None) -> None:
        """Record a missing chunk, which reads as the fill value."""
        timer = self.timer()
        timer.own()
        timer.add(ChunkRecord(key, number, False, 0, 0))
        timer.resume()

    def hit(self, cache: str, key: str, nbytes: int) -> None:
        """Record a cache hit."""
        telemetry.emit(CacheHit(cache, key, nbytes, self._names["store"], self._names["array"]), self.hooks)
        self.timer().resume()

    def settle(self, timer: WorkerTimer) -> None:
        """Emit the chunks that were read and copied, and share out their common time."""
        chunks = [*timer.chunks.values()]
        if not chunks:
            return
        timer.chunks = {}
        by_key: dict[str, list[ChunkRecord]] = {}
        for chunk in chunks:
            by_key.setdefault(chunk.key, []).append(chunk)
        for key, group in by_key.items():
            seconds = timer.fetching.pop(key, 0.0)
            if self._fetched:
                with self._lock:
                    seconds += self._fetched.pop(key, 0.0)
            size = sum(chunk.bytes_stored for chunk in group)
            for chunk in group:
                chunk.fetching += seconds * (chunk.bytes_stored / size if size else 1 / len(group))
        decoded = sum(chunk.stored for chunk in chunks)
        coding, share = timer.coding / max(1, decoded), 1 / len(chunks)
        for chunk in chunks:
            self._emit(
                ChunkRead,
                chunk,
                timer,
                waiting=chunk.waiting + timer.waiting * share,
                fetching=chunk.fetching,
                decoding=chunk.coding + (coding if chunk.stored else 0.0),
                copying=chunk.copying + timer.copying * share,
            )
        timer.waiting = timer.copying = 0.0
        if decoded:
            timer.coding = 0.0
        timer.resume()

    def _settle_old(self, timer: WorkerTimer) -> None:
        """Emit the chunks that a write has read. The time to copy them belongs to the written chunk."""
        waiting, copying = timer.waiting, timer.copying
        timer.waiting = timer.copying = 0.0
        self.settle(timer)
        timer.waiting, timer.copying = waiting, copying

    def _emit(
        self, event: type[ChunkRead | ChunkWritten], chunk: ChunkRecord, timer: WorkerTimer, **seconds: Any
    ) -> None:
        telemetry.emit(
            event(
                key=chunk.key,
                number=chunk.number,
                stored=chunk.stored,
                bytes_stored=chunk.bytes_stored,
                bytes_decoded=chunk.bytes_decoded,
                at=chunk.at,
                thread=timer.thread,
                **self._names,
                **seconds,
            ),
            self.hooks,
        )


class TimedFeed:
    """See `ChunkRecorder.waiting_for`."""

    __slots__ = ("_feed", "_recorder")

    def __init__(self, feed: Any, recorder: ChunkRecorder) -> None:
        self._feed = feed
        self._recorder = recorder

    def take(self) -> Any:
        """Take items; see `WorkFeed.take`. The items taken before are finished."""
        timer = self._recorder.timer()
        timer.own()
        if not self._recorder.writing:
            self._recorder.settle(timer)
        taken = self._feed.take()
        timer.waited()
        return taken

    def stop(self, *error: BaseException) -> None:
        """See `WorkFeed.stop`."""
        self._feed.stop(*error)
