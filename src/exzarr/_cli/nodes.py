"""Nodes for the commands: opened for reading, with their layout and stored size."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from exzarr._cli.failures import in_options
from exzarr._format.metadata import ArrayMetadata, CodecConfig
from exzarr._nodes import hierarchy
from exzarr._nodes.array import Array
from exzarr._nodes.chunk_sizes import inner_chunks
from exzarr._nodes.group import Group
from exzarr._nodes.hierarchy import Location, Metadata
from exzarr._nodes.locating import through_consolidated
from exzarr._nodes.stored import candidates, sizes
from exzarr._tools.copy_plan import place_of
from exzarr.errors import (
    ListingUnsupportedError,
    NodeNotFoundError,
    NodeTypeError,
    ReadOnlyError,
    StoreError,
)
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
    "through_group",
]


def find_node(path: str, storage_options: Mapping[str, Any] | None = None) -> tuple[Location, Metadata]:
    """Return the node at `path`, or raise NodeNotFoundError. `storage_options` apply to URLs."""
    store, inside = resolve_store(path, mode="r", storage_options=storage_options)
    location = Location(store, inside)
    return location, hierarchy.load(location)


def through_group(path: str, storage_options: Mapping[str, Any] | None = None) -> Array | Group:
    """Open the node at `path`, for writing if the store permits. An array is opened through its group, if it is in one."""
    import exzarr

    def opened(open_node: Callable[..., Any], where: str) -> Any:
        try:
            return open_node(where, mode="r+", storage_options=storage_options)
        except ReadOnlyError:
            return open_node(where, mode="r", storage_options=storage_options)

    node: Array | Group = opened(exzarr.open, path)
    if isinstance(node, Group) or node.path:
        return node
    above, _, name = (node.store.local_path("") or path).rstrip("/").rpartition("/")
    try:
        found: Array | Group = opened(exzarr.open_group, above)[name]
    except (NodeNotFoundError, NodeTypeError):  # it is in no group
        return node
    return found


def listable(location: Location) -> Location:
    """Return the group at `location`, or its consolidated metadata if the store cannot list."""
    try:
        next(hierarchy.children(location), None)
    except ListingUnsupportedError as error:
        return through_consolidated(location, error)
    return location


def array_at(location: Location, meta: ArrayMetadata) -> Array:
    """Open the array for reading."""
    return Array(location, meta, read_only=True)


@dataclass(frozen=True, slots=True)
class Layout:
    """Chunks and shards of an array, even if one of its codecs is unknown.

    Attributes
    ----------
    chunks
        Shape of the chunks, or of the inner chunks of shards. If lengths vary, a list of them per dimension.
    shards
        Shape of the shards; None if there are none.
    nchunks, nshards
        Their number in the grid.
    nbytes
        Bytes of all elements in memory.
    """

    chunks: list[Any]
    shards: list[int] | None
    nchunks: int
    nshards: int | None
    nbytes: int


def layout_of(meta: ArrayMetadata) -> Layout:
    """Return the layout of an array."""
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
    """Number and size of the stored chunks of an array.

    Attributes
    ----------
    chunks
        Number of stored chunks (or shards); None if it is not known.
    nbytes
        Their total size in bytes; None if it is not known.
    reason
        Why the numbers are not known.
    """

    chunks: int | None
    nbytes: int | None
    reason: str | None = None


MAX_PROBES = 10_000
"""Maximum number of chunks to request one by one if the store cannot list. More would take minutes."""
UNLISTED = "the store cannot list, and there are too many chunks to request each"


def stored(location: Location, meta: ArrayMetadata) -> Stored:
    """Return the number and size of the stored chunks of an array.

    They are not known if the store cannot list and the array has more than `MAX_PROBES` chunks, or if the store cannot
    find the size of a chunk, such as that of a reference to a place that is not allowed.
    """
    chunks = nbytes = 0
    try:
        found = candidates(location, meta)
        if not found.listed and meta.chunk_grid.nchunks > MAX_PROBES:
            return Stored(None, None, UNLISTED)
        for _, _, size in sizes(location.store, found.keys):
            chunks += 1
            nbytes += size
    except ListingUnsupportedError:
        return Stored(None, None, UNLISTED)
    except StoreError as error:
        return Stored(None, None, in_options(str(error)))
    return Stored(chunks, nbytes)


def codecs_of(meta: ArrayMetadata) -> list[dict[str, Any]]:
    """Return the codecs in the order of encoding, as in the metadata document."""
    if meta.zarr_format == 3:
        return [codec.to_json() for codec in meta.codecs]
    return [*meta.filters, *([meta.compressor] if meta.compressor is not None else [])]


def codec_text(codec: Any) -> str:
    """Return a short text for a codec, such as ``zstd(level=3)``."""
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
