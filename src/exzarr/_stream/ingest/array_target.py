"""Ingestion into one array."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from exzarr._format.metadata import ArrayMetadata
from exzarr._nodes.array import Array
from exzarr._nodes.casting import Casting
from exzarr._stream.ingest.append_batch import AppendBatch, axis_number, rows_to_fill
from exzarr._stream.ingest.blocks import Block, array_block
from exzarr._stream.ingest.position import Position, reached
from exzarr._stream.ingest.targets import moved
from exzarr.errors import ArgumentError

__all__ = ["ArrayTarget"]


class ArrayTarget:
    """An array that grows along one dimension."""

    def __init__(self, array: Array, axis: int | str, casting: Casting) -> None:
        self._array = array
        self._casting: Casting = casting
        self._axis = axis_number(array.metadata, axis)

    @property
    def path(self) -> str:
        return self._array.path

    def block(self, item: Any) -> Block:
        return array_block(item)

    def reached(self, key: str) -> Position:
        return reached(self._array.refresh().metadata.attributes, key)

    def rows(self, block: Block) -> int:
        return self._batch([block]).rows

    def rows_of(self, block: Block) -> int:
        shape = getattr(block.data, "shape", ())
        return int(shape[self._axis]) if block.region is None and len(shape) > self._axis else 0

    def rows_per_commit(self) -> int:
        return rows_to_fill(self._array, self._axis)

    def commit(self, blocks: Sequence[Block], key: str, before: Position, after: Position) -> None:
        batch = self._batch(blocks)

        def change(meta: ArrayMetadata) -> ArrayMetadata:
            attributes = moved(meta.attributes, key, before, after)
            return meta if attributes is None else batch.extended(meta).with_(attributes=attributes)

        self._array._transact(change, lambda old, new, place: batch.store(self._array, old, new, place))

    def _batch(self, blocks: Sequence[Block]) -> AppendBatch:
        for block in blocks:
            if isinstance(block.data, dict):
                raise ArgumentError("a block for an array is an array, not a mapping: those are for groups")
        items = [(block.region, block.data) for block in blocks]
        return AppendBatch.of(items, self._array.metadata, self._axis, self._casting)
