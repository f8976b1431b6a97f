"""Style of the gallery's figures: one palette, one font, readable on white and on black.

Figures have a transparent background. Their text is a grey with enough contrast to both white and black, and the
colours have a medium lightness. The same file therefore works in light and dark themes.
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
"""Colours in the order of the lines of a figure; GREY is for the background."""

COLOURS = (BLUE, ORANGE, TEAL, RED, PURPLE, GREEN)

INK = "#737d87"
"""Colour of text and axes: a contrast of 4 to 1 with white, and more with black."""

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
    """Apply the style in this process; a notebook calls this once, in its first cell."""
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
    """Return a new figure and its axes, or an array of axes if there are several.

    It does not use pyplot, so it needs no display and you do not have to close the figure.

    Parameters
    ----------
    width, height
        Size in inches.
    rows, columns
        Number of axes.
    grid
        Axes with faint grid lines: "x", "y", "both" or "".
    options
        Passed to `Figure.subplots`.
    """
    from matplotlib.figure import Figure

    made = Figure(figsize=(width, height), layout="constrained")
    axes = made.subplots(rows, columns, **options)
    for one in axes.flat if rows * columns > 1 else [axes]:
        if grid:
            one.grid(axis=grid)
    return made, axes


def title(axes: Axes, text: str, aside: str = "") -> None:
    """Set a title at the left and, in lighter type, a remark at the right, such as units or a colour key."""
    axes.set_title(text)
    if aside:
        axes.set_title(aside, loc="right", fontsize=8.5, fontweight="normal")
