"""Plot of the chunk lab's report: the cost of each access with each layout."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from exzarr.lab.report import bare_axes, new_figure

if TYPE_CHECKING:
    from exzarr.lab.chunk_report import ChunkReport

__all__ = ["figure"]

COLOURS = ("#4477aa", "#ee8866", "#228833", "#aa4499", "#bbaa33", "#66ccee")
MOST = 14
"""Most layouts in the plot."""


def figure(report: ChunkReport) -> Any:
    """Return bars of the slowdown of each access against its own best layout, sorted by score."""
    shown = report.shown(MOST)
    names = [*report.accesses]
    made = new_figure(9, 1.6 + 0.42 * len(shown))
    axes = made.subplots()
    height = 0.8 / len(names)
    at = np.arange(len(shown))
    for number, name in enumerate(names):
        slower = [result.accesses[name].slower for result in shown]
        place = at + (number - (len(names) - 1) / 2) * height
        colour = COLOURS[number % len(COLOURS)]
        axes.barh(place, [s - 0.97 for s in slower], height, left=0.97, color=colour, label=name)
    axes.plot([r.score for r in shown], at, "D", color="black", markersize=5, label="score (weighted mean)")
    axes.set_xscale("log")
    axes.axvline(1, color="#888888", linewidth=0.8)
    labels = [
        f"{'→ ' if r is report.best else ''}{r.layout}{' (now)' if r is report.now else ''}" for r in shown
    ]
    axes.set_yticks(at, labels, fontsize=8)
    axes.invert_yaxis()
    axes.set_xlabel("slowdown against the best layout for this access alone")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}×")
    axes.xaxis.set_minor_formatter("")
    made.legend(loc="outside lower center", ncols=len(names) + 1, fontsize=8, frameon=False)
    axes.set_title(report.headline().partition("\n")[0], loc="left", fontsize=9)
    bare_axes(axes)
    return made
