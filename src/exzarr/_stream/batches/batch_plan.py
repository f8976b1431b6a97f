"""Plans which samples of which stage each batch takes. Pure functions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np

from exzarr._stream.batches.orders import BlockOrder, FullOrder, Stage
from exzarr._stream.batches.permutation import IntArray

__all__ = ["Batching", "Lookahead", "Piece", "pieces", "rows"]

T = TypeVar("T")

PAGE = 1 << 14
"""Number of positions whose samples are computed together. Computing them batch by batch would dominate the cost."""


@dataclass(frozen=True, slots=True)
class Batching:
    """How the samples of a rank are divided into batches.

    Attributes
    ----------
    samples
        Number of samples of the rank.
    size
        Samples per batch.
    first, stop, step
        Numbers of the batches: ``range(first, stop, step)``.
    """

    samples: int
    size: int
    first: int
    stop: int
    step: int = 1

    @property
    def count(self) -> int:
        return len(range(self.first, self.stop, self.step))

    def span(self, number: int) -> tuple[int, int]:
        """Return the positions from batch `number` (of `count`) to the end of the last batch."""
        return self.bounds(number)[0], self.bounds(self.count - 1)[1]

    def bounds(self, number: int) -> tuple[int, int]:
        """Return the positions of batch `number` (of `count`)."""
        start = (self.first + number * self.step) * self.size
        return start, min(self.samples, start + self.size)


class Lookahead(Generic[T]):
    """An iterator whose next item can be seen before it is taken."""

    __slots__ = ("_items", "_seen")

    def __init__(self, items: Iterator[T]) -> None:
        self._items = items
        self._seen: list[T] = []

    def peek(self) -> T | None:
        """Return the next item without taking it; None at the end."""
        if not self._seen:
            self._seen.extend([item for item in [next(self._items, None)] if item is not None])
        return self._seen[0] if self._seen else None

    def take(self) -> T:
        item = self.peek()
        assert item is not None, "take() called at the end of the iterator"
        self._seen.clear()
        return item


@dataclass(frozen=True, slots=True)
class Piece:
    """Samples of one stage in a batch: from `start` to `stop` in the order of the stage."""

    stage: Stage
    start: int
    stop: int


def pieces(stages: Lookahead[Stage], batching: Batching, number: int) -> Iterator[list[Piece]]:
    """Yield the pieces of each batch from `number` on. `stages` must start at that batch."""
    position = batching.bounds(number)[0]
    stage: Stage | None = None
    at = 0
    for each in range(number, batching.count):
        start, stop = batching.bounds(each)
        parts: list[Piece] = []
        while position < stop:
            if stage is None or at == stage.size:
                stage = stages.take()
                at = stage.skipped
            many = min(stage.size - at, (start if position < start else stop) - position)
            if position >= start:
                parts.append(Piece(stage, at, at + many))
            at += many
            position += many
        yield parts


def rows(order: BlockOrder | FullOrder, batching: Batching, number: int) -> Iterator[IntArray]:
    """Yield the sample numbers of each batch from `number` on, in order."""
    if number >= batching.count:
        return
    if isinstance(order, BlockOrder):
        stages = Lookahead(order.stages(*batching.span(number), PAGE, PAGE))
        for parts in pieces(stages, batching, number):
            yield np.concatenate([part.stage.samples(part.start, part.stop) for part in parts])
        return
    begins = ends = 0
    for each in range(number, batching.count):
        start, stop = batching.bounds(each)
        if stop > ends:
            begins, ends = start, min(order.length, max(stop, start + PAGE))
            page = order.samples(begins, ends)
        yield page[start - begins : stop - begins].copy()
