"""The codec gzip with numcodecs' bytes, except for the time stamp, which is always 0."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import ClassVar

from exzarr.codecs import gzip
from exzarr.codecs.base import Buffer

__all__ = ["GZip"]


@dataclass(frozen=True)
class GZip(gzip.Gzip):
    """Compression with gzip; `level` is 0 (no compression) to 9 (smallest)."""

    name: ClassVar[str] = "numcodecs.gzip"
    required: ClassVar[tuple[str, ...]] = ()
    level: int = 1

    def encode(self, data: Buffer) -> Buffer:
        # RFC 1952: magic, DEFLATE, no flags, time 0, compression effort, unknown system
        effort = {1: 4, 9: 2}.get(self.level, 0)
        deflater = zlib.compressobj(self.level, zlib.DEFLATED, -zlib.MAX_WBITS)
        return b"".join(
            (
                b"\x1f\x8b\x08\x00\x00\x00\x00\x00",
                bytes((effort, 255)),
                deflater.compress(data),
                deflater.flush(),
                zlib.crc32(data).to_bytes(4, "little"),
                (len(data) & 0xFFFFFFFF).to_bytes(4, "little"),
            )
        )
