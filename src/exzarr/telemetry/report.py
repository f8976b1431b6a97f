"""Report of a profile: what a block of a program read and wrote, and where it spent time and bytes."""

from __future__ import annotations

import heapq
import json
import os
import threading
import time
from collections.abc import Iterable
from dataclasses import asdict
from itertools import count
from typing import TYPE_CHECKING, Any, Literal

from exzarr.telemetry.events import (
    CacheHit,
    ChunkRead,
    ChunkWritten,
    Event,
    IngestProgress,
    Retried,
    SelectionRead,
    SelectionWritten,
    StoreRequest,
    StreamProgress,
)
from exzarr.telemetry.figures import (
    READ_PHASES,
    WRITE_PHASES,
    ArrayUse,
    CacheUse,
    RequestUse,
    Span,
    add,
    by_phase,
    total,
)

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Report"]

SLOWEST = 10
"""Number of slowest chunks that a report keeps."""

MOST_SPANS = 50_000
"""Most intervals of the timeline that a report keeps. Later ones are only counted."""


Place = tuple[str, str]
"""(store, path of the array)"""


class Report:
    """Results of a profile. Printing it shows a summary; a notebook shows tables.

    A report is a hook: it can be called with events. `exzarr.profile` returns one.

    Attributes
    ----------
    read, written
        `ArrayUse` by store and path of the array.
    requests
        `RequestUse` by store and kind of request.
    caches
        `CacheUse` by name of the cache.
    streams
        Latest progress of each stream and ingestion.
    retries
        Number of retries.
    slowest
        The slowest chunks, as events, the slowest first.
    spans, spans_left_out
        The timeline, and how many intervals came after it was full.
    threads
        The threads that worked: (process, thread).
    """

    def __init__(self) -> None:
        self.read: dict[Place, ArrayUse] = {}
        self.written: dict[Place, ArrayUse] = {}
        self.requests: dict[tuple[str, str], RequestUse] = {}
        self.caches: dict[str, CacheUse] = {}
        self.streams: dict[tuple[str, str], StreamProgress | IngestProgress] = {}
        self.retries = 0
        self.spans: list[Span] = []
        self.spans_left_out = 0
        self.threads: set[tuple[int, int]] = set()
        self._slowest: list[tuple[float, int, ChunkRead | ChunkWritten]] = []
        self._number = count()
        self._process = os.getpid()
        self._began = time.perf_counter()
        self._seconds: float | None = None
        self._lock = threading.RLock()

    # -- collecting ----------------------------------------------------------------

    def __call__(self, event: Event) -> None:
        """Add `event`. Ignored after `end`, and in a forked child."""
        if self._seconds is not None or os.getpid() != self._process:
            return
        with self._lock:
            self._take(event)

    def end(self) -> None:
        """Stop adding events."""
        if self._seconds is None:
            self._seconds = time.perf_counter() - self._began

    def merge(self, other: Report | Iterable[Event]) -> Report:
        """Add another report, or events, for example of another process. Return this report.

        `seconds` does not change, because the other process worked during the same time.
        """
        if not isinstance(other, Report):
            with self._lock:
                for event in other:
                    self._take(event)
            return self
        with self._lock:
            for mine, theirs in ((self.read, other.read), (self.written, other.written)):
                for place, use in theirs.items():
                    add(mine.setdefault(place, ArrayUse()), use)
            for request, asked in other.requests.items():
                add(self.requests.setdefault(request, RequestUse()), asked)
            for cache, hits in other.caches.items():
                add(self.caches.setdefault(cache, CacheUse()), hits)
            self.streams.update(other.streams)
            self.retries += other.retries
            self.threads |= other.threads
            for span in other.spans:
                self._keep_span(span)
            self.spans_left_out += other.spans_left_out
            for event in other.slowest:
                self._keep_slowest(event)
        return self

    def _take(self, event: Event) -> None:
        match event:
            case ChunkRead():
                self._take_chunk(self.read, event, READ_PHASES)
                self._span("decoding", event, event.decoding, event.bytes_decoded)
            case ChunkWritten():
                self._take_chunk(self.written, event, WRITE_PHASES)
                self._span("encoding", event, event.encoding, event.bytes_decoded)
            case StoreRequest():
                self._take_request(event)
            case SelectionRead():
                self._take_selection(self.read, event)
            case SelectionWritten():
                self._take_selection(self.written, event)
            case CacheHit():
                cache = self.caches.setdefault(event.cache, CacheUse())
                cache.hits += 1
                cache.bytes += event.bytes
                if event.request:
                    asked = self.requests.setdefault((event.store, event.request), RequestUse())
                    asked.cached += 1
                    asked.cached_bytes += event.bytes
            case Retried():
                self.retries += 1
            case StreamProgress():
                self.streams[event.stream, event.array] = event
            case IngestProgress():
                self.streams[event.source, event.target] = event

    def _take_chunk(
        self, uses: dict[Place, ArrayUse], event: ChunkRead | ChunkWritten, phases: tuple[str, ...]
    ) -> None:
        use = uses.setdefault((event.store, event.array), ArrayUse())
        use.chunks += 1
        use.absent += not event.stored
        use.bytes_stored += event.bytes_stored
        use.bytes_decoded += event.bytes_decoded
        for phase in phases:
            use.phases[phase] = use.phases.get(phase, 0.0) + getattr(event, phase)
        self.threads.add((event.process, event.thread))
        self._keep_slowest(event)

    def _take_selection(self, uses: dict[Place, ArrayUse], event: SelectionRead | SelectionWritten) -> None:
        use = uses.setdefault((event.store, event.array), ArrayUse())
        use.selections += 1
        use.failed += bool(event.error)
        use.bytes_wanted += event.bytes
        use.seconds += event.seconds

    def _take_request(self, event: StoreRequest) -> None:
        use = self.requests.setdefault((event.store, event.kind), RequestUse())
        use.requests += 1
        use.missing += not event.found
        use.failed += bool(event.error)
        use.bytes += event.bytes
        use.seconds += event.seconds
        phase = {"get": "fetching", "range": "fetching", "put": "putting"}.get(event.kind, "other requests")
        self._span(phase, event, event.seconds, event.bytes)

    def _span(self, phase: str, event: Event, seconds: float, nbytes: int) -> None:
        if seconds:
            self._keep_span(Span(phase, event.at - seconds, event.at, event.thread, event.process, nbytes))

    def _keep_span(self, span: Span) -> None:
        if len(self.spans) < MOST_SPANS:
            self.spans.append(span)
        else:
            self.spans_left_out += 1

    def _keep_slowest(self, event: ChunkRead | ChunkWritten) -> None:
        kept = self._slowest
        if len(kept) < SLOWEST:
            heapq.heappush(kept, (event.seconds, next(self._number), event))
        elif event.seconds > kept[0][0]:
            heapq.heapreplace(kept, (event.seconds, next(self._number), event))

    # -- results ----------------------------------------------------------------------

    @property
    def seconds(self) -> float:
        """Seconds from start to end, or until now."""
        return time.perf_counter() - self._began if self._seconds is None else self._seconds

    @property
    def slowest(self) -> list[ChunkRead | ChunkWritten]:
        """The slowest chunks, as events, the slowest first."""
        return [event for _, _, event in sorted(self._slowest, key=lambda item: (-item[0], item[1]))]

    @property
    def phases(self) -> dict[str, dict[str, float]]:
        """Thread time in seconds by phase, over all arrays, for ``read`` and ``write``."""
        return {
            "read": by_phase(self.read.values(), READ_PHASES),
            "write": by_phase(self.written.values(), WRITE_PHASES),
        }

    def total(self, what: Literal["read", "write"]) -> ArrayUse:
        """Return the sum of all reads, or of all writes, over all arrays."""
        return total((self.read if what == "read" else self.written).values())

    # -- showing ---------------------------------------------------------------------

    def asdict(self) -> dict[str, Any]:
        """Return all figures as dicts, lists, strings and numbers, without the timeline."""
        return {
            "seconds": self.seconds,
            "threads": len(self.threads),
            "phases": self.phases,
            "arrays": [
                {"operation": operation, "store": store, "array": array, **asdict(use)}
                | {"amplification": use.amplification}
                for operation, uses in (("read", self.read), ("write", self.written))
                for (store, array), use in uses.items()
            ],
            "requests": [
                {"store": store, "kind": kind, **asdict(use)} for (store, kind), use in self.requests.items()
            ],
            "caches": {name: asdict(use) for name, use in self.caches.items()},
            "retries": self.retries,
            "streams": [asdict(event) for event in self.streams.values()],
            "slowest": [*map(_chunk_dict, self.slowest)],
        }

    def to_json(self) -> str:
        """Return the figures of `asdict` as JSON."""
        return json.dumps(self.asdict(), indent=2)

    def plot(self, path: str | os.PathLike[str]) -> Path:
        """Draw the timeline to the file `path` and return the path.

        Parameters
        ----------
        path
            The file. Its suffix selects the format: ``.png``, ``.svg``, ``.pdf``.

        Returns
        -------
        Path
            The file.

        Raises
        ------
        MissingDependencyError
            matplotlib is not installed (``pip install 'exzarr[demo]'``).
        ArgumentError
            The report has no timeline.

        Notes
        -----
        The upper part has one row per thread: when it fetched, decoded, encoded and put. The lower part shows bytes per
        second.
        """
        from exzarr.telemetry.plot import plot

        return plot(self, path)

    def __str__(self) -> str:
        from exzarr.telemetry.show import text

        return text(self)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        from exzarr.telemetry.show import html

        return html(self)

    # -- pickling ---------------------------------------------------------------

    def __getstate__(self) -> dict[str, Any]:
        state = {name: value for name, value in vars(self).items() if name not in ("_lock", "_number")}
        return {**state, "_seconds": self.seconds}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._lock = threading.RLock()
        self._number = count(SLOWEST)


def _chunk_dict(event: ChunkRead | ChunkWritten) -> dict[str, Any]:
    reading = isinstance(event, ChunkRead)
    return {
        "operation": "read" if reading else "write",
        "store": event.store,
        "array": event.array,
        "index": [*event.index],
        "key": event.key,
        "bytes_stored": event.bytes_stored,
        "bytes_decoded": event.bytes_decoded,
        "seconds": event.seconds,
        **{phase: getattr(event, phase) for phase in (READ_PHASES if reading else WRITE_PHASES)},
    }
