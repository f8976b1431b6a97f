"""The codec base64: bytes as text (RFC 4648, section 4)."""

from __future__ import annotations

import binascii
from dataclasses import dataclass
from typing import ClassVar

from exzarr.codecs._config import Configured
from exzarr.codecs.base import Buffer, BytesBytesCodec
from exzarr.errors import CodecError

__all__ = ["Base64"]


@dataclass(frozen=True)
class Base64(Configured, BytesBytesCodec):
    """Base64 without line breaks."""

    name: ClassVar[str] = "numcodecs.base64"

    def encoded_size(self, size: int | None) -> int | None:
        return None if size is None else 4 * -(-size // 3)

    def max_encoded_size(self, size: int) -> int:
        return 4 * -(-size // 3)

    def encode(self, data: Buffer) -> Buffer:
        return binascii.b2a_base64(data, newline=False)

    def decode(self, data: Buffer, size: int | None, limit: int) -> Buffer:
        if len(data) // 4 * 3 > (limit if size is None else size) + 2:
            raise CodecError(f"base64: {len(data)} characters are more than the expected size allows")
        try:
            decoded = binascii.a2b_base64(data, strict_mode=True)
        except binascii.Error as exc:
            raise CodecError(f"base64: {exc}") from None
        if len(decoded) > limit or (size is not None and len(decoded) != size):
            most = limit if size is None else size
            raise CodecError(f"base64: decoded to {len(decoded)} bytes, expected {most}")
        return decoded
