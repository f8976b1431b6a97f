"""Reads and writes of listed chunks, run by the engine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from exzarr._engine.listed import ListedSource, ShardOrder
from exzarr._engine.reading.read import read
from exzarr._engine.source import open_source
from exzarr._engine.writing.write import write
from exzarr._format import v2, v3
from exzarr._format.metadata import ArrayMetadata, GroupMetadata
from exzarr._typing import AnyArray
from exzarr.chunks.selections import ChunkSelections, plan_chunks
from exzarr.errors import ArgumentError, NodeTypeError
from exzarr.stores.base import Store

__all__ = ["ChunkAccess"]


class ChunkAccess:
    """The chunks of one array, for a library that has opened it and plans its reads and writes.

    Many threads may call all methods concurrently. The object stays valid when the array is resized.

    Parameters
    ----------
    store
        The array's store.
    path
        The array's path in the store.
    document
        Its document as stored: ``zarr.json``, or ``.zarray``.
    zarr_format
        3, or 2.
    shard_order
        The order in which writes store the inner chunks of a shard: a function from the counts of inner chunks along
        each dimension to their numbers in C order. Default: C order.

    Raises
    ------
    MetadataError
        The document is invalid.
    UnsupportedError
        exzarr does not have the array's data type or one of its codecs.
    """

    __slots__ = ("_source",)

    def __init__(
        self,
        store: Store,
        path: str,
        document: bytes,
        *,
        zarr_format: Literal[2, 3] = 3,
        shard_order: ShardOrder | None = None,
    ) -> None:
        meta: ArrayMetadata | GroupMetadata
        meta = v3.loads(document) if zarr_format == 3 else v2.loads(document, None, kind="array", where=path)
        if isinstance(meta, GroupMetadata):
            raise NodeTypeError(f"{path or '/'!r} is a group; only arrays have chunks")
        self._source = ListedSource.of(open_source(store, path, meta), shard_order)

    @property
    def store(self) -> Store:
        """The array's store."""
        return self._source.store

    @property
    def dtype(self) -> np.dtype[Any]:
        """The data type of decoded chunks."""
        return self._source.dtype

    @property
    def chunk_shape(self) -> tuple[int, ...] | None:
        """The shape of a stored chunk (a shard, if the array has shards); None if the chunk grid is not regular."""
        grid = self._source.grid
        return grid.chunk_shape if grid.regular else None

    def read(self, chunks: ChunkSelections, out: AnyArray) -> Sequence[str]:
        """Read the selected elements into `out`, and the fill value where a chunk is missing.

        Returns
        -------
        list of str
            The keys of the missing chunks. A shard that is stored is not missing, even if inner chunks are.

        Raises
        ------
        SelectionError
            The selections are of a kind that `ChunkSelections` does not have.
        ChunkCorruptError
            A chunk cannot be decoded.
        """
        if not chunks.keys:
            return []
        source = self._listing(chunks)
        plan, work = plan_chunks(chunks, self.chunk_shape, out)
        read(source, plan, work)
        return source.missing

    def write(self, chunks: ChunkSelections, values: AnyArray, *, write_empty: bool = False) -> None:
        """Store `values`, an array of the shape of the selections or a scalar of no dimensions.

        A stored chunk that is not selected whole, by slices, is read, changed and stored by `Store.update`: concurrent
        writes to its other elements are kept. `write_empty` also stores chunks that hold only the fill value.

        Raises
        ------
        SelectionError
            The selections are of a kind that `ChunkSelections` does not have, or `values` does not have their shape.
        ChunkCorruptError
            A chunk that is changed in part cannot be decoded.
        """
        if not chunks.keys:
            return
        source = self._listing(chunks)
        plan, work = plan_chunks(chunks, self.chunk_shape, values, writing=True)
        write(source, plan, work, write_empty=write_empty)

    def _listing(self, chunks: ChunkSelections) -> ListedSource:
        if (chunks.shapes is None) != self._source.grid.regular:
            raise ArgumentError("give the shapes of chunks if the chunk grid is not regular, and only then")
        shapes = {} if chunks.shapes is None else dict(zip(chunks.keys, chunks.shapes, strict=True))
        return self._source.listing(shapes)
