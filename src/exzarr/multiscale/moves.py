"""Copy the chunks of the source to the first level as they are stored, if both are encoded in the same way.

Encoding is most of the work of a build. Each chunk is fetched once; it is decoded, which also verifies it, before it is
stored in the first level.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

from exzarr._format.metadata import ArrayMetadata
from exzarr._nodes import hierarchy
from exzarr._nodes.array import Array
from exzarr._nodes.hierarchy import Location
from exzarr._typing import AnyArray
from exzarr.multiscale.blocks import Index, Region
from exzarr.stores.instrument import instrument
from exzarr.stores.memory import MemoryStore

__all__ = ["ChunkMoves", "chunk_moves"]


def chunk_moves(source: Any, target: Array | None) -> ChunkMoves | None:
    """Return the moves from `source` to `target`; None if their chunks are not encoded in the same way."""
    if not isinstance(source, Array) or target is None:
        return None
    ours, theirs = [hierarchy.documents(_encoding(array.metadata, target)) for array in (source, target)]
    return ChunkMoves(source, target) if ours == theirs else None


def _encoding(meta: ArrayMetadata, target: Array) -> ArrayMetadata:
    """Return metadata without what does not matter for the bytes of a chunk."""
    return meta.with_(
        attributes={},
        dimension_names=target.metadata.dimension_names,
        chunk_key_encoding=target.metadata.chunk_key_encoding,
    )


class ChunkMoves:
    """Moves chunks from one array to another, and decodes them. It can be pickled for any process."""

    def __init__(self, source: Array, target: Array) -> None:
        self._source = source
        self._target = target

    def read(self, region: Region) -> AnyArray:
        """Copy the stored chunks that `region` consists of, and return its elements."""
        source, target = self._source, self._target
        get, put = instrument(source.store).get, instrument(target.store).put
        fetched, values = MemoryStore(), []
        for index in self._chunks(region):
            key = source.chunk_source.key(index)
            value = get(key)
            if value is not None:
                fetched.put(key, value)
                values.append((index, value))
        data: AnyArray = Array(Location(fetched, source.path), source.metadata, **source.access).get(region)
        for index, value in values:
            put(target.chunk_source.key(index), value)
        return data

    def _chunks(self, region: Region) -> Iterator[Index]:
        spans = []
        for part, dim in zip(region, self._source.metadata.chunk_grid.dims, strict=True):
            if part.start >= part.stop:
                return iter(())
            spans.append(range(dim.index_of(part.start), dim.index_of(part.stop - 1) + 1))
        return product(*spans)
