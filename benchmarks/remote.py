"""Whole reads and writes with a latency of 20 ms per request: `python -m benchmarks.remote`.

exzarr and zarr-python each use their own memory store with their own latency wrapper, and the same number of requests in
flight. The *ideal* time counts requests only: requests × latency ÷ concurrency. The libraries take turns; the times
are medians.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np

import exzarr
from exzarr._nodes.array import Array
from exzarr._nodes.hierarchy import Location
from exzarr.stores import CountingStore, LatencyStore, MemoryStore

LATENCY = 0.02
CONCURRENCY = 64
CHUNKS = 1000
EDGE = 64


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    data = np.random.default_rng(0).integers(0, 100, (CHUNKS, EDGE, EDGE)).astype("f4")
    print(f"{LATENCY * 1000:.0f} ms a request, {CONCURRENCY} in flight, {CHUNKS} chunks of {EDGE}² float32")
    print(f"{'':34}{'requests':>9}{'ideal':>9}{'exzarr':>9}{'of ideal':>9}{'zarr':>9}")
    layouts: list[tuple[str, dict[str, Any]]] = [
        ("zstd", {}),
        ("raw", {"compressors": None}),
        ("shards of 10", {"shards": (10, EDGE, EDGE)}),
    ]
    for name, layout in layouts:
        for what in ("read", "write"):
            store, ours = _ours(data, layout, what)
            ours()
            store.reset()
            ours()
            requests = store.total
            theirs = _theirs(data, layout, what)
            times: tuple[list[float], list[float]] = ([], [])
            for _ in range(rounds):
                for run, taken in zip((ours, theirs), times, strict=True):
                    start = time.perf_counter()
                    run()
                    taken.append(time.perf_counter() - start)
            mine, others = map(statistics.median, times)
            ideal = requests * LATENCY / CONCURRENCY
            print(
                f"{what + ' of all, ' + name:34}{requests:9}{ideal:9.3f}{mine:9.3f}{ideal / mine:9.2f}{others:9.3f}"
            )


def _ours(data: np.ndarray, layout: dict[str, Any], what: str) -> tuple[CountingStore, Callable[[], Any]]:
    memory = MemoryStore()
    exzarr.create_array(memory, data=data, chunks=(1, EDGE, EDGE), **layout)
    store = CountingStore(LatencyStore(memory, LATENCY, concurrency=CONCURRENCY))
    array: Any = exzarr.open(store, mode="r+")

    def read() -> None:
        again = Array(Location(store, ""), array.metadata)  # has not read any shard index
        assert again[...].shape == data.shape

    def write() -> None:
        array[...] = data

    return store, read if what == "read" else write


def _theirs(data: np.ndarray, layout: dict[str, Any], what: str) -> Callable[[], Any]:
    import zarr
    from zarr.storage import MemoryStore as TheirMemory
    from zarr.testing.store import LatencyStore as TheirLatency

    zarr.config.set({"async.concurrency": CONCURRENCY, "threading.max_workers": None})
    memory = TheirMemory()
    zarr.create_array(memory, data=data, chunks=(1, EDGE, EDGE), **layout)
    slow = TheirLatency(memory, get_latency=LATENCY, set_latency=LATENCY)
    array = zarr.open_array(slow, mode="r+")

    def read() -> None:
        assert array[...].shape == data.shape

    def write() -> None:
        array[...] = data

    return read if what == "read" else write


if __name__ == "__main__":
    main()
