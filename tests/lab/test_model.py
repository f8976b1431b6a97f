"""The cost model orders layouts as the waiting times of real reads do."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
import pytest

from exzarr import config
from exzarr._creation.metadata import array_metadata
from exzarr._nodes.array import Array
from exzarr._nodes.hierarchy import Location
from exzarr._nodes.new_nodes import new_array
from exzarr.lab import Batch, Layout, Random, Scan, Speeds, Window
from exzarr.lab.access import Shape, patterns
from exzarr.lab.counts import Counts
from exzarr.lab.model import cost_of, score, slowdowns
from exzarr.lab.scoring import Problem
from exzarr.stores import Request
from exzarr.stores.memory import MemoryStore
from exzarr.stores.wrappers.latency import LatencyStore

T = TypeVar("T")

SHAPE = (96, 64, 64)
LAYOUTS = [
    Layout((96, 64, 64)),
    Layout((1, 64, 64)),
    Layout((96, 4, 4)),
    Layout((16, 16, 16)),
    Layout((48, 32, 32)),
    Layout((4, 32, 32)),
    Layout((8, 8, 8), (48, 64, 64)),
    Layout((16, 16, 16), (96, 64, 64)),
    Layout((1, 64, 64), (48, 64, 64)),
]


class Clock(LatencyStore):
    """A `LatencyStore` that adds up its delays instead of sleeping, so that no test depends on a clock."""

    slept = 0.0

    def around(self, request: Request, call: Callable[[], T]) -> T:
        result = call()
        if request.kind in ("get", "range"):
            assert self.bytes_per_second is not None
            self.slept += self.seconds + request.nbytes_read(result) / self.bytes_per_second
        return result


def spearman(a: Any, b: Any) -> float:
    ranks = [np.argsort(np.argsort(np.round(x, 9), kind="stable"), kind="stable") for x in (a, b)]
    return float(np.corrcoef(ranks[0], ranks[1])[0, 1])


@pytest.mark.parametrize(
    "access",
    [
        Scan(step=4),
        Window(shape=(1, -1, -1)),
        Window(shape=(-1, 1, 1)),
        Window(shape=(24, 16, 16)),
        Random(),
        Batch(rows=8),
    ],
    ids=str,
)
@pytest.mark.parametrize("bytes_per_second", [1e6, 1e9])
def test_model_orders_layouts_by_waiting_time_of_reads(access: Any, bytes_per_second: float) -> None:
    values = np.random.default_rng(0).random(SHAPE, dtype="f4")
    speeds = Speeds(
        call=0.0,
        request=0.02,
        bandwidth=bytes_per_second,
        concurrency=1,
        chunk=0.0,
        decode=math.inf,
        workers=1,
    )
    accesses = patterns({"it": access}, Shape(SHAPE, 4))
    problem = Problem(Shape(SHAPE, 4), "f4", accesses, {"compressors": "crc32c"}, speeds, seed=5)
    expected, waited = [], []
    with config.override(workers=1):
        for layout in LAYOUTS:
            meta = array_metadata(
                shape=SHAPE, dtype="f4", chunks=layout.chunks, shards=layout.shards, compressors="crc32c"
            )
            memory = MemoryStore()
            new_array(Location(memory, ""), meta, values)
            clock = Clock(memory, speeds.request, bytes_per_second=bytes_per_second, concurrency=1)
            total = 0.0
            for read in accesses["it"].reads(SHAPE, layout.stored, np.random.default_rng(5)):
                clock.slept = 0.0
                read.of(Array(Location(clock, ""), meta))
                total += clock.slept * read.times
            waited.append(total)
            expected.append(problem.expected(layout)["it"].seconds)
    assert max(waited) > 1.9 * min(waited)  # the layouts differ clearly
    assert spearman(expected, waited) > 0.95
    np.testing.assert_allclose(expected, waited, rtol=0.02)


def test_cost_without_latency_is_sum_of_work() -> None:
    speeds = Speeds(call=1.0, request=0.5, bandwidth=100.0, chunk=0.25, decode=50.0, workers=4)
    small = Counts(requests=2, chunks=4, fetch_bytes=200, decode_bytes=500, result_bytes=100)
    cost = cost_of([small], speeds)
    assert cost.seconds == 1.0 + 2 * 0.5 + 200 / 100 + 4 * 0.25 + 500 / 50  # by the calling thread alone
    large = Counts(requests=2, chunks=4, fetch_bytes=2**20, decode_bytes=500, result_bytes=100, times=3)
    cost = cost_of([large], speeds)
    assert cost.seconds == pytest.approx(3 * (1.0 + (2 * 0.5 + 2**20 / 100 + 4 * 0.25 + 500 / 50) / 4))
    assert cost.mostly == "bytes"


def test_requests_in_flight_wait_concurrently() -> None:
    speeds = Speeds(call=0.0, request=1.0, bandwidth=1e9, concurrency=10, chunk=0.0, decode=1e12)
    one = Counts(requests=10, chunks=10, fetch_bytes=0, decode_bytes=0, result_bytes=1)
    assert cost_of([one], speeds).seconds == pytest.approx(1.0)
    many = Counts(requests=25, chunks=10, fetch_bytes=0, decode_bytes=0, result_bytes=1)
    assert cost_of([many], speeds).seconds == pytest.approx(2.5)
    after_another = Counts(requests=10, chunks=10, fetch_bytes=0, decode_bytes=0, result_bytes=1, steps=2)
    assert cost_of([after_another], speeds).seconds == pytest.approx(2.0)


def test_total_bandwidth_limits_all_requests() -> None:
    speeds = Speeds(
        call=0.0, request=0.0, bandwidth=100.0, total_bandwidth=250.0, concurrency=10, decode=1e12, chunk=0.0
    )
    read = Counts(requests=10, chunks=1, fetch_bytes=1000, decode_bytes=0, result_bytes=1)
    assert cost_of([read], speeds).seconds == pytest.approx(4.0)


def test_decoding_overlaps_with_requests() -> None:
    speeds = Speeds(call=0.0, request=1.0, bandwidth=1e9, concurrency=1, decode=100.0, chunk=0.0, workers=2)
    read = Counts(requests=1, chunks=2, fetch_bytes=0, decode_bytes=100, result_bytes=1)
    assert cost_of([read], speeds).seconds == pytest.approx(1.0)
    read = Counts(requests=1, chunks=2, fetch_bytes=0, decode_bytes=1000, result_bytes=1)
    assert cost_of([read], speeds).seconds == pytest.approx(5.0)
    assert cost_of([read], speeds).mostly == "decoding"


def test_score_is_weighted_mean_of_slowdowns() -> None:
    best = {"map": 0.01, "series": 2.0}
    slower = slowdowns({"map": 0.03, "series": 2.0}, best)
    assert slower == {"map": 3.0, "series": 1.0}
    assert score(slower, {"map": 1.0, "series": 3.0}) == pytest.approx((3 + 3) / 4)
