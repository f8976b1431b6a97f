"""How samples lie in the chunks of each array, and which blocks of them to read. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from exzarr._format.dimensions import RectilinearDimension
from exzarr._stream.batches.blocks import Blocks, EvenBlocks, UnevenBlocks
from exzarr.errors import ArgumentError

__all__ = ["RowLayout", "bands", "common_blocks", "default_window", "pieces_of_shards"]

BLOCK_NBYTES = 16 * 1024 * 1024
"""Chunks of several arrays that do not end together make larger blocks, but no larger ones than this."""

FEW = 4
"""How many times longer they make them where the array could be kept instead."""

SHARD_NBYTES = 1024 * 1024
"""Inner chunks of a shard that are read together: enough for a shard to be opened few times."""

WINDOW, WINDOW_NBYTES = 16, 128 * 1024 * 1024
"""Blocks that are shuffled together by default, as long as they take no more than this."""

MOST_EDGES = 1 << 24
"""Chunks of varying lengths that are listed."""


@dataclass(frozen=True, slots=True)
class RowLayout:
    """One array, seen as a row of samples.

    Attributes
    ----------
    name
        What errors call it.
    nbytes, row_nbytes
        Bytes of the array and of one sample, decoded.
    bands
        The samples that share their chunks (inner chunks, where there are shards).
    blocks
        What is worth reading at once: bands, in shards several of them. None where the array is in
        memory already.
    across
        Chunks of one band.
    chunk_nbytes
        Bytes of a decoded chunk.
    addressed
        Single samples can be read without reading the chunk they lie in.
    """

    name: str
    nbytes: int
    row_nbytes: int
    bands: Blocks
    blocks: Blocks | None
    across: int = 1
    chunk_nbytes: int = 0
    addressed: bool = False


def bands(dim: Any, samples: int) -> Blocks:
    """The samples that share chunks along a dimension of a chunk grid."""
    if not isinstance(dim, RectilinearDimension):
        return EvenBlocks(samples, dim.uniform)
    count = dim.count(samples)
    first = dim.size(0)
    same = all(size == first for size, start in dim.run_starts() if start < count - 1)
    if same and samples - dim.offset(max(0, count - 1)) <= first:
        return EvenBlocks(samples, first)
    if count > MOST_EDGES:
        raise ArgumentError(f"{count} chunks of varying lengths are too many for batches")
    return UnevenBlocks([min(samples, dim.offset(i) + dim.size(i)) for i in range(count)])


def pieces_of_shards(inner: int, shard: int | None, samples: int, row_nbytes: int) -> Blocks:
    """Equal pieces of each shard, whole inner chunks of which each shard has the same number."""
    if shard is None:  # shards of varying lengths
        return EvenBlocks(samples, inner)
    count = shard // inner
    most = max(1, SHARD_NBYTES // max(1, inner * row_nbytes))
    many = max(n for n in range(1, count + 1) if count % n == 0 and n <= most) if count <= 4096 else 1
    return EvenBlocks(samples, many * inner)


def common_blocks(layouts: Sequence[RowLayout], keep: int) -> tuple[Blocks | None, set[int], set[int]]:
    """The blocks to read of arrays whose chunks may end at different samples.

    Arrays are fitted in, those with the largest samples first. One whose chunks do not end where blocks
    do makes the blocks a few times longer. Where that does not do, it is kept decoded as a whole, if all
    that are kept have no more than `keep` bytes. Where that does not do, it makes the blocks as long as it
    takes, up to `BLOCK_NBYTES`. Else it is *cut*: of its chunks, those that lie in several blocks are read
    with each of them.

    Returns the blocks (None where all arrays are in memory), and of `layouts` the numbers of those
    that are kept and of those that are cut.
    """
    nbytes = sum([layout.row_nbytes for layout in layouts])
    kept: set[int] = set()
    cut: set[int] = set()
    blocks: Blocks | None = None
    for i in sorted(range(len(layouts)), key=lambda i: -layouts[i].row_nbytes):
        layout = layouts[i]
        if layout.blocks is None:
            continue
        if blocks is None:
            blocks = layout.blocks
            continue
        joined = _joined(blocks, layout.blocks)
        fits = joined.longest * nbytes <= BLOCK_NBYTES
        if joined.longest == blocks.longest or (fits and joined.longest <= FEW * blocks.longest):
            blocks = joined
        elif layout.nbytes <= keep:
            kept.add(i)
            keep -= layout.nbytes
        elif fits:
            blocks = joined
        else:
            cut.add(i)
    return blocks, kept, cut


def _joined(one: Blocks, other: Blocks) -> Blocks:
    """The blocks that end where blocks of both end."""
    samples = one.samples
    if isinstance(one, EvenBlocks) and isinstance(other, EvenBlocks):
        return EvenBlocks(samples, max(1, math.lcm(one.longest, other.longest) if samples else 1))
    if isinstance(one, EvenBlocks):
        one, other = other, one
    ends = one.starts(np.arange(1, one.count))
    there = other.of(ends)
    ends = ends[other.starts(there) == ends]
    return UnevenBlocks([*ends.tolist(), samples])


def default_window(blocks: Blocks, row_nbytes: int) -> int:
    """How many blocks are shuffled together where nobody has said."""
    return max(2, min(WINDOW, WINDOW_NBYTES // max(1, blocks.longest * row_nbytes)))
