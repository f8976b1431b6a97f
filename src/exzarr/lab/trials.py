"""Trials of the best candidates on the sample, and the corrections that follow."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any

from exzarr._stream.progress.progress import Meter
from exzarr.lab.candidates import Layout
from exzarr.lab.chunk_report import LayoutResult
from exzarr.lab.measuring import Bench, Trial, try_layouts
from exzarr.lab.scoring import Problem, scored

__all__ = ["agreement", "run_trials", "select_trials"]

MOST_FILES = 5_000
"""Layouts with more files for the sample are not tried: writing these takes too long."""

ALIKE = 0.05
"""Relative difference of costs below which only one of two layouts is tried."""

APART = 1.3
"""Ratio of two measurements from which their difference is clear."""


def run_trials(
    results: Sequence[LayoutResult],
    problem: Problem,
    bench: Bench,
    *,
    most: int,
    now: Layout | None,
    seconds: float,
    meter: Meter,
) -> list[LayoutResult]:
    """Try the best `most` of `results` and the present layout. Return all results, corrected and scored."""
    shape = bench.sample.shape
    on_sample = problem.for_sample(shape)
    some = select_trials(results, most, now, shape)
    layouts = [result.layout.clipped(shape) for result in some]
    meter.expect(len(layouts))

    def on_trial() -> None:
        meter.add(1, bench.sample.nbytes)

    trials = try_layouts(
        bench, layouts, on_sample.accesses, seed=problem.seed, seconds=seconds, on_trial=on_trial
    )
    changed: dict[int, LayoutResult] = {}
    for result, trial in zip(some, trials, strict=False):
        changed[id(result)] = _corrected(result, trial, on_sample)
    if not changed:
        return [*results]
    # Correct untried layouts by the median correction of the tried ones. They must not win by being untried.
    usual = {
        name: statistics.median(
            r.accesses[name].seconds / r.accesses[name].cost.seconds for r in changed.values()
        )
        for name in problem.accesses
    }
    return scored([changed.get(id(r)) or _scaled(r, usual) for r in results], problem.accesses)


def select_trials(
    results: Sequence[LayoutResult], most: int, now: Layout | None, shape: Sequence[int]
) -> list[LayoutResult]:
    """Return the layouts to try, in this order, without those that are nearly equal.

    The best for the mix comes first. The present layout, the best for each access alone (for comparison) and the
    next best follow.
    """
    found: dict[Any, LayoutResult] = {}
    limit = most + (now is not None)

    def add(result: LayoutResult) -> None:
        cut = result.layout.clipped(shape)
        if len(found) < limit and (cut.objects(shape) <= MOST_FILES or result.layout is now):
            found.setdefault((cut.chunks, cut.shards), result)

    add(results[0])  # first, because there may be time for only one
    for result in results:
        if result.layout is now:
            add(result)
    names = [*results[0].accesses]
    if len(names) > 1:
        for name in names[: max(0, most - 2)]:
            add(min(results, key=lambda r: (r.accesses[name].cost.seconds, r.score)))
    for result in results:
        if not any(_alike(result, other) for other in found.values()):
            add(result)
    return [*found.values()]


def _alike(a: LayoutResult, b: LayoutResult) -> bool:
    return all(
        abs(one.cost.seconds - b.accesses[name].cost.seconds) < ALIKE * one.cost.seconds
        for name, one in a.accesses.items()
    )


def _corrected(result: LayoutResult, trial: Trial, on_sample: Problem) -> LayoutResult:
    """Return `result` with its estimates multiplied by the ratio of measurement and estimate on the sample."""
    predicted = {name: one.seconds for name, one in on_sample.expected(trial.layout).items()}
    factors = {name: trial.accesses[name].seconds / predicted[name] for name in predicted}
    return replace(_scaled(result, factors), trial=trial, predicted=predicted)


def _scaled(result: LayoutResult, factors: Mapping[str, float]) -> LayoutResult:
    costs = {
        name: replace(one, seconds=one.cost.seconds * factors[name]) for name, one in result.accesses.items()
    }
    return replace(result, accesses=costs)


def agreement(results: Sequence[LayoutResult]) -> tuple[int, int]:
    """Return the number of comparisons in which model and measurement agree, and the number of all comparisons.

    Two tried layouts are compared for each access in which one took at least `APART` times as long as the other.
    Smaller differences can be chance.
    """
    both = [(r.predicted, r.trial) for r in results if r.trial is not None and r.predicted is not None]
    same = pairs = 0
    for (predicted, trial), (other_predicted, other) in combinations(both, 2):
        for name, one in trial.accesses.items():
            ratio = one.seconds / other.accesses[name].seconds
            if max(ratio, 1 / ratio) >= APART:
                pairs += 1
                same += (ratio > 1) == (predicted[name] > other_predicted[name])
    return same, pairs
