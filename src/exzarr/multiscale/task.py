"""The task of a worker: build one tree of blocks, from the source up."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from exzarr._nodes.array import Array
from exzarr._typing import AnyArray
from exzarr.multiscale.blocks import Blocks, Index, Region
from exzarr.multiscale.methods import Method, reduce_blocks
from exzarr.multiscale.moves import ChunkMoves

__all__ = ["TreeTask", "read_source"]


def read_source(source: Any, region: Region) -> AnyArray:
    """Read a region of an exzarr array, or of anything that has NumPy's basic indexing."""
    values = source.get(region) if isinstance(source, Array) else source[region]
    return np.asarray(values)


class TreeTask:
    """Builds the tree of one block: reads the source, and writes the block and everything below it.

    It can be called in any thread, and pickled for any process.

    Parameters
    ----------
    source
        The array to read.
    arrays
        The array of each level. The first is None if the source is the first level.
    blocks
        The blocks of all levels.
    level
        The level of the blocks that are tasks.
    method, nodata
        See `reduce_blocks`.
    moves
        Copies the chunks of the source to the first level; None to encode them.
    """

    def __init__(
        self,
        source: Any,
        arrays: Sequence[Array | None],
        blocks: Blocks,
        level: int,
        method: Method,
        nodata: Any,
        moves: ChunkMoves | None = None,
    ) -> None:
        self._source = source
        self._arrays = tuple(arrays)
        self._blocks = blocks
        self._level = level
        self._method: Method = method
        self._nodata = nodata
        self._moves = moves

    def __call__(self, item: tuple[Index, bool]) -> AnyArray | None:
        """Build the tree of a block. Return its part of the parent's block; None at the coarsest level.

        The item is the block, and True if an earlier run has built its tree already.
        """
        block, built = item
        level = self._level
        data = self._stored(level, block) if built else self._build(level, block)
        if level == self._blocks.top:
            return None
        return self.reduced(level, data)

    def leaves(self, block: Index) -> int:
        """Return the number of blocks of the first level below a block."""
        count = 1
        region = self._blocks.region(self._level, block)
        shape = [part.stop - part.start for part in region]
        for level in range(self._level, 0, -1):
            shape = [n * f for n, f in zip(shape, self._blocks.factors[level], strict=True)]
        count = math.prod([-(-n // unit) for n, unit in zip(shape, self._blocks.units[0], strict=True)])
        return max(1, count)

    def reduced(self, level: int, data: AnyArray, out: AnyArray | None = None) -> AnyArray:
        """Reduce the data of a block of `level` for the next level."""
        factors = self._blocks.factors[level + 1]
        return reduce_blocks(data, factors, self._method, nodata=self._nodata, out=out)

    def write(self, level: int, block: Index, data: AnyArray) -> None:
        """Store the data of a block."""
        array = self._arrays[level]
        if array is not None:
            array.set(self._blocks.region(level, block), data, casting="unsafe")

    def _stored(self, level: int, block: Index) -> AnyArray:
        array = self._arrays[level]
        return read_source(self._source if array is None else array, self._blocks.region(level, block))

    def _build(self, level: int, block: Index) -> AnyArray:
        blocks = self._blocks
        if level == 0 and self._moves is not None:
            return self._moves.read(blocks.region(0, block))
        if level == 0:
            data = read_source(self._source, blocks.region(0, block))
        else:
            data = self.empty(level, block)
            for child in blocks.children(level, block):
                part = self._build(level - 1, child)
                self.reduced(level - 1, part, out=data[blocks.place(level - 1, child)])
                del part  # release it before the next one is read
        self.write(level, block, data)
        return data

    def empty(self, level: int, block: Index) -> AnyArray:
        """Return uninitialized memory for a block."""
        shape = [part.stop - part.start for part in self._blocks.region(level, block)]
        return np.empty(shape, self._source.dtype)
