"""Turn the arguments `chunks` and `shards` into a chunk grid."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import index
from typing import Any

import numpy as np

from exzarr._creation.auto_chunks import (
    CHUNK_TARGET,
    SHARD_TARGET,
    auto_chunks,
    auto_shards,
    dividing_chunks,
    parse_size,
)
from exzarr._format import extensions
from exzarr._format.chunk_grids import ChunkGrid, RectilinearDimension
from exzarr._format.extensions import ChunkGridExtension
from exzarr._format.named import named_config
from exzarr._spelling import no_dimension
from exzarr.errors import ArgumentError, MetadataError, UnsupportedError

__all__ = ["ChunksLike", "Layout", "ShardsLike", "chunk_layout", "parse_shape"]

ChunksLike = int | bool | str | Sequence[Any] | Mapping[Any, Any] | ChunkGridExtension | None
"""Type of the argument `chunks`; see `chunk_layout`."""

ShardsLike = int | str | Sequence[Any] | Mapping[str, Any] | ChunkGridExtension | None
"""Type of the argument `shards`; see `chunk_layout`."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Chunks and shards of a new array.

    Attributes
    ----------
    grid
        The chunk grid. If there are shards, it is the grid of shards.
    chunks
        Shape of the chunks, or of the inner chunks of shards. If shapes vary, the largest.
    shards
        Shape of the shards; None without shards. If shapes vary, the largest.
    index_location
        Position of the index in a shard.
    """

    grid: ChunkGrid
    chunks: tuple[int, ...]
    shards: tuple[int, ...] | None = None
    index_location: str = "end"


def parse_shape(shape: Any) -> tuple[int, ...]:
    """Return a shape, given as one integer or several, as a tuple. Raise ArgumentError if it is invalid."""
    try:
        one = isinstance(shape, (int, np.integer))
        parts = (int(shape),) if one else tuple([index(n) for n in shape])
    except TypeError:
        raise ArgumentError(f"shape={shape!r}: a shape is an integer or a sequence of integers") from None
    if any(not 0 <= n < 2**63 for n in parts):
        raise ArgumentError(f"shape={parts}: lengths are from 0 to 2**63 - 1")
    if len(parts) > 64:
        raise ArgumentError(f"an array has at most 64 dimensions, not {len(parts)}")
    return parts


def chunk_layout(
    shape: tuple[int, ...],
    itemsize: int,
    chunks: ChunksLike,
    shards: ShardsLike,
    zarr_format: int,
    names: Sequence[str | None] | None = None,
) -> Layout:
    """Return the chunks and shards of a new array.

    Parameters
    ----------
    shape, itemsize
        Shape of the array, and bytes of an element.
    chunks
        - ``"auto"``, True or None: see `auto_chunks.auto_chunks`
        - ``"4MiB"``: the same, with this target size
        - False: one chunk
        - an integer: the length along every dimension
        - a sequence with a length for each dimension; -1, False or None is the whole dimension; ``"auto"`` or True
          fills the chunk up to 1 MiB
        - a mapping of lengths by dimension name or number; all other dimensions are ``"auto"``
        - a chunk grid of another package: ``{"name": ..., "configuration": ...}``, or a `ChunkGridExtension`
        - a sequence that holds sequences: the length of every chunk along that dimension. The grid is then
          rectilinear, which requires Zarr format 3, unless all lengths in a list are equal. In format 2 a last chunk
          that ends with the array may be shorter, as in dask.
    shards
        None; ``"auto"`` or a size: see `auto_chunks.auto_shards`; or lengths as for `chunks`, each a multiple of the
        chunk's (-1: the whole dimension, rounded up). Also ``{"shape": ..., "index_location": "start"}``.
    names
        Names of the dimensions.

    Raises
    ------
    ArgumentError
        Chunks or shards do not fit the shape, each other, the format, or the memory of any machine.
    """
    itemsize = max(1, itemsize)
    chunks = _unnamed(chunks, len(shape), names)
    layout = _layout(shape, itemsize, chunks, shards, zarr_format)
    nbytes = math.prod(layout.chunks) * itemsize
    if nbytes > MOST_BYTES:
        raise ArgumentError(
            f"chunks of shape {layout.chunks} have {nbytes:.3g} bytes in memory, more than any machine has: "
            "give shorter ones, or chunks='auto'"
        )
    return layout


MOST_BYTES = 2**47
"""Maximum bytes of a decoded chunk: the address space of a process."""


def _layout(
    shape: tuple[int, ...], itemsize: int, chunks: ChunksLike, shards: ShardsLike, zarr_format: int
) -> Layout:
    if shards is None or shards is False:
        extension = _extension(chunks, "chunks", zarr_format)
        if extension is not None:
            grid = _extended(extension, shape)
            return Layout(grid, grid.max_chunk_shape)
        grid = _grid(_chunk_spec(chunks, shape, itemsize), shape, zarr_format, "chunks")
        return Layout(grid, grid.max_chunk_shape)
    if zarr_format == 2:
        raise ArgumentError(
            f"shards={shards!r}: Zarr format 2 has no shards; leave them out, or use zarr_format=3"
        )
    shards, index_location = _index_location(shards)
    extension = _extension(shards, "shards", zarr_format)
    if extension is not None:
        inner = _regular(_chunk_spec(chunks, shape, itemsize), shape)
        grid = _extended(extension, shape, inner)
        return Layout(grid, inner, grid.max_chunk_shape, index_location)
    if isinstance(shards, str) or shards is True:
        inner = _regular(_chunk_spec(chunks, shape, itemsize), shape)
        target = SHARD_TARGET if shards is True or shards == "auto" else parse_size(str(shards), "shards")
        outer: Sequence[Any] = auto_shards(shape, inner, itemsize, target)
    else:
        inner, outer = _explicit_shards(shape, itemsize, chunks, shards)
    grid = _grid(outer, shape, 3, "shards")
    return Layout(grid, inner, grid.max_chunk_shape, index_location)


def _extension(given: Any, what: str, zarr_format: int) -> Any:
    """Return the chunk grid of another package that `chunks` or `shards` names or is; None for other arguments."""
    if isinstance(given, Mapping) and isinstance(given.get("name"), str):
        name, configuration = named_config(given, what)
        extension = extensions.made(extensions.CHUNK_GRIDS, name, configuration)
        if extension is None:
            known = ", ".join(extensions.CHUNK_GRIDS.names()) or "none"
            raise UnsupportedError(
                f"{what}: no installed package has the chunk grid {name!r}; known: {known}"
            )
    elif hasattr(given, "chunk_sizes") and not isinstance(given, type):
        extension = given
    else:
        return None
    if zarr_format == 2:
        raise ArgumentError(f"{what}: Zarr format 2 has no chunk grid {extension.name!r}; use zarr_format=3")
    return extension


def _extended(extension: Any, shape: tuple[int, ...], units: tuple[int, ...] | None = None) -> ChunkGrid:
    try:
        return ChunkGrid.from_extension(extension, shape, units)
    except UnsupportedError:
        raise
    except MetadataError as error:
        raise ArgumentError(str(error)) from error


def _unnamed(chunks: ChunksLike, ndim: int, names: Sequence[str | None] | None) -> ChunksLike:
    """Return `chunks`; a mapping by dimension name or number becomes a list of entries."""
    if not isinstance(chunks, Mapping) or isinstance(chunks.get("name"), str):
        return chunks
    known = list(names or ())
    entries: list[Any] = ["auto"] * ndim
    for name, size in chunks.items():
        if isinstance(name, str):
            if name not in known:
                raise ArgumentError(f"chunks: {no_dimension(name, known)}")
            axis = known.index(name)
        else:
            axis = name if isinstance(name, int) else -1
            if not 0 <= axis < ndim:
                raise ArgumentError(f"chunks: there is no dimension {name!r}: the array has {ndim}")
        entries[axis] = size
    return entries


def _index_location(shards: Any) -> tuple[Any, str]:
    if not isinstance(shards, Mapping) or isinstance(shards.get("name"), str):
        return shards, "end"
    unknown = shards.keys() - {"shape", "index_location"}
    if unknown or "shape" not in shards:
        raise ArgumentError(
            f"shards={dict(shards)!r}: a dict has a 'shape', and may have an 'index_location'"
        )
    where = shards.get("index_location") or "end"
    return shards["shape"], str(getattr(where, "value", where))


def _explicit_shards(
    shape: tuple[int, ...], itemsize: int, chunks: ChunksLike, shards: Any
) -> tuple[tuple[int, ...], Sequence[Any]]:
    """Return the shape of inner chunks, and the shards in the form that `_grid` takes."""
    given = _per_dimension(shards, shape, "shards")
    target = _target(chunks)
    if target is not None:
        # The user chose the shards but not the chunks: choose chunks that divide the shards.
        sizes = [_first(entry, n) for entry, n in zip(given, shape, strict=True)]
        inner = dividing_chunks(sizes, itemsize, target)
    else:
        inner = _regular(_chunk_spec(chunks, shape, itemsize), shape)
    outer: list[Any] = []
    for axis, (entry, unit, n) in enumerate(zip(given, inner, shape, strict=True)):
        if entry is None:
            outer.append(max(1, -(-n // unit)) * unit)
            continue
        sizes = (
            [entry]
            if isinstance(entry, int)
            else [part[0] if isinstance(part, tuple) else part for part in entry]
        )
        for size in sizes:
            if size % unit:
                low, high = size // unit * unit, -(-size // unit) * unit
                near = f"{low} or {high}" if low else str(high)
                raise ArgumentError(
                    f"shards of {size} elements in dimension {axis} are not whole chunks of {unit}: "
                    f"use {near}, or chunks that divide {size}"
                )
        outer.append(entry)
    return inner, outer


def _target(chunks: Any) -> int | None:
    """Return the target size in bytes; None if the user gave lengths."""
    if chunks is None or chunks is True or (isinstance(chunks, str) and chunks == "auto"):
        return CHUNK_TARGET
    return parse_size(chunks, "chunks") if isinstance(chunks, str) else None


def _chunk_spec(chunks: Any, shape: tuple[int, ...], itemsize: int) -> Sequence[Any]:
    target = _target(chunks)
    if target is not None:
        return auto_chunks(shape, itemsize, target)
    whole = -1 if chunks is False else chunks
    given = _per_dimension(whole, shape, "chunks")
    sizes = [max(1, n) if entry is None else entry for entry, n in zip(given, shape, strict=True)]
    # The dimensions that are "auto" share the rest of the target size.
    auto_axes = [axis for axis, entry in enumerate(sizes) if entry == "auto"]
    if auto_axes:
        fixed = math.prod(_longest(entry) for entry in sizes if entry != "auto")
        chosen = auto_chunks([shape[axis] for axis in auto_axes], itemsize * fixed)
        for axis, size in zip(auto_axes, chosen, strict=True):
            sizes[axis] = size
    return sizes


def _longest(entry: Any) -> int:
    return int(
        max(part[0] if isinstance(part, tuple) else part for part in entry)
        if isinstance(entry, list)
        else entry
    )


def _per_dimension(sizes: Any, shape: tuple[int, ...], what: str) -> list[Any]:
    """Return an entry for each dimension.

    An entry is a positive integer, a list of integers or of ``(size, count)``, None (the whole dimension), or "auto".
    """
    if isinstance(sizes, (int, np.integer)) and not isinstance(sizes, bool):
        sizes = [sizes] * len(shape)
    if isinstance(sizes, (str, bytes, Mapping, bool)) or not isinstance(sizes, Iterable):
        raise ArgumentError(
            f"{what}={sizes!r}: expected 'auto', a size such as '1MiB', an integer, or a sequence with an entry "
            f"for each of the {len(shape)} dimensions"
        )
    entries = [*sizes]
    if len(entries) != len(shape):
        raise ArgumentError(
            f"{what}={tuple(entries)} has {len(entries)} entries, but the shape {shape} has {len(shape)} dimensions; "
            "-1 is a whole dimension"
        )
    return [_entry(entry, axis, what) for axis, entry in enumerate(entries)]


def _entry(entry: Any, axis: int, what: str) -> Any:
    if entry is None or entry is False:
        return None
    if what == "chunks" and (entry is True or (isinstance(entry, str) and entry == "auto")):
        return "auto"
    if isinstance(entry, Iterable) and not isinstance(entry, (str, bytes)):
        parts = [tuple(part) if isinstance(part, (list, tuple)) else part for part in entry]
        if not parts:
            raise ArgumentError(f"{what}: dimension {axis} has an empty list of sizes")
        return [
            (_size(part[0], axis, what), _size(part[1], axis, what))
            if isinstance(part, tuple) and len(part) == 2
            else _size(part, axis, what)
            for part in parts
        ]
    if not isinstance(entry, bool) and hasattr(entry, "__index__") and index(entry) == -1:
        return None
    return _size(entry, axis, what)


def _size(size: Any, axis: int, what: str) -> int:
    if isinstance(size, bool) or not hasattr(size, "__index__") or not 0 < index(size) < 2**63:
        raise ArgumentError(
            f"{what}: {size!r} in dimension {axis} is not a size; sizes are positive integers, -1 for the whole dimension"
            + (", and 'auto'" if what == "chunks" else "")
        )
    return index(size)


def _first(entry: Any, length: int) -> int:
    """Return the size along a dimension that chunks must divide."""
    if entry is None:
        return max(1, length)
    if isinstance(entry, list):
        return math.gcd(*[part[0] if isinstance(part, tuple) else part for part in entry])
    return int(entry)


def _regular(spec: Sequence[Any], shape: tuple[int, ...]) -> tuple[int, ...]:
    collapsed = [_collapse(entry, n) for entry, n in zip(spec, shape, strict=True)]
    if None in collapsed:
        raise ArgumentError(
            "all chunks inside shards have one shape: give a length for each dimension, "
            "and the lists of varying sizes as shards"
        )
    return tuple([int(size) for size in collapsed if size is not None])


def _grid(spec: Sequence[Any], shape: tuple[int, ...], zarr_format: int, what: str) -> ChunkGrid:
    collapsed = [
        _collapse(entry, n, short_end=zarr_format == 2) for entry, n in zip(spec, shape, strict=True)
    ]
    if None not in collapsed:
        return ChunkGrid.from_regular(shape, [int(size) for size in collapsed if size is not None])
    grid = ChunkGrid.from_rectilinear(shape, spec)
    if zarr_format == 2:
        raise ArgumentError(
            f"{what} of varying sizes require zarr_format=3; Zarr format 2 has only chunks of one shape"
        )
    return grid


def _collapse(entry: Any, length: int, *, short_end: bool = False) -> int | None:
    """Return the chunk length if all lengths of a list are equal, else None.

    With `short_end`, a last length that ends with the array may be shorter. It would change when the array grows.
    """
    if isinstance(entry, int):
        return entry
    dim = RectilinearDimension(entry)
    (size, _), *rest = dim.runs
    if dim.total < length:
        return None
    if not rest or (
        short_end and len(rest) == 1 and rest[0][1] == 1 and rest[0][0] < size and dim.total == length
    ):
        return size
    return None
