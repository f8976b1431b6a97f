"""The codecs vlen-utf8 and vlen-bytes: strings and byte strings of any length.

https://github.com/zarr-developers/zarr-extensions/tree/main/codecs/vlen-utf8,
https://github.com/zarr-developers/zarr-extensions/tree/main/codecs/vlen-bytes. A chunk starts with the number of
elements (u32, little-endian), then for each in C order its number of bytes (u32) and its bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np

from exzarr.codecs._config import Configured
from exzarr.codecs.base import AnyArray, ArrayBytesCodec, Buffer, ChunkSpec
from exzarr.errors import CodecError, MetadataError

__all__ = ["VLenBytes", "VLenUTF8", "check_count", "flat_writable"]


def check_count(name: str, data: Buffer, spec: ChunkSpec) -> None:
    """Raise CodecError unless the chunk declares ``spec.size`` elements.

    Call this before numcodecs decodes `data`: numcodecs allocates memory for any declared number.
    """
    declared = int.from_bytes(data[:4], "little") if len(data) >= 4 else -1
    if declared != spec.size or len(data) < 4 + 4 * declared:
        raise CodecError(
            f"{name}: a chunk of {len(data)} bytes declares {max(declared, 0)} elements, expected {spec.size}"
        )


def flat_writable(array: AnyArray) -> AnyArray:
    """Return the elements in C order, in writable memory, which numcodecs requires although it only reads."""
    return np.require(array, requirements=("C", "W")).reshape(-1)


class _VLen(Configured, ArrayBytesCodec):
    """Members that both codecs share."""

    @staticmethod
    def _numcodecs() -> Any:
        """Return numcodecs' object for the codec."""
        raise NotImplementedError

    def encode(self, array: AnyArray, spec: ChunkSpec) -> Buffer:
        flat = flat_writable(array)
        encoded: Buffer = self._numcodecs().encode(flat if flat.dtype == object else flat.astype(object))
        return encoded

    def decode(self, data: Buffer, spec: ChunkSpec) -> AnyArray:
        check_count(self.name, data, spec)
        if not spec.size:
            return np.empty(spec.shape, spec.dtype)
        try:
            array: AnyArray = self._numcodecs().decode(data)
        except (ValueError, TypeError, MemoryError) as exc:
            raise CodecError(f"{self.name}: {exc}") from None
        return array.astype(spec.dtype, copy=False).reshape(spec.shape)


@dataclass(frozen=True)
class VLenUTF8(_VLen):
    """Strings of any length, stored as UTF-8."""

    name: ClassVar[str] = "vlen-utf8"

    def evolve(self, spec: ChunkSpec) -> Self:
        if spec.dtype.kind not in "TO" and spec.dtype.kind != "U":
            raise MetadataError(f"codec {self.name!r} stores strings; the array has data type {spec.dtype}")
        return self

    @staticmethod
    def _numcodecs() -> Any:
        from numcodecs.vlen import VLenUTF8

        return VLenUTF8()


@dataclass(frozen=True)
class VLenBytes(_VLen):
    """Byte strings of any length."""

    name: ClassVar[str] = "vlen-bytes"

    def evolve(self, spec: ChunkSpec) -> Self:
        if spec.dtype.kind not in "OS":
            raise MetadataError(
                f"codec {self.name!r} stores byte strings; the array has data type {spec.dtype}"
            )
        return self

    @staticmethod
    def _numcodecs() -> Any:
        from numcodecs.vlen import VLenBytes

        return VLenBytes()
