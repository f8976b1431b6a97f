"""The result of a check: findings to print, export as JSON, or plan a repair from."""

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
    """The result of `exzarr.check`. Print it to see all findings.

    Attributes
    ----------
    place, path
        The checked node: its location, and its path in the store.
    deep
        True if chunks were decoded.
    findings
        The problems found: errors first, then warnings, then notes.
    unsettled
        Possible problems that may be another process's work in progress. Check again later.
    more
        ``(code, path of the node, number)`` of findings over the limit, which were counted but not kept.
    arrays, groups
        Number of arrays and groups.
    chunks
        Number of stored chunks (shards, if the array has shards).
    quarantines
        Prefixes to which repairs have moved damaged chunks.
    seconds
        Duration of the check.
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
        """True if there are no errors. There may be warnings and notes."""
        return not any(finding.is_error for finding in self.findings)

    @property
    def codes(self) -> tuple[str, ...]:
        """Codes of all findings, each once, sorted."""
        return tuple(sorted({finding.code for finding in self.findings}))

    def plan(self, *, quarantine: bool = False) -> RepairPlan:
        """Plan a repair of the findings. Nothing is changed: print the plan, then pass it to `exzarr.repair`.

        Parameters
        ----------
        quarantine
            Also move chunks that cannot be decoded into quarantine. They then read as missing. The inner chunks of
            damaged shards are rescued if they can be decoded.

        Returns
        -------
        RepairPlan
            The actions, and the findings that are not repaired.
        """
        from exzarr._tools.check.plan import make_plan

        return make_plan(self, quarantine=quarantine)

    def to_json(self) -> str:
        """Return the report as JSON."""
        return json.dumps(self.asdict(), indent=2)

    def asdict(self) -> dict[str, Any]:
        """Return the report as a plain dict."""
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
        """Count the findings of each severity, including those over the limit."""
        counts = Counter({"error": 0, "warning": 0, "note": 0})
        counts.update(finding.severity for finding in self.findings)
        for code, _, n in self.more:
            counts[KINDS[code].severity] += n
        return dict(counts)

    def summary(self) -> str:
        """Return one line about what was checked and found."""
        nodes = f"{_count(self.arrays, 'array')}, {_count(self.groups, 'group')}"
        how = "decoded" if self.deep else "not decoded"
        checked = f"{nodes}, {_count(self.chunks, 'stored chunk')} ({how}) in {self.seconds:.3g} s"
        found = [_count(n, severity) for severity, n in self.counts().items() if n]
        return f"{checked}: {', '.join(found) or 'no problems found'}"

    def by_code(self) -> dict[str, list[Finding]]:
        """Group the findings by their code."""
        found: dict[str, list[Finding]] = {}
        for finding in self.findings:
            found.setdefault(finding.code, []).append(finding)
        return found

    def lines(self, code: str) -> list[str]:
        """Return the lines that describe the findings of one code."""
        kind = KINDS[code]
        return [
            *[f"  {f.key or '/'}: {f.detail}" for f in self.findings if f.code == code],
            *[f"  and {n:,} more below {path or '/'}" for other, path, n in self.more if other == code],
            f"  means: {kind.meaning}",
            f"  repair: {kind.repair}" + (" (on request)" if kind.on_request else ""),
        ]

    def tail(self) -> list[str]:
        """Return the lines that follow the findings: unsettled ones, and quarantines."""
        lines = []
        if self.unsettled:
            lines += ["", "unsettled, because another process may be writing; check again later:"]
            lines += [f"  {f.key or '/'}: {f.kind.title} ({f.detail})" for f in self.unsettled]
        if self.quarantines:
            lines += ["", *[f"quarantine of an earlier repair: {key}" for key in self.quarantines]]
        return lines

    def __str__(self) -> str:
        lines = [self.place, f"  {self.summary()}"]
        for code in self.by_code():
            kind = KINDS[code]
            lines += ["", f"{code} {kind.severity}: {kind.title}", *self.lines(code)]
        return "\n".join([*lines, *self.tail()])

    def _repr_html_(self) -> str:
        from exzarr._html.fragments import folded, framed, heading, items

        found = [
            folded(
                f"{code} {KINDS[code].severity}: {KINDS[code].title}", items(self.lines(code)), opened=True
            )
            for code in self.by_code()
        ]
        return framed(heading(self.place, self.summary()), *found, items(filter(None, self.tail())))


def _count(n: int, what: str) -> str:
    return f"{n:,} {what}{'' if n == 1 else 's'}"
