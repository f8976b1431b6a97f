"""What users say about chunks and shards of a copy, made into lengths."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from exzarr.errors import ArgumentError
from exzarr.tools.to_v2 import innermost

if TYPE_CHECKING:
    from exzarr.format.metadata import ArrayMetadata

__all__ = ["KEEP", "Keep", "Sizes", "inner_chunks", "resolve_sizes"]


class Keep(enum.Enum):
    """What stands for "as in the source", where None has a meaning of its own."""

    KEEP = "keep"

    def __repr__(self) -> str:
        return "KEEP"


KEEP: Final = Keep.KEEP

Sizes = int | Sequence[Any] | Mapping[str, int]
"""One length for all dimensions, one for each, or some by dimension name; -1 is the whole dimension."""


def inner_chunks(meta: ArrayMetadata) -> tuple[int, ...]:
    """Shape of the chunks that are encoded on their own; of the largest, where they vary."""
    if meta.zarr_format == 3 and meta.chunk_grid.regular:
        return innermost(meta)[0]
    return meta.chunk_grid.max_chunk_shape


def resolve_sizes(
    meta: ArrayMetadata, new_chunks: Sizes | Keep, new_shards: Sizes | Keep | None, zarr_format: int
) -> tuple[tuple[Any, ...], tuple[int, ...] | None]:
    """Chunks and shards of the copy of an array, one entry per dimension each; ArgumentError where they do not fit.

    An entry of the chunks is a length, or a tuple with the length of each chunk.
    """
    old = inner_chunks(meta)
    sharded = meta.zarr_format == 3 and meta.chunk_grid.regular and innermost(meta)[2]
    if not meta.chunk_grid.regular and new_chunks is KEEP:
        chunks: tuple[Any, ...] = tuple(
            [_edges(dim, n) for dim, n in zip(meta.chunk_grid.dims, meta.shape, strict=True)]
        )
    else:
        chunks = _resolve(new_chunks, old, meta, "chunks")
    if new_shards is None or zarr_format == 2:
        if zarr_format == 2 and new_shards is not KEEP and new_shards is not None:
            raise ArgumentError("Zarr v2 has no shards; leave shards out")
        return chunks, None
    if new_shards is KEEP and not sharded:
        return chunks, None
    base = meta.chunk_grid.chunk_shape if sharded else chunks
    shards = _resolve(new_shards, base, meta, "shards")
    # The whole dimension, rounded up to whole chunks
    shards = tuple(
        [-(-s // c) * c if s == n else s for s, c, n in zip(shards, chunks, meta.shape, strict=True)]
    )
    if any(s % c for s, c in zip(shards, chunks, strict=True)):
        raise ArgumentError(
            f"chunks {chunks} do not divide shards {shards} of array {meta.shape}: give shards as well (None for none)"
        )
    return chunks, shards


def _edges(dim: Any, extent: int) -> int | tuple[int, ...]:
    if dim.uniform is not None:
        return int(dim.uniform)
    return tuple([dim.size(i) for i in range(dim.count(extent))])


def _resolve(sizes: Any, old: Sequence[int], meta: ArrayMetadata, what: str) -> tuple[Any, ...]:
    """`Sizes` as one entry per dimension."""
    shape = meta.shape
    if sizes is KEEP:
        return tuple(old)
    if isinstance(sizes, Mapping):
        names = meta.dimension_names or ()
        known = {name: size for name, size in sizes.items() if name in names}
        entries: list[Any] = [
            known.get(name, size) if name else size
            for name, size in zip(names or [None] * len(shape), old, strict=True)
        ]
    elif isinstance(sizes, int):
        entries = [sizes] * len(shape)
    elif isinstance(sizes, Sequence) and not isinstance(sizes, str) and len(sizes) == len(shape):
        entries = list(sizes)
    else:
        raise ArgumentError(
            f"{what} {sizes!r} do not fit an array of {len(shape)} dimensions {shape}: "
            "give one length, one for each dimension, or a dict by dimension name"
        )
    return tuple([_entry(entry, length, what) for entry, length in zip(entries, shape, strict=True)])


def _entry(entry: Any, length: int, what: str) -> int | tuple[int, ...]:
    if isinstance(entry, Sequence) and not isinstance(entry, str) and what == "chunks":
        return tuple(entry)
    if entry is None or entry == -1:
        return max(1, length)
    if isinstance(entry, bool) or not hasattr(entry, "__index__") or entry < 1:
        raise ArgumentError(f"{what} are positive integers, or -1 for the whole dimension, not {entry!r}")
    return int(entry)
