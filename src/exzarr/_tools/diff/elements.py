"""Compare the elements of two arrays, block by block, in bounded memory.

A window of threads compares the bytes of stored chunks, if both arrays have the same encoding. A second window reads and
compares the blocks that remain. The caller's thread adds up the results in the order of the blocks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise, product
from typing import Any, Protocol, TypeVar

import numpy as np

from exzarr._format.chunk_grids import ChunkGrid
from exzarr._format.metadata import ArrayMetadata
from exzarr._nodes.array import Array
from exzarr._nodes.chunk_sizes import inner_chunks
from exzarr._stream.chunks.grid import Region, as_region
from exzarr._stream.window import Window
from exzarr._tools.blocks import plan_blocks
from exzarr._tools.diff.report import ElementDiff, Position
from exzarr._tools.diff.stored import same_encoding, same_stored, stored_units
from exzarr._tools.diff.values import Compared, Tolerance, compare, incomparable
from exzarr._tools.sizes import itemsize_of
from exzarr._typing import AnyArray

__all__ = ["Block", "Options", "Sink", "compare_elements"]

I = TypeVar("I")  # noqa: E741
V = TypeVar("V")

TEMPORARY = 40
"""Estimated bytes of temporary values for each compared element."""


@dataclass(frozen=True, slots=True)
class Options:
    """How elements are compared.

    Attributes
    ----------
    tolerance
        When two elements count as equal.
    region, where
        The elements to compare, as the user gives them.
    first
        Maximum number of positions to keep.
    workers
        Number of threads.
    memory
        Maximum bytes of elements in memory. One chunk of each array for each thread is always in memory.
    """

    tolerance: Tolerance
    region: Any
    where: Any
    first: int
    workers: int
    memory: int


@dataclass(frozen=True, slots=True)
class Block:
    """The result for one block.

    Attributes
    ----------
    region
        The block, in array coordinates.
    size
        Number of elements of the block.
    compared
        Number of compared elements.
    positions
        Position of each difference, counted in C order of the block: int64, shape ``(n,)``.
    left, right
        The values at `positions`. Without a sink, only those of the first ones.
    absolute, relative
        Largest differences; None without numbers.
    """

    region: Region
    size: int
    compared: int
    positions: AnyArray
    left: AnyArray
    right: AnyArray
    absolute: int | float | None
    relative: float | None

    def indices(self, count: int | None = None) -> AnyArray:
        """Return the array indices of the first `count` differences: int64, shape ``(n, dimensions)``."""
        shape = [part.stop - part.start for part in self.region]
        found = np.empty((len(self.positions[:count]), len(shape)), np.int64)
        if shape:
            inside = np.unravel_index(self.positions[:count], shape)
            for axis, (at, part) in enumerate(zip(inside, self.region, strict=True)):
                found[:, axis] = at + part.start
        return found


class Sink(Protocol):
    """Receives the blocks that have differences, in order."""

    def write(self, block: Block) -> None: ...


def compare_elements(
    left: Array,
    right: Array,
    options: Options,
    sink: Sink | None = None,
    advance: Callable[[int], object] = lambda _: None,
) -> ElementDiff:
    """Compare the elements of two arrays. `advance` is called with the number of elements of each finished block."""
    region, other = [as_region(options.region, one.shape) for one in (left, right)]
    if region != other:
        return ElementDiff(reason=f"the shapes {left.shape} and {right.shape} differ")
    why = incomparable(left.dtype, right.dtype)
    if why is not None:
        return ElementDiff(reason=why)
    nothing = compare(np.empty(0, left.dtype), np.empty(0, right.dtype), options.tolerance)
    found = _Sum(options.first, nothing)
    if any(part.start == part.stop for part in region):
        return found.result()
    read = partial(_compare_block, left, right, options, sink is not None)
    plan = _Plan(left, right, options)

    def blocks() -> Iterator[Region]:
        if not same_encoding(left.metadata, right.metadata, equal_nan=options.tolerance.equal_nan):
            yield from plan.blocks(region)
            return
        same = partial(same_stored, left, right)
        for unit, equal in _mapped(same, stored_units(left, right, region), options.workers):
            found.chunk(equal, unit.size if options.where is None else _wanted(options.where, unit.region))
            if equal:
                advance(unit.size)
            else:
                yield from plan.blocks(unit.region)

    for _, block in _mapped(read, blocks(), options.workers):
        found.add(block)
        if sink is not None and len(block.positions):
            sink.write(block)
        advance(block.size)
    return found.result()


def _mapped(fn: Callable[[I], V], items: Iterator[I], workers: int) -> Iterator[tuple[I, V]]:
    """Yield each item with the result of `fn`, in order. Raise the first error."""
    window: Window[I, V] = Window(fn, items, workers=workers, prefetch=workers, name="exzarr-diff")
    with closing(window):
        for outcome in window:
            if outcome.error is not None:
                raise outcome.error
            yield outcome.item, outcome.value  # type: ignore[misc]


def _wanted(where: Any, region: Region) -> int:
    return int(np.count_nonzero(where[region]))


class _Plan:
    """Divides regions into blocks that fit the chunks of both arrays and the memory."""

    def __init__(self, left: Array, right: Array, options: Options) -> None:
        self._chunks = [_read_unit(one.metadata) for one in (left, right)]
        itemsizes = [itemsize_of(one.metadata.data_type) for one in (left, right)]
        self._itemsize = sum(itemsizes) + TEMPORARY
        self._memory = options.memory // (2 * options.workers)  # the window holds two blocks for each worker

    def blocks(self, region: Region) -> Iterator[Region]:
        """Yield the blocks of a region, in C order."""
        shape = [part.stop for part in region]
        chunks, others = self._chunks
        grid = ChunkGrid.from_regular(shape, [max(1, n) for n in others])
        plan = plan_blocks(shape, chunks, grid, self._itemsize, self._memory)
        spans = [
            [slice(max(a, part.start), b) for a, b in pairwise(cuts) if b > part.start]
            for cuts, part in zip(plan.cuts, region, strict=True)
        ]
        yield from product(*spans)


def _read_unit(meta: ArrayMetadata) -> tuple[int, ...]:
    return inner_chunks(meta) or meta.chunk_grid.max_chunk_shape


def _compare_block(left: Array, right: Array, options: Options, keep: bool, region: Region) -> Block:
    """Read and compare one block. With `keep`, the values of all differences are kept, else of the first."""
    here, there = _read(left, region), _read(right, region)
    size = len(here)
    wanted: AnyArray | None = None
    if options.where is not None:
        wanted = np.flatnonzero(options.where[region])
        here, there = here[wanted], there[wanted]
    found = compare(here, there, options.tolerance)
    at = np.flatnonzero(found.different)
    few = at if keep else at[: options.first]
    return Block(
        region=region,
        size=size,
        compared=len(here),
        positions=at if wanted is None else wanted[at],
        left=here[few],
        right=there[few],
        absolute=found.absolute,
        relative=found.relative,
    )


def _read(array: Array, region: Region) -> AnyArray:
    """Return the elements of a region as one dimension."""
    if region:
        values: AnyArray = array[region].reshape(-1)
        return values
    single: AnyArray = np.empty(1, array.dtype)
    single[0] = array[()]
    return single


class _Sum:
    """The sum of the results of blocks."""

    def __init__(self, first: int, nothing: Compared) -> None:
        self._limit = first
        self._found = ElementDiff(absolute=nothing.absolute, relative=nothing.relative)

    def chunk(self, equal: bool, size: int) -> None:
        """Count a stored chunk whose bytes were compared. If they are equal, its `size` elements are."""
        now = self._found
        self._found = replace(
            now,
            chunks_compared=now.chunks_compared + 1,
            chunks_equal=now.chunks_equal + equal,
            compared=now.compared + size * equal,
        )

    def add(self, block: Block) -> None:
        """Add the result of a block."""
        now = self._found
        first = now.first
        if len(block.positions) and self._limit:
            rows = block.indices(self._limit).tolist()
            pairs = zip(rows, block.left[: self._limit], block.right[: self._limit], strict=True)
            new = [Position(tuple(index), x, y) for index, x, y in pairs]
            first = tuple(sorted([*first, *new], key=lambda one: one.index)[: self._limit])
        self._found = replace(
            now,
            compared=now.compared + block.compared,
            different=now.different + len(block.positions),
            absolute=_larger(now.absolute, block.absolute),
            relative=_larger(now.relative, block.relative),
            first=first,
        )

    def result(self) -> ElementDiff:
        """Return the sum."""
        return self._found


def _larger(one: Any, other: Any) -> Any:
    known = [value for value in (one, other) if value is not None]
    return max(known, default=None)
