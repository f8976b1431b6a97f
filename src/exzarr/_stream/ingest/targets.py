"""Targets of an ingestion: an array, or arrays of a group that grow together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from exzarr._nodes.array import Array
from exzarr._nodes.casting import Casting, check_casting
from exzarr._nodes.group import Group
from exzarr._stream.ingest.blocks import Block
from exzarr._stream.ingest.position import Position, as_stored, reached, with_position
from exzarr.errors import ArgumentError, IngestConflictError, ReadOnlyError, UnsupportedError

__all__ = ["Ingestible", "Target", "moved", "open_target"]


class Target(Protocol):
    """A target that blocks are appended to."""

    @property
    def path(self) -> str: ...

    def block(self, item: Any) -> Block:
        """Return what the source yielded as a block. This never fails: `rows` and `commit` check the block."""
        ...

    def reached(self, key: str) -> Position:
        """Return the stored position of the source `key`."""
        ...

    def rows(self, block: Block) -> int:
        """Return the number of rows that `block` adds. Raise ArgumentError if the block does not fit this target."""
        ...

    def rows_of(self, block: Block) -> int:
        """Return the number of rows without a complete check; 0 if the block is invalid."""
        ...

    def rows_per_commit(self) -> int:
        """Return the number of rows that fill the chunks that all workers write concurrently."""
        ...

    def commit(self, blocks: Sequence[Block], key: str, before: Position, after: Position) -> None:
        """Store `blocks` and the new position `after` of the source `key`, atomically.

        Raise IngestConflictError if the stored position is no longer `before`.
        """
        ...


@runtime_checkable
class Ingestible(Protocol):
    """An object that is not an array or a group and can be the target of an ingestion, such as `exzarr.ragged.Ragged`."""

    def ingest_target(self, axis: int | str, casting: Casting, *, reading: bool) -> Target:
        """Return the target. Raise ReadOnlyError if it can't be written, unless it is only for `reading`."""
        ...


def open_target(
    target: Any, axis: int | str, *, casting: Casting = "same_kind", reading: bool = False
) -> Target:
    """Return the target for an array, a group, or an object that has one."""
    check_casting(casting)
    if isinstance(target, Ingestible):
        return target.ingest_target(axis, casting, reading=reading)
    from exzarr._stream.ingest.array_target import ArrayTarget
    from exzarr._stream.ingest.group_target import GroupTarget

    if not isinstance(target, Array | Group):
        raise ArgumentError(
            f"the target of an ingestion must be an Array, a Group or a Ragged, not {type(target).__name__}"
        )
    if target.zarr_format != 3:
        raise UnsupportedError(
            f"{target.name!r} has Zarr format 2, where the shape and the attributes are two documents, which can't "
            "change together: ingestion requires format 3 (exzarr.convert converts the array)"
        )
    if target.read_only and not reading:
        raise ReadOnlyError(f"{target.name!r} in {target.store} is read-only: open it with mode='r+'")
    return (
        ArrayTarget(target, axis, casting)
        if isinstance(target, Array)
        else GroupTarget(target, axis, casting)
    )


def _check_lease(found: Position, key: str, before: Position, after: Position) -> bool:
    """Return True if the commit may proceed, False if this run has committed it already. Raise if another run has."""
    stored = as_stored(found)
    if stored == as_stored(before):
        return True
    if stored == as_stored(after):
        return False
    raise IngestConflictError(
        f"source {key!r} is at block {found.blocks} now, not at {before.blocks}, where this run left it: another process "
        "ingests with the same key. Give each source a key of its own, or run one at a time"
    )


def moved(
    attributes: Mapping[str, Any], key: str, before: Position, after: Position
) -> dict[str, Any] | None:
    """Return `attributes` with the position `after`, or None if this run has committed it already."""
    if not _check_lease(reached(attributes, key), key, before, after):
        return None
    return with_position(attributes, key, after)
