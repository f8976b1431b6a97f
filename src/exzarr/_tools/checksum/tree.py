"""Digest the elements of an array: a hash of the hashes of blocks."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from exzarr import config
from exzarr._engine import pool
from exzarr._format.chunk_grids import ChunkGrid
from exzarr._nodes.array import Array
from exzarr._nodes.chunk_sizes import inner_chunks
from exzarr._tools.blocks import plan_blocks
from exzarr._tools.checksum.canonical import Encoder, block_shape
from exzarr._tools.sizes import itemsize_of

__all__ = ["digest_elements"]

SIZE = 32
"""Bytes of a SHA-256."""


def digest_elements(array: Array, encoder: Encoder, memory: int, advance: Callable[[int], object]) -> str:
    """Return the SHA-256 of the SHA-256s of all blocks, in C order of the blocks, as hexadecimal digits.

    Blocks (`canonical.block_shape`) depend only on shape and data type. Many blocks are read together, in pieces that fit
    the chunks and have at most `memory` bytes. Only the hash of a block is kept, until all blocks with the same start
    along the first dimension are hashed.
    """
    meta = array.metadata
    whole = hashlib.sha256()
    if not math.prod(meta.shape):
        return whole.hexdigest()
    lengths = block_shape(meta.shape, encoder.itemsize)
    grid = ChunkGrid.from_regular(meta.shape, lengths)
    chunks = inner_chunks(meta) or meta.chunk_grid.max_chunk_shape
    plan = plan_blocks(meta.shape, chunks, grid, itemsize_of(meta.data_type), memory)
    counts = grid.chunk_counts
    hashes: Any = None
    rows: tuple[int, int] | None = None
    for region in plan:
        first = (0, 1)
        if region:
            first = (region[0].start // lengths[0], -(-region[0].stop // lengths[0]))
        if first != rows:
            if hashes is not None:
                whole.update(hashes.tobytes())
            rows = first
            hashes = np.empty((first[1] - first[0], *counts[1:], SIZE) if region else (SIZE,), np.uint8)
        piece = np.asarray(array[region])
        _digest_piece(piece, region, lengths, first[0], hashes, encoder)
        advance(piece.size)
        del piece  # before the next one is read
    whole.update(hashes.tobytes())
    return whole.hexdigest()


def _digest_piece(
    piece: Any, region: tuple[slice, ...], lengths: tuple[int, ...], top: int, hashes: Any, encoder: Encoder
) -> None:
    """Store the hashes of the blocks in `piece` into `hashes`, whose first row is row `top`."""
    starts = [part.start // n for part, n in zip(region, lengths, strict=True)]
    counts = [-(-size // n) for size, n in zip(piece.shape, lengths, strict=True)]

    def work(feed: pool.WorkFeed) -> None:
        while batch := feed.take():
            for index in batch:
                inside = tuple([slice(i * n, (i + 1) * n) for i, n in zip(index, lengths, strict=True)])
                digest = hashlib.sha256(encoder.encode(piece[inside])).digest()
                place = tuple([start + i for start, i in zip(starts, index, strict=True)])
                row = (place[0] - top, *place[1:]) if place else ()
                hashes[row] = np.frombuffer(digest, np.uint8)

    indices: Iterator[tuple[int, ...]] = np.ndindex(*counts)
    pool.run(work, indices, math.prod(counts), config.get().workers)
