"""How a copy is cut into chunks and shards: what the user asked for, over what the source has."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from exzarr._creation.layout import Layout, chunk_layout
from exzarr._creation.metadata import VARIABLE_ITEMSIZE
from exzarr._tools.to_v2 import innermost
from exzarr.errors import ArgumentError

if TYPE_CHECKING:
    from exzarr._format.dtypes import DataType
    from exzarr._format.metadata import ArrayMetadata

__all__ = ["KEEP", "Keep", "Sizes", "inner_chunks", "itemsize_of", "new_layout"]


class Keep(enum.Enum):
    """What stands for "as in the source", where None has a meaning of its own."""

    KEEP = "keep"

    def __repr__(self) -> str:
        return "KEEP"


KEEP: Final = Keep.KEEP

Sizes = int | bool | str | Sequence[Any] | Mapping[str, int]
"""As `exzarr.create_array` takes chunks; or lengths by dimension name, the other dimensions staying as they are."""


def inner_chunks(meta: ArrayMetadata) -> tuple[int, ...]:
    """Shape of the chunks that are encoded on their own; of the largest, where they vary."""
    if meta.zarr_format == 3 and meta.chunk_grid.regular:
        return innermost(meta)[0]
    return meta.chunk_grid.max_chunk_shape


def itemsize_of(data_type: DataType) -> int:
    """Bytes that an element is reckoned to need in memory."""
    return VARIABLE_ITEMSIZE if data_type.variable_length else data_type.dtype.itemsize


def new_layout(
    meta: ArrayMetadata,
    chunks: Sizes | Keep,
    shards: Sizes | Keep | None,
    data_type: DataType,
    zarr_format: int,
) -> Layout:
    """Chunks and shards of the copy of an array; ArgumentError where they do not fit it, or each other."""
    grid = meta.chunk_grid
    sharded = meta.zarr_format == 3 and grid.regular and innermost(meta)[2]
    old_chunks: list[Any] = [*inner_chunks(meta)]
    if not grid.regular:
        old_chunks = [
            dim.uniform or [dim.size(i) for i in range(dim.count(n))] or dim.size(0)
            for dim, n in zip(grid.dims, meta.shape, strict=True)
        ]
    if shards is KEEP:
        shards = grid.chunk_shape if sharded and zarr_format == 3 else None
    elif isinstance(shards, Mapping):
        shards = _by_name(shards, [*grid.chunk_shape], meta, "shards")
    if chunks is KEEP:
        chunks = old_chunks
    elif isinstance(chunks, Mapping):
        chunks = _by_name(chunks, old_chunks, meta, "chunks")
    return chunk_layout(meta.shape, itemsize_of(data_type), chunks, shards, zarr_format)


def _by_name(sizes: Mapping[str, int], old: list[Any], meta: ArrayMetadata, what: str) -> list[Any]:
    # A name that this array lacks may be another array's: hierarchies are copied with one set of sizes.
    if not all(isinstance(name, str) for name in sizes):
        raise ArgumentError(f"{what}={dict(sizes)}: a dict of lengths goes by dimension name")
    names = meta.dimension_names or (None,) * len(old)
    return [size if name is None else sizes.get(name, size) for name, size in zip(names, old, strict=True)]
