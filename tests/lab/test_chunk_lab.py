"""The chunk lab."""

from __future__ import annotations

import json
import math
import tracemalloc
from typing import Any

import numpy as np
import pytest
import zarr
from hypothesis import given, strategies as st

import exzarr
from exzarr import config
from exzarr.errors import ArgumentError, NodeTypeError, ReadOnlyError
from exzarr.lab import Batch, ChunkReport, Layout, Random, Scan, Speeds, Window, chunks
from exzarr.lab.access import Shape, patterns
from exzarr.lab.candidates import candidates
from exzarr.lab.sample import cut_shape, synthetic_data
from exzarr.lab.trials import agreement
from exzarr.stores.memory import MemoryStore
from tests.breadth import examples

pytestmark = pytest.mark.slow

FIXED = Speeds(call=2e-5, request=5e-6, bandwidth=5e9, chunk=5e-6, decode=1e9, ratio=1.5, workers=2)


def estimate(*arguments: Any, **options: Any) -> ChunkReport:
    """Return a report without measurements."""
    return chunks(*arguments, speeds=FIXED, measure=False, **options)


# -- recommendations ------------------------------------------------------------------


def test_chunks_for_map_access_are_maps() -> None:
    report = estimate((500, 300, 300), "f4", {"map": Window(shape=(1, -1, -1))})
    assert report.best.layout.chunks[0] == 1
    assert report.best.accesses["map"].counts.amplification < 1.3


def test_chunks_for_series_access_are_series() -> None:
    report = estimate((500, 300, 300), "f4", {"series": Window(shape=(-1, 1, 1))})
    time, lat, lon = report.best.layout.chunks
    assert time >= 250
    assert lat * lon <= 32


def test_chunks_for_both_accesses_are_a_compromise_with_a_stated_cost() -> None:
    report = estimate(
        (500, 300, 300), "f4", {"map": Window(shape=(1, -1, -1)), "series": Window(shape=(-1, 1, 1))}
    )
    assert 1 < report.best.layout.chunks[0] < 500
    assert any("two copies" in reason for reason in report.reasons)


def test_weights_change_layout() -> None:
    def layout(weight: float) -> Layout:
        access = {"map": Window(weight, (1, -1, -1)), "series": Window(1.0, (-1, 1, 1))}
        return estimate((500, 300, 300), "f4", access).best.layout

    assert layout(50.0).chunks[0] < layout(0.02).chunks[0]


def test_chunks_are_larger_for_high_latency() -> None:
    access = {"window": Window(shape=(20, 50, 50))}
    near = estimate((500, 300, 300), "f4", access).best
    far = chunks((500, 300, 300), "f4", access, speeds=Speeds.s3(decode=1e9), measure=False).best
    assert far.chunk_bytes > near.chunk_bytes


def test_objects_are_limited() -> None:
    for objects in (10, 1000):
        report = estimate((1000, 1000, 20), "f4", {"random": 1}, objects=objects)
        assert report.best.objects <= objects
    assert (
        estimate((1000, 1000, 20), "f4", {"random": 1}, objects=10, shards=False).best.layout.shards is None
    )


def test_options_create_array() -> None:
    report = estimate((300, 200), "i2", {"batch": 1, "scan": 1})
    array = exzarr.create_array(MemoryStore(), shape=(300, 200), dtype="i2", **report.options)
    assert array.chunks == report.best.layout.chunks


@given(
    st.lists(st.integers(1, 3000), min_size=1, max_size=4).map(tuple),
    st.sampled_from([1, 4, 8]),
    st.lists(
        st.sampled_from([Scan(), Window(), Random(), Batch(), Scan(axis=-1, step=1)]), min_size=1, max_size=3
    ),
)
@examples(50)
def test_every_candidate_is_valid(shape: tuple[int, ...], itemsize: int, accesses: Any) -> None:
    settled = patterns(accesses, Shape(shape, itemsize))
    found = candidates(shape, itemsize, settled, objects=10**9)
    assert found
    for layout in found:
        assert all(1 <= c <= max(1, n) for c, n in zip(layout.chunks, shape, strict=True))
        assert math.prod(layout.chunks) * itemsize <= 64 * 2**20
        if layout.shards is not None:
            assert all(s % c == 0 for s, c in zip(layout.shards, layout.chunks, strict=True))
        counts = [-(-n // s) for n, s in zip(shape, layout.stored, strict=True)]
        assert layout.objects(shape) == math.prod(counts)


# -- measuring ----------------------------------------------------------------------------


@pytest.fixture
def cube(tmp_path: Any) -> Any:
    """Return an array that zarr-python wrote, with an unsuitable layout."""
    array = zarr.create_array(
        tmp_path / "cube.zarr",
        shape=(60, 64, 64),
        chunks=(60, 8, 8),
        dtype="f4",
        dimension_names=("time", "y", "x"),
    )
    array[...] = np.random.default_rng(1).random((60, 64, 64), dtype="f4")
    return tmp_path / "cube.zarr"


def test_trials_match_model_in_requests_and_bytes(cube: Any) -> None:
    with config.override(workers=1):  # several workers share one shard, each with its own requests
        report = chunks(cube, access={"map": Window(shape={"time": 1}), "scan": 1}, measure=4, seconds=5)
    assert report.sample.startswith("the whole array")
    tried = [result for result in report.layouts if result.trial is not None]
    assert len(tried) >= 3
    assert report.now in tried
    for result in tried:
        trial = result.trial
        assert trial is not None
        assert trial.objects == result.objects
        assert trial.stored_bytes > 0
        for name, one in trial.accesses.items():
            assert one.requests == pytest.approx(result.accesses[name].counts.requests)
            assert one.result_bytes == pytest.approx(result.accesses[name].counts.result_bytes, rel=0.05)
            assert one.memory is not None
            assert one.memory > 0
    same, pairs = agreement(tried)
    assert 0 <= same <= pairs
    order = sorted(tried, key=lambda r: r.accesses["map"].counts.fetch_bytes)
    fetched = [r.trial.accesses["map"].fetch_bytes for r in order if r.trial]
    assert np.corrcoef(fetched, [r.accesses["map"].counts.fetch_bytes for r in order])[0, 1] > 0.9


def test_report_compares_present_layout(cube: Any) -> None:
    report = estimate(cube, access={"map": Window(shape={"time": 1})})
    assert report.now is not None
    assert report.now.layout.chunks == (60, 8, 8)
    assert report.now.score > 3 * report.best.score
    assert any("The present layout (60×8×8" in reason for reason in report.reasons)
    already = estimate(cube, access={"series": Window(shape=(-1, 8, 8))}, layouts=[(60, 8, 8)])
    assert already.best.score <= already.now.score  # type: ignore[union-attr]


def test_lab_does_not_change_array_or_store(cube: Any) -> None:
    before = {path: path.read_bytes() for path in cube.rglob("*") if path.is_file()}
    chunks(cube, access={"scan": 1}, measure=2, seconds=1)
    assert {path: path.read_bytes() for path in cube.rglob("*") if path.is_file()} == before


def test_given_store_is_empty_after_trials() -> None:
    store = MemoryStore()
    report = chunks(np.ones((50, 50)), access={"scan": 1}, store=store, measure=2, seconds=1)
    assert report.store == str(store)
    assert not [*store.list()]


def test_given_store_is_empty_after_failed_trial() -> None:
    class Full(MemoryStore):
        def put(self, key: str, value: Any) -> None:
            if "/c/" in key:
                raise OSError("no space left on device")
            super().put(key, value)

    store = Full()
    with pytest.raises(OSError, match="no space"):
        chunks(np.arange(2500.0), access={"scan": 1}, store=store, speeds=FIXED, measure=2)
    assert not [*store.list()]


def test_temporary_folders_are_deleted(tmp_path: Any) -> None:
    chunks(np.ones((50, 50)), access={"scan": 1}, measure=2, seconds=1, scratch=str(tmp_path))
    assert not [*tmp_path.iterdir()]


def test_sample_for_shape_is_synthetic() -> None:
    report = chunks((64, 64), "f8", {"scan": 1}, measure=1, seconds=1)
    assert report.synthetic
    assert "synthetic (seed 0)" in report.sample
    assert any("The sample is synthetic" in reason for reason in report.reasons)
    assert not chunks(np.ones((64, 64)), access={"scan": 1}, measure=1, seconds=1).synthetic


def test_synthetic_data_depends_only_on_seed() -> None:
    for dtype in ("f4", "u1", "i8", "?", "M8[s]", "c8"):
        one, other = (synthetic_data((40, 30), np.dtype(dtype), 3) for _ in range(2))
        assert one.dtype == np.dtype(dtype)
        np.testing.assert_array_equal(one, other)
        assert len(np.unique(one)) > 1


@given(st.lists(st.integers(1, 10**6), min_size=1, max_size=4), st.integers(1, 16), st.integers(64, 10**7))
def test_sample_size_is_limited(shape: Any, itemsize: int, nbytes: int) -> None:
    cut = cut_shape(shape, itemsize, nbytes)
    assert math.prod(cut) * itemsize <= nbytes
    assert all(1 <= c <= n for c, n in zip(cut, shape, strict=True))
    if math.prod(shape) * itemsize <= nbytes:
        assert cut == tuple(shape)


def test_sample_avoids_unwritten_regions() -> None:
    array = exzarr.create_array(MemoryStore(), shape=(400, 100), chunks=(10, 100), dtype="f4")
    array[:80] = np.random.default_rng(0).random((80, 100))
    report = chunks(array, access={"window": 1}, measure=2, seconds=2, sample_bytes=40_000)
    trials = [result.trial for result in report.layouts if result.trial]
    assert all(trial.stored_bytes > 10_000 for trial in trials)
    empty = exzarr.create_array(MemoryStore(), shape=(400, 100), chunks=(10, 100), dtype="f4")
    trial = chunks(empty, access={"scan": 1}, measure=1, seconds=1).best.trial
    assert trial is not None
    assert trial.objects == trial.layout.objects((400, 100))


def test_zero_seconds_try_one_layout() -> None:
    report = chunks(np.ones((100, 100)), access={"scan": 1, "random": 1}, measure=6, seconds=0, speeds=FIXED)
    assert len([r for r in report.layouts if r.trial]) == 1
    assert report.best.trial is not None


def test_present_layout_does_not_win_for_lack_of_time(cube: Any) -> None:
    report = chunks(cube, access={"map": Window(shape={"time": 1})}, seconds=0, speeds=FIXED)
    assert len([r for r in report.layouts if r.trial]) == 1
    assert report.now is not None
    assert report.best is not report.now
    assert report.best.trial is not None


def test_memory_is_not_measured_during_other_tracing() -> None:
    tracemalloc.start()
    try:
        report = chunks(np.ones((50, 50)), access={"scan": 1}, measure=1, seconds=1, speeds=FIXED)
    finally:
        tracemalloc.stop()
    assert report.best.trial is not None
    assert report.best.trial.accesses["scan"].memory is None
    assert str(report)


def test_simulated_s3_has_requests_in_flight_without_network() -> None:
    fast = Speeds.s3(request=0.001, decode=1e9)
    report = chunks(np.ones((64, 64, 8)), access={"window": 1}, store="s3", speeds=fast, measure=2, seconds=5)
    assert report.store == "s3"
    assert report.speeds.concurrency == 64
    assert any(r.trial for r in report.layouts)


def test_progress_is_reported() -> None:
    seen: list[tuple[int, int]] = []
    chunks(
        np.ones((100, 100)),
        access={"scan": 1},
        measure=2,
        seconds=5,
        progress=lambda done, total: seen.append((done, total)),
    )
    assert seen
    assert seen[-1][0] <= seen[-1][1]


# -- the report -----------------------------------------------------------------------------


def test_report_prints_and_is_strict_json() -> None:
    report = chunks(np.ones((60, 60)), access={"scan": 1, "w": Window()}, measure=2, seconds=1)
    found = json.loads(report.to_json(), parse_constant=lambda token: pytest.fail(token))
    assert found["best"]["chunks"] == [*report.best.layout.chunks]
    assert found["accesses"]["w"]["shape"] == [7, 7]
    text = str(report)
    assert "expected, for the whole array" in text
    assert "measured, on a sample" in text
    assert "→" in text
    assert "<table" in report._repr_html_()


def test_report_can_be_plotted(tmp_path: Any) -> None:
    pytest.importorskip("matplotlib")
    report = estimate((300, 200), "f4", {"scan": 1, "random": 1})
    path = report.plot(tmp_path / "chunks.png")
    assert path.read_bytes()[:4] == b"\x89PNG"


# -- arguments -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (((10, 10),), "data type"),
        (((10, 10), "f4", {"scam": 1}), "scan, window, random, batch"),
        (((10, 10), "f4", {"scan": -1}), "at least 0"),
        (((10, 10), "f4", {"scan": 0}), "above 0"),
        (((10, 10), "f4", {"w": Window(shape=(1, 2, 3))}), "does not fit"),
        (((10, 10), "f4", {"w": Window(shape={"time": 1})}), "no dimension 'time'"),
        (((10, 10), "f4", {"b": Batch(rows=0)}), "must be at least 1"),
        (((10, 10), "f4", {"s": Scan(axis=2)}), "2 dimensions"),
        (((10, 0), "f4"), "no elements"),
        ((np.ones(5), "f4"), "only valid with a shape"),
        ((object(),), "give an array"),
    ],
)
def test_invalid_arguments_are_refused(arguments: Any, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        estimate(*arguments)


def test_layouts_that_do_not_fit_are_refused() -> None:
    for layout in [(3,), (3, 0), ((4, 4), (6, 8))]:
        with pytest.raises(ArgumentError, match="does not fit"):
            estimate((10, 10), "f4", layouts=[layout])


def test_group_and_read_only_store_are_refused(tmp_path: Any) -> None:
    exzarr.open_group(tmp_path / "g", mode="w")
    with pytest.raises(NodeTypeError, match="group"):
        estimate(tmp_path / "g")
    with pytest.raises((ArgumentError, ReadOnlyError), match="read-only"):
        estimate((10, 10), "f4", store=MemoryStore().as_read_only())


def test_patterns_get_unique_names() -> None:
    found = patterns([Window(shape=(1, -1)), Window(shape=(-1, 1))], Shape((5, 6), 4))
    assert [*found] == ["window", "window 2"]
    assert found["window"].box == (1, 6)
    assert [*patterns(None, Shape((5, 6), 4))] == ["scan", "window"]
