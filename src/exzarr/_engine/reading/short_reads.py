"""Read a chunk again if it was too short or could not be decoded.

`Store.read_into` may return fewer bytes than the value has, as some file systems do. Therefore a chunk that is too
short or cannot be decoded is read again with `Store.get` before it counts as corrupt.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from exzarr._typing import AnyArray
from exzarr.errors import CodecError

if TYPE_CHECKING:
    from exzarr._engine.source import ChunkSource

__all__ = ["complete", "decode_again", "wrong_size"]


def complete(source: ChunkSource, key: str, buffer: memoryview, got: int, start: int = 0) -> bool:
    """Complete a read of the raw chunk at `key`, from byte `start` on, that gave not as many bytes as `buffer` has.

    Return False if the chunk is missing. Raise ChunkCorruptError if it does not have the size of a chunk.
    """
    length = len(buffer)
    if 0 <= got < length:
        got = _read_again(source, key, buffer, start)
    if got < 0:
        return False
    if got < length or (got > length and start + length == source.nbytes):
        raise source.corrupt(key, wrong_size(start + got, source.nbytes))
    return True


def _read_again(source: ChunkSource, key: str, buffer: memoryview, start: int) -> int:
    """Read into `buffer` like `Store.read_into`, but completely."""
    data = source.store.get(key, (start, len(buffer) + 1))
    if data is None:
        return -1
    n = min(len(data), len(buffer))
    buffer[:n] = data[:n]
    if source.recorder is not None:
        source.recorder.timer().read_raw((key,), (len(data),), (len(buffer),))
    return len(data)


def decode_again(source: ChunkSource, key: str, got: int, error: CodecError) -> AnyArray:
    """Decode the chunk at `key` from all its bytes. Raise ChunkCorruptError if the first `got` bytes were all."""
    data = source.store.get(key)
    if data is None or len(data) == got:
        raise source.corrupt(key, error) from error
    try:
        return source.pipeline_at(key).decode(data)
    except CodecError as again:
        raise source.corrupt(key, again) from again


def wrong_size(got: int, wanted: int) -> str:
    """Return the reason of a ChunkCorruptError."""
    how = f"is {got}" if got < wanted else "is larger"
    return f"its size must be {wanted} bytes but {how}: it was truncated, or written for another array"
