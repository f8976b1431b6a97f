"""The codec lz4: four bytes with the decompressed size, then one LZ4 block."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from numcodecs import lz4 as _lz4

from exzarr.codecs._config import Configured, integer
from exzarr.codecs.base import AnyArray, Buffer, BytesBytesCodec
from exzarr.codecs.expansion import ALWAYS_ALLOWED, LZ4 as _RATIO, size_error
from exzarr.errors import CodecError

__all__ = ["LZ4"]

_HEADER = 4
_MAX = 0x7E000000  # LZ4_MAX_INPUT_SIZE


@dataclass(frozen=True)
class LZ4(Configured, BytesBytesCodec):
    """Compression with LZ4; a larger `acceleration` is faster and compresses less."""

    name: ClassVar[str] = "numcodecs.lz4"
    acceleration: int = 1

    def __post_init__(self) -> None:
        integer(self.name, "acceleration", self.acceleration, -(2**31), 2**31 - 1)

    @property
    def quick(self) -> bool:
        return True

    def max_encoded_size(self, size: int) -> int:
        return size + size // 255 + 16 + _HEADER

    def encode(self, data: Buffer) -> Buffer:
        if len(data) > _MAX:
            raise CodecError(
                f"lz4: a chunk of {len(data)} bytes exceeds LZ4's limit of {_MAX}; use smaller chunks"
            )
        return _lz4.compress(data, self.acceleration)  # type: ignore[no-any-return]

    def decode(self, data: Buffer, size: int | None, limit: int) -> Buffer:
        if not _check(data, size, limit):
            return b""  # numcodecs treats an empty result as an error
        try:
            return _lz4.decompress(data)  # type: ignore[no-any-return]
        except (RuntimeError, ValueError) as exc:
            raise CodecError(f"lz4: {exc}") from None

    def decode_into(self, data: Buffer, out: memoryview | AnyArray) -> None:
        size = out.nbytes
        _check(data, size, size)
        try:
            _lz4.decompress(data, out)
        except (RuntimeError, ValueError) as exc:
            raise CodecError(f"lz4: {exc}") from None


def _check(data: Buffer, size: int | None, limit: int) -> int:
    if len(data) < _HEADER:
        raise CodecError(f"lz4: {len(data)} bytes are too few for a header")
    declared = int.from_bytes(data[:_HEADER], "little")
    if declared != size if size is not None else declared > limit:
        most = limit if size is None else size
        raise CodecError(f"lz4: the header declares {declared} bytes, expected {most}")
    if declared > len(data) * _RATIO + ALWAYS_ALLOWED:
        raise size_error("lz4", len(data), declared)
    return declared
