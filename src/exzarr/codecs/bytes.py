"""The codec bytes: the chunk's memory in C order, little-endian or big-endian.

https://zarr-specs.readthedocs.io/en/latest/v3/codecs/bytes/index.html
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np

from exzarr.codecs._config import Configured, choice
from exzarr.codecs.base import AnyArray, ArrayBytesCodec, Buffer, ChunkSpec
from exzarr.codecs.memory import as_buffer, from_buffer
from exzarr.errors import CodecError, MetadataError

__all__ = ["Bytes"]


@dataclass(frozen=True)
class Bytes(Configured, ArrayBytesCodec):
    """The elements' memory in C order, without compression.

    Parameters
    ----------
    endian
        The stored byte order, ``"little"`` or ``"big"``. None: the elements have one byte and
        therefore no order; for larger elements, the byte order of this machine.
    """

    name: ClassVar[str] = "bytes"
    endian: str | None = None

    def __post_init__(self) -> None:
        if self.endian is not None:
            choice(self.name, "endian", self.endian, ("little", "big"))

    def to_config(self) -> dict[str, Any]:
        return {} if self.endian is None else {"endian": self.endian}

    def evolve(self, spec: ChunkSpec) -> Self:
        ordered = has_byte_order(spec.dtype)
        if ordered and self.endian is None:
            return type(self)(sys.byteorder)
        if not ordered and self.endian is not None:
            return type(self)(None)
        return self

    def encoded_size(self, spec: ChunkSpec) -> int | None:
        return spec.nbytes

    def stored_dtype(self, spec: ChunkSpec) -> np.dtype[Any] | None:
        dtype = spec.dtype
        if dtype.hasobject or dtype.kind == "T":
            raise MetadataError(
                f"codec 'bytes' cannot store data type {spec.data_type.v3!r}, whose elements vary in length; "
                "use 'vlen-utf8' or 'vlen-bytes'"
            )
        if self.endian is None or not has_byte_order(dtype):
            return dtype
        if not _swappable(dtype):
            if self.endian == sys.byteorder:
                return dtype
            raise MetadataError(f"codec 'bytes': {dtype} has no {self.endian}-endian form in NumPy")
        return dtype.newbyteorder("<" if self.endian == "little" else ">")

    def encode(self, array: AnyArray, spec: ChunkSpec) -> Buffer:
        return as_buffer(np.ascontiguousarray(array, self.stored_dtype(spec)))

    def decode(self, data: Buffer, spec: ChunkSpec) -> AnyArray:
        if len(data) != spec.nbytes:
            raise CodecError(f"a chunk has {len(data)} bytes, expected {spec.nbytes}")
        stored = self.stored_dtype(spec)
        assert stored is not None
        array = from_buffer(data, stored, spec.shape)
        return array if stored == spec.dtype else array.astype(spec.dtype)


def has_byte_order(dtype: np.dtype[Any]) -> bool:
    """Return True if an element (or one of its fields) can be little-endian or big-endian."""
    if dtype.names is not None:
        return any(has_byte_order(dtype.fields[name][0]) for name in dtype.names)  # type: ignore[index]
    if dtype.subdtype is not None:
        return has_byte_order(dtype.subdtype[0])
    # NumPy calls the byte order of bfloat16 "native" although it cannot be changed.
    return dtype.byteorder != "|" and dtype.itemsize > 1


def _swappable(dtype: np.dtype[Any]) -> bool:
    return dtype.newbyteorder("S") != dtype
