"""docs/benchmarks-history.md: the median ratios of all stored runs, as a figure and as a table."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from pathlib import Path

from benchmarks.harness import Result
from benchmarks.report import groups
from benchmarks.stored import StoredRun
from benchmarks.targets import TENSORSTORE, Ratio, against, against_zarr

__all__ = ["as_markdown", "draw"]

PEERS: dict[str, Ratio] = {TENSORSTORE: against(TENSORSTORE), "zarr-python's best": against_zarr}


def as_markdown(runs: Sequence[StoredRun], plot: str) -> str:
    """Return the page: one table for each peer, with a column for each run."""
    lines = [
        "# History of the benchmarks",
        "",
        "Each complete run of `make bench` adds one file to `benchmarks/results/`, and this page compares them. The numbers",
        "are medians over the cells of a group: the peer's time divided by exzarr's. Above 1, exzarr is faster. Machines",
        "and versions of the peers differ between the runs, so compare ratios only.",
        "",
        f"![Median ratios of each group, run by run]({plot})",
        "",
        "## Runs",
        "",
        "| run | exzarr | machine |",
        "| --- | --- | --- |",
        *[f"| {run.date} | {run.libraries.get('exzarr', '')} | {run.machine} |" for run in runs],
    ]
    names = list(dict.fromkeys(name for run in runs for name in groups(run.run)))
    for peer, ratio in PEERS.items():
        lines += [
            "",
            f"## Against {peer}",
            "",
            f"| group | {' | '.join(run.date for run in runs)} |",
            f"| --- |{' --- |' * len(runs)}",
        ]
        for name in names:
            medians = [_median(groups(run.run).get(name, ()), ratio) for run in runs]
            if any(value is not None for value in medians):
                cells = ["" if value is None else f"{value:.2f}" for value in medians]
                lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join([*lines, ""])


def draw(runs: Sequence[StoredRun], path: Path) -> None:
    """Draw one line per group over the runs, one panel for each peer, as a PNG image."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    names = list(dict.fromkeys(name for run in runs for name in groups(run.run)))
    figure, axes = plt.subplots(1, len(PEERS), figsize=(11, 4.5), layout="constrained")
    for ax, (peer, ratio) in zip(axes, PEERS.items(), strict=True):
        for k, name in enumerate(names):
            points = [
                (i, value)
                for i, run in enumerate(runs)
                if (value := _median(groups(run.run).get(name, ()), ratio)) is not None
            ]
            ax.plot(
                [i for i, _ in points], [value for _, value in points],
                marker="os^Dv<>P"[k % 8], color=f"C{k % 10}", markersize=5, linewidth=1, label=name,
            )  # fmt: skip
        ax.axhline(1, color="black", linewidth=0.8)
        ax.set_yscale("log")
        ax.yaxis.set_major_formatter("{x:g}")
        ax.set_xticks(range(len(runs)), [f"{run.date[:10]}\n{run.libraries['exzarr']}" for run in runs])
        ax.set_xlim(-0.5, len(runs) - 0.5)
        ax.set_title(f"time of {peer} divided by exzarr's", fontsize=9, loc="left")
        ax.tick_params(labelsize=8)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, frameon=False, fontsize=8)
    figure.savefig(path, dpi=90)
    plt.close(figure)


def _median(results: Iterable[Result], ratio: Ratio) -> float | None:
    found = [value for result in results if (value := ratio(result)) is not None]
    return statistics.median(found) if found else None
