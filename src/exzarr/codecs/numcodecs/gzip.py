"""The codec gzip with numcodecs' bytes, except for the time stamp, which is always 0."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from exzarr.codecs import gzip
from exzarr.codecs._config import build, integer
from exzarr.codecs.base import Buffer, BytesBytesCodec

__all__ = ["GZip"]


@dataclass(frozen=True)
class GZip(BytesBytesCodec):
    """Compression with gzip; `level` is 0 (no compression) to 9 (smallest)."""

    name: ClassVar[str] = "numcodecs.gzip"
    checks: ClassVar[bool] = True
    level: int = 1

    def __post_init__(self) -> None:
        integer(self.name, "level", self.level, 0, 9)

    @classmethod
    def from_config(cls, configuration: Mapping[str, Any]) -> Self:
        return build(cls, configuration, (), ("level",))

    def to_config(self) -> dict[str, Any]:
        return {"level": self.level}

    def max_encoded_size(self, size: int) -> int:
        return size + size // 1000 + 128

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

    def decode(self, data: Buffer, size: int | None, limit: int) -> Buffer:
        return gzip.decompress(data, size, limit)
