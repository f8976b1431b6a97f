"""One stored value: its bytes, and what tells it from another one at the same key."""

from __future__ import annotations

from collections.abc import Hashable
from zlib import crc32

from exzarr.stores.base import ValueReader

__all__ = ["PLAUSIBLE", "fingerprint_of", "read_all"]

PLAUSIBLE = 64 * 1024 * 1024
"""Values up to this size are read whatever the metadata say; larger ones only where they may be so large."""


def read_all(value: ValueReader) -> bytearray:
    """All bytes of a value."""
    data = bytearray(value.size)
    value.read_into(memoryview(data), 0)
    return data


def fingerprint_of(value: ValueReader) -> str:
    """What tells the value from another one: its version; of stores that have none, size and checksum."""
    version: Hashable = value.version
    if version is None:
        return f"{value.size}:{crc32(read_all(value))}" if value.size <= PLAUSIBLE else str(value.size)
    return ":".join(map(str, version)) if isinstance(version, tuple) else str(version)
