"""What a search with a predicate will read, and why."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from exzarr._typing import AnyArray
from exzarr.statistics.evidence import Evidence
from exzarr.statistics.query import Query
from exzarr.telemetry.units import human_bytes

__all__ = ["WhereExplanation", "explain"]


@dataclass(frozen=True, slots=True)
class WhereExplanation:
    """Chunks that a search leaves out and reads. Print it to see the figures.

    Chunks are inner chunks, if the array has shards. Bytes are those of encoded chunks.

    Attributes
    ----------
    array, predicate
        Path of the array, and the predicate as text.
    statistics
        Whether the array has statistics.
    chunks
        Chunks that the region touches.
    missing
        Of these, chunks that are not stored. They are never read.
    skipped, skipped_bytes
        Stored chunks in which no element can match. No method reads them.
    counted, counted_bytes
        Stored chunks whose statistics tell how many elements match. `Matches.count` and `any` do not read them. The other
        methods may have to.
    read, read_bytes
        Stored chunks that must be read.
    undecided
        Of these, chunks whose statistics are current and exclude nothing.
    changed
        Of these, chunks that changed after their statistics were stored (or whose shard did).
    without_entry
        Of these, chunks that have no statistics.
    """

    array: str
    predicate: str
    statistics: bool
    chunks: int
    missing: int
    skipped: int
    skipped_bytes: int
    counted: int
    counted_bytes: int
    read: int
    read_bytes: int
    undecided: int
    changed: int
    without_entry: int

    def asdict(self) -> dict[str, Any]:
        """Return the figures as a dict."""
        return asdict(self)

    def _facts(self) -> list[tuple[str, str]]:
        missing = f" ({self.missing:,} not stored)" if self.missing else ""
        reasons = {
            "no statistics": self.without_entry,
            "changed since": self.changed,
            "cannot be excluded": self.undecided,
        }
        why = ", ".join(f"{number:,} {reason}" for reason, number in reasons.items() if number)
        lines = [
            ("chunks", f"{self.chunks:,}{missing}"),
            ("skipped", f"{self.skipped:,} ({human_bytes(self.skipped_bytes)})"),
            ("counted", f"{self.counted:,} ({human_bytes(self.counted_bytes)})"),
            ("to read", f"{self.read:,} ({human_bytes(self.read_bytes)})" + (f": {why}" if why else "")),
        ]
        if not self.statistics:
            lines.append(("hint", "the array has no statistics: exzarr.statistics.build computes them"))
        return lines

    def _title(self) -> str:
        return f"searching {self.array or '/'} where {self.predicate}"

    def __str__(self) -> str:
        return "\n".join([self._title(), *[f"  {name:<10} {text}" for name, text in self._facts()]])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        from exzarr._html.fragments import facts, framed, heading

        sizes = {"skipped": self.skipped_bytes, "counted": self.counted_bytes, "to read": self.read_bytes}
        return framed(heading(self._title()), facts(self._facts(), sizes))


def explain(
    path: str, predicate: str, evidence: Evidence, query: Query, statistics: bool
) -> WhereExplanation:
    """Add up what is known about the chunks of a search."""
    stored = query.wanted & evidence.survey.stored
    nbytes = evidence.survey.nbytes

    def figures(chunks: AnyArray) -> tuple[int, int]:
        return int(np.count_nonzero(chunks)), int(nbytes[chunks].sum())

    skipped = figures(stored & query.excluded)
    counted = figures(stored & query.known & ~query.excluded)
    unknown = stored & ~query.known
    changed = unknown & ~evidence.proved & evidence.has_entry
    undecided = unknown & evidence.proved
    return WhereExplanation(
        path,
        predicate,
        statistics,
        int(np.count_nonzero(query.wanted)),
        int(np.count_nonzero(query.wanted & ~evidence.survey.stored)),
        *skipped,
        *counted,
        *figures(unknown),
        int(np.count_nonzero(undecided)),
        int(np.count_nonzero(changed)),
        int(np.count_nonzero(unknown & ~changed & ~undecided)),
    )
