"""The codec crc32c: a checksum of four bytes after the data.

https://zarr-specs.readthedocs.io/en/latest/v3/codecs/crc32c/index.html
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from google_crc32c import value

from exzarr.codecs._config import Configured
from exzarr.codecs.base import Buffer, BytesBytesCodec
from exzarr.codecs.memory import as_bytes
from exzarr.errors import ChecksumError, CodecError

__all__ = ["Crc32c"]


@dataclass(frozen=True)
class Crc32c(Configured, BytesBytesCodec):
    """CRC-32C (Castagnoli) of the data, appended in little-endian order."""

    name: ClassVar[str] = "crc32c"
    checks: ClassVar[bool] = True

    @property
    def quick(self) -> bool:
        return True

    def encoded_size(self, size: int | None) -> int | None:
        return None if size is None else size + 4

    def max_encoded_size(self, size: int) -> int:
        return size + 4

    def encode(self, data: Buffer) -> Buffer:
        return b"".join((data, value(as_bytes(data)).to_bytes(4, "little")))

    def decode(self, data: Buffer, size: int | None, limit: int) -> Buffer:
        n = len(data) - 4
        if n < 0 or (n if size is None else size) != n or n > limit:
            raise CodecError(f"crc32c: got {len(data)} bytes, expected {limit if size is None else size} + 4")
        view = memoryview(data)
        stored = int.from_bytes(view[n:], "little")
        # Pass the first n bytes as an ndarray: value() accepts only read-only buffers and arrays.
        found = value(as_bytes(view[:n]))
        if stored != found:
            raise ChecksumError(
                f"crc32c: the stored checksum is {stored:08x}, the checksum of the data is {found:08x}; the data is damaged"
            )
        return view[:n]
