"""The blocks in which a pyramid is built. Pure geometry.

Each level is divided into blocks of whole chunks. A block of a level is made of whole blocks of the level before it.
Blocks therefore form a tree for each block of the coarsest level, and a tree that is walked depth first needs memory for
one block of each level.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

from exzarr.multiscale.levels import LevelPlan

__all__ = ["Blocks", "Index", "Region", "plan_blocks"]

Index = tuple[int, ...]
Region = tuple[slice, ...]

MEMORY = 64 * 2**20
"""Bytes of a block of the first level above which it is not aligned with the chunks of the source."""

TASKS = 64
"""Number of trees that are built independently, if there are enough blocks."""


@dataclass(frozen=True, slots=True)
class Blocks:
    """The blocks of all levels.

    Attributes
    ----------
    shapes, factors
        Shape of each level, and the factors from the level before it.
    units
        Shape of the blocks of each level.
    """

    shapes: tuple[tuple[int, ...], ...]
    factors: tuple[tuple[int, ...], ...]
    units: tuple[tuple[int, ...], ...]

    @property
    def top(self) -> int:
        """Number of the coarsest level."""
        return len(self.shapes) - 1

    def counts(self, level: int) -> tuple[int, ...]:
        """Return the number of blocks of a level along each axis."""
        return tuple([-(-n // unit) for n, unit in zip(self.shapes[level], self.units[level], strict=True)])

    def region(self, level: int, block: Index) -> Region:
        """Return the region of a level that a block covers."""
        return tuple(
            [
                slice(i * unit, min((i + 1) * unit, n))
                for i, unit, n in zip(block, self.units[level], self.shapes[level], strict=True)
            ]
        )

    def children(self, level: int, block: Index) -> Iterator[Index]:
        """Yield the blocks of the level before that a block is made of, in C order."""
        spans = []
        for part, f, n, unit in zip(
            self.region(level, block),
            self.factors[level],
            self.shapes[level - 1],
            self.units[level - 1],
            strict=True,
        ):
            spans.append(range(part.start * f // unit, -(-min(part.stop * f, n) // unit)))
        return product(*spans)

    def parent(self, level: int, block: Index) -> Index:
        """Return the block of the next level that a block is part of."""
        above, factors = self.units[level + 1], self.factors[level + 1]
        return tuple(
            [
                i * unit // f // high
                for i, unit, f, high in zip(block, self.units[level], factors, above, strict=True)
            ]
        )

    def place(self, level: int, block: Index) -> Region:
        """Return the part of the parent's block that a block becomes when it is reduced."""
        start = [part.start for part in self.region(level + 1, self.parent(level, block))]
        return tuple(
            [
                slice(part.start // f - first, -(-part.stop // f) - first)
                for part, f, first in zip(
                    self.region(level, block), self.factors[level + 1], start, strict=True
                )
            ]
        )

    def task_level(self) -> int:
        """Return the highest level with enough blocks to build their trees independently."""
        many = [level for level in range(self.top + 1) if math.prod(self.counts(level)) >= TASKS]
        return max(many, default=0)

    def walk(self, level: int) -> Iterator[Index]:
        """Yield the blocks of a level, tree by tree."""
        for root in product(*map(range, self.counts(self.top))):
            yield from self._below(self.top, root, level)

    def _below(self, at: int, block: Index, level: int) -> Iterator[Index]:
        if at == level:
            yield block
            return
        for child in self.children(at, block):
            yield from self._below(at - 1, child, level)


def plan_blocks(
    levels: Sequence[LevelPlan],
    chunks: Sequence[Sequence[int]],
    source_chunks: Sequence[int] | None,
    itemsize: int,
) -> Blocks:
    """Plan the blocks of a pyramid.

    Parameters
    ----------
    levels
        The levels.
    chunks
        Shape of the stored chunks (shards, if there are any) of each level.
    source_chunks
        Shape of the chunks in which the source is read; None if it has none. Blocks of the first level contain whole
        chunks of the source, so that each is read once, unless blocks would be too large.
    itemsize
        Bytes of an element.
    """
    shapes, factors = [level.shape for level in levels], [level.factors for level in levels]
    following = [*factors[1:], (1,) * len(shapes[0])]
    first = [_capped(math.lcm(c, f), n) for c, f, n in zip(chunks[0], following[0], shapes[0], strict=True)]
    if source_chunks is not None:
        aligned = [
            _capped(math.lcm(unit, chunk), n)
            for unit, chunk, n in zip(first, source_chunks, shapes[0], strict=True)
        ]
        # Align the axes that cost least first.
        for axis in sorted(range(len(first)), key=lambda axis: aligned[axis] / first[axis]):
            grown = [*first[:axis], aligned[axis], *first[axis + 1 :]]
            if math.prod(grown) * itemsize <= max(MEMORY, math.prod(first) * itemsize):
                first = grown
    units = [tuple(first)]
    for level in range(1, len(levels)):
        units.append(
            tuple(
                [
                    _capped(math.lcm(chunk, after, below // math.gcd(below, f)), n)
                    for chunk, after, below, f, n in zip(
                        chunks[level], following[level], units[-1], factors[level], shapes[level], strict=True
                    )
                ]
            )
        )
    return Blocks(tuple(shapes), tuple(factors), tuple(units))


def _capped(unit: int, length: int) -> int:
    return max(1, min(unit, length))
