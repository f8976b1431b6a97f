"""Draw a picture with matplotlib."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from exzarr.errors import ArgumentError, MissingDependencyError

if TYPE_CHECKING:
    from exzarr._pictures.picture import Axis, Picture
    from exzarr._typing import AnyArray

__all__ = ["Style", "check_style", "draw", "image_colours"]

MOST_CHARACTERS = 120
"""Maximum length of a title or a label."""


@dataclass(frozen=True, slots=True)
class Style:
    """How a picture is drawn.

    Attributes
    ----------
    colours
        Name of a colour map of matplotlib; None for viridis.
    limits
        Smallest and largest value of the colours: numbers, or None for the percentiles 2 and 98.
    log
        Logarithmic scale of the values.
    symmetric
        The limits are symmetric around 0.
    size
        Width and height in inches.
    title
        A title instead of that of the data.
    """

    colours: str | None = None
    limits: tuple[float, float] | None = None
    log: bool = False
    symmetric: bool = False
    size: tuple[float, float] = (8.0, 5.0)
    title: str | None = None


def check_style(picture: Picture, style: Style) -> None:
    """Raise ArgumentError for a style that does not apply to a picture."""
    given = {
        "--colours": style.colours is not None,
        "--symmetric": style.symmetric,
        "--limits": style.limits is not None,
        "--log": style.log,
    }
    applies = {*given} if picture.kind == "image" else {"--limits", "--log"}
    if picture.colours:
        applies = set()
    for option, is_given in given.items():
        if is_given and option not in applies:
            what = "an image of colours" if picture.colours else f"a {picture.kind}"
            raise ArgumentError(f"{option} does not apply to {what}: leave it out")
    if style.log and style.symmetric:
        raise ArgumentError(
            "a logarithmic scale has no limits symmetric around 0: leave out --log or --symmetric"
        )
    if style.log and picture.kind != "histogram":
        if style.limits is not None and style.limits[0] <= 0:
            raise ArgumentError(
                f"a logarithmic scale needs positive limits, and --limits begins at {style.limits[0]:g}"
            )
        if not (picture.values > 0).any():
            raise ArgumentError("a logarithmic scale needs positive values, and the region has none")


def draw(picture: Picture, style: Style) -> Any:
    """Return a matplotlib ``Figure``.

    Raises
    ------
    ArgumentError
        There is no such colour map, or the style does not apply to the picture.
    MissingDependencyError
        matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingDependencyError("plot requires matplotlib: pip install 'exzarr[plot]'") from None
    check_style(picture, style)
    figure = Figure(figsize=style.size, layout="constrained")
    axes = figure.add_subplot()
    axes.set_title(_plain(picture.title if style.title is None else style.title))
    {"image": _image, "line": _line, "histogram": _histogram}[picture.kind](axes, picture, style)
    figure.supxlabel(str(picture.sample), x=0.99, ha="right", fontsize=6, alpha=0.6)
    return figure


def image_colours(picture: Picture, style: Style) -> AnyArray:
    """Return the colours of an image as ``uint8`` of shape (rows, columns, 3), row 0 at the top."""
    values = picture.values
    if picture.colours:
        colours = values.data[..., :3]
    else:
        norm, map_ = _norm(picture, style), _map(style)
        colours = map_(norm(values), bytes=True)[..., :3]
    return np.ascontiguousarray(colours[::-1] if _upwards(picture.axes[0]) else colours)


def _image(axes: Any, picture: Picture, style: Style) -> None:
    rows, columns = picture.axes
    left_to_right, top_to_bottom = _edges(columns.values), _edges(rows.values)
    if picture.colours:
        axes.pcolorfast(left_to_right, top_to_bottom, picture.values.data)
    else:
        drawn = axes.pcolorfast(
            left_to_right, top_to_bottom, picture.values, cmap=_map(style), norm=_norm(picture, style)
        )
        axes.figure.colorbar(drawn, ax=axes, label=_plain(picture.label), extend=_extend(picture, drawn.norm))
    axes.set_xlabel(_plain(columns.label))
    axes.set_ylabel(_plain(rows.label))
    ends = (top_to_bottom[0], top_to_bottom[-1])
    axes.set_ylim(*(sorted(ends) if _upwards(rows) or rows.labelled else sorted(ends, reverse=True)))
    axes.set_xlim(*sorted((left_to_right[0], left_to_right[-1])))
    axes.set_aspect("equal" if _comparable(rows, columns) else "auto")
    for axis, at in ((columns, axes.xaxis), (rows, axes.yaxis)):
        _show_dates(axis, at)


def _plain(text: str) -> str:
    """Return a text that matplotlib shows as it is: not as a formula between dollars, and not longer than the figure."""
    return (text if len(text) <= MOST_CHARACTERS else f"{text[:MOST_CHARACTERS]}…").replace("$", r"\$")


def _comparable(rows: Axis, columns: Axis) -> bool:
    """Return True if a pixel should be as wide as high: indices of an image, or degrees."""
    if "degrees" in rows.label and "degrees" in columns.label:
        return True
    return not rows.labelled and not columns.labelled and 0.2 < len(rows.values) / len(columns.values) < 5


def _show_dates(axis: Axis, at: Any) -> None:
    """Label an axis of matplotlib with dates that do not overlap."""
    if axis.values.dtype.kind == "M":
        from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

        locator = AutoDateLocator(maxticks=8)
        at.set_major_locator(locator)
        at.set_major_formatter(ConciseDateFormatter(locator))


def _line(axes: Any, picture: Picture, style: Style) -> None:
    (along,) = picture.axes
    axes.plot(along.values, picture.values, linewidth=1.0)
    if len(along.values) == 1:
        axes.set_xlim(*_edges(along.values))
    _show_dates(along, axes.xaxis)
    axes.set_xlabel(_plain(along.label))
    axes.set_ylabel(_plain(picture.label))
    if style.log:
        axes.set_yscale("log")
    if style.limits is not None:
        axes.set_ylim(*style.limits)
    axes.grid(alpha=0.3)


def _histogram(axes: Any, picture: Picture, style: Style) -> None:
    numbers = picture.values.compressed()
    axes.hist(numbers, bins=100, range=style.limits)
    axes.set_xlabel(_plain(picture.label))
    axes.set_ylabel("elements in the sample")
    if style.log:
        axes.set_yscale("log")


def _upwards(rows: Axis) -> bool:
    """Return True if row 0 is at the bottom: its coordinate increases, as latitudes do."""
    return rows.labelled and len(rows.values) > 1 and bool(rows.values[-1] > rows.values[0])


def _edges(values: AnyArray) -> AnyArray:
    """Return the boundaries between elements: half-way between neighbours. Dates become matplotlib's numbers."""
    if values.dtype.kind == "M":
        from matplotlib.dates import date2num

        values = date2num(values)
    centres = values.astype(np.float64)
    if len(centres) == 1:
        return np.array([centres[0] - 0.5, centres[0] + 0.5])
    middle = (centres[1:] + centres[:-1]) / 2
    return np.concatenate([[2 * centres[0] - middle[0]], middle, [2 * centres[-1] - middle[-1]]])


def _map(style: Style) -> Any:
    import matplotlib as mpl

    try:
        return mpl.colormaps[style.colours or "viridis"]
    except KeyError:
        raise ArgumentError(
            f"matplotlib has no colour map {style.colours!r}; for example viridis, cividis, magma, RdBu_r"
        ) from None


def _norm(picture: Picture, style: Style) -> Any:
    from matplotlib.colors import LogNorm, Normalize

    numbers = picture.values.compressed()
    if style.log:
        numbers = numbers[numbers > 0]
    low, high = style.limits or (np.percentile(numbers, [2, 98]).tolist() if len(numbers) else (0.0, 1.0))
    if style.symmetric:
        high = max(abs(low), abs(high))
        low = -high
    return LogNorm(low, high) if style.log else Normalize(low, high)


def _extend(picture: Picture, norm: Any) -> str:
    """Return at which ends of the colour bar there are values beyond it."""
    numbers = picture.values.compressed()
    if not len(numbers):
        return "neither"
    below, above = bool(numbers.min() < norm.vmin), bool(numbers.max() > norm.vmax)
    return "both" if below and above else "min" if below else "max" if above else "neither"
