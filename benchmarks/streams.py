"""Chunk streams compared with whole reads: streaming an array should cost little more than reading it.

``python -m benchmarks.streams`` prints all layouts, including unordered streams and slice streams. Streams and whole
reads take turns; compare the ratios of the medians. The consumer only releases the chunks.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import numpy as np

from benchmarks.data import Workspace, cube
from benchmarks.harness import describe
from benchmarks.peers import BASELINE, Exzarr
from benchmarks.probe import Figures

GROUP = "Time of a chunk stream over that of one whole read"
LEAST = 0.9
"""Target: fraction of the whole read's throughput."""

LAYOUTS = [
    *[cube(edge, codec) for codec in ("raw", "zstd", "blosc") for edge in (16, 32, 64)],
    *[cube(edge, codec, 128) for codec in ("raw", "zstd", "blosc") for edge in (16, 32, 64)],
]
QUICK = [cube(16, "raw"), cube(32, "blosc"), cube(64, "zstd"), cube(32, "blosc", 128)]

Way = Callable[[Any], Any]


def drain(items: Any) -> int:
    n = 0
    for _ in items:
        n += 1
    return n


STREAM: Way = lambda array: drain(array.chunk_stream())  # noqa: E731
MORE: dict[str, Way] = {
    "chunk_stream": STREAM,
    "unordered": lambda array: drain(array.chunk_stream(ordered=False)),
    "slice_stream": lambda array: drain(array.slice_stream(0)),
}


def throughput(work: Workspace, *, quick: bool) -> list[Figures]:
    """Measure the ratio for each layout. The bound is the ratio at 0.9 of the throughput."""
    rows: list[Figures] = []
    for layout in QUICK if quick else LAYOUTS:
        row = Figures(GROUP, layout.name, bound=1 / LEAST)
        try:
            array = Exzarr().open(work.store(layout))
            check(array, work.data(layout))
            row.values[BASELINE] = ratios(array, {"chunk_stream": STREAM}, 5 if quick else 9)["chunk_stream"]
        except Exception as error:  # noqa: BLE001
            row.problems[BASELINE] = describe(error)
        rows.append(row)
        work.clear()
    return rows


def check(array: Any, data: Any) -> None:
    for chunk in array.chunk_stream():
        if not np.array_equal(chunk.data, data[chunk.region]):
            raise AssertionError(f"chunk {chunk.index} differs from the stored data")


def ratios(array: Any, ways: dict[str, Way], rounds: int) -> dict[str, float]:
    """Return the time of each way divided by that of a whole read. All take turns."""
    times: dict[str, list[float]] = {name: [] for name in ("whole", *ways)}
    contestants: list[tuple[str, Way]] = [("whole", lambda array: array[...]), *ways.items()]
    for turn in range(rounds + 1):
        start = turn % len(contestants)
        for name, way in contestants[start:] + contestants[:start]:
            began = perf_counter()
            kept = way(array)
            seconds = perf_counter() - began
            del kept
            if turn:  # the first one warms up
                times[name].append(seconds)
    whole = statistics.median(times.pop("whole"))
    return {name: statistics.median(taken) / whole for name, taken in times.items()}


def main() -> None:
    with TemporaryDirectory(prefix="exzarr-bench-") as folder:
        work = Workspace(Path(folder), [Exzarr()])
        print(f"{'throughput over a whole read’s':28}" + "".join(f"{name:>14}" for name in MORE))
        for layout in LAYOUTS:
            array = Exzarr().open(work.store(layout))
            found = ratios(array, MORE, 7)
            print(f"{layout.name:28}" + "".join(f"{1 / found[name]:14.2f}" for name in MORE), flush=True)
            work.clear()


if __name__ == "__main__":
    main()
