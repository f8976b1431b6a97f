"""Profiles: figures, threads, forks, other processes, exceptions, and output."""

from __future__ import annotations

import json
import os
import pickle
import re
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import exzarr
from exzarr import config, telemetry
from exzarr.errors import ArgumentError, ChunkCorruptError
from exzarr.telemetry import CacheHit, IngestProgress, Report, Retried, StreamProgress
from exzarr.telemetry.figures import READ_PHASES, WRITE_PHASES
from exzarr.telemetry.report import MOST_SPANS, SLOWEST
from exzarr.telemetry.units import human_bytes, human_seconds, human_speed


def filled(store: Any, path: str = "", *, seed: int = 0, **options: Any) -> exzarr.Array:
    chosen = {"shape": (64, 64), "chunks": (16, 16), "dtype": "i4", **options}
    array = exzarr.create_array(store, name=path, **chosen)
    array[...] = np.random.default_rng(seed).integers(1, 100, array.shape)
    return array


def on_disk(folder: Path) -> int:
    return sum(
        path.stat().st_size for path in folder.rglob("*") if path.is_file() and path.name != "zarr.json"
    )


@pytest.mark.parametrize("shards", [None, (32, 32)])
def test_bytes_equal_file_sizes(tmp_path: Path, shards: Any) -> None:
    with exzarr.profile() as report:
        array = filled(str(tmp_path / "a.zarr"), shards=shards)
        array[...]
    written, read = report.total("write"), report.total("read")
    size = on_disk(tmp_path)
    index = 0 if shards is None else 4 * (4 * 16 + 4)
    assert written.bytes_stored == read.bytes_stored == size - index
    assert (
        written.bytes_decoded
        == read.bytes_decoded
        == written.bytes_wanted
        == read.bytes_wanted
        == 64 * 64 * 4
    )
    assert written.chunks == read.chunks == 16
    assert read.amplification == 1
    url = array.store.url
    assert {*report.read, *report.written} == {(url, "")}
    documents = (tmp_path / "a.zarr" / "zarr.json").stat().st_size
    assert report.requests[url, "put"].bytes == size + documents
    assert report.requests[url, "get" if shards is None else "range"].bytes == size


def test_figures_are_separate_by_array_and_store() -> None:
    one, other = exzarr.MemoryStore(), exzarr.MemoryStore()
    a, b, c = filled(one, "a"), filled(one, "b"), filled(other, "a")
    with exzarr.profile() as report:
        a[:16]
        b[:32]
        c[:]
        c[:]
        b[0, 0] = 1
    chunks = {place: use.chunks for place, use in report.read.items()}
    assert chunks == {(one.url, "a"): 4, (one.url, "b"): 8 + 1, (other.url, "a"): 32}
    assert {place: use.chunks for place, use in report.written.items()} == {(one.url, "b"): 1}
    assert report.read[other.url, "a"].selections == 2
    assert report.read[one.url, "b"].amplification == pytest.approx(9 / 8)
    assert report.requests[one.url, "get"].requests == 13
    assert report.requests[one.url, "put"].requests == 1
    assert report.requests[other.url, "get"].requests == 32


def test_missing_chunks_are_counted() -> None:
    array = exzarr.zeros((64, 64), chunks=(16, 16))
    array[:16] = 1
    with exzarr.profile() as report:
        array[...]
        array[:16] = 0
    assert (report.total("read").chunks, report.total("read").absent) == (16, 12)
    assert (report.total("write").chunks, report.total("write").absent) == (4, 4)
    assert report.requests[array.store.url, "get"].missing == 12


def test_phases_are_thread_time() -> None:
    array = filled(exzarr.MemoryStore(), shape=(256, 256), chunks=(32, 32))
    with config.override(workers=1), exzarr.profile() as report:
        array[...]
        array[...] = 1
    assert tuple(report.phases["read"]) == READ_PHASES
    assert tuple(report.phases["write"]) == WRITE_PHASES
    assert 0 < sum(report.phases["read"].values()) <= report.total("read").seconds
    assert 0 < sum(report.phases["write"].values()) <= report.total("write").seconds
    assert report.total("read").seconds + report.total("write").seconds <= report.seconds
    assert all(seconds >= 0 for phases in report.phases.values() for seconds in phases.values())


def test_profiles_can_be_nested() -> None:
    array = filled(exzarr.MemoryStore())
    with exzarr.profile() as outer:
        array[:16]
        with exzarr.profile() as inner:
            array[:]
        array[:16]
    assert (outer.total("read").chunks, inner.total("read").chunks) == (4 + 16 + 4, 16)
    assert not telemetry.hooks()


def test_report_is_complete_after_exception() -> None:
    store = exzarr.MemoryStore()
    array = filled(store)
    store.put("c/1/1", b"no chunk at all")

    def fail(reports: list[Report]) -> None:
        with exzarr.profile() as report:
            reports.append(report)
            array[...]

    reports: list[Report] = []
    with pytest.raises(ChunkCorruptError):
        fail(reports)
    (report,) = reports
    assert report.total("read").failed == 1
    assert report.total("read").selections == 1
    assert not telemetry.hooks()
    before = report.total("read")
    array[:16]
    assert report.total("read") == before
    assert "profile of" in str(report)


def test_other_threads_are_included_except_in_context_scope() -> None:
    array = filled(exzarr.MemoryStore())
    with (
        ThreadPoolExecutor(3) as pool,
        exzarr.profile() as whole,
        exzarr.profile(scope="context") as own,
    ):
        for done in [pool.submit(array.__getitem__, ...) for _ in range(6)]:
            done.result()
        array[:16]
    assert whole.total("read").chunks == 6 * 16 + 4
    assert own.total("read").chunks == 4


def test_context_scope_includes_exzarrs_threads() -> None:
    # Decoding is slow enough that other threads take part.
    array = filled(exzarr.MemoryStore(), shape=(1024, 1024), chunks=(64, 64), compressors="gzip", dtype="i8")
    with config.override(workers=3, inline_bytes=0), exzarr.profile(scope="context") as report:
        for _ in range(50):
            array[...]
            if len(report.threads) > 1:
                break
    assert len(report.threads) > 1
    assert report.total("read").chunks == 256 * report.total("read").selections


def test_events_of_many_threads_are_all_counted() -> None:
    array = filled(exzarr.MemoryStore())
    start = threading.Barrier(8, timeout=60)

    def work() -> None:
        start.wait()
        for _ in range(20):
            array[:16]

    with exzarr.profile() as report:
        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert report.total("read").chunks == 8 * 20 * 4
    assert report.requests[array.store.url, "get"].requests == 8 * 20 * 4
    assert report.total("read").selections == 8 * 20


# -- other processes ---------------------------------------------------------------------------


def test_merge_of_reports_of_other_processes(tmp_path: Path) -> None:
    array = filled(str(tmp_path / "a.zarr"))
    code = """
import pickle, sys, exzarr
array = exzarr.open_array(sys.argv[1])
with exzarr.profile() as report:
    array[:32]
sys.stdout.buffer.write(pickle.dumps(report))
"""
    command = [sys.executable, "-c", code, str(tmp_path / "a.zarr")]
    others = [pickle.loads(subprocess.run(command, check=True, capture_output=True).stdout) for _ in range(2)]
    with exzarr.profile() as report:
        array[:16]
    seconds = report.seconds
    for other in others:
        assert report.merge(other) is report
    place = (array.store.url, "")
    assert report.read[place].chunks == 4 + 2 * 8
    assert report.read[place].bytes_wanted == (16 + 2 * 32) * 64 * 4
    assert report.read[place].seconds >= sum(other.read[place].seconds for other in others)
    assert report.requests[array.store.url, "get"].requests == 20
    assert report.seconds == seconds
    assert len({process for process, _ in report.threads}) == 3
    assert {event.process for event in report.slowest} <= {process for process, _ in report.threads}
    assert all(event.index for event in report.slowest)
    assert len(report.spans) > 20


def test_merge_of_events_of_other_processes() -> None:
    array = filled(exzarr.MemoryStore())
    events: list[telemetry.Event] = []
    with telemetry.listening(events.append), exzarr.profile() as first:
        array[...]
    second = Report().merge(pickle.loads(pickle.dumps(events)))
    assert second.read == first.read
    assert second.requests == first.requests
    assert second.slowest == first.slowest


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
def test_forked_child_can_read_during_profile_of_parent() -> None:
    array = filled(exzarr.MemoryStore())
    with exzarr.profile() as report:
        taken, enough = threading.Event(), threading.Event()

        def hold() -> None:
            with report._lock:
                taken.set()
                enough.wait(60)

        # Simulate another thread that adds an event during the fork.
        other = threading.Thread(target=hold)
        other.start()
        try:
            assert taken.wait(60)
            child = os.fork()
            if not child:
                ok = int(array[...].sum()) > 0 and report.total("read").chunks == 0
                with exzarr.profile() as own:
                    array[...]
                os._exit(0 if ok and own.total("read").chunks == 16 else 1)
        finally:
            enough.set()
            other.join()
        _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert report.total("read").chunks == 0


# -- limits and counts ------------------------------------------------------------------------------


def test_report_size_is_limited() -> None:
    report = Report()
    for i in range(MOST_SPANS + 10):
        report(telemetry.StoreRequest("s", "get", "c/0", 1, 1e-3))
        if i < 100:
            chunk = telemetry.ChunkRead("s", "a", f"c/{i}", None, True, 1, 2, decoding=(i * 37) % 100)
            report(chunk)
    assert len(report.spans) == MOST_SPANS
    assert report.spans_left_out == 10 + 99  # a chunk with 0 seconds makes no span
    assert [event.seconds for event in report.slowest] == [*range(99, 99 - SLOWEST, -1)]


def test_caches_retries_and_streams_are_counted() -> None:
    report = Report()
    for event in (
        CacheHit("chunks", "c/0", 100),
        CacheHit("chunks", "c/1", 11),
        Retried("get 'c/0'", 1, 0.5, "timed out"),
        StreamProgress("chunk_stream", "a", 3, 10),
        StreamProgress("chunk_stream", "a", 10, 10, failed=1, skipped=1, bytes=1 << 20, seconds=2.0),
        IngestProgress("x.nc", "b", 2, None),
    ):
        report(event)
    assert (report.caches["chunks"].hits, report.caches["chunks"].bytes) == (2, 111)
    assert report.retries == 1
    text = str(report)
    assert "10 of 10" in text
    assert "512 KiB/s" in text
    assert "2 of ?" in text
    assert "1 retries" in text


# -- output --------------------------------------------------------------------------------


def test_printed_report_shows_phases_arrays_and_chunks() -> None:
    store = exzarr.MemoryStore()
    array = filled(store, "t", shards=(32, 32))
    with exzarr.profile() as report:
        array[...]
        array[:16] = 5
    text = str(report)
    for word in (
        *READ_PHASES,
        *WRITE_PHASES,
        f"{store.url}/t",
        "16 KiB",
        "requests",
        "slowest chunks",
    ):
        assert word in text
    assert re.search(r"/t  \(\d, \d\) ", text), "chunk indexes are missing"
    assert repr(report) == text
    assert "%" in text


def test_printed_report_shows_slowest_of_many_arrays() -> None:
    report = Report()
    for i in range(100):
        report(telemetry.SelectionRead("memory://m", f"a{i}", 1, 1024, seconds=(i * 37) % 100 + 1))
    lines = [line for line in str(report).splitlines() if line.startswith("read")]
    assert [line.split()[1] for line in lines[:-1]] == [f"memory://m/a{i}" for i in slowest_of(11)]
    assert "89 other arrays" in lines[-1]
    assert "89 KiB" in lines[-1]


def slowest_of(n: int) -> list[int]:
    return sorted(range(100), key=lambda i: -((i * 37) % 100))[:n]


def test_empty_report_prints() -> None:
    with exzarr.profile() as report:
        pass
    assert str(report).endswith("0 requests")
    assert json.loads(report.to_json())["arrays"] == []
    assert report._repr_html_()
    with pytest.raises(ArgumentError, match="nothing to draw"):
        report.plot("nowhere.png")


def test_json_contains_figures() -> None:
    array = filled(exzarr.MemoryStore())
    with exzarr.profile() as report:
        array[:16] = 3
        array[...]
    figures = json.loads(report.to_json())
    assert [(a["operation"], a["chunks"], a["bytes_wanted"]) for a in figures["arrays"]] == [
        ("read", 16, 64 * 64 * 4),
        ("write", 4, 16 * 64 * 4),
    ]
    assert figures["phases"] == report.phases
    assert {r["kind"]: r["requests"] for r in figures["requests"]} == {"get": 16, "put": 4}
    assert figures["slowest"][0]["index"] == [*report.slowest[0].index]
    assert figures["seconds"] == report.seconds


def test_html_is_escaped() -> None:
    report = Report()
    report(telemetry.SelectionRead("memory://<script>", "a&b", 1, 10, 0.1))
    html = report._repr_html_()
    assert "<script>" not in html
    assert "memory://&lt;script&gt;/a&amp;b" in html


def test_stores_are_shown_by_unique_last_part_of_url() -> None:
    report = Report()
    for url in (
        "file:///data/one/a.zarr",
        "file:///data/two/a.zarr",
        "file:///data/b%20c.zarr",
        "memory://m",
    ):
        report(telemetry.StoreRequest(url, "get", "c/0", 1, 1e-3))
    names = [line.split("  ")[0] for line in str(report).splitlines() if " get " in line]
    assert names == ["b c.zarr", "file:///data/one/a.zarr", "file:///data/two/a.zarr", "memory://m"]


@pytest.mark.parametrize("ending", [".png", ".svg"])
def test_timeline_is_plotted(tmp_path: Path, ending: str) -> None:
    pytest.importorskip("matplotlib")
    array = filled(exzarr.MemoryStore())
    with exzarr.profile() as report:
        array[...] = array[...]
    path = report.plot(tmp_path / f"timeline{ending}")
    data = path.read_bytes()
    assert data.startswith(b"\x89PNG" if ending == ".png" else b"<?xml")
    if ending == ".svg":
        assert b"decoding" in data or b"<path" in data


def test_missing_matplotlib_error_names_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(exzarr.MissingDependencyError, match=r"exzarr\[demo\]"):
        Report().plot("nowhere.png")


def test_units() -> None:
    assert [human_bytes(n) for n in (0, 1023, 1536, 2**20)] == ["0 B", "1023 B", "1.5 KiB", "1 MiB"]
    assert [human_seconds(s) for s in (90, 1.5, 0.0125, 4e-6, 0)] == [
        "1.5 min",
        "1.5 s",
        "12.5 ms",
        "4 µs",
        "0 µs",
    ]
    assert human_speed(2**20, 2) == "512 KiB/s"
    assert human_speed(5, 0) == "–"
