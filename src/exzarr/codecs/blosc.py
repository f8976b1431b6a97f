"""The codec blosc: Blosc 1, a shuffle followed by a fast compressor, in blocks.

https://zarr-specs.readthedocs.io/en/latest/v3/codecs/blosc/index.html. The chunk
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
from exzarr.codecs.expansion import ALWAYS_ALLOWED, BLOSC, size_error
from exzarr.errors import CodecError

__all__ = ["COMPRESSORS", "HEADER", "SHUFFLES", "Blosc", "compress", "decompress", "decompress_into"]

COMPRESSORS = ("lz4", "lz4hc", "blosclz", "snappy", "zlib", "zstd")
SHUFFLES = ("noshuffle", "shuffle", "bitshuffle")
HEADER = 16
_SMALL = 1 << 16
_sizes = struct.Struct("<4xI4xI").unpack_from
_MAX = 2**31 - 1 - HEADER
# Call the functions directly: the class numcodecs.Blosc costs as much as decoding a 16 KiB chunk.
# exzarr decodes chunks in parallel, so Blosc's own threads would compete with them. Blosc's check for
# threads also costs a third of a small chunk's time. (zarr-python disables them, too.)
_blosc.use_threads = False

_decompress = _blosc.decompress
_compress = _blosc.compress


@dataclass(frozen=True)
class Blosc(BytesBytesCodec):
    """Blosc 1: shuffle and compression.

    Parameters
    ----------
    cname
        The compressor: lz4, lz4hc, blosclz, snappy, zlib or zstd.
    clevel
        0 (store) to 9 (smallest).
    shuffle
        ``"noshuffle"``, ``"shuffle"`` (bytes) or ``"bitshuffle"``. None: bits for one-byte
        elements, bytes for all other elements.
    typesize
        Bytes per element for the shuffle. None and 0: the item size of the array.
    blocksize
        Bytes per block. 0: Blosc chooses.
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
    """Compress `data` into one Blosc chunk; raise CodecError if it is too large."""
    if len(data) > _MAX:
        raise CodecError(
            f"blosc: a chunk of {len(data)} bytes exceeds Blosc's limit of 2 GiB; use smaller chunks"
        )
    return _compress(data, cname.encode(), clevel, shuffle, blocksize, typesize)  # type: ignore[no-any-return]


def decompress(data: Buffer, size: int | None, limit: int) -> bytes:
    """Decompress one Blosc chunk to `size` bytes, or to at most `limit` bytes if `size` is None."""
    if not check_header(data, size, limit):
        return b""  # Blosc treats an empty result as an error
    try:
        return _decompress(data)  # type: ignore[no-any-return]
    except RuntimeError as exc:
        raise CodecError(f"blosc: {exc}") from None


def decompress_into(data: Buffer, out: memoryview | AnyArray) -> None:
    """Decompress one Blosc chunk of exactly ``out.nbytes`` bytes into `out`."""
    size = out.nbytes
    check_header(data, size, size)
    try:
        if size > _SMALL:
            _decompress(data, out)
        elif size:
            # In numcodecs, passing `out` costs more than copying a few pages.
            memoryview(out).cast("B")[:] = _decompress(data)
    except RuntimeError as exc:
        raise CodecError(f"blosc: {exc}") from None


def check_header(data: Buffer, size: int | None, limit: int) -> int:
    """Return the decoded size; raise CodecError if the header contradicts `size`, `limit` or the data.

    Blosc trusts its header, whatever the length of the buffer. Therefore check it first.
    """
    if len(data) < HEADER:
        raise CodecError(f"blosc: {len(data)} bytes are too few for a header")
    declared, stored = _sizes(data)
    if declared != size if size is not None else declared > limit:
        most = limit if size is None else size
        raise CodecError(f"blosc: the header declares {declared} bytes, expected {most}")
    if declared > stored * BLOSC + ALWAYS_ALLOWED:
        raise size_error("blosc", stored, declared)
    if stored != len(data):
        raise CodecError(f"blosc: the chunk has {len(data)} bytes, its header declares {stored}")
    return declared  # type: ignore[no-any-return]
