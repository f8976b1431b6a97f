"""What a new array takes over from one that is there already."""

from __future__ import annotations

import copy
from typing import Any, Final

from exzarr._creation.metadata import ArrayOptions
from exzarr._format.chunk_grids import ChunkGrid, RectilinearDimension
from exzarr._nodes.array import Array
from exzarr._nodes.codec_parts import codec_parts, inner_chunks
from exzarr.codecs.checksummed import without_checksum

__all__ = ["KEEP", "likeness"]

KEEP: Final = "keep"
"""As in the array that is there."""


def likeness(source: Any, zarr_format: int, said: dict[str, Any]) -> tuple[ArrayOptions, Any]:
    """Options for an array like `source`, and its data type; what is in `said` stays as it is.

    Of an exzarr array, everything is taken over that `zarr_format` has a word for; of other
    libraries' arrays, the chunk shape.
    """
    dtype: Any
    if isinstance(source, Array):
        options, dtype = _options(source, zarr_format), source.metadata.data_type
    else:
        options, dtype = _foreign(source), getattr(source, "dtype", None)
    # Chunks and shards belong together, and so do codecs: half of the old with half of the new may not fit.
    if "chunks" in said and "shards" not in said:
        options.pop("shards", None)
    if "shards" in said and "chunks" not in said:
        options.pop("chunks", None)
    if said.get("checksum") is False and "compressors" in options:
        options["compressors"] = without_checksum(options["compressors"])
    made: Any = {**options, **said}
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


def _sizes(grid: ChunkGrid) -> list[Any]:
    return [dim.runs if isinstance(dim, RectilinearDimension) else dim.size(0) for dim in grid.dims]


def _index_location(source: Array) -> str:
    return str(source.metadata.codecs[0].configuration.get("index_location", "end"))
