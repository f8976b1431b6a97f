"""HTML for notebooks: a table of properties and a drawing of a chunk grid, self-contained and escaped."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from exzarr._format.chunk_grids import ChunkGrid, DimensionGrid

__all__ = ["array_html", "facts_html"]

SIDE = 120
"""Length in pixels of the longer side of a drawn chunk grid."""

MOST_LINES = 40
"""Maximum number of chunks along a dimension for which chunk lines are drawn; else only the outline."""

_CELL = "style='text-align:left;vertical-align:top;padding:1px 12px 1px 0'"


def array_html(facts: Sequence[tuple[str, str]], grid: ChunkGrid) -> str:
    """Return an array's properties and a drawing of its chunk grid (last two dimensions)."""
    return (
        "<div style='display:flex;flex-wrap:wrap;gap:24px;align-items:flex-start'>"
        f"{facts_html(facts)}{_grid_svg(grid)}</div>"
    )


def facts_html(lines: Sequence[tuple[str, str]]) -> str:
    """Format pairs of name and value as a table."""
    rows = [
        f"<tr><th {_CELL}>{escape(name)}</th><td {_CELL}>{escape(text)}</td></tr>" for name, text in lines
    ]
    return f"<table style='border-collapse:collapse'>{''.join(rows)}</table>"


def _grid_svg(grid: ChunkGrid) -> str:
    """Draw the chunks (shards, if the array has shards) of the last two dimensions to scale."""
    if not grid.dims or 0 in grid.shape:
        return ""
    width_dim, width = grid.dims[-1], grid.shape[-1]
    height_dim, height = (grid.dims[-2], grid.shape[-2]) if len(grid.dims) > 1 else (None, 0)
    longest = max(width, height)
    # A very short side is drawn with a visible length.
    across = max(SIDE * width // longest, 12)
    down = max(SIDE * height // longest, 12)
    lines = [f"<line x1='{x}' y1='0' x2='{x}' y2='{down}'/>" for x in _cuts(width_dim, width, across)]
    if height_dim is not None:
        lines += [f"<line x1='0' y1='{y}' x2='{across}' y2='{y}'/>" for y in _cuts(height_dim, height, down)]
    return (
        f"<svg width='{across + 2}' height='{down + 2}' viewBox='-1 -1 {across + 2} {down + 2}' "
        "style='stroke:currentColor;stroke-opacity:.5;fill:currentColor;fill-opacity:.08'>"
        f"<rect width='{across}' height='{down}' style='stroke-opacity:1'/>{''.join(lines)}</svg>"
    )


def _cuts(dim: DimensionGrid, length: int, pixels: int) -> list[float]:
    """Return the positions of the lines between chunks, in pixels."""
    count = dim.count(length)
    return [round(dim.offset(i) / length * pixels, 1) for i in range(1, count)] if count <= MOST_LINES else []
