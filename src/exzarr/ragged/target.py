"""Ingestion into a ragged array: each block of the source is one item, or several."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, Protocol

from exzarr._format.ragged import Layout
from exzarr._nodes import hierarchy
from exzarr._nodes.array import Array
from exzarr._nodes.casting import Casting
from exzarr._nodes.group import Group
from exzarr._stream.ingest.append_batch import rows_to_fill
from exzarr._stream.ingest.blocks import Block
from exzarr._stream.ingest.position import Position, reached
from exzarr._stream.ingest.targets import moved
from exzarr._typing import AnyArray
from exzarr.errors import ArgumentError
from exzarr.ragged.append import ChangeAttributes, NewItems
from exzarr.ragged.items import Items, joined

__all__ = ["Appendable", "RaggedTarget", "Stored"]

LENGTHS = ""
"""Name of the lengths among the arrays of a block. It can't be the name of an array."""


class Stored(dict[str, AnyArray]):
    """Items as the data of a block: arrays by name. The source's fingerprints and dead letters know this form."""


class Appendable(Protocol):
    """What this module needs of a `Ragged`."""

    @property
    def group(self) -> Group: ...
    @property
    def layout(self) -> Layout: ...
    def new_items(self, data: Any, casting: Casting) -> NewItems: ...
    def add(self, new: NewItems, attributes: ChangeAttributes) -> None: ...
    def value_arrays(self) -> Sequence[Array]: ...


class RaggedTarget:
    """A ragged array that grows by items."""

    def __init__(self, ragged: Appendable, casting: Casting) -> None:
        self._ragged = ragged
        self._casting: Casting = casting

    @property
    def path(self) -> str:
        return self._ragged.group.path

    def block(self, item: Any) -> Block:
        """Return a block of the items in `item`. One that does not fit is kept as it is, and fails in `rows`."""
        several = isinstance(item, Items)
        try:
            items = self._convert(item if several else [item]).items
        except (ArgumentError, TypeError, ValueError):
            return Block(item)
        return Block(Stored({**items.fields, **items.item_fields, LENGTHS: items.lengths}))

    def reached(self, key: str) -> Position:
        return reached(hierarchy.load_group(self._ragged.group.location.direct, 3).attributes, key)

    def rows(self, block: Block) -> int:
        """Return the number of items."""
        return len(self._items(block).items)

    def rows_of(self, block: Block) -> int:
        """Return the number of values, which is what fills chunks."""
        return int(block.data[LENGTHS].sum()) if isinstance(block.data, Stored) else 0

    def rows_per_commit(self) -> int:
        return max([rows_to_fill(array, 0) for array in self._ragged.value_arrays()])

    def commit(self, blocks: Sequence[Block], key: str, before: Position, after: Position) -> None:
        found = [self._items(block).items for block in blocks]
        new = self._convert(joined(found) if found else [])
        self._ragged.add(new, partial(moved, key=key, before=before, after=after))

    def _items(self, block: Block) -> NewItems:
        if block.region is not None:
            raise ArgumentError("a block for a ragged array is appended: it can't have a region")
        if not isinstance(block.data, Stored):
            return self._convert(block.data if isinstance(block.data, Items) else [block.data])
        fields = {**block.data}
        lengths = fields.pop(LENGTHS)
        layout = self._ragged.layout
        return self._convert(
            Items(
                {name: fields[name] for name in layout.fields},
                lengths,
                {name: fields[name] for name in layout.item_fields},
            )
        )

    def _convert(self, data: Any) -> NewItems:
        return self._ragged.new_items(data, self._casting)
