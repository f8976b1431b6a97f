"""The codec blosc with numcodecs' configuration: the shuffle is a number, −1 for automatic."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Self

from exzarr.codecs import blosc
from exzarr.codecs._config import build, choice, integer
from exzarr.codecs.base import AnyArray, Buffer, BytesBytesCodec, ChunkSpec

__all__ = ["Blosc"]

_AUTO = -1


@dataclass(frozen=True)
class Blosc(BytesBytesCodec):
    """Blosc 1.

    Parameters
    ----------
    cname, clevel, blocksize
        As for `exzarr.codecs.Blosc`.
    shuffle
        0 none, 1 bytes, 2 bits, −1 bits for one-byte elements and bytes for others.
    typesize
        Bytes per element. None and 0: the item size of the compressed array.
    """

    name: ClassVar[str] = "numcodecs.blosc"
    cname: str = "lz4"
    clevel: int = 5
    shuffle: int = 1
    blocksize: int = 0
    typesize: int | None = None
    itemsize: int = field(default=1, repr=False, compare=False)

    def __post_init__(self) -> None:
        choice(self.name, "cname", self.cname, blosc.COMPRESSORS)
        integer(self.name, "clevel", self.clevel, 0, 9)
        integer(self.name, "shuffle", self.shuffle, -1, 2)
        integer(self.name, "blocksize", self.blocksize, 0, 2**31 - 1)
        if self.typesize is not None:
            integer(self.name, "typesize", self.typesize, 0, 2**31 - 1)

    @property
    def quick(self) -> bool:
        return self.cname not in ("zlib", "zstd")

    @classmethod
    def from_config(cls, configuration: Mapping[str, Any]) -> Self:
        return build(cls, configuration, (), ("cname", "clevel", "shuffle", "blocksize", "typesize"))

    def to_config(self) -> dict[str, Any]:
        config: dict[str, Any] = {"cname": self.cname, "clevel": self.clevel, "shuffle": self.shuffle}
        config["blocksize"] = self.blocksize
        # Older readers do not know typesize.
        return config if not self.typesize else {**config, "typesize": self.typesize}

    def evolve(self, spec: ChunkSpec) -> Self:
        return replace(self, itemsize=max(1, spec.dtype.itemsize))

    def max_encoded_size(self, size: int) -> int:
        return size + blosc.HEADER

    def encode(self, data: Buffer) -> Buffer:
        typesize = self.typesize or self.itemsize
        shuffle = self.shuffle if self.shuffle != _AUTO else 2 if self.itemsize == 1 else 1
        return blosc.compress(data, self.cname, self.clevel, shuffle, self.blocksize, typesize)

    def decode(self, data: Buffer, size: int | None, limit: int) -> Buffer:
        return blosc.decompress(data, size, limit)

    def decode_into(self, data: Buffer, out: memoryview | AnyArray) -> None:
        blosc.decompress_into(data, out)
