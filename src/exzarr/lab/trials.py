"""The best candidates, tried on the sample, and everything put right by that."""

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

__all__ = ["agreement", "chosen", "tried"]

MOST_FILES = 5_000
"""Layouts that cut the sample into more are not tried: writing them takes longer than it teaches."""

ALIKE = 0.05
"""Layouts whose costs differ by no more than this share for any access are tried only once."""

APART = 1.3
"""Two measurements this many times apart are told apart."""


def tried(
    results: Sequence[LayoutResult],
    problem: Problem,
    bench: Bench,
    *,
    most: int,
    now: Layout | None,
    seconds: float,
    meter: Meter | None,
) -> list[LayoutResult]:
    """The best `most` of `results`, and the present layout, tried; all of them scored anew."""
    shape = bench.sample.shape
    on_sample = problem.of_sample(shape)
    some = chosen(results, most, now, shape)
    layouts = [result.layout.clipped(shape) for result in some]
    if meter is not None:
        meter.total = len(layouts)

    def tell() -> None:
        if meter is not None:
            meter.add(1, bench.sample.nbytes)

    trials = try_layouts(bench, layouts, on_sample.accesses, seed=problem.seed, seconds=seconds, tell=tell)
    changed: dict[int, LayoutResult] = {}
    for result, trial in zip(some, trials, strict=False):
        changed[id(result)] = _corrected(result, trial, on_sample)
    if not changed:
        return [*results]
    # What was not tried is not to win by that: it is put right by what is typical of those that were.
    usual = {
        name: statistics.median(
            r.accesses[name].seconds / r.accesses[name].cost.seconds for r in changed.values()
        )
        for name in problem.accesses
    }
    return scored([changed.get(id(r)) or _times(r, usual) for r in results], problem.accesses)


def chosen(
    results: Sequence[LayoutResult], most: int, now: Layout | None, shape: Sequence[int]
) -> list[LayoutResult]:
    """Which to try, and in which order: the best for the mix, the present layout, the best for each access alone
    (for comparison), and the next best that are not all but the same.
    """
    found: dict[Any, LayoutResult] = {}
    room = most + (now is not None)

    def add(result: LayoutResult) -> None:
        cut = result.layout.clipped(shape)
        if len(found) < room and (cut.objects(shape) <= MOST_FILES or result.layout is now):
            found.setdefault((cut.chunks, cut.shards), result)

    add(results[0])  # first: there may be time for one only
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
    """What the model expects of the whole, times what the sample took over what the model expects of the sample."""
    predicted = {name: one.seconds for name, one in on_sample.expected(trial.layout).items()}
    factors = {name: trial.accesses[name].seconds / predicted[name] for name in predicted}
    return replace(_times(result, factors), trial=trial, predicted=predicted)


def _times(result: LayoutResult, factors: Mapping[str, float]) -> LayoutResult:
    costs = {
        name: replace(one, seconds=one.cost.seconds * factors[name]) for name, one in result.accesses.items()
    }
    return replace(result, accesses=costs)


def agreement(results: Sequence[LayoutResult]) -> tuple[int, int]:
    """Of the layouts that were tried: pairs that the model orders as the measurement does, and all pairs.

    Two layouts are a pair for each access for which one took `APART` times as long as the other, so that which is
    faster is no matter of chance.
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
