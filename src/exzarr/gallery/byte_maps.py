"""Figures of an array's elements and of their bytes in a chunk's file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from exzarr.gallery import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["byte_owners", "draw_array", "draw_bytes"]


def byte_owners(shape: tuple[int, ...], itemsize: int, order: Literal["C", "F"]) -> np.ndarray[Any, Any]:
    """Return, for each byte of a raw chunk, the flat (C order) number of its element."""
    numbers = np.arange(int(np.prod(shape))).reshape(shape)
    return np.repeat(numbers.ravel(order=order), itemsize)


def draw_array(axes: Axes, values: np.ndarray[Any, Any]) -> None:
    """Draw a 2-dimensional array of integers as a table, with one colour for each row."""
    rows, columns = values.shape
    for row in range(rows):
        for column in range(columns):
            _box(axes, row, column, str(values[row, column]), style.COLOURS[row % len(style.COLOURS)])
    _frame(axes, rows, columns)


def draw_bytes(
    axes: Axes,
    raw: bytes,
    dtype: str,
    shape: tuple[int, int],
    order: Literal["C", "F"],
    *,
    width: int,
) -> None:
    """Draw the bytes of a raw chunk in hexadecimal, `width` per line, in the colour of each element's row."""
    owners = byte_owners(shape, np.dtype(dtype).itemsize, order) // shape[1]
    for place, (byte, row) in enumerate(zip(raw, owners, strict=True)):
        _box(axes, place // width, place % width, f"{byte:02x}", style.COLOURS[row % len(style.COLOURS)])
    _frame(axes, -(-len(raw) // width), width)


def _box(axes: Axes, row: int, column: int, text: str, colour: str) -> None:
    from matplotlib.patches import Rectangle

    axes.add_patch(Rectangle((column, row), 0.92, 0.88, facecolor=colour, alpha=0.32, edgecolor="none"))
    axes.text(column + 0.46, row + 0.46, text, ha="center", va="center", fontsize=8, family="monospace")


def _frame(axes: Axes, rows: int, columns: int) -> None:
    axes.set_xlim(-0.1, columns + 0.1)
    axes.set_ylim(rows + 0.1, -0.1)
    axes.set_axis_off()
