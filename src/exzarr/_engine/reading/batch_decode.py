"""Decode several small chunks with one call (see `codecs.base.BytesBytesCodec.decode_each`)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from exzarr._engine.scratch import pieces
from exzarr._engine.source import ChunkSource
from exzarr.stores.base import Buffer

__all__ = ["BATCH_LEAST", "BATCH_NBYTES", "DecodeEach", "decode_batch", "decode_group", "read_batches"]

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


def decode_group(
    decode_each: DecodeEach | None, group: Sequence[Any], data: memoryview, begin: int
) -> Sequence[Buffer] | None:
    """Decode inner chunks from `data`, which is a shard from byte `begin` on. Return None if they are too few.

    The items of `group` begin with start and length.
    """
    if decode_each is None or len(group) < BATCH_LEAST:
        return None
    return decode_each([data[start - begin : start - begin + length] for start, length, *_ in group])


def read_batches(
    source: ChunkSource, items: Sequence[Any], count: int, read_each: Callable[..., Sequence[Any]]
) -> Iterator[tuple[Iterable[tuple[Any, memoryview, Any]], Sequence[Buffer] | None]]:
    """Read encoded chunks, up to `count` together. Each of `items` begins with the key.

    Yield for each batch its items, each with a buffer and the number of bytes read into it (or what else `read_each`
    returns), and the decoded chunks, or None if the caller has to decode the chunks one by one.
    """
    decode_each, room = source.inner_pipeline.decode_each, source.buffer_size
    buffers = pieces(min(len(items), count), room)
    timer = None if source.recorder is None else source.recorder.timer()
    for first in range(0, len(items), len(buffers)):
        part = items[first : first + len(buffers)]
        keys = [item[0] for item in part]
        sizes = read_each(keys, buffers)
        found = None
        if decode_each is not None and {*map(type, sizes)} == {int}:
            found = decode_batch(decode_each, buffers, sizes, room)
        batch: Iterable[tuple[Any, memoryview, Any]] = zip(part, buffers, sizes, strict=False)
        if timer is not None:
            batch = timer.decoding(keys, batch, sizes, found, source.nbytes)
        yield batch, found
