"""Ingestion into arrays of a group that grow together.

The group's own document makes the commit atomic: it holds the consolidated metadata of all arrays, and the position.
`_nodes.joint_commit` puts it last. Readers that open the arrays through the group see all of them grown or none.
exzarr, zarr-python and xarray do this by themselves if there is consolidated metadata.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from exzarr._format.appends import Reach
from exzarr._format.metadata import ArrayMetadata, GroupMetadata
from exzarr._nodes import hierarchy
from exzarr._nodes.array import Array
from exzarr._nodes.casting import Casting
from exzarr._nodes.group import Group
from exzarr._nodes.hierarchy import Location
from exzarr._nodes.joint_commit import Nodes, commit_together
from exzarr._stream.ingest.append_batch import AppendBatch, axis_number, rows_to_fill
from exzarr._stream.ingest.blocks import Block, array_block
from exzarr._stream.ingest.position import Position, reached
from exzarr._stream.ingest.targets import moved
from exzarr.errors import ArgumentError, IngestError

__all__ = ["GroupTarget"]


class GroupTarget:
    """Arrays below a group, at any depth, that grow along one dimension."""

    def __init__(self, group: Group, axis: int | str, casting: Casting) -> None:
        self._group = group
        self._casting: Casting = casting
        self._axis = axis
        self._arrays: dict[str, Array] = {}

    @property
    def path(self) -> str:
        return self._group.path

    def block(self, item: Any) -> Block:
        return array_block(item)

    def reached(self, key: str) -> Position:
        return reached(self._stored().attributes, key)

    def rows(self, block: Block) -> int:
        counts = {name: batch.rows for name, batch in self._batches([block]).items()}
        if len({*counts.values()}) > 1:
            raise ArgumentError(f"the arrays of one block grow by the same number of rows, not by {counts}")
        return next(iter(counts.values()))

    def rows_of(self, block: Block) -> int:
        if not isinstance(block.data, Mapping) or not block.data:
            return 0
        name, data = next(iter(block.data.items()))
        axis, shape = self._axis_of(name), getattr(data, "shape", ())
        return int(shape[axis]) if axis is not None and len(shape) > axis else 0

    def rows_per_commit(self) -> int:
        lengths = [1]
        for name, node in self._group.walk():
            axis = self._axis_of(name) if isinstance(node, Array) else None
            if axis is not None:
                lengths.append(rows_to_fill(self._array(name), axis))
        return max(lengths)

    def commit(self, blocks: Sequence[Block], key: str, before: Position, after: Position) -> None:
        batches = self._batches(blocks)

        def plan(known: Nodes, _: Reach) -> Nodes | None:
            group = known[""]
            assert isinstance(group, GroupMetadata)
            attributes = moved(group.attributes, key, before, after)
            if attributes is None:
                return None
            arrays = _arrays(known)
            self._check_lengths(arrays, batches)
            grown = {name: batch.extended(arrays[name]) for name, batch in batches.items()}
            return {**grown, "": group.with_(attributes=attributes)}

        def write(known: Nodes, changed: Nodes, at: Location) -> None:
            arrays, grown = _arrays(known), _arrays(changed)
            for name, batch in batches.items():
                batch.store(self._array(name), arrays[name], grown[name], at.child(name))

        commit_together(self._group.location, self._group.metadata, plan, write)

    # -- the blocks --------------------------------------------------------------------

    def _batches(self, blocks: Sequence[Block]) -> dict[str, AppendBatch]:
        if not blocks:
            return {}
        names = None
        for block in blocks:
            if not isinstance(block.data, Mapping) or not block.data:
                raise ArgumentError(
                    "a block for a group is a mapping from names of its arrays to what they get"
                )
            if block.region is not None:
                raise ArgumentError("a block for a group is appended: it can't have a region")
            if names is not None and {*block.data} != names:
                raise ArgumentError(
                    f"every block has the same arrays: {sorted(names)}, not {sorted(block.data)}"
                )
            names = {*block.data}
        batches = {}
        for name in sorted(names or ()):
            meta = self._array(name).metadata
            try:
                items = [(None, block.data[name]) for block in blocks]
                batches[name] = AppendBatch.of(items, meta, axis_number(meta, self._axis), self._casting)
            except ArgumentError as error:
                raise ArgumentError(f"array {name!r}: {error}") from error
        return batches

    def _array(self, name: str) -> Array:
        found = self._arrays.get(name)
        if found is None:
            try:
                node = self._group[name]
            except KeyError as error:
                raise ArgumentError(f"there is no array {name!r} in group {self._group.name!r}") from error
            if not isinstance(node, Array):
                raise ArgumentError(f"{name!r} in group {self._group.name!r} is a group, not an array")
            found = self._arrays[name] = node
        return found

    def _axis_of(self, name: str) -> int | None:
        try:
            return axis_number(self._array(name).metadata, self._axis)
        except ArgumentError:
            return None

    # -- what is stored ----------------------------------------------------------------

    def _stored(self) -> GroupMetadata:
        return hierarchy.load_group(self._group.location.direct, 3)

    def _check_lengths(self, known: Mapping[str, ArrayMetadata], batches: Mapping[str, AppendBatch]) -> None:
        """Raise IngestError if the arrays differ in length, ArgumentError if the blocks omit an array of this dimension."""
        lengths = {name: known[name].shape[batch.axis] for name, batch in batches.items() if name in known}
        if len({*lengths.values()}) > 1:
            raise IngestError(
                f"the arrays differ in length already, {lengths}: one of them was changed separately. Resize them to one "
                "length, and consolidate the metadata, before you ingest more"
            )
        grow = {_dimension(known[name], batch.axis) for name, batch in batches.items() if name in known}
        for name, meta in known.items():
            shared = grow.intersection(meta.dimension_names or ()) - {None}
            if shared and name not in batches and batches:
                raise ArgumentError(
                    f"array {name!r} has dimension {shared.pop()!r}, too, and would stay behind: include it in every block"
                )


def _dimension(meta: ArrayMetadata, axis: int) -> str | None:
    return meta.dimension_names[axis] if meta.dimension_names else None


def _arrays(nodes: Nodes) -> dict[str, ArrayMetadata]:
    return {path: node for path, node in nodes.items() if isinstance(node, ArrayMetadata)}
