"""Figure of docs/benchmarks.md: one dot per cell and peer, on a logarithmic scale of ratios."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks import cells
from benchmarks.harness import Result
from benchmarks.report import groups
from benchmarks.targets import Run

# Okabe and Ito's colours, which are safe for colour-blind readers; and a shape each, for print.
STYLES = {
    "TensorStore": ("#0072B2", "o"),
    "zarrs-python": ("#D55E00", "s"),
    "zarr-python": ("#999999", "D"),
    "zarr-python fused": ("#009E73", "^"),
}
LEFT = (cells.READS, cells.SELECTIONS, cells.OPENING, cells.ROWS)


def draw(run: Run, path: Path) -> None:
    """Draw the results as a PNG image in two columns."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    mpl.rcParams.update({"font.size": 8})
    panels = groups(run)
    left = {name: results for name, results in panels.items() if name in LEFT}
    right = {name: results for name, results in panels.items() if name not in LEFT}
    columns = [column for column in (left, right) if column]
    height = max(sum(len(results) + 2 for results in column.values()) for column in columns)
    figure = plt.figure(figsize=(5.5 * len(columns), 0.17 * height))
    outer = figure.add_gridspec(1, len(columns), wspace=0.8)
    for spec, column in zip(outer, columns, strict=True):
        sizes = [len(results) for results in column.values()]
        space = 2.5 * len(sizes) / sum(sizes)  # 2.5 lines between two panels, as a part of their mean height
        inner = spec.subgridspec(len(column), 1, height_ratios=sizes, hspace=space)
        for panel, (name, results) in zip(inner, column.items(), strict=True):
            _panel(figure.add_subplot(panel), name, results, run.labels)
    handles, labels = figure.axes[0].get_legend_handles_labels()
    title = "Each peer's time divided by exzarr's: right of the line, exzarr is faster"
    figure.legend(
        handles, labels, loc="lower center", bbox_to_anchor=(0.5, 0.9), ncols=len(labels),
        frameon=False, title=title, title_fontsize=9,
    )  # fmt: skip
    figure.savefig(path, dpi=90, bbox_inches="tight")
    plt.close(figure)


def _panel(ax: object, name: str, results: Sequence[Result], labels: Sequence[str]) -> None:
    from matplotlib.axes import Axes
    from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

    assert isinstance(ax, Axes)
    for label in labels:
        points = [(r, i) for i, result in enumerate(results) if (r := result.ratio(label)) is not None]
        colour, marker = STYLES.get(label, ("black", "x"))
        ax.plot(
            [r for r, _ in points], [i for _, i in points],
            marker, color=colour, markersize=4, label=label, clip_on=False,
        )  # fmt: skip
    ax.axvline(1, color="black", linewidth=0.8)
    ax.set_xscale("log")
    ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    ax.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    ax.xaxis.set_minor_formatter(NullFormatter())
    low, high = ax.get_xlim()
    ax.set_xlim(min(low, 0.7), max(high, 2))
    ax.set_yticks(range(len(results)), [result.name for result in results])
    ax.set_ylim(len(results) - 0.5, -0.5)
    ax.grid(axis="both", color="0.9", linewidth=0.5)
    ax.set_axisbelow(True)
    ax.set_title(name, fontsize=8, loc="left", fontweight="bold")
    for side in ("top", "right", "left"):
        ax.spines[side].set_visible(False)
    ax.tick_params(length=0)
