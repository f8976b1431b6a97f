"""Command `python -m benchmarks.pipelines`: zarr-python on exzarr, against its other codec pipelines.

All four read and write the same arrays through zarr-python. A ratio is another pipeline's time divided by exzarr's, by
the wall clock and of all cores (CPU). Above 1, exzarr is faster.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from benchmarks import cells, floor, safety
from benchmarks.data import Workspace
from benchmarks.harness import Cell, Result, Rounds, measure
from benchmarks.peers import FACTORIES, Peer, UnavailableError, ZarrPython
from exzarr.zarr import CodecPipeline

OURS = "exzarr"
OTHERS = ("zarr-python", "zarr-python fused", "zarrs-python")
ZARR = OTHERS[:2]
READS = (cells.READS, cells.SELECTIONS, cells.ROWS)
WRITES = (cells.CREATES, cells.REPLACES)

Clock = Callable[[Result, str], float]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pipelines", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="run few cells and rounds")
    parser.add_argument(
        "--only", default="", metavar="TEXT", help="run cells whose “group: name” contains TEXT"
    )
    parser.add_argument(
        "--dir", type=Path, help="folder for the stores (default: the system's temporary folder)"
    )
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    entrants: list[Peer] = [
        ZarrPython(OURS, f"{CodecPipeline.__module__}.{CodecPipeline.__name__}", "exzarr"),
        *_others(),
    ]
    rounds = Rounds(3, 9, 0.5) if options.quick else Rounds(5, 15, 1.5)
    results: list[Result] = []
    with tempfile.TemporaryDirectory(prefix="exzarr-bench-", dir=options.dir) as folder:
        work = Workspace(Path(folder), entrants[1:])
        for cell in _cells(work, quick=options.quick):
            if options.only in f"{cell.group}: {cell.name}":
                results.append(measure(cell, entrants, rounds, floor.LABEL))
                print(_line(results[-1]), flush=True)
    print()
    for line in _summary(results):
        print(line)


def _others() -> Iterator[Peer]:
    for label in OTHERS:
        try:
            yield FACTORIES[label]()
        except (ImportError, UnavailableError) as error:
            print(f"not compared: {label}: {error}")


def _cells(work: Workspace, *, quick: bool) -> Iterator[Cell]:
    for cell in cells.all_cells(work, quick=quick):
        if cell.group in (*READS, *WRITES, safety.PARTS):
            yield cell


def _wall(result: Result, label: str) -> float:
    return statistics.median(result.times[label])


def _cpu(result: Result, label: str) -> float:
    return statistics.median(result.cpu[label])


def _ratios(result: Result, clock: Clock, labels: Sequence[str]) -> list[float]:
    if OURS not in result.times:
        return []
    ours = clock(result, OURS)
    return [clock(result, label) / ours for label in labels if label in result.times]


def _line(result: Result) -> str:
    if OURS not in result.times:
        return f"{result.group}: {result.name}: exzarr failed: {result.problems.get(OURS)}"
    parts = [
        f"{label} {_ratios(result, _wall, [label])[0]:5.2f} / {_ratios(result, _cpu, [label])[0]:5.2f}"
        if label in result.times
        else f"{label} {result.problems.get(label, '-')[:30]}"
        for label in OTHERS
    ]
    milliseconds = f"{_wall(result, OURS) * 1e3:8.2f} / {_cpu(result, OURS) * 1e3:8.2f} ms"
    return f"{result.group + ': ' + result.name:60} {milliseconds}  " + "  ".join(parts)


def _summary(results: Sequence[Result]) -> Iterator[str]:
    reads = [result for result in results if result.group in READS]
    writes = [result for result in results if result.group in WRITES]
    for name, clock in (("wall clock", _wall), ("CPU", _cpu)):
        yield _verdict(f"reads, {name}: each of the others", reads, clock, OTHERS, 1.0)
        best = [min(found) for result in reads if (found := _ratios(result, clock, OTHERS))]
        if best:
            yield f"reads, {name}: median against the best of them ≥ 1.2: {statistics.median(best):.2f}"
        yield _verdict(f"whole writes, {name}: zarr-python's pipelines", writes, clock, ZARR, 1.0)
        yield _verdict(f"whole writes, {name}: zarrs-python", writes, clock, OTHERS[2:], 0.9)


def _verdict(what: str, results: Sequence[Result], clock: Clock, labels: Sequence[str], least: float) -> str:
    found = [(min(ratios), result.name) for result in results if (ratios := _ratios(result, clock, labels))]
    if not found:
        return f"{what} ≥ {least}: not measured"
    value, name = min(found)
    below = sum(ratio < least for ratio, _ in found)
    return f"{what} ≥ {least}: least {value:.2f} ({name}), {below} of {len(found)} cells below"


if __name__ == "__main__":
    main()
