"""Nodes as the commands see them: opened for reading, with what is stored of them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from exzarr._format.metadata import ArrayMetadata, CodecConfig
from exzarr._nodes import hierarchy
from exzarr._nodes.array import Array
from exzarr._nodes.codec_parts import inner_chunks
from exzarr._nodes.hierarchy import Location, Metadata
from exzarr._nodes.locating import through_consolidated
from exzarr._nodes.stored import candidates, sizes
from exzarr._tools.copy_plan import place_of
from exzarr.errors import ListingUnsupportedError
from exzarr.stores.resolve import resolve_store

__all__ = [
    "Layout",
    "Stored",
    "array_at",
    "codec_text",
    "codecs_of",
    "find_node",
    "listable",
    "layout_of",
    "place_of",
    "stored",
]


def find_node(path: str, storage_options: Mapping[str, Any] | None = None) -> tuple[Location, Metadata]:
    """The node at `path`; NodeNotFoundError where there is none. `storage_options` are for a URL."""
    store, inside = resolve_store(path, mode="r", storage_options=storage_options)
    location = Location(store, inside)
    return location, hierarchy.load(location)


def listable(location: Location) -> Location:
    """The group at `location`, through consolidated metadata where the store cannot list."""
    try:
        next(hierarchy.children(location), None)
    except ListingUnsupportedError as error:
        return through_consolidated(location, error)
    return location


def array_at(location: Location, meta: ArrayMetadata) -> Array:
    """The array, for reading."""
    return Array(location, meta, read_only=True)


@dataclass(frozen=True, slots=True)
class Layout:
    """How an array is cut, also where one of its codecs is not known here.

    Attributes
    ----------
    chunks
        Shape of the chunks (inner chunks, where there are shards); for each dimension a list of lengths,
        where they vary.
    shards
        Shape of the shards; None where there are none.
    nchunks, nshards
        How many there are in the grid.
    nbytes
        Bytes of all elements in memory.
    """

    chunks: list[Any]
    shards: list[int] | None
    nchunks: int
    nshards: int | None
    nbytes: int


def layout_of(meta: ArrayMetadata) -> Layout:
    """How the array is cut."""
    grid = meta.chunk_grid
    nbytes = math.prod(meta.shape) * meta.data_type.dtype.itemsize
    if not grid.regular:
        counts = zip(grid.dims, grid.chunk_counts, strict=True)
        return Layout(
            [[dim.size(i) for i in range(n)] for dim, n in counts], None, grid.nchunks, None, nbytes
        )
    inner = inner_chunks(meta)
    if inner is None:
        return Layout([*grid.chunk_shape], None, grid.nchunks, None, nbytes)
    nchunks = math.prod(-(-n // c) for n, c in zip(meta.shape, inner, strict=True))
    return Layout([*inner], [*grid.chunk_shape], nchunks, grid.nchunks, nbytes)


@dataclass(frozen=True, slots=True)
class Stored:
    """What is stored of an array.

    Attributes
    ----------
    chunks
        Stored chunks (shards, where there are shards).
    nbytes
        Their bytes.
    """

    chunks: int
    nbytes: int


MOST_PROBES = 10_000
"""Chunks that are asked for one by one, at most, where the store cannot list: a command does not take minutes."""


def stored(location: Location, meta: ArrayMetadata) -> Stored | None:
    """What is stored of an array: lists its keys, and asks for their sizes.

    None where that takes too long: the store cannot list, and the array has more than `MOST_PROBES` chunks.
    """
    try:
        found = candidates(location, meta)
    except ListingUnsupportedError:
        return None
    if not found.listed and meta.chunk_grid.nchunks > MOST_PROBES:
        return None
    chunks = nbytes = 0
    for _, _, size in sizes(location.store, found.keys):
        chunks += 1
        nbytes += size
    return Stored(chunks, nbytes)


def codecs_of(meta: ArrayMetadata) -> list[dict[str, Any]]:
    """The codecs, in the order of encoding, as the document has them."""
    if meta.zarr_format == 3:
        return [codec.to_json() for codec in meta.codecs]
    return [*meta.filters, *([meta.compressor] if meta.compressor is not None else [])]


def codec_text(codec: Any) -> str:
    """A codec in a few characters: ``zstd(level=3)``."""
    if isinstance(codec, CodecConfig):
        codec = codec.to_json()
    if not isinstance(codec, dict):
        return str(codec)
    name = codec.get("name") or codec.get("id")
    options = codec.get("configuration") or {
        key: value for key, value in codec.items() if key not in ("id", "name", "configuration")
    }
    if name == "sharding_indexed":
        inner = " → ".join(codec_text(item) for item in options.get("codecs", []))
        return f"shards of [{inner}]"
    inside = ", ".join(f"{key}={value}" for key, value in options.items() if value is not None)
    return f"{name}({inside})" if inside else str(name)
