"""The metadata of the level arrays of a new pyramid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from exzarr._creation.auto_chunks import CHUNK_TARGET, auto_chunks
from exzarr._creation.metadata import array_metadata
from exzarr._format.metadata import ArrayMetadata
from exzarr._format.multiscales.model import Axis
from exzarr._nodes.array import Array
from exzarr._nodes.chunk_sizes import chunk_shape, shard_shape
from exzarr._nodes.like import options_like
from exzarr._tools.sizes import AS_SOURCE
from exzarr.errors import ArgumentError
from exzarr.multiscale.levels import LevelPlan

__all__ = ["array_options", "check_first_level", "level_arrays", "source_chunks"]


def array_options(
    source: Any, axes: Sequence[Axis], zarr_format: Literal[2, 3], chunks: Any, shards: Any, compressors: Any
) -> tuple[dict[str, Any], Any]:
    """Return the options of the level arrays, and their data type."""
    given = {"chunks": chunks, "shards": shards, "compressors": compressors}
    options, dtype = options_like(
        source, zarr_format, {name: value for name, value in given.items() if value is not AS_SOURCE}
    )
    made: dict[str, Any] = {**options}
    made.pop("attributes", None)
    made.pop("order", None)
    if "chunks" not in made:
        space = [n if axis.type == "space" else 1 for n, axis in zip(source.shape, axes, strict=True)]
        made["chunks"] = auto_chunks(space, source.dtype.itemsize, CHUNK_TARGET)
    if zarr_format == 2:
        made.pop("dimension_names", None)
        made["chunk_key_encoding"] = ("v2", "/")
    else:
        made["dimension_names"] = [axis.name for axis in axes]
    return made, dtype


def level_arrays(
    plans: Sequence[LevelPlan],
    dtype: Any,
    options: Mapping[str, Any],
    zarr_format: Literal[2, 3],
    first: str | None,
) -> dict[str, ArrayMetadata]:
    """Return the metadata of the level arrays by their paths. `first` is the path of the first level, if it exists."""
    metas = {}
    base = array_metadata(shape=plans[0].shape, dtype=dtype, zarr_format=zarr_format, **options)
    for number, plan in enumerate(plans):
        made = {**options}
        if number and base.chunk_grid.regular:
            made.update(_fitting(base, plan.shape))
        path = first if number == 0 and first is not None else str(number)
        metas[path] = array_metadata(shape=plan.shape, dtype=dtype, zarr_format=zarr_format, **made)
    if len(metas) < len(plans):
        raise ArgumentError(
            f"the source is named {first!r}, which is the name of another level: rename it to '0'"
        )
    return metas


def _fitting(base: ArrayMetadata, shape: Sequence[int]) -> dict[str, Any]:
    """Return chunks and shards like those of `base`, and no longer than an array of `shape` needs."""
    chunks = [max(1, min(c, n)) for c, n in zip(chunk_shape(base), shape, strict=True)]
    shards = shard_shape(base)
    found: dict[str, Any] = {"chunks": chunks}
    if shards is not None:
        found["shards"] = [
            min(max(1, s // c) * c, -(-max(1, n) // c) * c)
            for s, c, n in zip(shards, chunks, shape, strict=True)
        ]
    return found


def check_first_level(source: Array, path: str, axes: Sequence[Axis], zarr_format: Literal[2, 3]) -> None:
    """Raise ArgumentError if an existing array cannot be the first level."""
    names = tuple([axis.name for axis in axes])
    if source.zarr_format != zarr_format:
        raise ArgumentError(
            f"array {path!r} has Zarr format {source.zarr_format}, and the pyramid requires {zarr_format}"
        )
    if zarr_format == 3 and source.dimension_names != names:
        raise ArgumentError(
            f"array {path!r} has the dimension names {source.dimension_names}, and as the first level of the pyramid it "
            f"requires {names}: give these axes, or write the pyramid to another group"
        )


def source_chunks(source: Any) -> tuple[int, ...] | None:
    """Return the shape of the chunks in which the source is read; None if it has none of one shape."""
    if isinstance(source, Array):
        return source.metadata.chunk_grid.max_chunk_shape if source.metadata.chunk_grid.regular else None
    chunks = getattr(source, "chunksize", None) or getattr(source, "chunks", None)
    plain = isinstance(chunks, tuple) and all(isinstance(n, int) for n in chunks)
    return tuple(chunks) if chunks and plain and len(chunks) == len(source.shape) else None
