"""Upper bounds of the decompressed size of compressed data.

Decompression into memory of a known size allocates that memory first. A hostile metadata document can declare
any chunk size. Each format has a maximum compression ratio, so the compressed size shows whether
the declared size is possible. A small file therefore never causes a large allocation.
"""

from __future__ import annotations

from exzarr.errors import CodecError

__all__ = ["ALWAYS_ALLOWED", "BLOSC", "DEFLATE", "LZ4", "ZSTD", "size_error"]

ALWAYS_ALLOWED = 1 << 24
"""Bytes that may always be allocated, whatever the data."""

DEFLATE = 1032
"""Maximum ratio of DEFLATE: a match of two bits, the shortest, gives 258 bytes."""
LZ4 = 255
"""Maximum ratio of LZ4: each further byte of a match length adds 255 bytes."""
ZSTD = 1 << 15
"""Maximum ratio of zstd: a run of one byte, 128 KiB long, takes a block of 4 bytes (RFC 8878, 3.1.1.2)."""
BLOSC = ZSTD
"""Maximum ratio of Blosc: that of its best compressor."""


def size_error(name: str, length: int, size: int) -> CodecError:
    """Return the error for data that are too short for their declared decompressed size."""
    return CodecError(
        f"{name}: {length} bytes cannot decompress to {size}; the data is truncated or crafted to exhaust memory"
    )
