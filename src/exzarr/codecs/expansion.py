"""How many bytes compressed data can come to at most.

Whoever decompresses into memory of a known size makes that memory first. What a metadata document says of a
chunk's size may be as large as it likes; the data itself tells whether that can be: no format packs
more than so many bytes into one. So a small file never makes a large allocation.
"""

from __future__ import annotations

from exzarr.errors import CodecError

__all__ = ["ANYWAY", "BLOSC", "DEFLATE", "LZ4", "ZSTD", "impossible"]

ANYWAY = 1 << 24
"""Bytes that may be allocated whatever the data are."""

DEFLATE = 1032
"""258 bytes by a match of two bits, the shortest there is."""
LZ4 = 255
"""Each further byte of a match's length stands for 255."""
ZSTD = 1 << 15
"""A block of 128 KiB that is one byte again and again takes 4 bytes (RFC 8878, 3.1.1.2)."""
BLOSC = ZSTD
"""As the best of the compressors inside."""


def impossible(name: str, length: int, size: int) -> CodecError:
    """The error for data that are too short to hold what they should."""
    return CodecError(
        f"{name}: {length} bytes cannot hold {size}: they were cut short, or made to exhaust this machine's memory"
    )
