"""The codec lzma: xz and the other formats of the module ``lzma``."""

from __future__ import annotations

import lzma
from dataclasses import dataclass
from typing import Any, ClassVar

from exzarr.codecs._config import Configured, integer
from exzarr.codecs.base import Buffer, BytesBytesCodec
from exzarr.codecs.numcodecs.streams import drain
from exzarr.errors import ArgumentError

__all__ = ["LZMA"]

# Memory limit of decoding, without the result. The largest dictionary of any preset is 64 MiB.
_MEMORY = 128 << 20


@dataclass(frozen=True)
class LZMA(Configured, BytesBytesCodec):
    """Compression with Python's ``lzma``. Parameters: see https://docs.python.org/3/library/lzma.html."""

    name: ClassVar[str] = "numcodecs.lzma"
    format: int = lzma.FORMAT_XZ
    check: int = -1
    preset: int | None = None
    filters: list[dict[str, Any]] | None = None

    def __post_init__(self) -> None:
        integer(self.name, "format", self.format, lzma.FORMAT_XZ, lzma.FORMAT_RAW)
        integer(self.name, "check", self.check, -1, 15)
        if self.preset is not None:
            integer(self.name, "preset", self.preset, 0, 2**32 - 1)
        try:
            lzma.LZMACompressor(self.format, self.check, self.preset, self.filters)
        except (lzma.LZMAError, ValueError, TypeError, OverflowError) as exc:
            raise ArgumentError(f"codec 'lzma': {exc}") from None

    def max_encoded_size(self, size: int) -> int:
        return size + size // 100 + 1024

    def encode(self, data: Buffer) -> Buffer:
        return lzma.compress(data, self.format, self.check, self.preset, self.filters)

    def decode(self, data: Buffer, size: int | None, limit: int) -> Buffer:
        def make() -> lzma.LZMADecompressor:
            if self.format == lzma.FORMAT_RAW:
                return lzma.LZMADecompressor(self.format, None, self.filters)
            return lzma.LZMADecompressor(self.format, _MEMORY + limit)

        return drain("lzma", make, lzma.LZMAError, data, size, limit)
