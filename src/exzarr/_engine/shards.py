"""Shards as the engine sees them: the position of each inner chunk in a stored value.

The codec (`codecs.sharding`) converts between whole shards and arrays. To read one inner chunk, the engine requires
only the shard's index, which is cached here between reads, and one range.
Specification: https://zarr-specs.readthedocs.io/en/latest/v3/codecs/sharding-indexed/index.html
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Hashable, Iterator, Sequence
from copy import copy
from typing import TYPE_CHECKING, Any

import numpy as np

from exzarr import config
from exzarr._format.chunk_grids import RegularDimension
from exzarr.codecs.shards import MISSING, BoundShards
from exzarr.errors import ChunkCorruptError, ChunkMissingError, CodecError
from exzarr.stores.base import ValueReader

if TYPE_CHECKING:
    from concurrent.futures import Future

    from exzarr._engine.recorder import ChunkRecorder
    from exzarr._engine.source import ChunkSource

__all__ = ["ShardLayout", "split_shards"]

Index = tuple[memoryview, memoryview]
"""Start and length in bytes of each inner chunk. The length of a missing inner chunk is -1."""


class _IndexCache:
    """Cache of shard indexes by key, with the version of each shard. The setting ``shard_index_cache`` bounds it."""

    __slots__ = ("_cost", "_entries", "get", "lock", "nbytes")

    def __init__(self, cost: int) -> None:
        self._cost = cost  # bytes of one entry
        self._entries: dict[str, tuple[Hashable, Index]] = {}
        self.nbytes = 0
        self.lock = threading.Lock()
        self.get = self._entries.get

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, key: str, version: Hashable, index: Index) -> None:
        # Never wait for the lock: a fork may have copied it while another thread of the parent process held it.
        if not self.lock.acquire(blocking=False):
            return
        try:
            limit = config.get().shard_index_cache
            if key not in self._entries:
                self.nbytes += self._cost
            self._entries[key] = (version, index)
            while self.nbytes > limit and self._entries:
                self._entries.pop(next(iter(self._entries)))  # the oldest
                self.nbytes -= self._cost
        finally:
            self.lock.release()

    def drop(self, key: str) -> None:
        with self.lock:
            if self._entries.pop(key, None) is not None:
                self.nbytes -= self._cost


class ShardLayout:
    """Layout of shards of one shape, and a bounded cache of their indexes.

    Attributes
    ----------
    shards
        The codec, bound to the shard's shape.
    shape, counts
        Shape of the shard in elements, and in inner chunks.
    dims, labels
        The shard's grid of inner chunks, for `plan.within`. A label is the number that a coordinate adds to the inner
        chunk's number.
    strides
        The difference of an inner chunk's number for each of its coordinates in the shard.
    inner
        The bound pipeline of an inner chunk.
    width
        Length of an inner chunk along the last dimension.
    coming
        Index requests in progress, by key. Other readers of the same index wait for them.
    order
        The numbers of the inner chunks in the order in which writes store them; None is C order.
    recorder
        Records cache hits while a hook is registered; else None.
    """

    __slots__ = (
        "_cache",
        "coming",
        "counts",
        "dims",
        "inner",
        "labels",
        "order",
        "recorder",
        "shape",
        "shards",
        "strides",
        "width",
    )

    def __init__(self, shards: BoundShards) -> None:
        self.shards = shards
        self.shape = shards.spec.shape
        self.counts = shards.grid
        self.inner = shards.inner
        self.width = self.inner.spec.shape[-1] if self.inner.spec.shape else 1
        self.dims = [RegularDimension(size) for size in self.inner.spec.shape]
        strides = [math.prod(self.counts[d + 1 :]) for d in range(len(self.counts))]
        self.strides = strides
        self.labels: list[Callable[[int], int]] = [stride.__mul__ for stride in strides]
        self._cache = _IndexCache(16 * shards.count + 200)
        self.coming: dict[str, Future[Any]] = {}
        self.order: Sequence[int] | None = None
        self.recorder: ChunkRecorder | None = None

    def recorded(self, recorder: ChunkRecorder) -> ShardLayout:
        """Return a layout with the same cache whose codecs report to `recorder`."""
        new = copy(self)
        new.recorder = recorder
        new.inner = recorder.timed(self.inner)
        return new

    def index(self, key: str, value: ValueReader) -> Index:
        """Return the index of the shard at `key`, from the cache if `value.version` has not changed."""
        version, recorder = value.version, self.recorder
        found = self._cache.get(key)
        if found is not None and found[0] == version and version is not None:
            if recorder is not None:
                recorder.hit("shard index", key, self.shards.index_size)
            return found[1]
        index = self.read_index(value) if recorder is None else recorder.coded(self.read_index, value)
        if version is not None:
            self._cache.add(key, version, index)
        return index

    def known(self, key: str) -> tuple[Hashable, Index] | None:
        """Return the cached version and index of the shard at `key`."""
        return self._cache.get(key)

    def forget(self, key: str) -> None:
        """Remove the shard at `key` from the cache, because it was replaced."""
        self._cache.drop(key)

    def read_index(self, value: ValueReader) -> Index:
        """Read the current index of a shard. It is not added to the cache."""
        size = self.shards.index_size
        if value.size < size:
            raise CodecError(
                f"a shard of {value.size} bytes is shorter than its own index ({size} bytes): "
                "it was truncated, or is no shard"
            )
        data = bytearray(size)
        value.read_into(memoryview(data), value.size - size if self.shards.index_location == "end" else 0)
        table = self.shards.decode_index(data, value.size)
        starts, lengths = table[:, 0], table[:, 1]
        absent = (starts == MISSING) & (lengths == MISSING)
        # Both fit: `decode_index` has checked that no entry ends after the shard.
        where, long = starts.astype(np.int64), lengths.astype(np.int64)
        long[absent] = -1
        return memoryview(where), memoryview(long)

    def corrupt(self, source: ChunkSource, key: str, number: int, reason: object) -> ChunkCorruptError:
        """Return the error for inner chunk `number`, or for the whole shard if `number` is -1."""
        shard = source.index(key)
        if number < 0:
            return ChunkCorruptError(source.path, shard, key, f"shard {shard}: {reason}")
        index = self.index_at(source, key, number)
        return ChunkCorruptError(source.path, index, key, f"inner chunk {number} of shard {shard}: {reason}")

    def absent(self, source: ChunkSource, key: str, number: int) -> Any:
        """Return the fill value for a missing inner chunk, or raise ChunkMissingError; see `ChunkSource.absent`."""
        try:
            return source.absent(key, number)
        except ChunkMissingError as error:
            index = self.index_at(source, key, number)
            reason = f"inner chunk {number} of shard {error.index}: {error.reason}"
            raise ChunkMissingError(source.path, index, key, reason) from None

    def index_at(self, source: ChunkSource, key: str, number: int) -> tuple[int, ...]:
        """Return the index of an inner chunk of the shard at `key` in the array's grid of inner chunks."""
        corner = [dim.offset(i) for dim, i in zip(source.dims, source.index(key), strict=True)]
        local = np.unravel_index(number, self.counts) if self.counts else ()
        return tuple(
            [at // dim.uniform + int(i) for at, dim, i in zip(corner, self.dims, local, strict=True)]
        )


def split_shards(
    items: Iterator[Any], shards: int, layout: ShardLayout, workers: int
) -> tuple[Iterator[Any], int]:
    """Divide the items of few shards along inner chunks, so that every worker has work."""
    pieces = -(-2 * workers // max(1, shards))
    if pieces < 2:
        return items, shards
    cut = [part for item in items for part in _split(item, layout, pieces)]
    return iter(cut), len(cut)


def _split(item: Any, layout: ShardLayout, pieces: int) -> Iterator[Any]:
    key, chunk_index, work_index = item
    for d, (here, dim) in enumerate(zip(chunk_index, layout.dims, strict=False)):
        if type(here) is not slice or type(work_index[d]) is not slice:
            break
        size = dim.size(0)
        rows = (here.stop - 1) // size - here.start // size + 1
        if here.step != 1 or rows < 2:
            continue
        band = -(-rows // pieces) * size
        low, at = here.start, work_index[d].start
        while low < here.stop:
            high = min(here.stop, (low // size) * size + band)
            yield (
                key,
                (*chunk_index[:d], slice(low, high, 1), *chunk_index[d + 1 :]),
                (*work_index[:d], slice(at, at + high - low), *work_index[d + 1 :]),
            )
            at += high - low
            low = high
        return
    yield item
