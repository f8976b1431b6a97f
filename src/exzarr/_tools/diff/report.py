"""The result of a comparison: differences to print, or to export as JSON."""

from __future__ import annotations

import enum
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final

import numpy as np

from exzarr._tools.plain import plain_json
from exzarr.telemetry.units import human_bytes

__all__ = ["ABSENT", "ASPECTS", "STORAGE", "DiffReport", "Difference", "ElementDiff", "NodeDiff", "Position"]

MOST_ROWS = 200
"""Maximum number of differences in the HTML of a report."""


class Absent(enum.Enum):
    """Sentinel of an attribute that one side lacks; None is a valid attribute."""

    ABSENT = "absent"

    def __repr__(self) -> str:
        return "(absent)"


ABSENT: Final = Absent.ABSENT

CONTENT = ("kind", "shape", "data_type", "dimension_names", "attributes")
STORAGE = ("zarr_format", "chunks", "shards", "codecs", "fill_value")
ASPECTS = (*CONTENT, *STORAGE)


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference in the metadata of a node.

    Attributes
    ----------
    aspect
        One of ``"kind"``, ``"shape"``, ``"data_type"``, ``"dimension_names"``, ``"attributes"``, ``"zarr_format"``,
        ``"chunks"``, ``"shards"``, ``"codecs"``, ``"fill_value"``.
    left, right
        The two values. If one side lacks an attribute, its value is `absent`.
    counts
        True if the nodes are different because of it. Otherwise it is only listed.
    key
        Name of the attribute; ``""`` for other aspects.
    """

    aspect: str
    left: Any
    right: Any
    counts: bool
    key: str = ""

    def asdict(self) -> dict[str, Any]:
        """Return the difference as a plain dict. An absent value has no member."""
        found: dict[str, Any] = {"aspect": self.aspect, "counts": self.counts}
        if self.aspect == "attributes":
            found["key"] = self.key
        sides = (("left", self.left), ("right", self.right))
        return {**found, **{name: plain_json(value) for name, value in sides if value is not ABSENT}}

    @property
    def name(self) -> str:
        """The aspect in words: ``data type``, ``attribute 'units'``."""
        return f"attribute {self.key!r}" if self.aspect == "attributes" else self.aspect.replace("_", " ")

    def __str__(self) -> str:
        note = "" if self.counts else " (does not count)"
        return f"{self.name}: {_short(self.left)} | {_short(self.right)}{note}"


@dataclass(frozen=True, slots=True)
class Position:
    """An element that differs: its index in the array, and both values."""

    index: tuple[int, ...]
    left: Any
    right: Any

    def __str__(self) -> str:
        return f"[{', '.join(map(str, self.index))}]: {_short(self.left)} | {_short(self.right)}"


@dataclass(frozen=True, slots=True)
class ElementDiff:
    """The comparison of the elements of two arrays.

    Attributes
    ----------
    compared, different
        Number of elements.
    absolute, relative
        Largest ``|left - right|`` and largest ``|left - right| / |right|`` of all compared numbers, differences within
        the tolerance included. Pairs with a NaN are excluded. None for other data types. An integer is exact.
    first
        The first differences, in C order of their index.
    chunks_compared
        Number of stored chunks (shards) whose bytes were compared, because both arrays have the same encoding.
    chunks_equal
        Number of these with equal bytes. They were not decoded.
    reason
        Why the elements were not compared; ``""`` if they were.
    """

    compared: int = 0
    different: int = 0
    absolute: int | float | None = None
    relative: float | None = None
    first: tuple[Position, ...] = ()
    chunks_compared: int = 0
    chunks_equal: int = 0
    reason: str = ""

    @property
    def equal(self) -> bool:
        """True if the elements were compared, and none differs."""
        return not self.different and not self.reason

    def asdict(self) -> dict[str, Any]:
        """Return the comparison as a plain dict."""
        return {
            "compared": self.compared,
            "different": self.different,
            "largest_absolute": plain_json(self.absolute),
            "largest_relative": plain_json(self.relative),
            "first": [
                {"index": [*one.index], "left": plain_json(one.left), "right": plain_json(one.right)}
                for one in self.first
            ],
            "chunks_compared": self.chunks_compared,
            "chunks_equal": self.chunks_equal,
            "reason": self.reason or None,
        }

    def __str__(self) -> str:
        if self.reason:
            return f"elements: not compared: {self.reason}"
        share = f" ({self.different / self.compared:.2%})" if self.different else ""
        text = f"elements: {self.different} of {self.compared} differ{share}"
        if self.different and self.absolute is not None and self.relative is not None:
            text += f"; largest absolute difference {self.absolute:.6g}, relative {self.relative:.6g}"
        return text


@dataclass(frozen=True, slots=True)
class NodeDiff:
    """The comparison of one node that both sides have.

    Attributes
    ----------
    path
        Relative to the compared nodes; ``""`` is the top node.
    metadata
        Differences of metadata and attributes.
    elements
        Comparison of the elements; None for groups.
    """

    path: str
    metadata: tuple[Difference, ...] = ()
    elements: ElementDiff | None = None

    @property
    def equal(self) -> bool:
        """True if nothing that counts differs."""
        alike = self.elements is None or self.elements.equal
        return alike and not any(one.counts for one in self.metadata)

    def asdict(self) -> dict[str, Any]:
        """Return the comparison as a plain dict."""
        return {
            "path": "/" + self.path,
            "equal": self.equal,
            "metadata": [one.asdict() for one in self.metadata],
            "elements": None if self.elements is None else self.elements.asdict(),
        }

    def lines(self) -> Iterator[str]:
        """Yield the lines that describe the differences."""
        yield from map(str, self.metadata)
        if self.elements is not None and not self.elements.equal:
            yield str(self.elements)
            yield from (f"  {one}" for one in self.elements.first)


@dataclass(frozen=True, slots=True)
class DiffReport:
    """The result of `exzarr.diff`. Print it to see the differences.

    Attributes
    ----------
    left, right
        Locations of the compared nodes.
    nodes
        Comparison of each node that both sides have, sorted by path.
    only_left, only_right
        Paths of the nodes that only one side has.
    left_out
        Nodes that were skipped because of ``on_error="skip"``: path and reason of each.
    notes
        Restrictions; empty if both stores have listed everything.
    bytes_compared
        Bytes of the compared elements, of one side.
    seconds
        Duration of the comparison.
    """

    left: str
    right: str
    nodes: tuple[NodeDiff, ...]
    only_left: tuple[str, ...] = ()
    only_right: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    bytes_compared: int = 0
    seconds: float = field(default=0.0, compare=False)

    @property
    def equal(self) -> bool:
        """True if nothing that counts differs, and no node was skipped."""
        alone = self.only_left or self.only_right or self.left_out
        return not alone and all(node.equal for node in self.nodes)

    def asdict(self) -> dict[str, Any]:
        """Return the report as a plain dict."""
        return {
            "left": self.left,
            "right": self.right,
            "equal": self.equal,
            "only_left": ["/" + path for path in self.only_left],
            "only_right": ["/" + path for path in self.only_right],
            "nodes": [node.asdict() for node in self.nodes],
            "left_out": [*self.left_out],
            "notes": [*self.notes],
            "bytes_compared": self.bytes_compared,
            "seconds": round(self.seconds, 6),
        }

    def to_json(self) -> str:
        """Return the report as JSON."""
        return json.dumps(self.asdict(), indent=2, allow_nan=False)

    def summary(self) -> str:
        """Return one line about what was compared and found."""
        compared = [node.elements for node in self.nodes if node.elements is not None]
        same, total = (
            sum(getattr(one, name) for one in compared) for name in ("chunks_equal", "chunks_compared")
        )
        differ = sum(not node.equal for node in self.nodes)
        text = f"{len(self.nodes)} node{'s' * (len(self.nodes) != 1)} compared, {differ} different"
        for side, paths in (("left", self.only_left), ("right", self.only_right)):
            text += f", {len(paths)} only in the {side}" * bool(paths)
        text += f"; {human_bytes(self.bytes_compared)} of elements in {self.seconds:.3g} s"
        return text + f"; {same} of {total} stored chunks have equal bytes" * bool(total)

    def rows(self) -> Iterator[tuple[str, str, str, str]]:
        """Yield the rows of a table: path of the node, what differs, value in the left, value in the right."""
        for path in self.only_left:
            yield f"/{path}", "node", "present", "missing"
        for path in self.only_right:
            yield f"/{path}", "node", "missing", "present"
        for node in self.nodes:
            for one in node.metadata:
                note = "" if one.counts else " (does not count)"
                yield f"/{node.path}", one.name + note, _short(one.left), _short(one.right)
            if node.elements is not None and not node.elements.equal:
                yield f"/{node.path}", str(node.elements), "", ""
                for at in node.elements.first:
                    yield f"/{node.path}", f"element {[*at.index]}", _short(at.left), _short(at.right)

    def __str__(self) -> str:
        lines = [f"left   {self.left}", f"right  {self.right}", self.summary()]
        for side, paths in (("left", self.only_left), ("right", self.only_right)):
            lines += [f"only in the {side}: /{path}" for path in paths]
        for node in self.nodes:
            found = [*node.lines()]
            lines += [f"/{node.path}", *[f"  {line}" for line in found]] if found else []
        lines += [f"left out: {one}" for one in self.left_out] + [f"note: {one}" for one in self.notes]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        from exzarr._html.fragments import facts, framed, heading, items, table

        rows = [*islice(self.rows(), MOST_ROWS + 1)]
        more = ["and more differences, which rows() yields"] if len(rows) > MOST_ROWS else []
        notes = [f"left out: {one}" for one in self.left_out] + [f"note: {one}" for one in self.notes]
        header = ("node", "what differs", "left", "right")
        return framed(
            heading("Equal" if self.equal else "Different", self.summary()),
            facts([("left", self.left), ("right", self.right)]),
            table(header, rows[:MOST_ROWS], frozenset(range(4))) if rows else "",
            items([*more, *notes]),
        )


def _short(value: Any) -> str:
    """Return a value for one line of text."""
    if isinstance(value, np.generic) and not isinstance(value, np.void | np.datetime64 | np.timedelta64):
        value = value.item()
    if isinstance(value, float) and math.isfinite(value):
        return repr(value)
    text = str(value) if isinstance(value, np.generic) else repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
