"""The codec zstd with numcodecs' bytes: numcodecs has another libzstd than exzarr uses for v3 chunks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from numcodecs import zstd as _zstd

from exzarr.codecs import zstd
from exzarr.codecs._config import boolean, build, integer
from exzarr.codecs.base import AnyArray, Buffer, BytesBytesCodec

__all__ = ["Zstd"]


@dataclass(frozen=True)
class Zstd(BytesBytesCodec):
    """Compression with Zstandard. Parameters: those of `exzarr.codecs.Zstd`, with numcodecs' defaults."""

    name: ClassVar[str] = "numcodecs.zstd"
    level: int = 0
    checksum: bool = False

    def __post_init__(self) -> None:
        integer(self.name, "level", self.level, -131072, 22)
        boolean(self.name, "checksum", self.checksum)

    @property
    def checks(self) -> bool:  # type: ignore[override]
        return self.checksum

    @classmethod
    def from_config(cls, configuration: Mapping[str, Any]) -> Self:
        return build(cls, configuration, (), ("level", "checksum"))

    def to_config(self) -> dict[str, Any]:
        # Older readers do not know the key.
        return {"level": self.level, "checksum": True} if self.checksum else {"level": self.level}

    def max_encoded_size(self, size: int) -> int:
        return size + (size >> 8) + 128

    def encode(self, data: Buffer) -> Buffer:
        return _zstd.compress(data, self.level, self.checksum)  # type: ignore[no-any-return]

    def decode(self, data: Buffer, size: int | None, limit: int) -> Buffer:
        return zstd.decompress(data, size, limit)

    def decode_into(self, data: Buffer, out: memoryview | AnyArray) -> None:
        zstd.decompress_into(data, out)
