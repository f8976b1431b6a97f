"""The bytes and the fingerprint of one stored value."""

from __future__ import annotations

from collections.abc import Hashable
from zlib import crc32

from exzarr.stores.base import ValueReader

__all__ = ["PLAUSIBLE", "fingerprint_of", "read_all"]

PLAUSIBLE = 64 * 1024 * 1024
"""Bytes up to which a value is read in any case. Larger values are read only if the metadata allow that size."""


def read_all(value: ValueReader) -> bytearray:
    """Read all bytes of a value."""
    data = bytearray(value.size)
    value.read_into(memoryview(data), 0)
    return data


def fingerprint_of(value: ValueReader) -> str:
    """Return the fingerprint of a value: its version, or its size and checksum if the store has no versions."""
    version: Hashable = value.version
    if version is None:
        return f"{value.size}:{crc32(read_all(value))}" if value.size <= PLAUSIBLE else str(value.size)
    return ":".join(map(str, version)) if isinstance(version, tuple) else str(version)
