"""Which samples each batch takes, and from which stage. Pure."""

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
"""Positions whose samples are reckoned at once: a batch at a time would cost more than all the rest."""


@dataclass(frozen=True, slots=True)
class Batching:
    """How a rank's samples make batches.

    Attributes
    ----------
    samples
        How many the rank has.
    size
        Samples of a batch.
    first, stop, step
        Which batches: ``range(first, stop, step)``.
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
        """The positions from batch `number`, of `count`, to the last batch."""
        return self.bounds(number)[0], self.bounds(self.count - 1)[1]

    def bounds(self, number: int) -> tuple[int, int]:
        """The positions of batch `number`, of `count`."""
        start = (self.first + number * self.step) * self.size
        return start, min(self.samples, start + self.size)


class Lookahead(Generic[T]):
    """An iterator whose next item can be seen before it is taken."""

    __slots__ = ("_items", "_seen")

    def __init__(self, items: Iterator[T]) -> None:
        self._items = items
        self._seen: list[T] = []

    def peek(self) -> T | None:
        """The next item; None at the end."""
        if not self._seen:
            self._seen.extend([item for item in [next(self._items, None)] if item is not None])
        return self._seen[0] if self._seen else None

    def take(self) -> T:
        item = self.peek()
        assert item is not None, "it has been asked for more than there is"
        self._seen.clear()
        return item


@dataclass(frozen=True, slots=True)
class Piece:
    """A batch's samples of one stage: those from `start` to `stop` in the order of the stage."""

    stage: Stage
    start: int
    stop: int


def pieces(stages: Lookahead[Stage], batching: Batching, number: int) -> Iterator[list[Piece]]:
    """For each batch from `number` on, what makes it up. `stages` start where that batch does."""
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
    """For each batch from `number` on, the numbers of its samples, in order."""
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
