"""A slow store gets as many requests in flight as it wants, in every operation."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import exzarr
from exzarr import config
from exzarr._engine.pool import in_flight
from exzarr.stores import LatencyStore, MemoryStore
from tests.engine.spy import Hook
from tests.stream.tools import PATIENCE, eventually

WANTED = 20
"""More requests than there are cores."""

VALUES = np.arange(WANTED * 2 * 4, dtype="i4").reshape(2 * WANTED, 4) + 1


def array(store: Any, length: int = 2 * WANTED, **options: Any) -> exzarr.Array:
    return exzarr.create_array(store, shape=(length, 4), chunks=(2, 4), dtype="i4", **options)


def far(inner: Any, hook: Callable[[str, str], Any]) -> Hook:
    return Hook(LatencyStore(inner, 0, concurrency=WANTED), hook)


def together(kind: str) -> Callable[[str, str], Any]:
    """Make every request of `kind` for a chunk wait until there are as many as the store wants, or fail all of them."""
    barrier = threading.Barrier(WANTED)
    return lambda what, key: what != kind or not key.startswith("c/") or barrier.wait(PATIENCE)


def filled() -> MemoryStore:
    store = MemoryStore()
    array(store)[...] = VALUES
    return store


@pytest.mark.parametrize("options", [{}, {"prefetch": WANTED}])
def test_slices(options: dict[str, Any]) -> None:
    source = exzarr.open_array(far(filled(), together("get")))
    for one in source.slice_stream(0, **options):
        np.testing.assert_array_equal(one.data, VALUES[one.index])
    assert one.index == 2 * WANTED - 1


def test_slices_in_flight_are_bounded() -> None:
    asked: list[str] = []
    closed = threading.Event()

    def hook(_: str, key: str) -> None:
        if key.startswith("c/"):
            asked.append(key)
            assert closed.wait(PATIENCE)

    source = exzarr.open_array(far(filled(), hook))
    with config.override(fetch_bytes=3 * 2 * 32, workers=1), source.slice_stream(0) as stream:
        taker = threading.Thread(target=next, args=(stream,))
        taker.start()
        assert eventually(lambda: len(asked) == 3)
        closed.set()
        taker.join()
        assert len(asked) <= 4


def test_a_map() -> None:
    source = exzarr.open_array(far(filled(), together("get")))
    assert source.parallel_chunk_map(lambda data: int(data.sum()), reduce=int.__add__) == VALUES.sum()


def test_map_into_a_slow_store() -> None:
    target = array(far(MemoryStore(), together("put")))
    exzarr.open_array(filled()).parallel_chunk_map(lambda data: data + 1, out=target)
    np.testing.assert_array_equal(target[...], VALUES + 1)


@pytest.mark.parametrize("kind", ["get", "put"])
def test_a_copy_of_chunks_as_they_are(kind: str) -> None:
    source, target = filled(), MemoryStore()
    exzarr.copy(
        far(source, together("get")) if kind == "get" else source,
        far(target, together("put")) if kind == "put" else target,
    )
    np.testing.assert_array_equal(exzarr.open_array(target)[...], VALUES)


def test_an_ingestion_commits_as_many_chunks_as_are_put_at_a_time() -> None:
    all_there = threading.Event()

    def source() -> Iterator[np.ndarray]:
        yield from VALUES.reshape(WANTED, 2, 4)
        all_there.set()

    inner = MemoryStore()
    array(inner, 0)
    slow = far(inner, lambda what, _: what != "put" or all_there.wait(PATIENCE))
    target = exzarr.open_array(slow, mode="r+")
    report = exzarr.ingest(target, source(), key="k", max_pending=2 * WANTED)
    # The blocks that were ready when the first commit began, and all that arrived during that commit.
    assert report.commits <= 2
    np.testing.assert_array_equal(target.refresh()[...], VALUES)


def test_requests_for_large_chunks_are_bounded() -> None:
    with config.override(workers=2, requests=64, fetch_bytes=256 << 20):
        assert in_flight(MemoryStore(), 1 << 10) == 2
        store = LatencyStore(MemoryStore(), 0, concurrency=50)
        assert [in_flight(store, n << 20) for n in (0, 1, 2, 4, 16, 64, 1024)] == [50, 50, 50, 32, 8, 2, 2]
        store = LatencyStore(MemoryStore(), 0, concurrency=500)
        assert in_flight(store, 1) == 64
