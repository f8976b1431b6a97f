"""HTML representations of arrays, groups and trees for notebooks, self-contained and escaped."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

from exzarr._nodes.info import array_info, group_info

if TYPE_CHECKING:
    from exzarr._format.chunk_grids import DimensionGrid
    from exzarr._nodes.array import Array
    from exzarr._nodes.group import Group
    from exzarr._nodes.tree import Tree

__all__ = ["array_html", "facts_html", "group_html", "tree_html"]

SIDE = 120
"""Length in pixels of the longer side of a drawn chunk grid."""

MOST_LINES = 40
"""Maximum number of chunks along a dimension for which chunk lines are drawn; else only the outline."""

_CELL = "style='text-align:left;vertical-align:top;padding:1px 12px 1px 0'"


def array_html(array: Array) -> str:
    """Return an array's properties and a drawing of its chunk grid (last two dimensions)."""
    table = facts_html(array_info(array)._lines())
    return (
        "<div style='display:flex;flex-wrap:wrap;gap:24px;align-items:flex-start'>"
        f"{table}{_grid_svg(array)}</div>"
    )


def group_html(group: Group) -> str:
    """Return a group's properties and the tree below it, two groups deep."""
    return facts_html(group_info(group)._lines()) + tree_html(group.tree(level=2))


def facts_html(lines: Sequence[tuple[str, str]]) -> str:
    """Format pairs of name and value as a table."""
    rows = [
        f"<tr><th {_CELL}>{escape(name)}</th><td {_CELL}>{escape(text)}</td></tr>" for name, text in lines
    ]
    return f"<table style='border-collapse:collapse'>{''.join(rows)}</table>"


def tree_html(tree: Tree) -> str:
    """Return a tree that can be folded."""
    return f"<div style='font-family:monospace;line-height:1.4'>{_tree_node(tree)}</div>"


def _tree_node(tree: Tree) -> str:
    name = escape(tree.name)
    if tree.kind != "group":
        return f"<div style='padding-left:14px'>{name} <span style='opacity:.65'>{escape(tree.facts)}</span></div>"
    if not tree.children:
        return f"<div style='padding-left:14px'><b>{name}</b>{' …' if tree.cut else ''}</div>"
    inside = "".join([_tree_node(child) for child in tree.children])
    return f"<details open><summary><b>{name}</b></summary><div style='padding-left:14px'>{inside}</div></details>"


def _grid_svg(array: Array) -> str:
    """Draw the chunks (shards, if the array has shards) of the last two dimensions to scale."""
    grid = array.metadata.chunk_grid
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
