"""Where a source has got to: kept in the attributes of what it fills.

The attributes and the shape are parts of one metadata document (Zarr v3, ``zarr.json``), so that one
put, which is atomic, moves both on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from exzarr._format.json_text import encode
from exzarr.errors import ArgumentError, MetadataError

__all__ = ["ATTRIBUTE", "START", "Position", "as_stored", "check_key", "reached", "with_position"]

ATTRIBUTE = "exzarr_ingest"
"""The attribute that holds the positions: an object with a member for each source's key."""


@dataclass(frozen=True, slots=True)
class Position:
    """How far one source is.

    Attributes
    ----------
    blocks
        Blocks that are over and done with: stored, or left out after they failed.
    rows
        Rows that they have added.
    failed
        How many of the blocks were left out.
    position
        Where the source stands, in its own words; None before the first block.
    by
        Which run of `exzarr.ingest` wrote this: it knows its own commit again where the answer to it was lost.
    first, last
        Fingerprints of the source's first block, and of the last one that is over and done with. None where the
        position was stored by a version of exzarr that kept none.
    """

    blocks: int = 0
    rows: int = 0
    failed: int = 0
    position: Any = None
    by: str = ""
    first: str | None = None
    last: str | None = None


START = Position()


def as_stored(position: Any) -> bytes:
    """A source's position, or a whole `Position`, as its JSON text: stored tuples and NumPy numbers come back as others."""
    return encode(asdict(position) if isinstance(position, Position) else position, indent=None)


def check_key(key: str) -> str:
    """The name of a source, or ArgumentError."""
    if not isinstance(key, str) or not key:
        raise ArgumentError(f"key names the source, and is a string that is not empty, not {key!r}")
    return key


def reached(attributes: Mapping[str, Any], key: str) -> Position:
    """How far the source called `key` is; `START` where nothing of it is there."""
    states = attributes.get(ATTRIBUTE, {})
    state = states.get(key) if isinstance(states, Mapping) else states
    if state is None:
        return START
    try:
        found = Position(**state)
        counts = (found.blocks, found.rows, found.failed)
        prints = (found.first, found.last)
        if all(type(count) is int and count >= 0 for count in counts) and all(
            known is None or isinstance(known, str) for known in prints
        ):
            return found
    except TypeError:
        pass
    raise MetadataError(
        f"attribute {ATTRIBUTE!r} does not hold a position of source {key!r}: {state!r}. exzarr.ingest writes it. Restore "
        "its value, or delete it: then the source starts again at its first block"
    )


def with_position(attributes: Mapping[str, Any], key: str, position: Position) -> dict[str, Any]:
    """`attributes`, with another position of the source called `key`."""
    states = {**attributes.get(ATTRIBUTE, {}), key: asdict(position)}
    return {**attributes, ATTRIBUTE: states}
