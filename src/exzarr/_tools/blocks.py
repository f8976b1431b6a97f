"""Choose the blocks in which an array is read and written when its chunks change.

A block is a box of whole destination chunks (shards), so nothing is read back or locked in the destination. It is small
enough for memory. A source chunk that overlaps several blocks is decoded once for each of them. Therefore blocks grow
first along the dimension where this saves most.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise, product

from exzarr._format.chunk_grids import ChunkGrid, DimensionGrid

__all__ = ["BlockPlan", "plan_blocks"]

Region = tuple[slice, ...]


@dataclass(frozen=True)
class BlockPlan:
    """The blocks of an array, in C order.

    Attributes
    ----------
    cuts
        The starts of blocks along each dimension, followed by the array's length.
    amplification
        Average number of times that an element of the source is decoded; 1.0 is best.
    """

    cuts: tuple[Sequence[int], ...]
    amplification: float

    @property
    def count(self) -> int:
        """Number of blocks."""
        return math.prod(len(cuts) - 1 for cuts in self.cuts)

    def __iter__(self) -> Iterator[Region]:
        spans = [[slice(begin, end) for begin, end in pairwise(cuts)] for cuts in self.cuts]
        return product(*spans)


def plan_blocks(
    shape: Sequence[int], source: Sequence[int], destination: ChunkGrid, itemsize: int, memory: int
) -> BlockPlan:
    """Plan the blocks for an array of `shape`.

    Parameters
    ----------
    shape
        In elements.
    source
        Shape of the source chunks (inner chunks, if there are shards).
    destination
        The grid of the stored destination chunks: chunks or shards.
    itemsize
        Bytes of an element in memory.
    memory
        Maximum bytes of a block. A block has at least one destination chunk.
    """
    units = [min(size, max(1, n)) for size, n in zip(destination.max_chunk_shape, shape, strict=True)]
    source = [min(size, max(1, n)) for size, n in zip(source, shape, strict=True)]
    lengths = list(units)
    capacity = max(1, memory // max(1, itemsize))
    # First avoid decoding chunks twice, then keep all threads busy.
    while best := _best_growth(lengths, units, source, shape, capacity):
        axis, length = best
        lengths[axis] = length
    capacity = min(capacity, max(1, _BUSY // max(1, itemsize)))
    for axis in reversed(range(len(shape))):
        times = capacity // max(1, math.prod(lengths))
        lengths[axis] = min(lengths[axis] * max(1, times), max(lengths[axis], shape[axis]))
    cuts = tuple(
        [_cuts(dim, n, length) for dim, n, length in zip(destination.dims, shape, lengths, strict=True)]
    )
    return BlockPlan(cuts, math.prod(map(_repeats, lengths, source, shape)))


_BUSY = 64 * 2**20
"""Bytes of a block above which a larger block is not faster."""


def _best_growth(
    lengths: Sequence[int], units: Sequence[int], source: Sequence[int], shape: Sequence[int], capacity: int
) -> tuple[int, int] | None:
    """Return the axis along which blocks should grow, and the new length; None if growing saves nothing."""
    best: tuple[float, int, int] | None = None
    for axis, (length, unit, chunk, extent) in enumerate(zip(lengths, units, source, shape, strict=True)):
        now = _repeats(length, chunk, extent)
        most = capacity // max(1, math.prod(lengths) // length)
        for candidate in _candidates(length, unit, chunk, extent, most):
            saved = (_repeats(candidate, chunk, extent) / now, candidate, axis)
            if saved[0] < 1.0 and (best is None or saved < best):
                best = saved
    return None if best is None else (best[2], best[1])


def _candidates(length: int, unit: int, chunk: int, extent: int, most: int) -> list[int]:
    """Return larger lengths to try: multiples of source chunks, the double, and the largest that fits."""
    both = math.lcm(unit, chunk)
    tries = ((length // both + 1) * both, most // both * both, 2 * length, most // unit * unit, extent)
    return sorted({min(n, extent) for n in tries if length < n <= most and length < extent})


def _repeats(length: int, source: int, extent: int) -> float:
    """Return how often source chunks of size `source` are decoded if blocks have `length` elements."""
    if length >= extent or length % source == 0:
        return 1.0
    blocks = -(-extent // length)
    touched = 0
    # The pattern repeats after lcm / length blocks; 256 blocks are a sufficient sample.
    sample = min(blocks, math.lcm(length, source) // length, 256)
    for i in range(sample):
        begin, end = i * length, min((i + 1) * length, extent)
        touched += min(extent, -(-end // source) * source) - begin // source * source
    return max(1.0, touched / min(extent, sample * length))


def _cuts(dim: DimensionGrid, extent: int, length: int) -> Sequence[int]:
    """Return the starts of blocks of about `length` elements. Each is the start of a destination chunk."""
    if extent == 0:
        return (0,)
    unit = dim.uniform
    if unit is not None:
        step = max(1, length // unit) * unit
        return [*range(0, extent, step), extent]
    cuts = [0]
    for i in range(dim.count(extent)):
        begin, end = dim.offset(i), dim.offset(i) + dim.size(i)
        if begin > cuts[-1] and end - cuts[-1] > length:
            cuts.append(begin)
    return [*cuts, extent]
