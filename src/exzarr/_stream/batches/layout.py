"""Layout of samples in the chunks of each array, and the blocks to read. Pure functions."""

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
"""Maximum block size, in bytes, when chunks of several arrays with different boundaries are joined."""

FEW = 4
"""Maximum growth of blocks for an array that could be kept in memory instead."""

SHARD_NBYTES = 1024 * 1024
"""Number of bytes of inner chunks of a shard that are read together, so that a shard is opened only a few times."""

WINDOW, WINDOW_NBYTES = 16, 128 * 1024 * 1024
"""Default number of blocks that are shuffled together, and the limit on their bytes."""

MOST_EDGES = 1 << 24
"""Maximum number of chunks of varying lengths."""


@dataclass(frozen=True, slots=True)
class RowLayout:
    """Layout of one array as a sequence of samples.

    Attributes
    ----------
    name
        Name of the array in errors.
    nbytes, row_nbytes
        Decoded bytes of the array and of one sample.
    bands
        Ranges of samples that share their chunks (inner chunks, if there are shards).
    blocks
        Ranges worth reading at a time: one band, or several bands of a shard. None if the array is in memory.
    across
        Number of chunks in one band.
    chunk_nbytes
        Bytes of a decoded chunk.
    addressed
        True if single samples can be read without the rest of their chunk.
    on_disk
        True if decoded chunks are kept in a cache on disk.
    shared
        True if the whole array can be kept in memory, for all parts of a loader. `nbytes` is that of the whole array,
        also for some of the samples.
    """

    name: str
    nbytes: int
    row_nbytes: int
    bands: Blocks
    blocks: Blocks | None
    across: int = 1
    chunk_nbytes: int = 0
    addressed: bool = False
    on_disk: bool = False
    shared: bool = False


def bands(dim: Any, samples: int) -> Blocks:
    """Return the ranges of samples that share chunks along a dimension of a chunk grid."""
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
    """Divide each shard into equal pieces of whole inner chunks."""
    if shard is None:  # shards of varying lengths
        return EvenBlocks(samples, inner)
    count = shard // inner
    most = max(1, SHARD_NBYTES // max(1, inner * row_nbytes))
    many = max(n for n in range(1, count + 1) if count % n == 0 and n <= most) if count <= 4096 else 1
    return EvenBlocks(samples, many * inner)


def common_blocks(layouts: Sequence[RowLayout], keep: int) -> tuple[Blocks | None, set[int], set[int]]:
    """Return the blocks to read for arrays whose chunks may end at different samples.

    Arrays are processed from the largest samples to the smallest. If the chunks of an array do not end at the ends of
    blocks, exzarr tries, in this order:

    1. Make the blocks a few times longer.
    2. Keep the array decoded in memory, if all such arrays have no more than `keep` bytes.
    3. Make the blocks as long as necessary, up to `BLOCK_NBYTES`.
    4. *Cut* the array: chunks that lie in several blocks are read with each of them.

    Return the blocks (None if all arrays are in memory), and the numbers in `layouts` of the arrays that are kept and
    of those that are cut.
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
    """Return the blocks that end where blocks of both partitions end."""
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
    """Return the default number of blocks that are shuffled together."""
    return max(2, min(WINDOW, WINDOW_NBYTES // max(1, blocks.longest * row_nbytes)))
