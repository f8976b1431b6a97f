"""blosc: Blosc 1, a shuffle and a fast compressor, block by block.

https://zarr-specs.readthedocs.io/en/latest/v3/codecs/blosc/index.html; the chunk
format is https://github.com/Blosc/c-blosc/blob/main/README_CHUNK_FORMAT.rst.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

from numcodecs import blosc as _blosc

from exzarr.codecs._config import build, choice, integer
from exzarr.codecs.base import AnyArray, Buffer, BytesBytesCodec, ChunkSpec
from exzarr.codecs.expansion import ANYWAY, BLOSC, impossible
from exzarr.errors import CodecError

__all__ = ["COMPRESSORS", "HEADER", "SHUFFLES", "Blosc", "compress", "decompress", "decompress_into"]

COMPRESSORS = ("lz4", "lz4hc", "blosclz", "snappy", "zlib", "zstd")
SHUFFLES = ("noshuffle", "shuffle", "bitshuffle")
HEADER = 16
_SMALL = 1 << 16
_sizes = struct.Struct("<4xI4xI").unpack_from
_MAX = 2**31 - 1 - HEADER
# The functions, not numcodecs.Blosc: the wrapper costs as much as decoding a 16 KiB chunk.
# Chunks are decoded by many threads already; Blosc's own would only get in their way.
if _blosc.use_threads is None:
    _blosc.use_threads = False
# Chunks are what exzarr does in parallel. Threads inside of one would compete with that, and
# looking up whether to use them costs a third of a small chunk's time. (zarr-python does the same.)
_blosc.use_threads = False

_decompress = _blosc.decompress
_compress = _blosc.compress


@dataclass(frozen=True)
class Blosc(BytesBytesCodec):
    """Blosc.

    Parameters
    ----------
    cname
        The compressor inside: lz4, lz4hc, blosclz, snappy, zlib or zstd.
    clevel
        0 (store) to 9 (smallest).
    shuffle
        ``"noshuffle"``, ``"shuffle"`` (bytes) or ``"bitshuffle"``; None: bits for one-byte
        elements, bytes for all others.
    typesize
        Bytes per element, for the shuffle; None and 0: that of the array.
    blocksize
        Bytes per block; 0 lets Blosc choose.
    """

    name: ClassVar[str] = "blosc"
    cname: str = "zstd"
    clevel: int = 5
    shuffle: str | None = None
    typesize: int | None = None
    blocksize: int = 0

    def __post_init__(self) -> None:
        choice(self.name, "cname", self.cname, COMPRESSORS)
        integer(self.name, "clevel", self.clevel, 0, 9)
        if self.shuffle is not None:
            choice(self.name, "shuffle", self.shuffle, SHUFFLES)
        if self.typesize is not None:
            integer(self.name, "typesize", self.typesize, 0, 2**31 - 1)
        integer(self.name, "blocksize", self.blocksize, 0, 2**31 - 1)

    @classmethod
    def from_config(cls, configuration: Mapping[str, Any]) -> Self:
        return build(cls, configuration, ("cname", "clevel"), ("shuffle", "typesize", "blocksize"))

    def to_config(self) -> dict[str, Any]:
        return {
            "typesize": self.typesize or 1,
            "cname": self.cname,
            "clevel": self.clevel,
            "shuffle": self.shuffle if self.shuffle is not None else "noshuffle",
            "blocksize": self.blocksize,
        }

    def evolve(self, spec: ChunkSpec) -> Self:
        if self.typesize and self.shuffle is not None:
            return self
        itemsize = 1 if spec.data_type.variable_length else max(1, spec.dtype.itemsize)
        return replace(
            self,
            typesize=self.typesize or itemsize,
            shuffle=self.shuffle or ("bitshuffle" if itemsize == 1 else "shuffle"),
        )

    @property
    def quick(self) -> bool:
        return self.cname not in ("zlib", "zstd")

    def max_encoded_size(self, size: int) -> int:
        return size + HEADER

    def encode(self, data: Buffer) -> Buffer:
        shuffle = SHUFFLES.index(self.shuffle) if self.shuffle is not None else 0
        return compress(data, self.cname, self.clevel, shuffle, self.blocksize, self.typesize or 1)

    def decode(self, data: Buffer, size: int | None, limit: int) -> Buffer:
        return decompress(data, size, limit)

    def decode_into(self, data: Buffer, out: memoryview | AnyArray) -> None:
        decompress_into(data, out)


def compress(data: Buffer, cname: str, clevel: int, shuffle: int, blocksize: int, typesize: int) -> bytes:
    """`data` as one Blosc chunk; CodecError where it is too large for one."""
    if len(data) > _MAX:
        raise CodecError(
            f"blosc: a chunk of {len(data)} bytes is over Blosc's limit of 2 GiB; use smaller chunks"
        )
    return _compress(data, cname.encode(), clevel, shuffle, blocksize, typesize)  # type: ignore[no-any-return]


def decompress(data: Buffer, size: int | None, limit: int) -> bytes:
    """One Blosc chunk, decompressed: `size` bytes, or up to `limit` where that is None."""
    if not check_header(data, size, limit):
        return b""  # Blosc takes nothing for an error
    try:
        return _decompress(data)  # type: ignore[no-any-return]
    except RuntimeError as exc:
        raise CodecError(f"blosc: {exc}") from None


def decompress_into(data: Buffer, out: memoryview | AnyArray) -> None:
    """One Blosc chunk, decompressed to exactly ``out.nbytes`` bytes."""
    size = out.nbytes
    check_header(data, size, size)
    try:
        if size > _SMALL:
            _decompress(data, out)
        elif size:
            # Handing over `out` costs numcodecs more than copying a few pages
            memoryview(out).cast("B")[:] = _decompress(data)
    except RuntimeError as exc:
        raise CodecError(f"blosc: {exc}") from None


def check_header(data: Buffer, size: int | None, limit: int) -> int:
    """The decoded size; CodecError where the header does not tell what was promised.

    Blosc believes its header, whatever the buffer's length: it has to be checked before.
    """
    if len(data) < HEADER:
        raise CodecError(f"blosc: {len(data)} bytes are less than a header")
    told, there = _sizes(data)
    if told != size if size is not None else told > limit:
        most = limit if size is None else size
        raise CodecError(f"blosc: the header tells of {told} bytes, {most} were expected")
    if told > there * BLOSC + ANYWAY:
        raise impossible("blosc", there, told)
    if there != len(data):
        raise CodecError(f"blosc: {len(data)} bytes where the header tells of {there}")
    return told  # type: ignore[no-any-return]
