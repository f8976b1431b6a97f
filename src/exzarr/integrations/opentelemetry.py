"""Spans and metrics for OpenTelemetry (https://opentelemetry.io/docs/languages/python/).

>>> from exzarr import telemetry
>>> from exzarr.integrations.opentelemetry import OpenTelemetry
>>> telemetry.add_hook(OpenTelemetry())  # doctest: +SKIP

They go to the providers that the program has configured in OpenTelemetry.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from exzarr.errors import MissingDependencyError
from exzarr.telemetry import (
    CacheHit,
    ChunkRead,
    ChunkWritten,
    Event,
    Retried,
    SelectionRead,
    SelectionWritten,
    StoreRequest,
)
from exzarr.telemetry.figures import READ_PHASES, WRITE_PHASES

__all__ = ["OpenTelemetry"]

NAME = "exzarr"


class OpenTelemetry:
    """A hook that turns events into spans and metrics.

    **Spans** are children of the span that is current where exzarr is called. Each selection makes one span,
    ``exzarr.read`` or ``exzarr.write``, with the attributes ``exzarr.store``, ``exzarr.array``, ``exzarr.chunks`` and
    ``exzarr.bytes``. Failed ones have the status ERROR. With `requests`, each request to a store also makes one:
    ``exzarr.get``, ``exzarr.put``, ..., with ``exzarr.store``, ``exzarr.key`` and ``exzarr.bytes``.

    **Metrics** have no paths or keys as attributes, because their number is unlimited:

    ===============================  =========  ====  ==========================================
    ``exzarr.selection.duration``    histogram  s     ``operation``, ``error``
    ``exzarr.selection.bytes``       counter    By    ``operation``
    ``exzarr.chunks``                counter          ``operation``, ``stored``
    ``exzarr.chunk.bytes``           counter    By    ``operation``, ``form`` (stored, decoded)
    ``exzarr.chunk.time``            counter    s     ``operation``, ``phase``
    ``exzarr.request.duration``      histogram  s     ``kind``, ``found``, ``error``
    ``exzarr.request.bytes``         counter    By    ``kind``
    ``exzarr.retries``               counter
    ``exzarr.cache.hits``            counter          ``cache``
    ===============================  =========  ====  ==========================================

    Parameters
    ----------
    requests
        Also make a span for each request. Each chunk has at least one request.
    attributes
        Attributes to add to all spans and metrics.
    tracer_provider, meter_provider
        Providers to use instead of the program's.

    Raises
    ------
    MissingDependencyError
        OpenTelemetry's API is not installed (``pip install 'exzarr[otel]'``).
    """

    def __init__(
        self,
        *,
        requests: bool = False,
        attributes: Mapping[str, Any] | None = None,
        tracer_provider: Any = None,
        meter_provider: Any = None,
    ) -> None:
        try:
            from opentelemetry import metrics, trace
        except ImportError:
            raise MissingDependencyError(
                "OpenTelemetry's API is not installed: pip install 'exzarr[otel]'"
            ) from None
        from exzarr import __version__

        self._trace = trace
        self._requests = requests
        self._common = dict(attributes or {})
        self._tracer = trace.get_tracer(NAME, __version__, tracer_provider)
        meter = metrics.get_meter(NAME, __version__, meter_provider)
        self._selection_duration = meter.create_histogram(
            "exzarr.selection.duration", "s", "Time to read or write a selection"
        )
        self._selection_bytes = meter.create_counter(
            "exzarr.selection.bytes", "By", "Bytes in memory of the selected elements"
        )
        self._chunks = meter.create_counter("exzarr.chunks", "{chunk}", "Chunks read or written")
        self._chunk_bytes = meter.create_counter(
            "exzarr.chunk.bytes", "By", "Bytes of chunks, stored and decoded"
        )
        self._chunk_time = meter.create_counter(
            "exzarr.chunk.time", "s", "Thread time spent on chunks, by phase"
        )
        self._request_duration = meter.create_histogram(
            "exzarr.request.duration", "s", "Time of a request to a store"
        )
        self._request_bytes = meter.create_counter(
            "exzarr.request.bytes", "By", "Bytes read from and written to stores"
        )
        self._retries = meter.create_counter("exzarr.retries", "{retry}", "Retries")
        self._hits = meter.create_counter("exzarr.cache.hits", "{hit}", "Requests that a cache answered")

    def __call__(self, event: Event) -> None:
        """Turn `event` into spans and metrics."""
        match event:
            case SelectionRead() | SelectionWritten():
                self._selection(event)
            case ChunkRead() | ChunkWritten():
                self._chunk(event)
            case StoreRequest():
                self._request(event)
            case Retried():
                self._retries.add(1, self._common)
            case CacheHit():
                self._hits.add(1, {**self._common, "cache": event.cache})

    def _selection(self, event: SelectionRead | SelectionWritten) -> None:
        operation = _operation(event)
        self._selection_duration.record(
            event.seconds, {**self._common, "operation": operation, "error": bool(event.error)}
        )
        self._selection_bytes.add(event.bytes, {**self._common, "operation": operation})
        attributes = {
            "exzarr.store": event.store,
            "exzarr.array": event.array,
            "exzarr.chunks": event.chunks,
            "exzarr.bytes": event.bytes,
        }
        self._span(f"exzarr.{operation}", event.at, event.seconds, event.error, attributes)

    def _chunk(self, event: ChunkRead | ChunkWritten) -> None:
        common = {**self._common, "operation": _operation(event)}
        self._chunks.add(1, {**common, "stored": event.stored})
        self._chunk_bytes.add(event.bytes_stored, {**common, "form": "stored"})
        self._chunk_bytes.add(event.bytes_decoded, {**common, "form": "decoded"})
        for phase in READ_PHASES if isinstance(event, ChunkRead) else WRITE_PHASES:
            seconds = getattr(event, phase)
            if seconds > 0:
                self._chunk_time.add(seconds, {**common, "phase": phase})

    def _request(self, event: StoreRequest) -> None:
        common = {**self._common, "kind": event.kind}
        self._request_duration.record(
            event.seconds, {**common, "found": event.found, "error": bool(event.error)}
        )
        self._request_bytes.add(event.bytes, common)
        if self._requests:
            attributes = {
                "exzarr.store": event.store,
                "exzarr.key": event.key,
                "exzarr.bytes": event.bytes,
                "exzarr.found": event.found,
            }
            self._span(f"exzarr.{event.kind}", event.at, event.seconds, event.error, attributes)

    def _span(self, name: str, at: float, seconds: float, error: str, attributes: Mapping[str, Any]) -> None:
        """Make a span of an operation that has ended."""
        trace = self._trace
        span = self._tracer.start_span(
            name,
            kind=trace.SpanKind.CLIENT,
            attributes={**self._common, **attributes},
            start_time=int((at - seconds) * 1e9),
        )
        if error:
            span.set_status(trace.Status(trace.StatusCode.ERROR, error))
        span.end(end_time=int(at * 1e9))


def _operation(event: Event) -> str:
    return "read" if isinstance(event, SelectionRead | ChunkRead) else "write"
