"""Decode several small chunks with one call (see `codecs.base.BytesBytesCodec.decode_each`)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from exzarr.stores.base import Buffer

__all__ = ["BATCH_LEAST", "BATCH_NBYTES", "DecodeEach", "decode_batch"]

DecodeEach = Callable[[Sequence[Buffer]], Sequence[Buffer] | None]

BATCH_LEAST = 8
"""Minimum number of chunks in a batch. The set-up of a batch costs libraries as much as some chunks."""

BATCH_NBYTES = 512 * 1024
"""Maximum decoded bytes of a batch, because they are in new memory."""


def decode_batch(
    decode_each: DecodeEach, buffers: Sequence[memoryview], sizes: Sequence[int], room: int
) -> Sequence[Buffer] | None:
    """Decode the chunks of which `sizes` bytes were read into `buffers`.

    Return None if a chunk is missing, did not fit into its buffer of `room` bytes, or cannot be decoded. The caller
    then decodes them one by one.
    """
    if len(sizes) < BATCH_LEAST or min(sizes) < 0 or max(sizes) > room:
        return None
    return decode_each([buffer[:got] for buffer, got in zip(buffers, sizes, strict=False)])
