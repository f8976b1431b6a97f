"""zarr-python on exzarr, against zarr-python's other codec pipelines.

All of them read and write the same arrays through zarr-python, in turns. A ratio is another pipeline's time divided by
that of exzarr's pipeline, by the wall clock and of all cores (CPU). Above 1, exzarr's is faster.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence

from benchmarks import cells, safety
from benchmarks.harness import Result
from benchmarks.peers import ZARR, Peer, ZarrPython

__all__ = ["GROUPS", "LABEL", "OTHERS", "QUICK_GROUPS", "entrants", "ratio_against", "table"]

LABEL = "zarr-python on exzarr"
OTHERS = (*ZARR, "zarrs-python")
QUICK_GROUPS = (cells.READS, cells.SELECTIONS, cells.ROWS)
GROUPS = (*QUICK_GROUPS, cells.CREATES, cells.REPLACES, safety.PARTS)


def entrants(peers: Sequence[Peer]) -> list[Peer]:
    """Return exzarr's pipeline as a contestant, if another pipeline is among `peers`."""
    if not any(peer.label in OTHERS for peer in peers):
        return []
    from exzarr.zarr.pipeline import PATH

    return [ZarrPython(LABEL, PATH, "exzarr")]


def ratio_against(result: Result, labels: Sequence[str] = OTHERS, *, cpu: bool = False) -> float | None:
    """Return the ratio of the fastest pipeline of `labels`."""
    ratios = [result.ratio(label, LABEL, cpu=cpu) for label in labels]
    return min((ratio for ratio in ratios if ratio is not None), default=None)


def table(results: Sequence[Result]) -> list[list[str]]:
    """Return the milliseconds of exzarr's pipeline, and the ratios of the others: wall clock / CPU."""
    measured = [result for result in results if LABEL in result.times and result.cpu.get(LABEL)]
    labels = [label for label in OTHERS if any(label in result.times for result in measured)]
    if not labels:
        return []
    rows = [["wall clock / CPU", f"{LABEL}, ms", *labels]]
    for result in measured:
        wall, cpu = (statistics.median(times[LABEL]) * 1e3 for times in (result.times, result.cpu))
        ratios = [_both([result], label) for label in labels]
        rows.append([f"{result.group}: {result.name}", f"{wall:.2f} / {cpu:.2f}", *ratios])
    for group in dict.fromkeys(result.group for result in measured):
        members = [result for result in measured if result.group == group]
        rows.append([f"{group}: median", "", *[_both(members, label) for label in labels]])
    return rows


def _both(results: Sequence[Result], label: str) -> str:
    medians = [*_medians(results, label)]
    return " / ".join(f"{median:.2f}" for median in medians)


def _medians(results: Sequence[Result], label: str) -> Iterator[float]:
    for cpu in (False, True):
        found = [ratio for one in results if (ratio := one.ratio(label, LABEL, cpu=cpu)) is not None]
        if found:
            yield statistics.median(found)
