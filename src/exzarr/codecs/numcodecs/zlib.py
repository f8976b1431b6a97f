"""The codec zlib: DEFLATE in a zlib stream (RFC 1950)."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import ClassVar

from exzarr.codecs._config import Configured, integer
from exzarr.codecs.base import Buffer, BytesBytesCodec
from exzarr.codecs.expansion import ALWAYS_ALLOWED, DEFLATE, size_error
from exzarr.codecs.inflate import ZLIB, inflate

__all__ = ["Zlib"]


@dataclass(frozen=True)
class Zlib(Configured, BytesBytesCodec):
    """Compression with zlib; `level` is −1 (zlib's default) or 0 (no compression) to 9 (smallest)."""

    name: ClassVar[str] = "numcodecs.zlib"
    checks: ClassVar[bool] = True
    level: int = 1

    def __post_init__(self) -> None:
        integer(self.name, "level", self.level, -1, 9)

    def max_encoded_size(self, size: int) -> int:
        return size + size // 1000 + 128

    def encode(self, data: Buffer) -> Buffer:
        return zlib.compress(data, self.level)

    def decode(self, data: Buffer, size: int | None, limit: int) -> Buffer:
        if size is not None and size > len(data) * DEFLATE + ALWAYS_ALLOWED:
            raise size_error("zlib", len(data), size)
        if size and size <= limit:
            # libdeflate takes half of zlib's time, but requires the size.
            import deflate

            try:
                decoded = deflate.zlib_decompress(data, size)
            except (deflate.DeflateError, ValueError):
                pass  # zlib raises the specific error below
            else:
                # libdeflate does not return the end of the stream, so check that the checksum is last.
                if len(decoded) == size and int.from_bytes(data[-4:], "big") == deflate.adler32(decoded):
                    return decoded  # type: ignore[no-any-return]
        return inflate("zlib", data, ZLIB, size, limit)
