"""Explanations of the chunk lab's recommendation. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence

from exzarr.lab.candidates import Layout
from exzarr.lab.chunk_report import AccessCost, ChunkReport, LayoutResult
from exzarr.telemetry.units import human_bytes, human_seconds

__all__ = ["reasons"]

MANY = 100_000
"""Number of files or objects above which listing, copying and deleting them becomes slow."""

MOSTLY = {
    "requests": "mostly waiting for requests",
    "bytes": "mostly transferring bytes",
    "decoding": "mostly decoding",
}


def reasons(report: ChunkReport) -> tuple[str, ...]:
    """Return the reasons for `report.best`, one or two sentences each."""
    best, now, layouts = report.best, report.now, report.layouts
    found = [_recommendation(best, report)]
    found += [
        _access(name, str(access), best.accesses[name], layouts) for name, access in report.accesses.items()
    ]
    if now is not None:
        found.append(_now(best, now))
    runner = next((r for r in layouts if r is not best), None)
    if runner is not None and abs(runner.score / best.score - 1) < 0.1:
        found.append(
            f"Close second: {runner.layout} with score {runner.score:.2f}, against {best.score:.2f}. Such small "
            "differences are noise: choose by other needs."
        )
    if len(report.accesses) > 1 and best.score > 1.5:
        found.append(
            f"No layout suits all accesses: this one takes {best.score:.1f} times as long as separate layouts, "
            "each the best for one access. If that is too slow, keep two copies, each laid out for one access."
        )
    if report.left_out:
        found.append(
            f"{report.left_out} layouts were left out because they have more objects than `objects=` allows."
        )
    same, pairs = report.agreed
    if pairs:
        found.append(
            f"Trials found a clear difference in {pairs} comparisons of two layouts. The model predicted the same "
            f"order in {same} of them."
            + ("" if 3 * same >= 2 * pairs else " That is few: trust the measurements.")
        )
    if report.synthetic:
        found.append(
            "The sample is synthetic, because no data was given: give an array or a path for figures of your own data."
        )
    return tuple(found)


def _recommendation(best: LayoutResult, report: ChunkReport) -> str:
    layout = best.layout
    objects = f"{best.objects:,} {'object' if report.speeds.concurrency else 'file'}{'' if best.objects == 1 else 's'}"
    text = f"Use chunks {layout.chunks} of {human_bytes(best.chunk_bytes)}"
    if layout.shards is None:
        text += f", without shards: {objects}."
    else:
        inner = math.prod(s // c for s, c in zip(layout.shards, layout.chunks, strict=True))
        without = Layout(layout.chunks).objects(report.shape)
        text += f", {inner:,} of them in each shard {layout.shards}: {objects} instead of {without:,}."
    if best.objects > MANY:
        text += " So many take long to list, copy and delete."
    return text


def _access(name: str, text: str, cost: AccessCost, layouts: Sequence[LayoutResult]) -> str:
    counts = cost.counts
    parts = [
        (
            f"{name} ({text}): {human_seconds(cost.seconds)}, {MOSTLY[cost.cost.mostly]}, with {counts.requests:,.0f} "
            f"request{'' if round(counts.requests) == 1 else 's'} for {human_bytes(round(counts.fetch_bytes))}"
        )
    ]
    if counts.amplification > 1.2:
        parts.append(f"It decodes {_round(counts.amplification)} bytes per selected byte")
    if cost.slower > 1.2:
        alone = min(layouts, key=lambda r: r.accesses[name].seconds)
        parts.append(
            f"The best layout for it alone ({alone.layout}) is {_round(cost.slower)} times as fast, but has a score of "
            f"{_round(alone.score)}"
        )
    return ". ".join(parts) + "."


def _now(best: LayoutResult, now: LayoutResult) -> str:
    if now.layout.chunks == best.layout.chunks and now.layout.shards == best.layout.shards:
        return "The array already has this layout."
    comparison = []
    for name, cost in now.accesses.items():
        ratio = cost.seconds / best.accesses[name].seconds if best.accesses[name].seconds else 1.0
        if ratio > 1.1:
            comparison.append(f"{name} {_round(ratio)} times as slow")
        elif ratio < 0.9:
            comparison.append(f"{name} {_round(1 / ratio)} times as fast")
        else:
            comparison.append(f"{name} equally fast")
    return (
        f"The present layout ({now.layout}, {now.objects:,} objects) in comparison: {', '.join(comparison)}."
    )


def _round(value: float) -> str:
    return f"{value:.1f}" if value < 10 else f"{value:,.0f}"
