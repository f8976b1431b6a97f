"""The shards of an array: what `sharding_indexed` comes to once the shard's shape is known.

The engine reads inner chunks by themselves: `BoundShards.index_range` tells where a shard's index
lies, `decode_index` what it says, `inner` decodes one inner chunk. `assemble` puts a shard
together from encoded inner chunks. `decode` and `encode` handle whole shards in memory.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
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

_REST = (...,)  # an index with it gives an array, even where there are no dimensions
MISSING = 2**64 - 1
"""Both numbers of an index entry whose inner chunk is not stored."""


class BoundShards:
    """Shards of one shape. Safe to use from any number of threads at once.

    Attributes
    ----------
    spec
        The shard: its shape, data type and fill value.
    inner
        The pipeline for one inner chunk.
    grid
        Inner chunks per dimension; they are counted in C order.
    count
        Inner chunks in all.
    index_size
        Bytes of the encoded index.
    index_location
        ``"start"`` or ``"end"``.
    max_encoded_size
        Bytes that shards normally fit in.
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
            raise MetadataError(f"codec 'sharding_indexed': {count} inner chunks in one shard")
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
        """Whether the index has a checksum."""
        return self._index.checks

    @property
    def index_range(self) -> tuple[int, int]:
        """Where the index lies: ``(start, length)``; a negative start counts from the shard's end."""
        return (0 if self.index_location == "start" else -self.index_size, self.index_size)

    def decode_index(self, data: Buffer, shard_size: int | None = None) -> AnyArray:
        """Where each inner chunk lies.

        Parameters
        ----------
        data
            The encoded index: ``index_size`` bytes.
        shard_size
            Bytes of the whole shard, where known: no entry may go past it.

        Returns
        -------
        numpy.ndarray
            Shape ``(count, 2)``, uint64: first byte and number of bytes of each inner chunk
            in C order; both `MISSING` where it is not stored.

        Raises
        ------
        CodecError
            The index is damaged.
        """
        index = self.decode_table(data)
        limit = np.uint64(MISSING - 1 if shard_size is None else shard_size)
        start, length = index[:, 0], index[:, 1]
        # length <= limit first: the subtraction must not wrap round
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
        """What the index says, whatever that is: `decode_index` without a look at the entries."""
        if len(data) != self.index_size:
            raise CodecError(f"a shard's index of {len(data)} bytes where {self.index_size} were expected")
        try:
            return self._index.decode(data).reshape(-1, 2)
        except CodecError as exc:
            raise _alike(exc, f"the shard's index is damaged: {exc}") from None

    def encode_index(self, index: AnyArray) -> Buffer:
        """The encoded form of an index as `decode_index` gives it."""
        return self._index.encode(index.reshape(*self.grid, 2))

    # -- whole shards ------------------------------------------------------------

    def assemble(self, chunks: Sequence[Buffer | None]) -> bytes:
        """A shard of `count` encoded inner chunks in C order; None for those not to be stored."""
        return b"".join(self.parts(chunks))

    def parts(self, chunks: Sequence[Buffer | None]) -> list[Buffer]:
        """Like `assemble`, in pieces that are yet to be joined."""
        index = np.full((self.count, 2), MISSING, np.uint64)
        position = self.index_size if self.index_location == "start" else 0
        parts: list[Buffer] = []
        for i, chunk in enumerate(chunks):
            if chunk is not None:
                index[i] = position, len(chunk)
                position += len(chunk)
                parts.append(chunk)
        encoded = self.encode_index(index)
        return [encoded, *parts] if self.index_location == "start" else [*parts, encoded]

    def regions(self) -> Iterator[tuple[slice, ...]]:
        """The regions of the inner chunks in the shard array, in C order."""
        return itertools.product(
            *(
                [slice(i * c, i * c + c) for i in range(n)]
                for n, c in zip(self.grid, self.inner.spec.shape, strict=True)
            )
        )

    def index_of(self, data: Buffer) -> AnyArray:
        """The index in the bytes of a whole shard."""
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
        """The whole shard's array."""
        out = np.empty(self.spec.shape, self.spec.dtype)
        self.decode_into(data, out)
        return out

    def decode_into(self, data: Buffer, out: AnyArray) -> None:
        """The whole shard's array, into `out`."""
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
                raise _alike(exc, f"inner chunk {at} of the shard: {exc}") from None

    def encode(self, array: AnyArray, write_empty: bool = False) -> bytes:
        """A shard. Inner chunks that hold nothing but the fill value are left out, unless `write_empty`."""
        inner, spec = self.inner, self.inner.spec
        chunks: list[Buffer | None] = []
        for region in self.regions():
            part = array[region + _REST]
            empty = not write_empty and is_fill(part, spec)
            chunks.append(None if empty else inner.encode(part))
        return self.assemble(chunks)


def _alike(error: CodecError, message: str) -> CodecError:
    return (ChecksumError if isinstance(error, ChecksumError) else CodecError)(message)
