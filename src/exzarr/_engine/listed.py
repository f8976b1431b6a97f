"""An array whose caller plans the reads and writes: chunks by their keys, the array's shape unknown."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import copy
from typing import Any

from exzarr._engine.shards import ShardLayout
from exzarr._engine.source import ChunkSource
from exzarr.codecs.pipeline import BoundPipeline

__all__ = ["ListedSource", "ShardOrder"]

ShardOrder = Callable[[tuple[int, ...]], Sequence[int]]
"""Function from the counts of a shard's inner chunks to their numbers, in the order in which writes store them."""


class ListedSource(ChunkSource):
    """A `ChunkSource` for `ListedPlan`.

    The caller may know a newer shape of the array than the metadata of this source. Therefore every chunk counts as
    inside the array, and the shape of a chunk comes from the caller if the grid is not regular.

    Attributes
    ----------
    order
        The order of the inner chunks in new shards; None is C order.
    missing
        Keys of the missing chunks of one read.
    shapes
        The shapes of the chunks of one read or write, by key, if the grid is not regular.
    """

    __slots__ = ("missing", "order", "shapes")

    order: ShardOrder | None
    missing: list[str]
    shapes: Mapping[str, tuple[int, ...]]

    @classmethod
    def of(cls, source: ChunkSource, order: ShardOrder | None) -> ListedSource:
        """Return the same source for listed chunks."""
        new = cls.__new__(cls)
        for name in ChunkSource.__slots__:
            setattr(new, name, getattr(source, name))
        new.order, new._layouts = order, {}
        new.layout = new.layout and new._layout_for(new.layout.shape)
        return new

    def listing(self, shapes: Mapping[str, tuple[int, ...]]) -> ListedSource:
        """Return a source of the same array for one read or write."""
        new = copy(self)
        new.missing, new.shapes = [], shapes
        return new

    def pipeline_at(self, key: str) -> BoundPipeline:
        return self.pipeline or self._bind(self.shapes[key])

    def layout_at(self, key: str) -> ShardLayout:
        return self.layout or self._layout_for(self.shapes[key])

    def extents_at(self, key: str, layout: ShardLayout) -> list[int]:
        return [*layout.shape]

    def _layout_for(self, shape: tuple[int, ...]) -> ShardLayout:
        layout = super()._layout_for(shape)
        if self.order is not None and layout.order is None:
            layout.order = self.order(layout.counts)
        return layout

    def absent(self, key: str, number: int | None = None) -> Any:
        if number is None:
            self.missing.append(key)
        return super().absent(key, number)
