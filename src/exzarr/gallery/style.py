"""How all pictures of the gallery look: one palette, one type, and readable on white as on black.

Figures have no background of their own, their text is a grey that stands out from white and from black alike, and
colours are of middling lightness. So the same file does in the light and in the dark.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "BLUE",
    "COLOURS",
    "GREEN",
    "GREY",
    "INK",
    "ORANGE",
    "PURPLE",
    "RED",
    "TEAL",
    "new_figure",
    "title",
    "use",
]

BLUE, ORANGE, TEAL, RED, PURPLE, GREEN, GREY = (
    "#3b82c4",
    "#e08a2b",
    "#2a9d8f",
    "#d1495b",
    "#8e6bbf",
    "#6a9f3f",
    "#9aa4ae",
)
"""In the order in which lines get them; GREY is for what stands behind."""

COLOURS = (BLUE, ORANGE, TEAL, RED, PURPLE, GREEN)

INK = "#737d87"
"""Text and axes: contrast of 4 to 1 to white, and more to black."""

RC: dict[str, Any] = {
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.titlelocation": "left",
    "axes.titlesize": 10.5,
    "axes.titleweight": "bold",
    "axes.titlepad": 8,
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "grid.color": INK,
    "grid.alpha": 0.22,
    "grid.linewidth": 0.6,
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "legend.frameon": False,
    "legend.labelcolor": INK,
    "lines.linewidth": 1.8,
    "lines.solid_capstyle": "round",
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.major.size": 3,
    "ytick.major.size": 3,
}


def use() -> None:
    """Make it the style of this process. A notebook calls it once, in its first cell."""
    import matplotlib as mpl
    from cycler import cycler

    mpl.rcParams.update({**RC, "axes.prop_cycle": cycler(color=COLOURS)})


def new_figure(
    width: float = 7.6,
    height: float = 3.4,
    *,
    rows: int = 1,
    columns: int = 1,
    grid: str = "y",
    **options: Any,
) -> tuple[Figure, Any]:
    """A figure and its axes (an array of them, where there are several); sizes in inches.

    No pyplot: no display is looked for, and nothing has to be closed. `grid` names the axes whose ticks get
    faint lines: "x", "y", "both" or "". `options` go to `Figure.subplots`.
    """
    from matplotlib.figure import Figure

    made = Figure(figsize=(width, height), layout="constrained")
    axes = made.subplots(rows, columns, **options)
    for one in axes.flat if rows * columns > 1 else [axes]:
        if grid:
            one.grid(axis=grid)
    return made, axes


def title(axes: Axes, text: str, aside: str = "") -> None:
    """A title at the left and, at the right, fainter, an aside: units, or what the colours mean."""
    axes.set_title(text)
    if aside:
        axes.set_title(aside, loc="right", fontsize=8.5, fontweight="normal")
