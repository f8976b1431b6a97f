"""In which blocks an array is read and written when its chunks change.

A block is a box of whole destination chunks (shards), so that nothing has to be read back or locked
in the destination, and small enough for memory. A source chunk that lies in several blocks is
decoded for each of them, so blocks grow first where that saves most.
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
        For each dimension where blocks begin, and the array's length behind the last.
    amplification
        How often an element of the source is decoded on average; 1.0 is best.
    """

    cuts: tuple[Sequence[int], ...]
    amplification: float

    @property
    def count(self) -> int:
        """How many blocks there are."""
        return math.prod(len(cuts) - 1 for cuts in self.cuts)

    def __iter__(self) -> Iterator[Region]:
        spans = [[slice(begin, end) for begin, end in pairwise(cuts)] for cuts in self.cuts]
        return product(*spans)


def plan_blocks(
    shape: Sequence[int], source: Sequence[int], destination: ChunkGrid, itemsize: int, memory: int
) -> BlockPlan:
    """Blocks for an array of `shape`.

    Parameters
    ----------
    shape
        In elements.
    source
        Shape of the chunks that are decoded on their own (inner chunks, where there are shards).
    destination
        The grid of what is written as a whole: chunks, or shards.
    itemsize
        Bytes of an element in memory.
    memory
        Most bytes a block may have. One destination chunk is always a block.
    """
    units = [min(size, max(1, n)) for size, n in zip(destination.max_chunk_shape, shape, strict=True)]
    source = [min(size, max(1, n)) for size, n in zip(source, shape, strict=True)]
    lengths = list(units)
    room = max(1, memory // max(1, itemsize))
    # First what saves decoding anything twice, then what keeps all threads busy.
    while best := _best_growth(lengths, units, source, shape, room):
        axis, length = best
        lengths[axis] = length
    room = min(room, max(1, _BUSY // max(1, itemsize)))
    for axis in reversed(range(len(shape))):
        times = room // max(1, math.prod(lengths))
        lengths[axis] = min(lengths[axis] * max(1, times), max(lengths[axis], shape[axis]))
    cuts = tuple(
        [_cuts(dim, n, length) for dim, n, length in zip(destination.dims, shape, lengths, strict=True)]
    )
    return BlockPlan(cuts, math.prod(map(_repeats, lengths, source, shape)))


_BUSY = 64 * 2**20
"""Bytes in a block from which on more would not be faster."""


def _best_growth(
    lengths: Sequence[int], units: Sequence[int], source: Sequence[int], shape: Sequence[int], room: int
) -> tuple[int, int] | None:
    """The axis along which blocks should grow, and to which length; None where nothing is saved."""
    best: tuple[float, int, int] | None = None
    for axis, (length, unit, chunk, extent) in enumerate(zip(lengths, units, source, shape, strict=True)):
        now = _repeats(length, chunk, extent)
        most = room // max(1, math.prod(lengths) // length)
        for candidate in _candidates(length, unit, chunk, extent, most):
            saved = (_repeats(candidate, chunk, extent) / now, candidate, axis)
            if saved[0] < 1.0 and (best is None or saved < best):
                best = saved
    return None if best is None else (best[2], best[1])


def _candidates(length: int, unit: int, chunk: int, extent: int, most: int) -> list[int]:
    """Greater lengths worth trying: those at which source chunks end too, twice as much, all that fits."""
    both = math.lcm(unit, chunk)
    tries = ((length // both + 1) * both, most // both * both, 2 * length, most // unit * unit, extent)
    return sorted({min(n, extent) for n in tries if length < n <= most and length < extent})


def _repeats(length: int, source: int, extent: int) -> float:
    """How often source chunks of size `source` are decoded along a dimension cut every `length` elements."""
    if length >= extent or length % source == 0:
        return 1.0
    blocks = -(-extent // length)
    touched = 0
    # The pattern repeats after lcm / length blocks; a few hundred are enough to know.
    sample = min(blocks, math.lcm(length, source) // length, 256)
    for i in range(sample):
        begin, end = i * length, min((i + 1) * length, extent)
        touched += min(extent, -(-end // source) * source) - begin // source * source
    return max(1.0, touched / min(extent, sample * length))


def _cuts(dim: DimensionGrid, extent: int, length: int) -> Sequence[int]:
    """Where blocks of about `length` elements begin: always where a destination chunk does."""
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
