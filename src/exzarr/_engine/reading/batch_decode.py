"""Several small chunks, decoded by one call (see `codecs.base.BytesBytesCodec.decode_each`)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from exzarr.stores.base import Buffer

__all__ = ["AT_ONCE_LEAST", "AT_ONCE_NBYTES", "DecodeEach", "decode_batch"]

DecodeEach = Callable[[Sequence[Buffer]], Sequence[Buffer] | None]

AT_ONCE_LEAST = 8
"""Fewer chunks are decoded one by one: libraries set a call for many up from scratch, at the price of some chunks."""

AT_ONCE_NBYTES = 512 * 1024
"""Decoded bytes of one call, at most: they lie in fresh memory."""


def decode_batch(
    decode_each: DecodeEach, buffers: Sequence[memoryview], sizes: Sequence[int], room: int
) -> Sequence[Buffer] | None:
    """The decoded chunks of which `sizes` bytes were read into `buffers`.

    None where one is missing, did not fit, or cannot be decoded: then they are looked at one by one.
    """
    if len(sizes) < AT_ONCE_LEAST or min(sizes) < 0 or max(sizes) > room:
        return None
    return decode_each([buffer[:got] for buffer, got in zip(buffers, sizes, strict=False)])
