"""Scores of candidates by the model, and refinement of the best one."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from exzarr._creation.metadata import array_metadata
from exzarr._engine.remote.requests import in_request
from exzarr.lab import model
from exzarr.lab.access import Patterns, Shape
from exzarr.lab.candidates import Layout, neighbours
from exzarr.lab.chunk_report import AccessCost, LayoutResult
from exzarr.lab.counts import count_reads, counted
from exzarr.lab.hypothetical import hypothetical_array
from exzarr.lab.speeds import Speeds

__all__ = ["Problem", "refined", "scored"]

STEPS = 6
"""Most steps of refinement."""


@dataclass(frozen=True, slots=True)
class Problem:
    """The task for which layouts are scored.

    Attributes
    ----------
    of, dtype
        The array.
    accesses
        Settled access patterns by name.
    codecs
        ``filters``, ``serializer`` and ``compressors`` as for `exzarr.create_array`.
    speeds
        Speeds for the model.
    seed
        Seed of the places of windows, rows and elements.
    """

    of: Shape
    dtype: Any
    accesses: Patterns
    codecs: Mapping[str, Any]
    speeds: Speeds
    seed: int = 0

    def expected(self, layout: Layout) -> dict[str, AccessCost]:
        """Return the estimated cost of each pattern with `layout`, without any reads or writes."""
        meta = array_metadata(
            shape=self.of.shape,
            dtype=self.dtype,
            chunks=layout.chunks,
            shards=layout.shards,
            **self.codecs,
        )
        array = hypothetical_array(meta, self.speeds.ratio, self.speeds.concurrency)
        found = {}
        for name, access in self.accesses.items():
            with in_request.mark():  # a hypothetical store answers at once, without threads
                counts = count_reads(array, access, self.seed)
            cost = model.cost_of(counts, self.speeds)
            found[name] = AccessCost(cost.seconds, counted(counts), cost)
        return found

    def estimate(self, layout: Layout) -> LayoutResult:
        """Return the estimated costs of `layout`, without a score."""
        nbytes = math.prod(layout.chunks) * self.of.itemsize
        return LayoutResult(layout, self.expected(layout), 1.0, layout.objects(self.of.shape), nbytes)

    def for_sample(self, shape: tuple[int, ...]) -> Problem:
        """Return the same task for a part of the array, with patterns that fit into it."""
        of = Shape(shape, self.of.itemsize)
        accesses: Patterns = {name: access.settled(of) for name, access in self.accesses.items()}
        return replace(self, of=of, accesses=accesses)


def scored(results: Sequence[LayoutResult], accesses: Patterns) -> list[LayoutResult]:
    """Return the results with slowdowns and scores, the best first."""
    best = {name: min(r.accesses[name].seconds for r in results) for name in accesses}
    weights = {name: access.weight for name, access in accesses.items()}
    found = []
    for result in results:
        slower = model.slowdowns({name: one.seconds for name, one in result.accesses.items()}, best)
        costs = {name: replace(one, slower=slower[name]) for name, one in result.accesses.items()}
        found.append(replace(result, accesses=costs, score=model.score(slower, weights)))
    return sorted(found, key=lambda r: (r.score, r.objects))


def refined(
    results: list[LayoutResult], problem: Problem, *, sharded: bool, objects: int
) -> list[LayoutResult]:
    """Add neighbours of the best layout, as long as they improve the score."""
    of = problem.of
    seen = {(r.layout.chunks, r.layout.shards) for r in results}
    for _ in range(STEPS):
        before = results[0].layout
        new = [
            layout
            for layout in neighbours(before, of.shape, of.itemsize, sharded=sharded)
            if (layout.chunks, layout.shards) not in seen and layout.objects(of.shape) <= objects
        ]
        seen |= {(layout.chunks, layout.shards) for layout in new}
        results = scored([*results, *[problem.estimate(layout) for layout in new]], problem.accesses)
        if results[0].layout is before:
            break
    return results
