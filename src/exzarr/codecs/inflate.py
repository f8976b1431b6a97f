"""Bounded decompression of gzip and zlib streams with any number of members."""

from __future__ import annotations

import zlib

from exzarr.codecs.base import Buffer
from exzarr.errors import ChecksumError, CodecError

__all__ = ["GZIP", "ZLIB", "inflate"]

ZLIB, GZIP = 15, 31
"""Values of zlib's parameter ``wbits``."""
_WINDOW = 1 << 10


def inflate(name: str, data: Buffer, wbits: int, size: int | None, limit: int) -> bytes:
    """Decompress `data` to `size` bytes, or to at most `limit` bytes if `size` is None.

    A gzip file may hold many members, followed by zeros. At most one byte more than
    the expected size is allocated.
    """
    most = limit if size is None else min(size, limit)
    view = memoryview(data)
    parts: list[bytes] = []
    total = position = 0
    while True:
        stream = zlib.decompressobj(wbits)
        # zlib copies the bytes after a member. Later members therefore get windows that start
        # small; otherwise the time would grow with the square of the number of members.
        window = _WINDOW if position else len(view)
        while not stream.eof:
            piece = view[position : position + window]
            window *= 4
            if not piece:
                raise CodecError(f"{name}: the data is truncated, it ends inside a stream")
            try:
                part = stream.decompress(piece, most - total + 1)
            except zlib.error as exc:
                wrong_sum = "incorrect data check" in str(exc)
                raise (ChecksumError if wrong_sum else CodecError)(f"{name}: {exc}") from None
            parts.append(part)
            total += len(part)
            if total > most:
                raise CodecError(f"{name}: decompressed to more than the expected {most} bytes")
            position += len(piece) - len(stream.unused_data)
        if position == len(view) or (wbits == GZIP and not bytes(view[position:]).strip(b"\0")):
            break
        if wbits == ZLIB:
            raise CodecError(f"{name}: {len(view) - position} unexpected bytes after the stream")
    if size is not None and total != size:
        raise CodecError(f"{name}: decompressed to {total} bytes, expected {size}")
    return parts[0] if len(parts) == 1 else b"".join(parts)
