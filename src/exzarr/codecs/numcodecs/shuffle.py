"""The codec shuffle: first bytes of all elements, then second bytes, and so on, as in HDF5."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np

from exzarr.codecs._config import Configured, integer
from exzarr.codecs.base import Buffer, BytesBytesCodec, ChunkSpec
from exzarr.codecs.memory import as_buffer
from exzarr.errors import CodecError, MetadataError

__all__ = ["Shuffle"]


@dataclass(frozen=True)
class Shuffle(Configured, BytesBytesCodec):
    """Byte shuffle; `elementsize` is the bytes per element. None and 0 (netCDF's): the array's item size."""

    name: ClassVar[str] = "numcodecs.shuffle"
    elementsize: int | None = 4

    def __post_init__(self) -> None:
        if self.elementsize is not None:
            integer(self.name, "elementsize", self.elementsize, 0, 2**31 - 1)

    def evolve(self, spec: ChunkSpec) -> Self:
        size = max(1, spec.dtype.itemsize)
        if not self.elementsize:
            return replace(self, elementsize=size)
        if size > 1 and spec.nbytes % self.elementsize:
            raise MetadataError(
                f"codec {self.name!r}: elementsize {self.elementsize} does not fit {spec.data_type.name}: "
                f"chunks have {spec.nbytes} bytes, which is not a multiple"
            )
        return self

    def encoded_size(self, size: int | None) -> int | None:
        return size

    def max_encoded_size(self, size: int) -> int:
        return size

    def encode(self, data: Buffer) -> Buffer:
        n = self._elementsize(data)
        return data if n <= 1 else as_buffer(np.ascontiguousarray(_bytes(data).reshape(-1, n).T))

    def decode(self, data: Buffer, size: int | None, limit: int) -> Buffer:
        if len(data) > limit or (size is not None and len(data) != size):
            raise CodecError(f"shuffle: got {len(data)} bytes, expected {limit if size is None else size}")
        n = self.elementsize or 1
        if n <= 1:
            return data
        rest = len(data) % n
        if not rest:
            return as_buffer(np.ascontiguousarray(_bytes(data).reshape(n, -1).T))
        # HDF5 does not move the bytes after the last whole element, such as a checksum.
        out = np.array(_bytes(data))
        out[:-rest] = out[:-rest].reshape(n, -1).T.ravel()
        return as_buffer(out)

    def _elementsize(self, data: Buffer) -> int:
        n = self.elementsize or 1
        if n > 1 and len(data) % n:
            raise CodecError(
                f"shuffle: {len(data)} bytes are not a multiple of the element size of {n} bytes"
            )
        return n if len(data) else 1


def _bytes(data: Buffer) -> np.ndarray[Any, np.dtype[np.uint8]]:
    return np.frombuffer(data, np.uint8)
