"""Draw a chunk grid as SVG: a line of chunks, a plane of chunks, or a box of chunks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["MOST_CELLS", "Axis", "Drawing", "svg"]

SIDE = 130.0
"""Length of the longest side, in pixels."""

LEAST = 16.0
"""Length of the shortest side, in pixels."""

MOST_CELLS = 24
"""Maximum number of cells along an axis. Chunks of longer axes are drawn several to a cell, without lines."""

SLANT = 0.62, 0.42
"""Pixels to the right and upwards for each pixel of depth."""

LEVELS = 5
"""Number of shades for the share of stored chunks."""

ACCENT = "#4c8dca"

Point = tuple[float, float]
Corner = Callable[[float, float], Point]
"""From a position on a face, each coordinate from 0 to 1, to pixels."""


@dataclass(frozen=True, slots=True)
class Axis:
    """A drawn dimension.

    Attributes
    ----------
    length
        Number of elements.
    label
        Name of the dimension, or an empty text.
    edges
        Boundaries of the cells as fractions of the length, from 0.0 to 1.0.
    lines
        True if each cell is one stored chunk (shard), so that lines are drawn between cells.
    inner
        Boundaries of inner chunks, as fractions.
    """

    length: int
    label: str
    edges: tuple[float, ...]
    lines: bool = True
    inner: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Drawing:
    """A chunk grid to draw.

    Attributes
    ----------
    axes
        One to three dimensions; the last one goes to the right, the one before it down, the one before that backwards.
    stored
        Share of the chunks that are stored, from 0.0 to 1.0, for each cell; None if it is not known.
    """

    axes: tuple[Axis, ...]
    stored: NDArray[np.float64] | None = None


@dataclass(frozen=True, slots=True)
class Face:
    """A side of the box: its axes (down, right), its corner function, and the share of stored chunks by cell."""

    down: Axis
    right: Axis
    corner: Corner
    stored: NDArray[np.float64] | None


FLAT = Axis(1, "", (0.0, 1.0))
"""Stands for a dimension that the array does not have."""


def svg(drawing: Drawing) -> str:
    """Return the drawing as an SVG element. Its colours follow the text's colour, except for one accent."""
    depth, down, right = (*[FLAT] * (3 - len(drawing.axes)), *drawing.axes)
    width, height, back = _pixels([right, down, depth])
    if len(drawing.axes) < 3:
        back = 0.0
    if len(drawing.axes) < 2:
        height = LEAST
    aside, up = SLANT[0] * back, SLANT[1] * back

    def at(x: float, y: float, z: float) -> Point:
        return width * x + aside * z, up * (1 - z) + height * y

    stored = drawing.stored
    box = None if stored is None else stored.reshape([len(axis.edges) - 1 for axis in (depth, down, right)])

    def share(hidden: int) -> NDArray[np.float64] | None:
        return None if box is None else box.mean(axis=hidden)

    faces = [Face(down, right, lambda v, u: at(u, v, 0.0), share(0))]
    if back:
        faces.append(Face(depth, right, lambda v, u: at(u, 0.0, v), share(1)))
        side = share(2)
        faces.append(Face(down, depth, lambda v, u: at(1.0, v, u), None if side is None else side.T))
    labels = [(_label(right), width / 2, up + height + 13, "middle")]
    if len(drawing.axes) > 1:
        labels.append((_label(down), width + aside + 5, height / 2 + 4, "start"))
    if back:
        labels.append((_label(depth), width + aside / 2 + 5, up / 2 + height + 10, "start"))
    texts = "".join(
        [
            f"<text x='{x:.0f}' y='{y:.0f}' text-anchor='{anchor}'>{escape(text)}</text>"
            for text, x, y, anchor in labels
        ]
    )
    # About 6 pixels for a character, so that labels to the right are not cut off.
    after = max([6.2 * len(text) + 8 for text, _, _, anchor in labels if anchor == "start"], default=2)
    beside = max(2.0, (6.2 * len(labels[0][0]) - width) / 2)
    total = beside + width + aside + max(after, beside), up + height + 20
    return (
        f"<svg width='{total[0]:.0f}' height='{total[1]:.0f}' viewBox='{-beside:.0f} -2 {total[0]:.0f} {total[1]:.0f}' "
        "role='img' aria-label='chunk grid' style='overflow:visible;stroke:currentColor;fill:none'>"
        f"{''.join(map(_face, faces))}<g stroke='none' fill='currentColor' font-size='11'>{texts}</g></svg>"
    )


def _pixels(axes: Sequence[Axis]) -> list[float]:
    """Return lengths in pixels. They grow more slowly than the numbers of elements, so that short sides are visible."""
    longest = max([axis.length for axis in axes])
    return [max(LEAST, SIDE * (axis.length / longest) ** 0.4) for axis in axes]


def _label(axis: Axis) -> str:
    return f"{axis.label} {axis.length:,}".strip()


def _face(face: Face) -> str:
    outline = _closed([face.corner(v, u) for v, u in ((0, 0), (0, 1), (1, 1), (1, 0))])
    lines = "".join(_lines(face, inner=False))
    inner = "".join(_lines(face, inner=True))
    parts = [_fill(face, outline)]
    if inner:
        parts.append(f"<path d='{inner}' stroke-opacity='.22' stroke-width='.6'/>")
    if lines:
        parts.append(f"<path d='{lines}' stroke-opacity='.55' stroke-width='.8'/>")
    return f"{''.join(parts)}<path d='{outline}' stroke-width='1.2'/>"


def _fill(face: Face, outline: str) -> str:
    """Return filled cells, one path for each shade. Chunks that are not stored stay empty."""
    if face.stored is None:
        return f"<path d='{outline}' stroke='none' fill='currentColor' fill-opacity='.08'/>"
    levels = np.ceil(face.stored * LEVELS - 1e-9).astype(int)
    parts = []
    for level in np.unique(levels[levels > 0]).tolist():
        cells = outline if (levels == level).all() else "".join(_cells(face, np.argwhere(levels == level)))
        parts.append(
            f"<path d='{cells}' stroke='none' fill='{ACCENT}' fill-opacity='{0.7 * level / LEVELS:.2f}'/>"
        )
    return "".join(parts)


def _cells(face: Face, indices: NDArray[Any]) -> Iterator[str]:
    for i, j in indices.tolist():
        top, bottom = face.down.edges[i : i + 2]
        left, right = face.right.edges[j : j + 2]
        yield _closed(
            [face.corner(v, u) for v, u in ((top, left), (top, right), (bottom, right), (bottom, left))]
        )


def _lines(face: Face, *, inner: bool) -> Iterator[str]:
    for v in _cuts(face.down, inner=inner):
        yield _open([face.corner(v, 0), face.corner(v, 1)])
    for u in _cuts(face.right, inner=inner):
        yield _open([face.corner(0, u), face.corner(1, u)])


def _cuts(axis: Axis, *, inner: bool) -> tuple[float, ...]:
    if inner:
        return axis.inner
    return axis.edges[1:-1] if axis.lines else ()


def _open(points: Sequence[Point]) -> str:
    return "M" + "L".join([f"{x:.1f} {y:.1f}" for x, y in points])


def _closed(points: Sequence[Point]) -> str:
    return _open(points) + "Z"
