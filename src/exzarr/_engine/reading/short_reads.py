"""What to do about a chunk that came out short or damaged.

A store's quick way may stop before a value's end where its medium does (`Store.read_into`). What
looks too short, or cannot be decoded, is read once more with `Store.get` before it counts as
corrupt.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy.typing as npt

from exzarr.errors import CodecError

if TYPE_CHECKING:
    from exzarr._engine.source import ChunkSource

__all__ = ["decode_again", "read_again", "wrong_size"]


def read_again(source: ChunkSource, key: str, buffer: memoryview, start: int = 0) -> int:
    """Like `Store.read_into`, exactly."""
    data = source.store.get(key, (start, len(buffer) + 1))
    if data is None:
        return -1
    if len(data) <= len(buffer):
        buffer[: len(data)] = data
    if source.recorder is not None:
        source.recorder.timer().read_raw((key,), (len(data),), (len(buffer),))
    return len(data)


def decode_again(source: ChunkSource, key: str, got: int, error: CodecError) -> npt.NDArray[Any]:
    """Decode the chunk at `key` from all of its bytes; ChunkCorruptError where the first `got` were all."""
    data = source.store.get(key)
    if data is None or len(data) == got:
        raise source.corrupt(key, error) from error
    try:
        return source.pipeline_at(key).decode(data)
    except CodecError as again:
        raise source.corrupt(key, again) from again


def wrong_size(got: int, wanted: int) -> str:
    """The reason of a ChunkCorruptError."""
    how = f"is {got}" if got < wanted else "is larger"
    return f"its size must be {wanted} bytes but {how}: it was truncated, or written for another array"
