"""What a source gives, one by one and numbered."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["Block", "Numbered", "Source", "numbered"]


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """One piece of what is ingested, where the data alone does not say enough.

    Attributes
    ----------
    data
        An array, or anything that becomes one; for a group, a mapping from the arrays' names to such.
    region
        Where it goes: a tuple of slices in array coordinates. None: it is appended.
    position
        Where the source stands *after* this block, in the source's own words: an offset, a file's name, a
        list; anything that JSON has. None: the number of blocks so far.
    """

    data: Any
    region: tuple[slice, ...] | None = None
    position: Any = None


Source = Iterable[Any] | Callable[[Any], Iterable[Any]]
"""Blocks, all of them from the first one on; or a function that gets a position, and gives those after it."""


@dataclass(frozen=True, slots=True, eq=False)
class Numbered:
    """A block, and which one of its source it is (from 0)."""

    number: int
    block: Block

    @property
    def position(self) -> Any:
        """Where the source stands after it."""
        return self.number + 1 if self.block.position is None else self.block.position

    @property
    def nbytes(self) -> int:
        data = self.block.data
        parts = data.values() if isinstance(data, Mapping) else (data,)
        return sum(int(getattr(part, "nbytes", 0)) for part in parts)


def numbered(number: int, item: Any) -> Numbered:
    """What a source gave as its block `number`."""
    return Numbered(number, item if isinstance(item, Block) else _plain(item))


def _plain(item: Any) -> Block:
    """``(region, data)`` goes where the region says, as in `Array.write_stream`; all else is appended."""
    if isinstance(item, tuple) and len(item) == 2 and _is_region(item[0]):
        region, data = item
        return Block(data, (region,) if isinstance(region, slice) else tuple(region))
    return Block(item if isinstance(item, (Mapping, np.ndarray)) else np.asarray(item))


def _is_region(item: Any) -> bool:
    if isinstance(item, slice):
        return True
    return isinstance(item, tuple) and bool(item) and all(isinstance(part, slice) for part in item)
