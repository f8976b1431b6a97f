"""Exact nearest-neighbour search over a Zarr array, compared with NumPy in memory.

``python -m benchmarks.embeddings`` writes a million vectors of 384 dimensions (1.5 GB) from a seed with `write_stream`,
once raw and once compressed. It searches them for 1, 16 and 64 queries at a time. NumPy has all vectors in memory, and
uses a matrix product, ``argpartition``, and a sort of the rest. The vectors have length 1. The rows "lengths unknown"
do not assume this, and also compute ``numpy.linalg.norm``. The searches take turns; compare the ratios of the medians.
Then each search runs once more in a separate process, to measure its peak memory.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import numpy as np

import exzarr
from exzarr.gallery.embeddings import top_k

DIMENSIONS = 384
ROWS = 16_384
"""Rows per chunk (25 MB)."""
K = 10

Way = Callable[[], Any]

MEASURE = """
import sys
from pathlib import Path
import numpy as np
import exzarr
from exzarr.gallery.embeddings import top_k

def status(name):
    text = Path("/proc/self/status").read_text()
    return 1024 * next(int(line.split()[1]) for line in text.splitlines() if line.startswith(name))

array = exzarr.open_array(sys.argv[1])
queries = np.random.default_rng(1).normal(size=(int(sys.argv[2]), array.shape[1]))
top_k(array[:1024], queries)
Path("/proc/self/clear_refs").write_text("5")
before = status("VmRSS:")
top_k(array, queries, normalized=True)
print(status("VmHWM:") - before)
"""


def blocks(count: int) -> Iterator[tuple[tuple[int, int], np.ndarray]]:
    """Yield blocks of vectors of length 1 around a few thousand centres, with their chunk indices."""
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((4096, DIMENSIONS), np.float32)
    for number, start in enumerate(range(0, count, ROWS)):
        rows = min(ROWS, count - start)
        block = rng.standard_normal((rows, DIMENSIONS), np.float32)
        block += centres[rng.integers(len(centres), size=rows)]
        block /= np.linalg.norm(block, axis=1, keepdims=True)
        yield (number, 0), block


def make(folder: Path, count: int, compressors: Any) -> exzarr.Array:
    name = "raw" if compressors is None else "zstd"
    array = exzarr.create_array(
        folder / f"{name}.zarr",
        shape=(count, DIMENSIONS),
        chunks=(ROWS, DIMENSIONS),
        dtype="f4",
        compressors=compressors,
    )
    array.write_stream(blocks(count), max_pending=2)
    return array


def in_numpy(vectors: np.ndarray, queries: np.ndarray, *, normalized: bool) -> np.ndarray:
    scores = queries @ vectors.T
    if not normalized:
        scores /= np.linalg.norm(vectors, axis=1)
    near = np.argpartition(scores, -K, axis=1)[:, -K:]
    order = np.argsort(-np.take_along_axis(scores, near, 1), axis=1)
    return np.take_along_axis(near, order, 1)


def medians(ways: dict[str, Way], rounds: int) -> dict[str, float]:
    """Return the median seconds of each way. The ways take turns."""
    times: dict[str, list[float]] = {name: [] for name in ways}
    names = [*ways]
    for turn in range(rounds + 1):
        at = turn % len(names)
        for name in names[at:] + names[:at]:
            began = perf_counter()
            ways[name]()
            if turn:
                times[name].append(perf_counter() - began)
    return {name: statistics.median(some) for name, some in times.items()}


def peak_mb(array: exzarr.Array, queries: int) -> float:
    command = [sys.executable, "-c", MEASURE, str(array.store.path), str(queries)]  # type: ignore[attr-defined]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout) / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--vectors", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--queries", type=int, nargs="+", default=[1, 16, 64])
    parser.add_argument("--raw-only", action="store_true", help="do not measure the compressed copy")
    given = parser.parse_args()
    with TemporaryDirectory() as name:
        arrays = {"raw": make(Path(name), given.vectors, None)}
        if not given.raw_only:
            arrays["zstd"] = make(Path(name), given.vectors, "auto")
        vectors = arrays["raw"][...]
        print(
            f"{given.vectors:,} x {DIMENSIONS} float32, {vectors.nbytes / 1e6:,.0f} MB, chunks of {ROWS:,} rows"
        )
        print("milliseconds, with the speed relative to NumPy in brackets; peak memory of the search")
        for count in given.queries:
            queries = vectors[:: given.vectors // count][:count] + np.float32(0.01)
            for normalized in (True, False):
                compare(vectors, arrays, queries, normalized=normalized, rounds=given.rounds)
            for layout, array in arrays.items():
                print(f"  peak, {layout}: {peak_mb(array, count):.0f} MB")


def compare(
    vectors: np.ndarray,
    arrays: dict[str, exzarr.Array],
    queries: np.ndarray,
    *,
    normalized: bool,
    rounds: int,
) -> None:
    expected = in_numpy(vectors, queries, normalized=normalized)
    ways: dict[str, Way] = {"numpy": lambda: in_numpy(vectors, queries, normalized=normalized)}
    for layout, array in arrays.items():
        for mapped in (True, False) if layout == "raw" else (False,):

            def way(array: exzarr.Array = array, mapped: bool = mapped) -> Any:
                return top_k(array, queries, K, normalized=normalized, mapped=mapped)

            # float32 swaps a few neighbours whose distances differ by less than its precision
            if np.mean(way().rows == expected) < 0.999:
                raise AssertionError(f"the search over {layout} finds other neighbours than NumPy")
            ways[f"{layout}{', mapped' if mapped else ''}"] = way
    seconds = medians(ways, rounds)
    print(f"{len(queries):3} queries, {'length 1' if normalized else 'lengths unknown'}:", end="")
    for name, took in seconds.items():
        print(
            f"  {name} {1e3 * took:,.0f}" + ("" if name == "numpy" else f" ({seconds['numpy'] / took:.2f})"),
            end="",
        )
    print()


if __name__ == "__main__":
    main()
