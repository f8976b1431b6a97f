"""Checksums of 32 bits before or after the data: crc32, crc32c, adler32, fletcher32, jenkins_lookup3."""

from __future__ import annotations

import base64
import binascii
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np

from exzarr.codecs._config import Configured, build, choice, integer
from exzarr.codecs.base import Buffer, BytesBytesCodec
from exzarr.codecs.memory import as_bytes
from exzarr.errors import ArgumentError, ChecksumError, CodecError

__all__ = ["CRC32", "CRC32C", "Adler32", "Fletcher32", "JenkinsLookup3"]


class _Checksum(Configured, BytesBytesCodec):
    """A checksum of four bytes, little-endian, before or after the data."""

    checks: ClassVar[bool] = True
    location: Any = "end"

    def sum(self, data: Buffer) -> int:
        """Return the checksum of `data`."""
        raise NotImplementedError

    def encoded_size(self, size: int | None) -> int | None:
        return None if size is None else size + 4

    def max_encoded_size(self, size: int) -> int:
        return size + 4

    def encode(self, data: Buffer) -> Buffer:
        stored = self.sum(data).to_bytes(4, "little")
        return b"".join((stored, data) if self.location == "start" else (data, stored))

    def decode(self, data: Buffer, size: int | None, limit: int) -> Buffer:
        n = len(data) - 4
        if n < 0 or n > limit or (size is not None and n != size):
            most = limit if size is None else size
            raise CodecError(f"{self.name}: got {len(data)} bytes, expected {most} + 4")
        view = memoryview(data)
        stored, body = (view[:4], view[4:]) if self.location == "start" else (view[n:], view[:n])
        expected, found = int.from_bytes(stored, "little"), self.sum(body)
        if expected != found:
            raise ChecksumError(
                f"{self.name}: the stored checksum is {expected:08x}, the checksum of the data is {found:08x}; the data is damaged"
            )
        return body


class _Placed(_Checksum):
    """A checksum with a configurable position: ``location`` is ``"start"`` or ``"end"``."""

    def __init__(self, location: str | None = None) -> None:
        if location is not None:
            object.__setattr__(self, "location", choice(self.name, "location", location, ("start", "end")))

    @classmethod
    def from_config(cls, configuration: Mapping[str, Any]) -> Self:
        return build(cls, configuration, (), ("location",))

    def to_config(self) -> dict[str, Any]:
        return {} if self.location == type(self).location else {"location": self.location}

    def __repr__(self) -> str:
        return f"{type(self).__name__}(location={self.location!r})"

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self.__dict__ == other.__dict__

    def __hash__(self) -> int:
        return hash((type(self), self.location))


class CRC32(_Placed):
    """CRC-32 of zlib, by default before the data."""

    name: ClassVar[str] = "numcodecs.crc32"
    location = "start"

    def sum(self, data: Buffer) -> int:
        return zlib.crc32(data)


class Adler32(_Placed):
    """Adler-32 of zlib, by default before the data."""

    name: ClassVar[str] = "numcodecs.adler32"
    location = "start"

    def sum(self, data: Buffer) -> int:
        return zlib.adler32(data)


class CRC32C(_Placed):
    """CRC-32C, by default after the data."""

    name: ClassVar[str] = "numcodecs.crc32c"

    def sum(self, data: Buffer) -> int:
        from google_crc32c import value

        return int(value(as_bytes(data)))


@dataclass(frozen=True)
class Fletcher32(_Checksum):
    """Fletcher-32 of HDF5, after the data."""

    name: ClassVar[str] = "numcodecs.fletcher32"

    def sum(self, data: Buffer) -> int:
        from numcodecs.fletcher32 import Fletcher32 as Other

        if not len(data):
            return 0  # HDF5's checksum of nothing; numcodecs raises IndexError
        return int.from_bytes(memoryview(Other().encode(data))[-4:], "little")


@dataclass(frozen=True)
class JenkinsLookup3(_Checksum):
    """Bob Jenkins' lookup3 as HDF5 uses it, after the data.

    Parameters
    ----------
    initval
        The seed.
    prefix
        Bytes (or a list of them, or base64) that the checksum includes before the data.
    """

    name: ClassVar[str] = "numcodecs.jenkins_lookup3"
    initval: int = 0
    prefix: Any = None

    def __post_init__(self) -> None:
        integer(self.name, "initval", self.initval, 0, 2**32 - 1)
        self._prefix()

    def _prefix(self) -> bytes:
        try:
            if self.prefix is None:
                return b""
            if isinstance(self.prefix, str):
                return base64.b64decode(self.prefix, validate=True)
            if isinstance(self.prefix, int):  # bytes(n) would be n zeros
                raise TypeError("an integer")
            return bytes(self.prefix)
        except (TypeError, ValueError, binascii.Error) as exc:
            raise ArgumentError(
                f"codec {self.name!r}: prefix must be bytes, got {self.prefix!r} ({exc})"
            ) from None

    def to_config(self) -> dict[str, Any]:
        return {"initval": self.initval, "prefix": list(self._prefix()) if self.prefix is not None else None}

    def sum(self, data: Buffer) -> int:
        from numcodecs.jenkins import jenkins_lookup3

        whole = np.frombuffer(b"".join((self._prefix(), data)) if self.prefix is not None else data, np.uint8)
        return int(jenkins_lookup3(whole, self.initval))
