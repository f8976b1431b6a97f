"""Performance targets of exzarr, and their verdicts for a run."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from benchmarks import batches, cells, floor, latency, maps, pipelines, safety, xarray_engine
from benchmarks.harness import Result
from benchmarks.peers import BASELINE, FACTORIES, ZARR
from benchmarks.probe import IMPORTS, MEMORY, Figures
from benchmarks.streams import GROUP as STREAMS
from benchmarks.telemetry import GROUP as TELEMETRY

TENSORSTORE = "TensorStore"


@dataclass(frozen=True)
class Verdict:
    """The result of one target. `passed` is None if the run did not measure it."""

    target: str
    measured: str
    passed: bool | None

    @property
    def word(self) -> str:
        return {True: "PASS", False: "MISS", None: "----"}[self.passed]


@dataclass(frozen=True)
class Run:
    """All measurements of one run."""

    results: Sequence[Result]
    figures: Sequence[Figures]
    missing: dict[str, str]

    @property
    def labels(self) -> list[str]:
        """Labels of the peers in this run."""
        rows: list[Result | Figures] = [*self.results, *self.figures]
        seen = {label for row in rows for label in (*_measured(row), *row.problems)}
        return [label for label in FACTORIES if label in seen and label != BASELINE]


def _measured(row: Result | Figures) -> Iterable[str]:
    return row.times if isinstance(row, Result) else row.values


Ratio = Callable[[Result], float | None]


def against(label: str) -> Ratio:
    return lambda result: result.ratio(label)


def against_zarr(result: Result) -> float | None:
    """Return the ratio of zarr-python's fastest pipeline in that cell."""
    ratios = [ratio for label in ZARR if (ratio := result.ratio(label)) is not None]
    return min(ratios, default=None)


def verdicts(run: Run) -> Iterator[Verdict]:
    reads = [r for r in run.results if r.group == cells.READS]
    writes = [r for r in run.results if r.group in (cells.CREATES, cells.REPLACES)]
    selections = [r for r in run.results if r.group == cells.SELECTIONS]
    rows = [r for r in run.results if r.group == cells.ROWS]
    opens = [r for r in run.results if r.group == cells.OPENING and floor.LABEL not in r.times]
    tensorstore = against(TENSORSTORE)

    def every_peer(result: Result) -> float | None:
        ratios = [ratio for label in run.labels if (ratio := result.ratio(label)) is not None]
        return min(ratios, default=None)

    yield _worst("whole reads: every peer, every cell", reads, every_peer, 1.0)
    yield _middle("whole reads: median against TensorStore", reads, tensorstore, 1.6)
    yield _middle("whole reads: median against zarr-python's best", reads, against_zarr, 2.5)
    yield _floor(reads)
    yield _middle("whole writes: median against TensorStore", writes, tensorstore, 1.0)
    yield _worst("whole writes: every cell against TensorStore", writes, tensorstore, 0.8)
    yield _worst("selections: every cell against TensorStore", selections, tensorstore, 1.0)
    yield _worst("selections: every cell against zarr-python's best", selections, against_zarr, 5.0)
    yield _worst("256 random rows: every cell against TensorStore", rows, tensorstore, 1.0)
    yield _worst("256 random rows: every cell against zarr-python's best", rows, against_zarr, 10.0)
    yield from _through_zarr([*reads, *selections, *rows], writes)
    arrays = [r for r in opens if r.name != cells.LISTING]
    listings = [r for r in opens if r.name == cells.LISTING]
    yield _worst("opening an array: against TensorStore", arrays, tensorstore, 1.0)
    yield _worst("opening and listing 200 arrays: against zarr-python's best", listings, against_zarr, 5.0)
    epochs = [r for r in run.results if r.group == batches.EPOCHS]
    single = [r for r in epochs if r.name.endswith(batches.ONE_BY_ONE)]
    first = [r for r in run.results if r.group == batches.FIRST]
    flying = [r for r in epochs if r not in single]
    yield _worst(
        "shuffled epochs: every cell against zarr-python's best, by samples", single, against_zarr, 20.0
    )
    yield _worst("shuffled epochs: every cell against TensorStore, by samples", single, tensorstore, 1.5)
    yield _worst("shuffled epochs: the same with a batch's samples in flight", flying, tensorstore, 1.0)
    yield _worst("first batch: every cell against TensorStore, by samples", first, tensorstore, 1.0)
    mapped = [r for r in run.results if r.group == maps.MAPS and r.name.endswith(maps.THREADS)]
    yield _worst(
        "parallel maps in threads: every cell against TensorStore, in a loop", mapped, tensorstore, 1.0
    )
    yield _worst(
        "parallel maps in threads: every cell against dask on zarr-python", mapped, against_zarr, 1.0
    )
    parts = [r for r in run.results if r.group == safety.PARTS]
    appends = [r for r in run.results if r.group == safety.APPENDS]
    yield _middle("parts of chunks: median against TensorStore", parts, tensorstore, 1.0)
    yield _worst("appends: against zarr-python's best", appends, against_zarr, 5.0)
    far = [r for r in run.results if r.group == latency.GROUP]
    yield _worst("20 ms a request: every cell against zarr-python's best", far, against_zarr, 1.0)
    engines = [r for r in run.results if r.group == xarray_engine.GROUP]
    yield _worst("xarray: every cell against the zarr engine's best", engines, against_zarr, 1.5)
    yield _middle("xarray: median against the zarr engine's best", engines, against_zarr, 3.0)
    ideal = [f for f in run.figures if f.group == latency.IDEAL and f.name.endswith(latency.STORE)]
    yield _bounded("a whole read at 20 ms a request: time over the ideal", ideal)
    for group, target in (
        (IMPORTS, "import exzarr over import numpy, ms"),
        (MEMORY, "peak memory over the result, MiB"),
        (STREAMS, "chunk streams: time over that of one whole read"),
        (TELEMETRY, "telemetry without a hook, % of a small call"),
    ):
        yield _bounded(target, [f for f in run.figures if f.group == group])


def _through_zarr(reads: Sequence[Result], writes: Sequence[Result]) -> Iterator[Verdict]:
    """The verdicts of exzarr's pipeline in zarr-python, by the wall clock and of all cores."""
    for clock, cpu in (("wall clock", False), ("CPU", True)):

        def best_of(*labels: str, cpu: bool = cpu) -> Ratio:
            return lambda result: pipelines.ratio_against(result, labels, cpu=cpu)

        reading, writing = (f"{pipelines.LABEL}, {what}, {clock}" for what in ("reads", "whole writes"))
        zarrs = pipelines.OTHERS[-1]
        who = pipelines.LABEL
        yield _worst(f"{reading}: every other pipeline", reads, best_of(*pipelines.OTHERS), 1.0, who)
        yield _middle(f"{reading}: median against the best of them", reads, best_of(*pipelines.OTHERS), 1.2)
        yield _worst(f"{writing}: zarr-python's pipelines", writes, best_of(*ZARR), 1.0, who)
        yield _worst(f"{writing}: {zarrs}", writes, best_of(zarrs), 0.9, who)


def _worst(
    target: str, results: Sequence[Result], ratio: Ratio, least: float, who: str = BASELINE
) -> Verdict:
    target = f"{target} ≥ {least}"
    found = [(value, result) for result in results if (value := ratio(result)) is not None]
    broken = [result.name for result in results if who in result.problems]
    if broken:
        return Verdict(target, f"{who} failed in {len(broken)} cells, first: {broken[0]}", passed=False)
    if not found:
        return Verdict(target, "not measured", None)
    value, result = min(found, key=lambda pair: pair[0])
    below = sum(v < least for v, _ in found)
    text = f"least {value:.2f} ({result.name})"
    if below:
        text += f"; {below} of {len(found)} cells below"
    return Verdict(target, text, passed=not below)


def _middle(target: str, results: Sequence[Result], ratio: Ratio, least: float) -> Verdict:
    target = f"{target} ≥ {least}"
    found = [value for result in results if (value := ratio(result)) is not None]
    if not found:
        return Verdict(target, "not measured", None)
    median = statistics.median(found)
    return Verdict(target, f"{median:.2f} over {len(found)} cells", passed=median >= least)


def _floor(results: Sequence[Result]) -> Verdict:
    target = "whole reads, raw 32³ and 64³: time ÷ floor ≤ 1.4"
    found = [(1 / ratio, r.name) for r in results if (ratio := r.ratio(floor.LABEL)) is not None]
    if not found:
        return Verdict(target, "not measured", None)
    text = ", ".join(f"{value:.2f} ({name})" for value, name in found)
    return Verdict(target, text, passed=max(found)[0] <= 1.4)


def _bounded(target: str, figures: Sequence[Figures]) -> Verdict:
    found = [(figure.values[BASELINE], figure) for figure in figures if BASELINE in figure.values]
    if not found:
        return Verdict(target, "not measured", None)
    value, figure = max(found, key=lambda pair: pair[0] / pair[1].bound)
    text = f"{value:.3g}" + (f" ({figure.name})" if len(found) > 1 else "")
    return Verdict(f"{target} ≤ {figure.bound:.4g}", text, passed=value <= figure.bound)
