"""Append items to the arrays of a ragged array, in one commit (`exzarr._nodes.joint_commit`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from exzarr._format.appends import Reach
from exzarr._format.metadata import ArrayMetadata, GroupMetadata
from exzarr._format.ragged import Layout
from exzarr._nodes.array import Array
from exzarr._nodes.casting import Casting
from exzarr._nodes.group import Group
from exzarr._nodes.hierarchy import Location
from exzarr._nodes.joint_commit import Nodes, commit_together
from exzarr._stream.ingest.append_batch import AppendBatch
from exzarr._typing import AnyArray
from exzarr.errors import ArgumentError
from exzarr.ragged.convert import as_items
from exzarr.ragged.items import Items

__all__ = ["ChangeAttributes", "NewItems"]

ChangeAttributes = Callable[[Mapping[str, Any]], Mapping[str, Any] | None]
"""Gets the stored attributes of the group, and returns the new ones; None to change nothing at all."""


@dataclass(frozen=True, slots=True, eq=False)
class NewItems:
    """Items that fit a ragged array, converted to its data types.

    Attributes
    ----------
    items
        The items.
    layout
        The ragged array's arrays.
    where
        The ragged array's name, for messages.
    casting
        Allowed conversions.
    """

    items: Items
    layout: Layout
    where: str
    casting: Casting

    @classmethod
    def of(
        cls, data: Any, layout: Layout, arrays: Mapping[str, ArrayMetadata], where: str, casting: Casting
    ) -> NewItems:
        """Convert `data`. Raise ArgumentError if it does not fit the arrays."""
        items = as_items(data, layout)
        for what, given, own in (
            ("fields", items.fields, layout.fields),
            ("fields of items", items.item_fields, layout.item_fields),
        ):
            if {*given} != {*own}:
                raise ArgumentError(f"ragged array {where} has the {what} {sorted(own)}, not {sorted(given)}")
        items = _typed(items, layout, arrays)
        made = cls(items, layout, where, casting)
        made._batches(arrays, 0)  # a check, before anything is locked
        return made

    def commit(self, group: Group, arrays: Mapping[str, Array], attributes: ChangeAttributes) -> bool:
        """Append the items to the `arrays` of `group`, and change the group's attributes, in one commit.

        Returns
        -------
        bool
            False if `attributes` returned None: then nothing was changed.
        """
        batches: Mapping[str, AppendBatch] = {}
        committed = False

        def plan(known: Nodes, _: Reach) -> Nodes | None:
            nonlocal batches, committed
            stored = known[""]
            assert isinstance(stored, GroupMetadata)
            changed = attributes(stored.attributes)
            committed = changed is not None
            if changed is None:
                return None
            found = {name: meta for name, meta in known.items() if isinstance(meta, ArrayMetadata)}
            batches = self._batches(found, self.layout.lengths(found, self.where).values)
            grown = {name: batch.extended(found[name]) for name, batch in batches.items()}
            return {**grown, "": stored.with_(attributes=dict(changed))}

        def write(known: Nodes, changed: Nodes, at: Location) -> None:
            for name, batch in batches.items():
                before, after = known[name], changed[name]
                assert isinstance(before, ArrayMetadata)
                assert isinstance(after, ArrayMetadata)
                batch.store(arrays[name], before, after, at.child(name))

        commit_together(group.location, group.metadata, plan, write)
        return committed

    def _batches(self, known: Mapping[str, ArrayMetadata], start: int) -> dict[str, AppendBatch]:
        data: dict[str, AnyArray] = {**self.items.fields, **self.items.item_fields}
        if self.layout.row_size is not None:
            data[self.layout.row_size] = self.items.lengths
        if self.layout.offsets is not None:
            data[self.layout.offsets] = start + np.cumsum(self.items.lengths)
        batches = {}
        for name, values in data.items():
            try:
                batches[name] = AppendBatch.of([(None, values)], known[name], 0, self.casting)
            except ArgumentError as error:
                raise ArgumentError(f"array {name!r} of ragged array {self.where}: {error}") from error
        return batches


def _typed(items: Items, layout: Layout, arrays: Mapping[str, ArrayMetadata]) -> Items:
    """Return `items`; with the arrays' data types where there are no values, which have none of their own."""
    fields, item_fields = items.fields, items.item_fields
    if not items.lengths.any():
        fields = {name: _empty(arrays[name]) for name in layout.fields}
    if not len(items):
        item_fields = {name: _empty(arrays[name]) for name in layout.item_fields}
    return Items(fields, items.lengths, item_fields)


def _empty(meta: ArrayMetadata) -> AnyArray:
    return np.empty((0, *meta.shape[1:]), meta.data_type.dtype)
