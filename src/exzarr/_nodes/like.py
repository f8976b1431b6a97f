"""Options of a new array that are copied from an existing one."""

from __future__ import annotations

import copy
from typing import Any

from exzarr._creation.metadata import ArrayOptions
from exzarr._format.chunk_grids import ChunkGrid, RectilinearDimension
from exzarr._nodes.array import Array
from exzarr._nodes.chunk_sizes import inner_chunks
from exzarr._nodes.codec_parts import codec_parts
from exzarr.codecs.checksummed import without_checksum

__all__ = ["options_like"]


def options_like(source: Any, zarr_format: int, given: dict[str, Any]) -> tuple[ArrayOptions, Any]:
    """Return options for an array like `source`, and its data type. Options in `given` are kept.

    From an exzarr array, all options that `zarr_format` supports are copied. From arrays of other libraries, only the
    chunk shape is copied.
    """
    dtype: Any
    if isinstance(source, Array):
        options, dtype = _options(source, zarr_format), source.metadata.data_type
    else:
        options, dtype = _foreign(source), getattr(source, "dtype", None)
    # Chunks and shards depend on each other: old shards may not fit new chunks, and the reverse.
    if "chunks" in given and "shards" not in given:
        options.pop("shards", None)
    if "shards" in given and "chunks" not in given:
        options.pop("chunks", None)
    if given.get("checksum") is False and "compressors" in options:
        options["compressors"] = without_checksum(options["compressors"])
    made: Any = {**options, **given}
    return made, dtype


def _foreign(source: Any) -> dict[str, Any]:
    chunks, ndim = getattr(source, "chunks", None), getattr(source, "ndim", -1)
    plain = isinstance(chunks, tuple) and len(chunks) == ndim and all(isinstance(n, int) for n in chunks)
    return {"chunks": chunks} if plain else {}


def _options(source: Array, zarr_format: int) -> dict[str, Any]:
    meta = source.metadata
    inner = inner_chunks(meta)
    grid = _sizes(meta.chunk_grid)
    options: dict[str, Any] = {
        "chunks": grid if inner is None else inner,
        "attributes": copy.deepcopy(meta.attributes),
        "fill_value": meta.fill_value,
        "order": meta.order,
    }
    if inner is not None and zarr_format == 3:
        options["shards"] = {"shape": grid, "index_location": _index_location(source)}
    if meta.dimension_names is not None:
        options["dimension_names"] = meta.dimension_names
    if meta.zarr_format == zarr_format:
        parts = codec_parts(meta)
        options["filters"], options["compressors"] = list(parts.filters), list(parts.compressors)
        options["chunk_key_encoding"] = meta.chunk_key_encoding
        if parts.serializer is not None:
            options["serializer"] = parts.serializer
    return options


def _sizes(grid: ChunkGrid) -> Any:
    if grid.extension is not None:
        return grid.extension
    return [dim.runs if isinstance(dim, RectilinearDimension) else dim.size(0) for dim in grid.dims]


def _index_location(source: Array) -> str:
    return str(source.metadata.codecs[0].configuration.get("index_location", "end"))
