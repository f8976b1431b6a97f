"""Bounded decompression with the standard library's bz2 and lzma decompressors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from exzarr.codecs.base import Buffer
from exzarr.errors import CodecError

__all__ = ["drain"]

_WINDOW = 1 << 10


def drain(
    name: str,
    make: Callable[[], Any],
    error: type[Exception],
    data: Buffer,
    size: int | None,
    limit: int,
) -> bytes:
    """Decompress all streams in `data` to `size` bytes, or to at most `limit` bytes if `size` is None.

    `make` returns a new decompressor for each stream. `error` is the exception that it raises.
    """
    most = limit if size is None else min(size, limit)
    view = memoryview(data)
    parts: list[bytes] = []
    total = position = 0
    while position < len(view) or not parts:
        decompressor = make()
        # The decompressor copies the bytes after a stream, see exzarr.codecs.inflate.
        window = _WINDOW if position else len(view)
        while not decompressor.eof:
            piece = view[position : position + window]
            window *= 4
            if not piece and decompressor.needs_input:
                raise CodecError(f"{name}: the data is truncated, it ends inside a stream")
            try:
                part = decompressor.decompress(piece, most - total + 1)
            except error as exc:
                raise CodecError(f"{name}: {exc}") from None
            parts.append(part)
            total += len(part)
            if total > most:
                raise CodecError(f"{name}: decompressed to more than the expected {most} bytes")
            position += len(piece) - len(decompressor.unused_data)
    if size is not None and total != size:
        raise CodecError(f"{name}: decompressed to {total} bytes, expected {size}")
    return parts[0] if len(parts) == 1 else b"".join(parts)
