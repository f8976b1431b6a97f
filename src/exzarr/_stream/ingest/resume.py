"""Opens a source at the stored position, or at its first block and drops the stored blocks."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

from exzarr._stream.ingest.blocks import AsBlock, Numbered, Source, numbered
from exzarr._stream.ingest.fingerprint import fingerprint
from exzarr._stream.ingest.position import Position, as_stored
from exzarr.errors import ArgumentError, IngestConflictError

__all__ = ["open_source"]


def open_source(
    source: Source, reached: Position, key: str, as_block: AsBlock, *, continues: bool = False
) -> Iterator[Numbered]:
    """Return the blocks of `source` after the position `reached`.

    A function is called with the position. An iterable starts there if it `continues`. Otherwise the iterable holds all
    blocks: the stored ones are compared with the position's fingerprints and dropped. `as_block` is the target's.
    """
    done = reached.blocks
    if callable(source):
        if continues:
            raise ArgumentError(
                "continues=True is for an iterable that starts at the stored position; a function is called with the "
                "position. Leave out continues=True, or call the function and pass what it returns"
            )
        items = iter(source(reached.position))
    else:
        try:
            items = iter(source)
        except TypeError:
            raise ArgumentError(
                f"a source is an iterable of blocks, or a function of a position, not {type(source).__name__}"
            ) from None
        if done and not continues:
            return _after(items, reached, key, as_block)
    return _numbered(items, done, as_block)


def _numbered(items: Iterator[Any], done: int, as_block: AsBlock) -> Iterator[Numbered]:
    return (numbered(number, item, as_block) for number, item in enumerate(items, done))


def _after(items: Iterator[Any], reached: Position, key: str, as_block: AsBlock) -> Iterator[Numbered]:
    """Yield the blocks after the stored ones. Raise IngestConflictError if the stored blocks are different."""
    done, number = reached.blocks, -1
    for number, item in enumerate(islice(items, done)):
        if number == 0 and reached.first is not None:
            _compare(numbered(number, item, as_block), reached.first, key)
        if number == done - 1:
            block = numbered(number, item, as_block)
            own = block.block.position
            if own is not None and as_stored(own) != as_stored(reached.position):
                raise _conflict(
                    key,
                    f"block {number} of the iterable ends at {block.position!r}, the stored one at {reached.position!r}",
                )
            if reached.last is not None:
                _compare(block, reached.last, key)
    if 0 <= number < done - 1:
        raise _conflict(key, f"the iterable has only {number + 1} blocks, and {done} are stored")
    yield from _numbered(items, done, as_block)


def _compare(block: Numbered, stored: str, key: str) -> None:
    if fingerprint(block.block) != stored:
        raise _conflict(
            key, f"block {block.number} of the iterable is not block {block.number} that is stored"
        )


def _conflict(key: str, why: str) -> IngestConflictError:
    return IngestConflictError(
        f"source {key!r} can't be resumed: {why}. Nothing was added. An iterable has to hold all blocks from the first "
        "one on, because the blocks that are stored are dropped from it. If this one starts at the stored position "
        "(exzarr.ingest_position), pass continues=True; or pass a function, which is called with the position"
    )
