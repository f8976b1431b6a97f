"""The codec zstd with numcodecs' bytes: numcodecs has another libzstd than exzarr uses for v3 chunks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from numcodecs import zstd as _zstd

from exzarr.codecs import zstd
from exzarr.codecs.base import Buffer

__all__ = ["Zstd"]


@dataclass(frozen=True)
class Zstd(zstd.Zstd):
    """Compression with Zstandard. Parameters: those of `exzarr.codecs.Zstd`, with numcodecs' defaults."""

    name: ClassVar[str] = "numcodecs.zstd"
    required: ClassVar[tuple[str, ...]] = ()
    level: int = 0
    checksum: bool = False

    def to_config(self) -> dict[str, Any]:
        # Older readers do not know the key.
        return {"level": self.level, "checksum": True} if self.checksum else {"level": self.level}

    def encode(self, data: Buffer) -> Buffer:
        return _zstd.compress(data, self.level, self.checksum)  # type: ignore[no-any-return]
