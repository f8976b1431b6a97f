"""Position of a source, stored in the attributes of its target.

The attributes and the shape are parts of one metadata document (Zarr v3, ``zarr.json``). One atomic put changes both.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from exzarr._format.json_text import encode
from exzarr.errors import ArgumentError, MetadataError

__all__ = ["ATTRIBUTE", "START", "Position", "as_stored", "check_key", "reached", "with_position"]

ATTRIBUTE = "exzarr_ingest"
"""Name of the attribute with the positions: an object with a member for the key of each source."""


@dataclass(frozen=True, slots=True)
class Position:
    """Progress of one source.

    Attributes
    ----------
    blocks
        Number of processed blocks: stored, or left out after they failed.
    rows
        Number of rows that they added.
    failed
        Number of blocks that were left out.
    position
        Position in the source's own form; None before the first block.
    by
        Identifier of the run of `exzarr.ingest` that wrote this position. A run recognizes its own commit if the
        answer to the put was lost.
    first, last
        Fingerprints of the source's first block and of the last processed block. None if the position was stored by a
        version of exzarr without fingerprints.
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
    """Return a source's position, or a whole `Position`, as JSON text. JSON changes tuples and NumPy numbers."""
    return encode(asdict(position) if isinstance(position, Position) else position, indent=None)


def check_key(key: str) -> str:
    """Return the key of a source; raise ArgumentError if it is invalid."""
    if not isinstance(key, str) or not key:
        raise ArgumentError(f"key names the source and must be a string that is not empty, not {key!r}")
    return key


def reached(attributes: Mapping[str, Any], key: str) -> Position:
    """Return the position of the source `key`; `START` if nothing of it is stored."""
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
    """Return `attributes` with a new position of the source `key`."""
    states = {**attributes.get(ATTRIBUTE, {}), key: asdict(position)}
    return {**attributes, ATTRIBUTE: states}
