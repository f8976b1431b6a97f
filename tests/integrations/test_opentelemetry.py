"""Spans and metrics, received by OpenTelemetry's in-memory exporters."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

import exzarr
from exzarr import config, telemetry
from exzarr.errors import ChunkCorruptError, MissingDependencyError
from exzarr.integrations.opentelemetry import OpenTelemetry
from exzarr.telemetry import CacheHit, Retried
from exzarr.telemetry.figures import READ_PHASES, WRITE_PHASES


class Backend:
    """Exporters of spans and metrics, and a hook that sends to them."""

    def __init__(self, **options: Any) -> None:
        self.spans = InMemorySpanExporter()
        traces = TracerProvider()
        traces.add_span_processor(SimpleSpanProcessor(self.spans))
        self.tracer = traces.get_tracer("test")
        self._reader = InMemoryMetricReader()
        meters = MeterProvider([self._reader])
        self.hook = OpenTelemetry(tracer_provider=traces, meter_provider=meters, **options)

    def metric(self, name: str) -> dict[tuple[Any, ...], Any]:
        """Return the points of a metric by their attributes, sorted by name."""
        data = self._reader.get_metrics_data()
        assert data is not None
        for metric in data.resource_metrics[0].scope_metrics[0].metrics:
            if metric.name == name:
                return {tuple(sorted(point.attributes.items())): point for point in metric.data.data_points}
        raise AssertionError(f"missing metric {name}")

    def values(self, name: str) -> dict[tuple[Any, ...], Any]:
        return {of: point.value for of, point in self.metric(name).items()}


@pytest.fixture
def array() -> exzarr.Array:
    array = exzarr.create_array(exzarr.MemoryStore(), name="a", shape=(20, 20), chunks=(10, 10), dtype="i4")
    array[:10] = np.arange(200).reshape(10, 20)
    return array


def test_each_selection_makes_span_below_current_span(array: exzarr.Array) -> None:
    backend = Backend(attributes={"job": 7})
    with telemetry.listening(backend.hook), backend.tracer.start_as_current_span("work"):
        array[...]
        array[0, 0] = 5
    read, write, work = backend.spans.get_finished_spans()
    assert [span.name for span in (read, write)] == ["exzarr.read", "exzarr.write"]
    assert dict(read.attributes or {}) == {
        "job": 7,
        "exzarr.store": array.store.url,
        "exzarr.array": "a",
        "exzarr.chunks": 4,
        "exzarr.bytes": 1600,
    }
    assert work.context is not None
    for span in (read, write):
        assert span.parent is not None
        assert span.parent.span_id == work.context.span_id
        assert work.start_time <= span.start_time <= span.end_time <= work.end_time
        assert span.status.status_code is StatusCode.UNSET
    assert read.end_time <= write.start_time


def test_request_spans_include_other_threads() -> None:
    array = exzarr.create_array(
        exzarr.MemoryStore(), shape=(512, 512), chunks=(64, 64), dtype="f8", compressors="gzip"
    )
    array[...] = np.random.default_rng(0).normal(size=(512, 512))
    backend = Backend(requests=True)
    with (
        config.override(workers=2, inline_bytes=0),
        telemetry.listening(backend.hook),
        backend.tracer.start_as_current_span("work"),
    ):
        array[...]
    spans = backend.spans.get_finished_spans()
    (work,) = [span for span in spans if span.name == "work"]
    requests = [span for span in spans if span.name == "exzarr.get"]
    assert len(requests) == 64
    assert work.context is not None
    assert {span.parent.span_id for span in requests if span.parent} == {work.context.span_id}
    keys = {str((span.attributes or {})["exzarr.key"]) for span in requests}
    assert keys == {f"c/{i}/{j}" for i in range(8) for j in range(8)}


def test_failed_selection_has_status_error(array: exzarr.Array) -> None:
    array.store.put("a/c/0/0", b"no chunk")
    backend = Backend()
    with telemetry.listening(backend.hook), pytest.raises(ChunkCorruptError):
        array[...]
    (span,) = backend.spans.get_finished_spans()
    assert span.status.status_code is StatusCode.ERROR
    assert "ChunkCorruptError" in (span.status.description or "")
    (point,) = backend.metric("exzarr.selection.duration").items()
    assert point[0] == (("error", True), ("operation", "read"))


def test_metrics_equal_profile(array: exzarr.Array) -> None:
    backend = Backend()
    with telemetry.listening(backend.hook), exzarr.profile() as report:
        array[...]
        array[:5] = 1
    read, written = report.total("read"), report.total("write")
    assert backend.values("exzarr.chunks") == {
        (("operation", "read"), ("stored", True)): 2 + 2,  # two of them for partial writes
        (("operation", "read"), ("stored", False)): 2,
        (("operation", "write"), ("stored", True)): 2,
    }
    assert backend.values("exzarr.chunk.bytes") == {
        (("form", "stored"), ("operation", "read")): read.bytes_stored,
        (("form", "decoded"), ("operation", "read")): read.bytes_decoded,
        (("form", "stored"), ("operation", "write")): written.bytes_stored,
        (("form", "decoded"), ("operation", "write")): written.bytes_decoded,
    }
    assert backend.values("exzarr.selection.bytes") == {
        (("operation", "read"),): 1600,
        (("operation", "write"),): 400,
    }
    times = backend.values("exzarr.chunk.time")
    for operation, phases in (("read", READ_PHASES), ("write", WRITE_PHASES)):
        for phase in phases:
            spent = report.phases[operation][phase]
            assert times.get((("operation", operation), ("phase", phase)), 0) == pytest.approx(spent)
    durations = backend.metric("exzarr.selection.duration")
    point = durations[(("error", False), ("operation", "read"))]
    assert (point.count, point.sum) == (1, read.seconds)
    url = array.store.url
    requests = backend.metric("exzarr.request.duration")
    counts = {of: point.count for of, point in requests.items()}
    assert counts == {
        (("error", False), ("found", True), ("kind", "get")): 4,
        (("error", False), ("found", False), ("kind", "get")): 2,
        (("error", False), ("found", True), ("kind", "put")): 2,
    }
    assert backend.values("exzarr.request.bytes") == {
        (("kind", kind),): report.requests[url, kind].bytes for kind in ("get", "put")
    }


def test_retries_and_cache_hits_are_counted() -> None:
    backend = Backend(attributes={"job": 7})
    backend.hook(Retried("get 'c/0'", 1, 0.1, "timed out"))
    backend.hook(CacheHit("chunks", "c/0", 10))
    backend.hook(CacheHit("chunks", "c/1", 10))
    assert backend.values("exzarr.retries") == {(("job", 7),): 1}
    assert backend.values("exzarr.cache.hits") == {(("cache", "chunks"), ("job", 7)): 2}


def test_missing_api_error_names_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    with pytest.raises(MissingDependencyError, match=r"exzarr\[otel\]"):
        OpenTelemetry()
