"""Why one layout and not another, in words. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence

from exzarr.lab.candidates import Layout
from exzarr.lab.chunk_report import AccessCost, ChunkReport, LayoutResult
from exzarr.telemetry.units import human_bytes, human_seconds

__all__ = ["reasons"]

MANY = 100_000
"""So many files or objects are a burden to list, copy and delete."""

MOSTLY = {
    "requests": "nearly all of it waiting for answers",
    "bytes": "most of it moving bytes",
    "decoding": "most of it decoding",
}


def reasons(report: ChunkReport) -> tuple[str, ...]:
    """What speaks for `report.best`, one sentence or two each."""
    best, now, layouts = report.best, report.now, report.layouts
    found = [_take(best, report)]
    found += [
        _access(name, str(access), best.accesses[name], layouts) for name, access in report.accesses.items()
    ]
    if now is not None:
        found.append(_now(best, now))
    runner = next((r for r in layouts if r is not best), None)
    if runner is not None and abs(runner.score / best.score - 1) < 0.1:
        found.append(
            f"Close behind: {runner.layout} ({runner.score:.2f} × best). Differences of this size are noise; take "
            "whichever suits other needs."
        )
    if len(report.accesses) > 1 and best.score > 1.5:
        found.append(
            f"No layout is good for all of it: even this one takes {best.score:.1f} times as long as if each access had "
            "its own. Where that hurts, keep two copies, each cut for one access."
        )
    if report.left_out:
        found.append(
            f"{report.left_out} layouts with more objects than allowed were left out (`objects=` says how many are)."
        )
    same, pairs = report.agreed
    if pairs:
        found.append(
            f"Trying them told layouts clearly apart in {pairs} cases; the model had ordered {same} of them the same way."
            + ("" if 3 * same >= 2 * pairs else " That is little: trust what was measured.")
        )
    if report.made_up:
        found.append(
            "There was no data, so it was made up: give an array or a path for figures of your own data."
        )
    return tuple(found)


def _take(best: LayoutResult, report: ChunkReport) -> str:
    layout = best.layout
    objects = f"{best.objects:,} {'object' if report.speeds.concurrency else 'file'}{'' if best.objects == 1 else 's'}"
    text = f"Take chunks {layout.chunks} of {human_bytes(best.chunk_bytes)}"
    if layout.shards is None:
        text += f", without shards: {objects}."
    else:
        inner = math.prod(s // c for s, c in zip(layout.shards, layout.chunks, strict=True))
        without = Layout(layout.chunks).objects(report.shape)
        text += f", {inner:,} of them in shards {layout.shards}: {objects} instead of {without:,}."
    if best.objects > MANY:
        text += " That is many to list, to copy and to delete."
    return text


def _access(name: str, text: str, cost: AccessCost, layouts: Sequence[LayoutResult]) -> str:
    counts = cost.counts
    parts = [
        (
            f"{name} ({text}): {human_seconds(cost.seconds)}, {MOSTLY[cost.cost.mostly]}: {counts.requests:,.0f} "
            f"request{'' if round(counts.requests) == 1 else 's'} for {human_bytes(round(counts.fetch_bytes))}"
        )
    ]
    if counts.amplification > 1.2:
        parts.append(f"{_round(counts.amplification)} bytes decoded for each one wanted")
    if cost.slower > 1.2:
        alone = min(layouts, key=lambda r: r.accesses[name].seconds)
        parts.append(
            f"cut for this alone ({alone.layout}) it would be {_round(cost.slower)} times as fast, and the whole mix "
            f"{_round(alone.score)} × best"
        )
    return "; ".join(parts) + "."


def _now(best: LayoutResult, now: LayoutResult) -> str:
    if now.layout.chunks == best.layout.chunks and now.layout.shards == best.layout.shards:
        return "It is cut like this already."
    told = []
    for name, cost in now.accesses.items():
        ratio = cost.seconds / best.accesses[name].seconds if best.accesses[name].seconds else 1.0
        if ratio > 1.1:
            told.append(f"{name} {_round(ratio)} times as slow")
        elif ratio < 0.9:
            told.append(f"{name} {_round(1 / ratio)} times as fast")
        else:
            told.append(f"{name} about the same")
    return f"As it is cut now ({now.layout}, {now.objects:,} objects), against that: {', '.join(told)}."


def _round(value: float) -> str:
    return f"{value:.1f}" if value < 10 else f"{value:,.0f}"
