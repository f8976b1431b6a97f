"""An array for a notebook: sizes, stored chunks, compression, attributes, and a drawing of its chunks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from exzarr._html.fragments import attributes, facts, framed, heading, shortened, table
from exzarr._html.grid_drawing import MOST_CELLS, Axis, Drawing, svg
from exzarr._nodes.chunk_sizes import inner_chunks
from exzarr._nodes.stored import sizes, stored_indices
from exzarr._nodes.words import compression_words, filter_words, value_words
from exzarr.errors import ExzarrError
from exzarr.telemetry.units import human_bytes

if TYPE_CHECKING:
    from exzarr._format.metadata import ArrayMetadata
    from exzarr._nodes.hierarchy import Location
    from exzarr._nodes.info import ArrayInfo

__all__ = ["array_body", "array_html"]

MOST_CHUNKS = 10_000
"""Maximum number of stored chunks (shards) in a grid that are looked up for a drawing."""


@dataclass(frozen=True, slots=True)
class Found:
    """Stored chunks (shards) of an array: their indices, one row each, and their bytes."""

    indices: NDArray[np.int64]
    nbytes: int


def array_html(location: Location, meta: ArrayMetadata, info: ArrayInfo) -> str:
    """Return an array's representation. If the store answers fast and the grid is small, its chunks are looked up."""
    found: Found | str
    if location.store.traits.concurrency:
        found = "not counted, because the store is slow to answer; info_complete() counts them"
    elif meta.chunk_grid.nchunks > MOST_CHUNKS:
        found = "not counted, because there may be many; info_complete() counts them"
    else:
        try:
            found = _look(location, meta)
        except ExzarrError as error:
            found = f"not counted: {error}"
    return framed(heading(_title(location, info), "exzarr.Array"), array_body(meta, info, found))


def array_body(meta: ArrayMetadata, info: ArrayInfo, found: Found | str | None = None) -> str:
    """Return the part below the title. `found` is the result of the look-up, or the reason why there was none."""
    if found is None:
        stored = []
    elif isinstance(found, str):
        stored = [("Stored", found)]
    else:
        stored = [("Stored", _stored_words(meta, info, found))]
    filters = filter_words(info.filters)
    pairs = [
        *stored,
        ("Compression", compression_words(info.compressors)),
        *([("Filters", filters)] if filters else []),
        ("Fill value", shortened(value_words(info.fill_value))),
        *([("Order", "column-major (F)")] if info.order == "F" else []),
        ("Format", f"Zarr v{info.zarr_format}{', read-only' if info.read_only else ''}"),
        ("Place", f"{info.store}, path /{info.path}"),
    ]
    drawing = svg(Drawing(*_drawn(meta, found))) if meta.ndim and 0 not in meta.shape else ""
    more = (
        f"<div class='pale'>drawn: the last three of {meta.ndim} dimensions</div>"
        if meta.ndim > 3 and drawing
        else ""
    )
    left = f"<div>{_size_table(info, meta.data_type.dtype.itemsize)}{facts(pairs)}{attributes(meta.attributes)}</div>"
    return f"<div class='side'>{left}<div>{drawing}{more}</div></div>"


def _title(location: Location, info: ArrayInfo) -> str:
    return f"{location.path.rpartition('/')[2] or '/'}: {_shape_words(info)} {info.dtype}"


def _shape_words(info: ArrayInfo) -> str:
    names = info.dimension_names or (None,) * len(info.shape)
    parts = [f"{name}: {n:,}" if name else f"{n:,}" for name, n in zip(names, info.shape, strict=True)]
    return f"({', '.join(parts)}{',' if len(parts) == 1 else ''})"


def _size_table(info: ArrayInfo, itemsize: int) -> str:
    """Return bytes, shape and number of the array, its shards and its chunks, as a table."""
    columns = [("Array", human_bytes(info.nbytes), _times(info.shape), "")]
    if info.shards is not None:
        number = math.prod([-(-n // size) for n, size in zip(info.shape, info.shards, strict=True)])
        columns.append(
            ("Shard", human_bytes(math.prod(info.shards) * itemsize), _times(info.shards), f"{number:,}")
        )
    if info.chunks is None:
        columns.append(("Chunk", "", "varying in shape", f"{info.nchunks:,}"))
    else:
        size = human_bytes(math.prod(info.chunks) * itemsize)
        columns.append(("Chunk", size, _times(info.chunks), f"{info.nchunks:,}"))
    rows = [[name, *cells] for name, *cells in zip(("", "Bytes", "Shape", "Number"), *columns, strict=True)]
    return table(rows[0], rows[1:])


def _times(shape: Sequence[int]) -> str:
    return " × ".join([f"{n:,}" for n in shape]) or "scalar"


def _stored_words(meta: ArrayMetadata, info: ArrayInfo, found: Found) -> str:
    kind = "chunks" if info.shards is None else "shards"
    words = f"{human_bytes(found.nbytes)} in {len(found.indices):,} of {meta.chunk_grid.nchunks:,} {kind}"
    if found.nbytes and len(found.indices) == meta.chunk_grid.nchunks:
        words += f", {_compared(info.nbytes / found.nbytes)} than in memory"
    return words


def _compared(ratio: float) -> str:
    return f"{ratio:.3g} times smaller" if ratio >= 1 else f"{1 / ratio:.3g} times larger"


def _look(location: Location, meta: ArrayMetadata) -> Found:
    stored = [*sizes(location.store, stored_indices(location, meta))]
    indices = np.array([index for _, index, _ in stored], dtype=np.int64).reshape(len(stored), meta.ndim)
    return Found(indices, sum([size for _, _, size in stored]))


def _drawn(
    meta: ArrayMetadata, found: Found | str | None
) -> tuple[tuple[Axis, ...], NDArray[np.float64] | None]:
    """Return the last three dimensions, and the share of stored chunks in each of their cells."""
    first = max(0, meta.ndim - 3)
    counts = meta.chunk_grid.chunk_counts[first:]
    axes = tuple([_axis(meta, dim) for dim in range(first, meta.ndim)])
    if not isinstance(found, Found):
        return axes, None
    cells = [len(axis.edges) - 1 for axis in axes]
    stored = np.zeros(cells)
    places = tuple(
        [
            found.indices[:, first + i] * n // count
            for i, (n, count) in enumerate(zip(cells, counts, strict=True))
        ]
    )
    np.add.at(stored, places, 1.0)
    of = np.full(cells, float(math.prod(meta.chunk_grid.chunk_counts[:first])))
    for i, (n, count) in enumerate(zip(cells, counts, strict=True)):
        number = np.bincount(np.arange(count) * n // count, minlength=n)
        of *= number.reshape([-1 if i == j else 1 for j in range(len(cells))])
    return axes, stored / of


def _axis(meta: ArrayMetadata, dim: int) -> Axis:
    grid, length, count = meta.chunk_grid.dims[dim], meta.shape[dim], meta.chunk_grid.chunk_counts[dim]
    name = (meta.dimension_names or (None,) * meta.ndim)[dim] or ""
    if count > MOST_CELLS:
        edges = tuple([i / MOST_CELLS for i in range(MOST_CELLS + 1)])
        return Axis(length, name, edges, lines=False)
    edges = (*[grid.offset(i) / length for i in range(count)], 1.0)
    inner = inner_chunks(meta)
    cuts: list[float] = []
    if inner is not None and -(-length // inner[dim]) <= 2 * MOST_CELLS:
        for i in range(count):
            start = grid.offset(i)
            end = min(start + grid.size(i), length)
            cuts += [at / length for at in range(start + inner[dim], end, inner[dim])]
    return Axis(length, name, edges, inner=tuple(cuts))
