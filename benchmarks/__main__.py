"""Command `python -m benchmarks`, which `make bench` runs."""

from __future__ import annotations

import argparse
import tempfile
import warnings
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from time import perf_counter

from benchmarks import (
    cells,
    floor,
    history,
    latency,
    peers,
    pipelines,
    probe,
    report,
    stored,
    streams,
    telemetry,
)
from benchmarks.data import Workspace
from benchmarks.harness import Result, Rounds, measure
from benchmarks.targets import Run

ROOT = Path(__file__).resolve().parents[1]
FULL = Rounds(least=3, most=11, seconds=1.2)
QUICK = Rounds(least=3, most=9, seconds=0.35)


def main() -> None:
    options = _options()
    if options.redraw:
        _redraw()
        return
    warnings.simplefilter("ignore")  # zarr-python warns about extensions of the v3 specification
    started = perf_counter()
    entrants, missing = peers.available(options.peers)
    others = [peer for peer in reversed(entrants) if peer.label != peers.BASELINE] or entrants
    bridge = pipelines.entrants(entrants)
    bridged = pipelines.QUICK_GROUPS if options.quick else pipelines.GROUPS
    rounds = QUICK if options.quick else FULL
    probed = entrants[:2] if options.quick else entrants  # each probe starts a process, which is slow
    results: list[Result] = []
    figures: list[probe.Figures] = []
    with (
        tempfile.TemporaryDirectory(prefix="exzarr-bench-", dir=options.dir) as folder,
        ExitStack() as stack,
    ):
        work = Workspace(Path(folder), others)
        far = latency.LatencyCells(Path(folder), quick=options.quick)
        stack.callback(far.close)
        for cell in chain(cells.all_cells(work, quick=options.quick), far.cells()):
            if options.only in f"{cell.group}: {cell.name}":
                print(f"[{perf_counter() - started:4.0f} s] {cell.group}: {cell.name}", flush=True)
                contestants = [*entrants, *bridge] if cell.group in bridged else entrants
                results.append(measure(cell, contestants, rounds, floor.LABEL))
        figures += far.ideal(results)
        if options.only in probe.IMPORTS:
            figures += probe.import_times(work, probed, 3 if options.quick else 15)
        if options.only in probe.MEMORY:
            figures += probe.peak_memory(work, probed, quick=options.quick)
        if options.only in streams.GROUP:
            figures += streams.throughput(work, quick=options.quick)
        if options.only in telemetry.GROUP:
            figures += telemetry.overhead(Path(folder), 7 if options.quick else 51)
    if options.cpu:
        results = [replace(result, times=result.cpu, cpu=result.times) for result in results]
    results.sort(key=lambda result: cells.GROUPS.index(result.group))
    run = Run(results, figures, missing)
    print(f"\n{report.machine()}\n\n{report.as_text(run)}\n\n{perf_counter() - started:.0f} s")
    if not (options.quick or options.only or options.peers or options.cpu):
        _store(run)


def _store(run: Run) -> None:
    """Store the results of a complete run, and update the pages."""
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M")
    path = stored.save(stored.StoredRun(now, report.command(), report.machine(), report.versions(), run))
    print(f"written: {path.relative_to(ROOT)}")
    _redraw()


def _redraw() -> None:
    """Write the pages of the documentation from the stored results, so that all numbers come from files in git."""
    from benchmarks.plot import draw

    docs, runs = ROOT / "docs", stored.load_all()
    latest = runs[-1]
    draw(latest.run, docs / "benchmarks.png")
    (docs / "benchmarks.md").write_text(report.as_markdown(latest, "benchmarks.png"), encoding="utf-8")
    history.draw(runs, docs / "benchmarks-history.png")
    (docs / "benchmarks-history.md").write_text(
        history.as_markdown(runs, "benchmarks-history.png"), encoding="utf-8"
    )
    print("written: docs/benchmarks.md, docs/benchmarks-history.md, and their figures")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description="Compare exzarr with other libraries."
    )
    parser.add_argument(
        "--quick", action="store_true", help="run few cells and rounds, and do not update docs"
    )
    parser.add_argument(
        "--only", default="", metavar="TEXT", help="run cells whose “group: name” contains TEXT"
    )
    parser.add_argument(
        "--peers", nargs="+", choices=list(peers.FACTORIES), metavar="PEER",
        help=f"libraries to compare: {', '.join(peers.FACTORIES)} (default: all)",
    )  # fmt: skip
    parser.add_argument(
        "--cpu", action="store_true",
        help="compare the processor time of all cores, not the time by the clock: for a machine that is not idle",
    )  # fmt: skip
    parser.add_argument(
        "--redraw", action="store_true", help="measure nothing; write the pages from the stored results"
    )
    parser.add_argument(
        "--dir", type=Path, help="folder for the stores (default: the system's temporary folder)"
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
