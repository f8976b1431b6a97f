"""Shards of a known shape, as the codec ``sharding_indexed`` stores them.

The engine reads inner chunks on their own. `BoundShards.index_range` is the position of a shard's index,
`decode_index` decodes the index, and `inner` decodes one inner chunk. `assemble` makes a shard
from encoded inner chunks. `decode` and `encode` handle whole shards in memory.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from exzarr._format.dtypes import parse_v3
from exzarr.codecs.base import AnyArray, Buffer, ChunkSpec
from exzarr.codecs.empty import is_fill
from exzarr.codecs.pipeline import ChunkPipeline
from exzarr.errors import ChecksumError, CodecError, MetadataError

if TYPE_CHECKING:
    from exzarr.codecs.sharding import Sharding

__all__ = ["MISSING", "BoundShards"]

_REST = (...,)  # makes an index return an array, even with no dimensions
MISSING = 2**64 - 1
"""Value of both numbers of an index entry if the inner chunk is not stored."""


class BoundShards:
    """Shards of one shape. Any number of threads may use the object concurrently.

    Attributes
    ----------
    spec
        Shape, data type and fill value of the shard.
    inner
        The pipeline for one inner chunk.
    grid
        Inner chunks per dimension. They are numbered in C order.
    count
        Total number of inner chunks.
    index_size
        Bytes of the encoded index.
    index_location
        ``"start"`` or ``"end"``.
    max_encoded_size
        Recommended buffer size: shards normally fit into this many bytes.
    """

    __slots__ = (
        "_index",
        "count",
        "grid",
        "index_location",
        "index_size",
        "inner",
        "max_encoded_size",
        "spec",
    )

    def __init__(self, codec: Sharding, spec: ChunkSpec) -> None:
        shape = codec.chunk_shape
        if len(shape) != len(spec.shape) or any(s % c for s, c in zip(spec.shape, shape, strict=True)):
            raise MetadataError(
                f"codec 'sharding_indexed': inner chunks of shape {shape} do not divide a shard of shape {spec.shape}"
            )
        self.spec = spec
        self.grid = tuple(s // c for s, c in zip(spec.shape, shape, strict=True))
        self.inner = ChunkPipeline(codec.codecs).bind(spec.with_(shape=shape))
        self.count = count = int(np.prod(self.grid, dtype=object)) if self.grid else 1
        if count > 1 << 40:
            raise MetadataError(
                f"codec 'sharding_indexed': one shard would have {count} inner chunks, which is too many"
            )
        number = ChunkSpec((*self.grid, 2), parse_v3("uint64"), np.uint64(MISSING))
        self._index = ChunkPipeline(codec.index_codecs).bind(number)
        if self._index.encoded_size is None:
            raise MetadataError("codec 'sharding_indexed': index_codecs must give a fixed number of bytes")
        self.index_size = self._index.encoded_size
        self.index_location = codec.index_location
        self.max_encoded_size = self.index_size + count * self.inner.max_encoded_size

    # -- the index ---------------------------------------------------------------

    @property
    def index_checks(self) -> bool:
        """True if the index has a checksum."""
        return self._index.checks

    @property
    def index_range(self) -> tuple[int, int]:
        """Position of the index as ``(start, length)``. A negative start counts from the shard's end."""
        return (0 if self.index_location == "start" else -self.index_size, self.index_size)

    def decode_index(self, data: Buffer, shard_size: int | None = None) -> AnyArray:
        """Decode the index: the position of each inner chunk.

        Parameters
        ----------
        data
            The encoded index: ``index_size`` bytes.
        shard_size
            Bytes of the whole shard, if known. No entry may extend past it.

        Returns
        -------
        numpy.ndarray
            uint64 of shape ``(count, 2)``: first byte and number of bytes of each inner chunk
            in C order. Both are `MISSING` if it is not stored.

        Raises
        ------
        CodecError
            The index is damaged.
        """
        index = self.decode_table(data)
        limit = np.uint64(MISSING - 1 if shard_size is None else shard_size)
        start, length = index[:, 0], index[:, 1]
        # Check length <= limit first, so that the subtraction does not wrap.
        fine = (length <= limit) & (start <= limit - np.minimum(length, limit))
        if not fine.all():
            missing = (start == MISSING) & (length == MISSING)
            bad = np.flatnonzero(~(fine | missing))
            if bad.size:
                i = int(bad[0])
                raise CodecError(
                    f"the shard's index is damaged: inner chunk {i} at byte {start[i]}, {length[i]} bytes long, "
                    f"in a shard of {shard_size} bytes"
                )
        return index

    def decode_table(self, data: Buffer) -> AnyArray:
        """Decode the index like `decode_index`, without checking the entries."""
        if len(data) != self.index_size:
            raise CodecError(f"a shard's index has {len(data)} bytes, expected {self.index_size}")
        try:
            return self._index.decode(data).reshape(-1, 2)
        except CodecError as exc:
            raise _same_error(exc, f"the shard's index is damaged: {exc}") from None

    def encode_index(self, index: AnyArray) -> Buffer:
        """Encode an index in the form that `decode_index` returns."""
        return self._index.encode(index.reshape(*self.grid, 2))

    # -- whole shards ------------------------------------------------------------

    def assemble(self, chunks: Sequence[Buffer | None]) -> bytes:
        """Return a shard of encoded inner chunks in C order. None omits an inner chunk."""
        return b"".join(self.parts(chunks))

    def parts(self, chunks: Sequence[Buffer | None], order: Iterable[int] | None = None) -> list[Buffer]:
        """Return the pieces of the shard that `assemble` joins.

        `order` has the numbers of all inner chunks, in the order of their bytes. None is C order.
        """
        index = np.full((self.count, 2), MISSING, np.uint64)
        position = self.index_size if self.index_location == "start" else 0
        parts: list[Buffer] = []
        for i in range(len(chunks)) if order is None else order:
            chunk = chunks[i]
            if chunk is not None:
                index[i] = position, len(chunk)
                position += len(chunk)
                parts.append(chunk)
        encoded = self.encode_index(index)
        return [encoded, *parts] if self.index_location == "start" else [*parts, encoded]

    def regions(self) -> Iterator[tuple[slice, ...]]:
        """Return the regions of the inner chunks in the shard array, in C order."""
        return itertools.product(
            *(
                [slice(i * c, i * c + c) for i in range(n)]
                for n, c in zip(self.grid, self.inner.spec.shape, strict=True)
            )
        )

    def index_of(self, data: Buffer) -> AnyArray:
        """Return the decoded index of a whole shard."""
        if len(data) < self.index_size:
            raise CodecError(
                f"a shard of {len(data)} bytes is shorter than its index ({self.index_size} bytes)"
            )
        view = memoryview(data)
        own = (
            view[: self.index_size] if self.index_location == "start" else view[len(view) - self.index_size :]
        )
        return self.decode_index(own, len(view))

    def decode(self, data: Buffer) -> AnyArray:
        """Decode a whole shard."""
        out = np.empty(self.spec.shape, self.spec.dtype)
        self.decode_into(data, out)
        return out

    def decode_into(self, data: Buffer, out: AnyArray) -> None:
        """Decode a whole shard into `out`."""
        index = self.index_of(data).tolist()
        view = memoryview(data)
        inner_into = self.inner.decode_into
        fill = self.spec.fill_value
        for region, (start, length) in zip(self.regions(), index, strict=True):
            part = out[region + _REST]
            if start == MISSING:
                part[...] = fill
                continue
            try:
                inner_into(view[start : start + length], part)
            except CodecError as exc:
                at = tuple(s.start // c for s, c in zip(region, self.inner.spec.shape, strict=True))
                raise _same_error(exc, f"inner chunk {at} of the shard: {exc}") from None

    def encode(self, array: AnyArray, write_empty: bool = False) -> bytes:
        """Encode a shard. Inner chunks that contain only the fill value are omitted unless `write_empty`."""
        inner, spec = self.inner, self.inner.spec
        chunks: list[Buffer | None] = []
        for region in self.regions():
            part = array[region + _REST]
            empty = not write_empty and is_fill(part, spec)
            chunks.append(None if empty else inner.encode(part))
        return self.assemble(chunks)


def _same_error(error: CodecError, message: str) -> CodecError:
    return (ChecksumError if isinstance(error, ChecksumError) else CodecError)(message)
