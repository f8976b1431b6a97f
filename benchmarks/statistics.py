"""Queries with chunk statistics, compared with scans: ``python -m benchmarks.statistics``.

The array is a field of rain on which storms move: most values are small, and few chunks have large ones. A query counts
the large values. It is compared with a scan of all chunks, and building the statistics with one streaming read. Each pair
takes turns in one process, and the figures are medians. Bytes are those that the store delivered, including the statistics.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

import exzarr
from exzarr.stores import CountingStore, LocalStore

CHUNK, SIDE = (4, 256, 256), 1024
SHARD = (16, 1024, 1024)
THRESHOLD = 30


def make_field(folder: Path, mebibytes: int, *, shards: bool) -> None:
    """Store a field of float32 in chunks of 1 MiB. A storm of 60 × 60 elements crosses it in every 100th hour."""
    hours = max(16, mebibytes // 4)
    array = exzarr.create_group(folder).create_array(
        "rain",
        shape=(hours, SIDE, SIDE),
        dtype="f4",
        chunks=CHUNK,
        shards=SHARD if shards else None,
        dimension_names=("hour", "y", "x"),
    )
    rng = np.random.default_rng(0)
    y, x = np.meshgrid(np.linspace(0, 9, SIDE), np.linspace(0, 9, SIDE), indexing="ij")
    for hour in range(0, hours, SHARD[0]):
        block = np.empty((min(SHARD[0], hours - hour), SIDE, SIDE), "f4")
        for at in range(len(block)):
            smooth = np.maximum(0, 6 * np.sin(x + (hour + at) / 5) * np.cos(y))
            block[at] = np.round(smooth + rng.exponential(0.5, smooth.shape), 1)
            if (hour + at) % 100 == 7:
                row, column = rng.integers(0, SIDE - 60, 2)
                block[at, row : row + 60, column : column + 60] += 40
        array[hour : hour + len(block)] = np.minimum(block, np.where(block > 40, block, 20))


def scan(array: exzarr.Array) -> int:
    """Count large values by reading all chunks."""
    return sum(int(np.count_nonzero(chunk.data > THRESHOLD)) for chunk in array.chunk_stream())


def query(array: exzarr.Array) -> int:
    """Count large values with statistics."""
    return array.where(exzarr.value > THRESHOLD).count()


def read(array: exzarr.Array) -> int:
    """Read all chunks."""
    return sum(chunk.data.nbytes for chunk in array.chunk_stream())


def build(array: exzarr.Array) -> int:
    """Build statistics anew."""
    path = f"{array.path}.statistics"
    array.store.delete_prefix(path)
    return len(exzarr.statistics.build(array).array.shape)


def take_turns(calls: list[Callable[[], object]], rounds: int) -> list[tuple[float, float]]:
    """Return the medians of wall and processor seconds of each call."""
    times: list[list[tuple[float, float]]] = [[] for _ in calls]
    for call in calls:
        call()  # fill the page cache
    for _ in range(rounds):
        for call, found in zip(calls, times, strict=True):
            wall, cpu = time.perf_counter(), time.process_time()
            call()
            found.append((time.perf_counter() - wall, time.process_time() - cpu))
    return [
        (statistics.median(w for w, _ in found), statistics.median(c for _, c in found)) for found in times
    ]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", type=int, default=1024, metavar="MIB", help="size of the array")
    parser.add_argument("--quick", action="store_true", help="128 MiB, and three rounds")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    size, rounds = (128, 3) if options.quick else (options.size, options.rounds)
    print(f"{size} MiB of float32, chunks of {CHUNK}, zstd; medians of {rounds} rounds\n")
    for shards in (False, True):
        with tempfile.TemporaryDirectory(prefix="exzarr-statistics-") as name:
            make_field(Path(name) / "field.zarr", size, shards=shards)
            compare(Path(name) / "field.zarr", rounds, f"shards of {SHARD}" if shards else "without shards")


def compare(folder: Path, rounds: int, title: str) -> None:
    array = exzarr.open_array(folder, path="rain", mode="r+")
    time.sleep(0.2)  # files settle
    reading, building = take_turns([lambda: read(array), lambda: build(array)], rounds)
    scanning, querying = take_turns([lambda: scan(array), lambda: query(array)], rounds)
    store = CountingStore(LocalStore(folder))
    counted = exzarr.open_array(store, path="rain", mode="r")
    store.reset()
    found = query(counted)
    share = store.bytes_read / array.nbytes_stored
    assert found == scan(array)
    told = counted.where(exzarr.value > THRESHOLD).explain()
    print(f"{title}: {array.nbytes_stored / 2**20:.0f} MiB stored in {told.chunks} chunks")
    for name, (wall, cpu) in [
        ("streaming read", reading),
        ("build", building),
        ("scan", scanning),
        ("query", querying),
    ]:
        print(f"  {name:<16} {wall * 1e3:8.1f} ms, {cpu * 1e3:8.1f} ms of processor time")
    print(
        f"  build / read     {building[0] / reading[0]:8.2f}, {building[1] / reading[1]:8.2f} of processor time"
    )
    print(
        f"  scan / query     {scanning[0] / querying[0]:8.1f}, {scanning[1] / querying[1]:8.1f} of processor time"
    )
    print(f"  bytes read       {share:8.2%} of those stored; {told.read} of {told.chunks} chunks")
    print(f"  found            {found:,} values\n", flush=True)


if __name__ == "__main__":
    main()
