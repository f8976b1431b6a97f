"""What a check gives: findings, to print, to hand on, or to plan a repair from."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from exzarr._tools.check.findings import KINDS, Finding

if TYPE_CHECKING:
    from exzarr._tools.check.plan import RepairPlan

__all__ = ["CheckReport"]


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What was found. Printing it shows it.

    Attributes
    ----------
    place, path
        What was checked, and its path in the store.
    deep
        Whether chunks were decoded.
    findings
        What is wrong: errors first, then warnings, then notes.
    unsettled
        What looked wrong and may be somebody's work in progress: check again later.
    more
        ``(code, path of the node, number)`` of findings that were too many to be kept.
    arrays, groups
        How many there are.
    chunks
        Stored chunks (shards, where there are shards).
    quarantines
        Prefixes under which damaged chunks are kept since a repair.
    seconds
        How long it took.
    """

    place: str
    deep: bool
    findings: tuple[Finding, ...]
    unsettled: tuple[Finding, ...]
    more: tuple[tuple[str, str, int], ...]
    arrays: int
    groups: int
    chunks: int
    quarantines: tuple[str, ...]
    seconds: float
    path: str = ""

    @property
    def ok(self) -> bool:
        """Whether there are no errors; there may be warnings and notes."""
        return not any(finding.is_error for finding in self.findings)

    @property
    def codes(self) -> tuple[str, ...]:
        """The codes of all findings, each once."""
        return tuple(sorted({finding.code for finding in self.findings}))

    def plan(self, *, quarantine: bool = False) -> RepairPlan:
        """What `exzarr.repair` would do about it: printing it shows it, nothing is done.

        With `quarantine`, chunks that cannot be decoded are moved out of sight, too, so that they
        read as missing; what can be rescued of their shards is.
        """
        from exzarr._tools.check.plan import make_plan

        return make_plan(self, quarantine=quarantine)

    def to_json(self) -> str:
        """The report as JSON."""
        return json.dumps(self.asdict(), indent=2)

    def asdict(self) -> dict[str, Any]:
        """The report as a plain dict."""
        return {
            "place": self.place,
            "ok": self.ok,
            "deep": self.deep,
            "arrays": self.arrays,
            "groups": self.groups,
            "chunks": self.chunks,
            "findings": [finding.asdict() for finding in self.findings],
            "unsettled": [finding.asdict() for finding in self.unsettled],
            "more": [{"code": code, "path": "/" + path, "count": n} for code, path, n in self.more],
            "quarantines": [*self.quarantines],
            "seconds": round(self.seconds, 6),
        }

    def counts(self) -> dict[str, int]:
        """How many findings there are of each severity, those that were not kept among them."""
        counts = Counter({"error": 0, "warning": 0, "note": 0})
        counts.update(finding.severity for finding in self.findings)
        for code, _, n in self.more:
            counts[KINDS[code].severity] += n
        return dict(counts)

    def summary(self) -> str:
        """One line about what was checked and found."""
        nodes = f"{_count(self.arrays, 'array')}, {_count(self.groups, 'group')}"
        how = "decoded" if self.deep else "not decoded"
        checked = f"{nodes}, {_count(self.chunks, 'stored chunk')} ({how}) in {self.seconds:.3g} s"
        found = [_count(n, severity) for severity, n in self.counts().items() if n]
        return f"{checked}: {', '.join(found) or 'nothing is wrong'}"

    def by_code(self) -> dict[str, list[Finding]]:
        """The findings, sorted by their code."""
        found: dict[str, list[Finding]] = {}
        for finding in self.findings:
            found.setdefault(finding.code, []).append(finding)
        return found

    def lines(self, code: str) -> list[str]:
        """What there is to say about the findings of one code."""
        kind = KINDS[code]
        return [
            *[f"  {f.key or '/'}: {f.detail}" for f in self.findings if f.code == code],
            *[f"  and {n:,} more below {path or '/'}" for other, path, n in self.more if other == code],
            f"  means: {kind.meaning}",
            f"  repair: {kind.repair}" + (" (on request)" if kind.on_request else ""),
        ]

    def tail(self) -> list[str]:
        """What there is to say beside the findings."""
        lines = []
        if self.unsettled:
            lines += ["", "not settled, as somebody may be at work there; check again later:"]
            lines += [f"  {f.key or '/'}: {f.kind.title} ({f.detail})" for f in self.unsettled]
        if self.quarantines:
            lines += ["", *[f"in quarantine since a repair: {key}" for key in self.quarantines]]
        return lines

    def __str__(self) -> str:
        lines = [self.place, f"  {self.summary()}"]
        for code in self.by_code():
            kind = KINDS[code]
            lines += ["", f"{code} {kind.severity}: {kind.title}", *self.lines(code)]
        return "\n".join([*lines, *self.tail()])


def _count(n: int, what: str) -> str:
    return f"{n:,} {what}{'' if n == 1 else 's'}"
