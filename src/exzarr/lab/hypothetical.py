"""A store of hypothetical chunks, which allows plans of any size without data."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence

import numpy as np

from exzarr._format.metadata import ArrayMetadata
from exzarr._nodes.array import Array
from exzarr._nodes.hierarchy import Location
from exzarr.codecs.shards import BoundShards
from exzarr.errors import StoreError
from exzarr.stores.base import Buffer, ByteRange, Store, StoreTraits, ValueReader, read_only_error

__all__ = ["hypothetical_array"]


class _HypotheticalStore(Store):
    """A store that reports a value of `nbytes` at each key. Only the index of a shard can be read from it."""

    def __init__(self, nbytes: int, index: Buffer, concurrency: int) -> None:
        self._nbytes = nbytes
        self._index = index
        self.traits = StoreTraits(read_only=True, concurrency=concurrency)

    def size(self, key: str) -> int | None:
        return self._nbytes

    def open_value(self, key: str) -> ValueReader | None:
        return _HypotheticalValue(self._nbytes, self._index)

    def get(self, key: str, byte_range: ByteRange | None = None) -> Buffer | None:
        raise StoreError(
            f"cannot read {key!r}: the chunks of this array are hypothetical, and only explain works on it"
        )

    def put(self, key: str, value: Buffer) -> None:
        raise read_only_error(self, f"put {key!r}")

    def delete(self, key: str) -> None:
        raise read_only_error(self, f"delete {key!r}")

    def list(self, prefix: str = "") -> Iterator[str]:
        return iter(())

    def list_dir(self, prefix: str = "") -> tuple[Sequence[str], Sequence[str]]:
        return (), ()


class _HypotheticalValue:
    __slots__ = ("_index", "size", "version")

    def __init__(self, size: int, index: Buffer) -> None:
        self._index = index
        self.size = size
        self.version: Hashable = "hypothetical"

    def read_into(self, buffer: memoryview, start: int) -> None:
        assert len(buffer) == len(self._index)
        assert start == self.size - len(buffer)
        buffer[:] = self._index

    def close(self) -> None:
        pass


def hypothetical_array(meta: ArrayMetadata, ratio: float, concurrency: int) -> Array:
    """Return a hypothetical array for `meta`, all of it stored, each chunk `ratio` times smaller than in memory.

    Only `Array.explain` works on it. Shards have their index at the end.
    """
    array = Array(Location(_HypotheticalStore(0, b"", concurrency), ""), meta, read_only=True)
    source = array.chunk_source
    nbytes = (
        max(1, round(source.nbytes / ratio))
        if source.inner_pipeline.encoded_size is None
        else source.inner_pipeline.encoded_size
    )
    if source.layout is None:
        return Array(Location(_HypotheticalStore(nbytes, b"", concurrency), ""), meta, read_only=True)
    shards: BoundShards = source.layout.shards
    table = np.empty((shards.count, 2), np.uint64)
    table[:, 0] = np.arange(shards.count, dtype=np.uint64) * np.uint64(nbytes)
    table[:, 1] = nbytes
    index = shards.encode_index(table)
    store = _HypotheticalStore(shards.count * nbytes + shards.index_size, index, concurrency)
    return Array(Location(store, ""), meta, read_only=True)
