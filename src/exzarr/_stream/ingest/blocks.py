"""Blocks of a source, and their numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["AsBlock", "Block", "Numbered", "Source", "array_block", "numbered"]


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """One block of a source, with a region or a position.

    Attributes
    ----------
    data
        An array, or anything NumPy converts to one. For a group, a mapping from names of arrays to such data.
    region
        Region to write, a tuple of slices in array coordinates. None: append.
    position
        Position of the source *after* this block, in a form that the source chooses: an offset, a file name, a
        list, or any other JSON value. None: the number of blocks so far.
    """

    data: Any
    region: tuple[slice, ...] | None = None
    position: Any = None


Source = Iterable[Any] | Callable[[Any], Iterable[Any]]
"""An iterable of all blocks, or a function that gets a position and returns the blocks after it."""


@dataclass(frozen=True, slots=True, eq=False)
class Numbered:
    """A block and its number in the source, from 0."""

    number: int
    block: Block

    @property
    def position(self) -> Any:
        """Position of the source after this block."""
        return self.number + 1 if self.block.position is None else self.block.position

    @property
    def nbytes(self) -> int:
        data = self.block.data
        parts = data.values() if isinstance(data, Mapping) else (data,)
        return sum(int(getattr(part, "nbytes", 0)) for part in parts)


AsBlock = Callable[[Any], Block]
"""Converts what a source yielded to a block."""


def numbered(number: int, item: Any, as_block: AsBlock) -> Numbered:
    """Return block `number` of a source from what the source yielded."""
    return Numbered(number, item if isinstance(item, Block) else as_block(item))


def array_block(item: Any) -> Block:
    """Return a block of arrays: ``(region, data)`` is written to the region; anything else is appended."""
    if isinstance(item, tuple) and len(item) == 2 and _is_region(item[0]):
        region, data = item
        return Block(data, (region,) if isinstance(region, slice) else tuple(region))
    return Block(item if isinstance(item, (Mapping, np.ndarray)) else np.asarray(item))


def _is_region(item: Any) -> bool:
    if isinstance(item, slice):
        return True
    return isinstance(item, tuple) and bool(item) and all(isinstance(part, slice) for part in item)
