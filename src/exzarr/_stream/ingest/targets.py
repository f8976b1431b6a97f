"""What is ingested into: an array, or arrays of a group that grow together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from exzarr._nodes.array import Array
from exzarr._nodes.casting import Casting, check_casting
from exzarr._nodes.group import Group
from exzarr._stream.ingest.blocks import Block
from exzarr._stream.ingest.position import Position, as_stored
from exzarr.errors import ArgumentError, IngestConflictError, ReadOnlyError, UnsupportedError

__all__ = ["Target", "check_lease", "open_target"]


class Target(Protocol):
    """Where blocks go."""

    @property
    def path(self) -> str: ...

    def reached(self, key: str) -> Position:
        """How far the source called `key` is, by the stored document."""
        ...

    def rows(self, block: Block) -> int:
        """How many rows `block` adds. ArgumentError where it is no block for this target."""
        ...

    def rows_of(self, block: Block) -> int:
        """The same, without looking closely: 0 where there is something wrong with the block."""
        ...

    def rows_at_once(self) -> int:
        """How many rows fill the chunks that all workers write at a time."""
        ...

    def commit(self, blocks: Sequence[Block], key: str, before: Position, after: Position) -> None:
        """Store `blocks`, and that the source called `key` is at `after`: all of it or nothing.

        IngestConflictError where it is not at `before` any more.
        """
        ...


def open_target(
    target: Any, axis: int | str, *, casting: Casting = "same_kind", reading: bool = False
) -> Target:
    """The target that a user means by an array or a group."""
    check_casting(casting)
    from exzarr._stream.ingest.array_target import ArrayTarget
    from exzarr._stream.ingest.group_target import GroupTarget

    if not isinstance(target, Array | Group):
        raise ArgumentError(f"what is ingested into is an Array or a Group, not {type(target).__name__}")
    if target.zarr_format != 3:
        raise UnsupportedError(
            f"{target.name!r} has Zarr format 2, where the shape and the attributes are two documents, which can't "
            "change at once: ingestion needs format 3 (exzarr.convert makes it)"
        )
    if target.read_only and not reading:
        raise ReadOnlyError(f"{target.name!r} in {target.store} is read-only: open it with mode='r+'")
    return (
        ArrayTarget(target, axis, casting)
        if isinstance(target, Array)
        else GroupTarget(target, axis, casting)
    )


def check_lease(found: Position, key: str, before: Position, after: Position) -> bool:
    """Whether it is our turn: false where what we want to commit is there already, by ourselves."""
    stored = as_stored(found)
    if stored == as_stored(before):
        return True
    if stored == as_stored(after):
        return False
    raise IngestConflictError(
        f"source {key!r} is at block {found.blocks} now, not at {before.blocks}, where this run left it: another process "
        "ingests with the same key. Give each source a key of its own, or run one at a time"
    )
