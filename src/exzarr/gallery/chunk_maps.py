"""The chunks that a region of an array touches, as numbers and as a figure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from exzarr.errors import ArgumentError
from exzarr.gallery.style import BLUE, GREY, INK, ORANGE

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw_chunks", "touched_chunks"]

Region = tuple[slice, ...]


def touched_chunks(shape: Sequence[int], chunks: Sequence[int], region: Region) -> npt.NDArray[np.bool_]:
    """Return a mask of the chunk grid: True where `region` (one slice of step 1 per dimension) touches a chunk.

    >>> touched_chunks((100, 100), (40, 40), (slice(30, 50), slice(0, 10))).astype(int)
    array([[1, 0, 0],
           [1, 0, 0],
           [0, 0, 0]])
    """
    if not len(shape) == len(chunks) == len(region):
        raise ArgumentError(
            f"shape, chunks and region need the same length, not {len(shape)}, {len(chunks)} and {len(region)}"
        )
    touched = np.zeros([math.ceil(n / c) for n, c in zip(shape, chunks, strict=True)], bool)
    where = []
    for length, chunk, wanted in zip(shape, chunks, region, strict=True):
        start, stop, step = wanted.indices(length)
        if step != 1:
            raise ArgumentError(f"region needs slices of step 1, not {wanted}")
        where.append(slice(start // chunk, math.ceil(stop / chunk) if stop > start else start // chunk))
    touched[tuple(where)] = True
    return touched


def draw_chunks(
    axes: Axes,
    shape: tuple[int, int],
    chunks: tuple[int, int],
    *,
    region: Region | None = None,
    stored: npt.NDArray[np.bool_] | None = None,
    background: npt.NDArray[np.floating] | None = None,
) -> None:
    """Draw the chunk grid of an array of `shape`, with rows from top to bottom.

    Parameters
    ----------
    axes
        Where to draw.
    shape, chunks
        Shapes of the array and of a chunk.
    region
        A region to outline. The chunks that it touches are highlighted.
    stored
        A mask in the shape of the grid. Chunks that are not stored are hatched.
    background
        The values of the array, or a coarser version of them.
    """
    from matplotlib.patches import Rectangle

    height, width = shape
    if background is not None:
        axes.imshow(
            background, extent=(0, width, height, 0), cmap="gist_earth", vmin=-400, vmax=2600, aspect="auto",
            interpolation="none",
        )  # fmt: skip
    hit = None if region is None else touched_chunks(shape, chunks, region)
    rows, columns = math.ceil(height / chunks[0]), math.ceil(width / chunks[1])
    for i, j in np.ndindex(rows, columns):
        corner = (j * chunks[1], i * chunks[0])
        size = min(chunks[1], width - corner[0]), min(chunks[0], height - corner[1])
        there = stored is None or bool(stored[i, j])
        tinted = hit is not None and bool(hit[i, j])
        box = Rectangle(corner, *size, linewidth=0.6, edgecolor=INK, hatch=None if there else "///")
        if background is not None:  # chunks that are not touched are greyed out
            box.set_facecolor((*_rgb(GREY), 0.0 if tinted or hit is None else 0.6))
        else:
            box.set_facecolor((*_rgb(BLUE), 0.55) if tinted else (*_rgb(GREY), 0.12 if there else 0.0))
        axes.add_patch(box)
    if region is not None:
        (top, bottom, _), (left, right, _) = region[0].indices(height), region[1].indices(width)
        axes.add_patch(
            Rectangle((left, top), right - left, bottom - top, fill=False, edgecolor=ORANGE, linewidth=2.2)
        )
    axes.set(xlim=(0, width), ylim=(height, 0), xlabel="column", ylabel="row", aspect="equal")
    axes.set_xticks(range(0, width + 1, chunks[1]))
    axes.set_yticks(range(0, height + 1, chunks[0]))
    axes.tick_params(length=0, labelsize=7.5)
    axes.grid(visible=False)
    for spine in axes.spines.values():
        spine.set_visible(False)


def _rgb(colour: str) -> tuple[float, float, float]:
    from matplotlib.colors import to_rgb

    rgb: tuple[float, float, float] = to_rgb(colour)  # matplotlib may be absent where this is checked
    return rgb
