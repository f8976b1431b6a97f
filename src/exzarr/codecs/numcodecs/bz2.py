"""The codec bz2: bzip2."""

from __future__ import annotations

import bz2
from dataclasses import dataclass
from typing import ClassVar

from exzarr.codecs._config import Configured, integer
from exzarr.codecs.base import Buffer, BytesBytesCodec
from exzarr.codecs.numcodecs.streams import drain

__all__ = ["BZ2"]


@dataclass(frozen=True)
class BZ2(Configured, BytesBytesCodec):
    """Compression with bzip2; `level` is the block size, 1 to 9, in units of 100 kB."""

    name: ClassVar[str] = "numcodecs.bz2"
    checks: ClassVar[bool] = True
    level: int = 1

    def __post_init__(self) -> None:
        integer(self.name, "level", self.level, 1, 9)

    def max_encoded_size(self, size: int) -> int:
        return size + size // 100 + 1024

    def encode(self, data: Buffer) -> Buffer:
        return bz2.compress(data, self.level)

    def decode(self, data: Buffer, size: int | None, limit: int) -> Buffer:
        return drain("bz2", bz2.BZ2Decompressor, OSError, data, size, limit)
