"""Re-encode arrays block by block, in bounded memory."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from itertools import product
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from exzarr._nodes.array import Array
from exzarr._nodes.casting import Casting
from exzarr._nodes.hierarchy import Location
from exzarr._nodes.stored import candidates, stored_indices
from exzarr._tools.blocks import BlockPlan, plan_blocks
from exzarr._tools.sizes import inner_chunks, itemsize_of
from exzarr.stores.base import Store
from exzarr.stores.wrappers.base import Request, StoreWrapper

if TYPE_CHECKING:
    from exzarr._tools.copy_plan import NodePlan
    from exzarr._tools.report import Tally

__all__ = ["reencode", "store_missing"]

T = TypeVar("T")


class _Counting(StoreWrapper):
    """A store that counts every put in a tally."""

    def __init__(self, inner: Store, tally: Tally) -> None:
        super().__init__(inner)
        self._tally = tally

    def around(self, request: Request, call: Callable[[], T]) -> T:
        result = call()
        if request.kind == "put":
            self._tally.written(1, request.nbytes)
        return result


def reencode(node: NodePlan, tally: Tally, memory: int, casting: Casting = "same_kind") -> None:
    """Write the elements of the source array into the target's chunks. Blocks without stored chunks are skipped."""
    meta, target_meta = node.array_meta, node.target_array_meta
    source = Array(node.source, meta, read_only=True)
    target = _target(node, tally)
    itemsize = max(itemsize_of(meta.data_type), itemsize_of(target_meta.data_type))
    blocks = plan_blocks(meta.shape, inner_chunks(meta), target_meta.chunk_grid, itemsize, memory)
    stored = None if node.other_fill else _touched(node, blocks)
    for number, region in enumerate(blocks):
        if stored is not None and number not in stored:
            continue
        shape = [here.stop - here.start for here in region]
        values = source.get(region, out=np.empty(shape, source.dtype))
        target.set(region, values, casting=casting)
        tally.advance(values.size * source.itemsize)


def store_missing(node: NodePlan, tally: Tally) -> None:
    """Store the missing chunks of the source array, because the fill value of the copy is different."""
    grid = node.target_array_meta.chunk_grid
    stored = {index for _, index in stored_indices(node.source, node.array_meta)}
    target, fill = _target(node, tally), node.array_meta.fill_value
    for index in np.ndindex(grid.chunk_counts):
        if index not in stored:
            target[grid.region(index)] = fill


def _target(node: NodePlan, tally: Tally) -> Array:
    # There is no metadata document yet, so no other process can find and write the array.
    return Array(Location(_Counting(node.target.store, tally), node.target.path), node.target_array_meta)


def _touched(node: NodePlan, blocks: BlockPlan) -> set[int] | None:
    """Return the numbers of blocks with a stored source chunk; None if the store cannot list its chunks."""
    stored = candidates(node.source, node.array_meta)
    if not stored.listed:
        return None
    grid = node.array_meta.chunk_grid
    counts = [len(cuts) - 1 for cuts in blocks.cuts]
    found: set[int] = set()
    for _, index in stored.keys:
        spans = [
            range(bisect_right(cuts, here.start) - 1, bisect_right(cuts, here.stop - 1))
            for cuts, here in zip(blocks.cuts, grid.region(index), strict=True)
        ]
        for block in product(*spans):
            number = 0
            for i, n in zip(block, counts, strict=True):
                number = number * n + i
            found.add(number)
        if len(found) == blocks.count:
            break
    return found
