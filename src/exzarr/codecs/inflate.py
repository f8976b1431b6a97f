"""Bounded decompression with zlib: gzip and zlib streams of any number of members."""

from __future__ import annotations

import zlib

from exzarr.codecs.base import Buffer
from exzarr.errors import ChecksumError, CodecError

__all__ = ["GZIP", "ZLIB", "inflate"]

ZLIB, GZIP = 15, 31
"""zlib's ``wbits``."""
_WINDOW = 1 << 10


def inflate(name: str, data: Buffer, wbits: int, size: int | None, limit: int) -> bytes:
    """`data` decompressed: `size` bytes, or up to `limit` where that is None.

    A gzip file may hold many members, with zeros behind the last. Never more than the
    wanted bytes and one are allocated.
    """
    most = limit if size is None else min(size, limit)
    view = memoryview(data)
    parts: list[bytes] = []
    total = position = 0
    while True:
        stream = zlib.decompressobj(wbits)
        # zlib copies what lies behind a member: later members get windows that start
        # small, so that a file of a million of them does not take time with the square of its size.
        window = _WINDOW if position else len(view)
        while not stream.eof:
            piece = view[position : position + window]
            window *= 4
            if not piece:
                raise CodecError(f"{name}: the data ends in the middle of a stream")
            try:
                part = stream.decompress(piece, most - total + 1)
            except zlib.error as exc:
                wrong_sum = "incorrect data check" in str(exc)
                raise (ChecksumError if wrong_sum else CodecError)(f"{name}: {exc}") from None
            parts.append(part)
            total += len(part)
            if total > most:
                raise CodecError(f"{name}: more than the expected {most} bytes came out")
            position += len(piece) - len(stream.unused_data)
        if position == len(view) or (wbits == GZIP and not bytes(view[position:]).strip(b"\0")):
            break
        if wbits == ZLIB:
            raise CodecError(f"{name}: {len(view) - position} bytes too many behind the stream")
    if size is not None and total != size:
        raise CodecError(f"{name}: {total} bytes came out where {size} were expected")
    return parts[0] if len(parts) == 1 else b"".join(parts)
