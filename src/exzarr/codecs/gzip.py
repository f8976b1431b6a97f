"""The codec gzip: DEFLATE in a gzip member (RFC 1952).

https://zarr-specs.readthedocs.io/en/latest/v3/codecs/gzip/index.html
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import deflate

from exzarr.codecs._config import Configured, integer
from exzarr.codecs.base import Buffer, BytesBytesCodec
from exzarr.codecs.expansion import ALWAYS_ALLOWED, DEFLATE, size_error
from exzarr.codecs.inflate import GZIP, inflate

__all__ = ["Gzip"]


@dataclass(frozen=True)
class Gzip(Configured, BytesBytesCodec):
    """Compression with gzip.

    Parameters
    ----------
    level
        0 (no compression) to 9 (smallest).
    """

    name: ClassVar[str] = "gzip"
    checks: ClassVar[bool] = True
    required: ClassVar[tuple[str, ...]] = ("level",)
    level: int = 5

    def __post_init__(self) -> None:
        integer(self.name, "level", self.level, 0, 9)

    def max_encoded_size(self, size: int) -> int:
        return size + size // 1000 + 128

    def encode(self, data: Buffer) -> Buffer:
        # libdeflate takes a third of zlib's time at corresponding levels.
        return deflate.gzip_compress(data, self.level)  # type: ignore[no-any-return]

    def decode(self, data: Buffer, size: int | None, limit: int) -> Buffer:
        return decompress(data, size, limit)


def decompress(data: Buffer, size: int | None, limit: int) -> Buffer:
    """Decompress the gzip members in `data` to `size` bytes, or to at most `limit` bytes if `size` is None."""
    if size is not None and size > len(data) * DEFLATE + ALWAYS_ALLOWED:
        raise size_error("gzip", len(data), size)
    # libdeflate decodes twice as fast as zlib, but needs the size and decodes only the first member.
    # If there is one member and nothing follows it, the last four bytes hold the size.
    if size and size <= limit and int.from_bytes(data[-4:], "little") == size & 0xFFFFFFFF:
        try:
            decoded = deflate.gzip_decompress(data, size)
        except (deflate.DeflateError, ValueError):
            pass  # zlib raises the specific error below
        else:
            if len(decoded) == size:
                return decoded  # type: ignore[no-any-return]
    return inflate("gzip", data, GZIP, size, limit)
