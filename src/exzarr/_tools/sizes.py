"""Chunks and shards of a copy: the user's sizes, with the sizes of the source as defaults."""

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

__all__ = ["AS_SOURCE", "AsSource", "Sizes", "inner_chunks", "itemsize_of", "new_layout"]


class AsSource(enum.Enum):
    """Sentinel for "as in the source", because None has its own meaning."""

    AS_SOURCE = "as source"

    def __repr__(self) -> str:
        return "AS_SOURCE"


AS_SOURCE: Final = AsSource.AS_SOURCE

Sizes = int | bool | str | Sequence[Any] | Mapping[str, int]
"""Chunks as for `exzarr.create_array`, or lengths by dimension name. Other dimensions stay the same."""


def inner_chunks(meta: ArrayMetadata) -> tuple[int, ...]:
    """Return the shape of the inner chunks (of the chunks, without shards); of the largest, if they vary."""
    if meta.zarr_format == 3 and meta.chunk_grid.regular:
        return innermost(meta)[0]
    return meta.chunk_grid.max_chunk_shape


def itemsize_of(data_type: DataType) -> int:
    """Return the estimated bytes of an element in memory."""
    return VARIABLE_ITEMSIZE if data_type.variable_length else data_type.dtype.itemsize


def new_layout(
    meta: ArrayMetadata,
    chunks: Sizes | AsSource,
    shards: Sizes | AsSource | None,
    data_type: DataType,
    zarr_format: int,
) -> Layout:
    """Return chunks and shards of a copy. Raise ArgumentError if they do not fit the array or each other."""
    grid = meta.chunk_grid
    sharded = meta.zarr_format == 3 and grid.regular and innermost(meta)[2]
    old_chunks: list[Any] = [*inner_chunks(meta)]
    if not grid.regular:
        old_chunks = [
            dim.uniform or [dim.size(i) for i in range(dim.count(n))] or dim.size(0)
            for dim, n in zip(grid.dims, meta.shape, strict=True)
        ]
    if grid.extension is not None and zarr_format == 3:
        if sharded and shards is AS_SOURCE:
            shards = grid.extension
        elif not sharded and chunks is AS_SOURCE and shards in (None, AS_SOURCE):
            chunks = grid.extension
    if shards is AS_SOURCE:
        shards = grid.chunk_shape if sharded and zarr_format == 3 else None
    elif isinstance(shards, Mapping) and not isinstance(shards.get("name"), str):
        shards = _by_name(shards, [*grid.chunk_shape], meta, "shards")
    if chunks is AS_SOURCE:
        chunks = old_chunks
    elif isinstance(chunks, Mapping) and not isinstance(chunks.get("name"), str):
        chunks = _by_name(chunks, old_chunks, meta, "chunks")
    return chunk_layout(meta.shape, itemsize_of(data_type), chunks, shards, zarr_format)


def _by_name(sizes: Mapping[str, int], old: list[Any], meta: ArrayMetadata, what: str) -> list[Any]:
    # A name that this array lacks may belong to another array: one set of sizes applies to the whole hierarchy.
    if not all(isinstance(name, str) for name in sizes):
        raise ArgumentError(f"{what}={dict(sizes)}: the keys of a dict of lengths must be dimension names")
    names = meta.dimension_names or (None,) * len(old)
    return [size if name is None else sizes.get(name, size) for name, size in zip(names, old, strict=True)]
