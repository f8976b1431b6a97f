"""Repair plans: made from a check, printed, stored as JSON, and carried out by `exzarr.repair`."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from exzarr._tools.check.findings import KINDS, Finding
from exzarr.errors import ArgumentError

if TYPE_CHECKING:
    from exzarr._tools.check.report import CheckReport

__all__ = ["Action", "RepairPlan", "What", "make_plan"]

VERSION = 1

What = Literal["mend", "consolidate", "remove", "quarantine", "rescue"]

_WHAT: dict[str, What] = {
    "EXZ108": "mend",
    **dict.fromkeys(("EXZ201", "EXZ202", "EXZ203", "EXZ401"), "quarantine"),
    **dict.fromkeys(("EXZ301", "EXZ302", "EXZ311", "EXZ312", "EXZ313"), "rescue"),
    **dict.fromkeys(("EXZ501", "EXZ502"), "remove"),
    **dict.fromkeys(("EXZ601", "EXZ602", "EXZ603", "EXZ604"), "consolidate"),
}

_DESCRIPTIONS: dict[What, str] = {
    "mend": "replace the document with a valid one",
    "consolidate": "consolidate the metadata of the group again",
    "remove": "remove the temporary file",
    "quarantine": "move the chunk into quarantine; it then reads as missing",
    "rescue": "move the shard into quarantine and write a new one with the inner chunks that can be decoded",
}


@dataclass(frozen=True, slots=True)
class Action:
    """One step of a repair.

    Attributes
    ----------
    what
        ``"mend"`` a document, ``"consolidate"`` a group, ``"remove"`` a temporary file, move a chunk into
        ``"quarantine"``, or ``"rescue"`` a shard.
    path, key
        The affected node and key, from the root of the store.
    codes
        Codes of the findings that the action repairs.
    because
        Detail of the first of these findings.
    index
        Index of the chunk (shard) in the grid.
    fingerprint
        Fingerprint of the value that was checked. The repair skips a value with another fingerprint.
    """

    what: What
    path: str
    key: str
    codes: tuple[str, ...]
    because: str
    index: tuple[int, ...] | None = None
    fingerprint: str = ""

    def __str__(self) -> str:
        return f"{', '.join(self.codes)} {self.key or '/'}: {_DESCRIPTIONS[self.what]}"


@dataclass(frozen=True, slots=True)
class RepairPlan:
    """The actions that `exzarr.repair` carries out. Print it to see them.

    Attributes
    ----------
    place, path
        The checked node: its location, and its path in the store.
    actions
        The actions, in order.
    left
        Findings that the plan does not repair.
    """

    place: str
    path: str
    actions: tuple[Action, ...]
    left: tuple[Finding, ...] = ()

    def to_json(self) -> str:
        """Return the plan as JSON, without the findings that it does not repair."""
        return json.dumps(
            {
                "exzarr_repair_plan": VERSION,
                "place": self.place,
                "path": self.path,
                "actions": [
                    {"does": _DESCRIPTIONS[action.what], **asdict(action)} for action in self.actions
                ],
            },
            indent=2,
        )

    @classmethod
    def from_json(cls, text: str) -> RepairPlan:
        """Parse a plan that `to_json` returned.

        Raises
        ------
        ArgumentError
            The text is not a repair plan.
        """
        try:
            json_ = json.loads(text)
            if not isinstance(json_, dict) or json_.get("exzarr_repair_plan") != VERSION:
                raise ArgumentError(f"this is not a repair plan: 'exzarr_repair_plan' must be {VERSION}")
            actions = tuple([_action(item) for item in json_["actions"]])
            return cls(str(json_["place"]), str(json_["path"]), actions)
        except (KeyError, TypeError, ValueError, RecursionError) as error:
            if isinstance(error, ArgumentError):
                raise
            raise ArgumentError(f"this is not a repair plan: {error!r}") from error

    def save(self, file: str | os.PathLike[str]) -> None:
        """Write the plan to a file. An existing file is only replaced if it holds a plan.

        Raises
        ------
        ArgumentError
            The file exists and is not a repair plan.
        """
        path = Path(file)
        if path.exists():
            try:
                self.from_json(path.read_text(encoding="utf-8"))
            except (ArgumentError, UnicodeError):
                raise ArgumentError(
                    f"{path} already exists and is not a repair plan: choose another name"
                ) from None
        path.write_text(self.to_json() + "\n", encoding="utf-8")

    @classmethod
    def load(cls, file: str | os.PathLike[str]) -> RepairPlan:
        """Read a plan from a file.

        Raises
        ------
        ArgumentError
            The file is not a repair plan.
        """
        try:
            return cls.from_json(Path(file).read_text(encoding="utf-8"))
        except (ArgumentError, UnicodeError) as error:
            raise ArgumentError(f"{os.fspath(file)}: {error}") from error

    def __str__(self) -> str:
        if not self.actions:
            lines = [f"{self.place}: nothing to repair"]
        else:
            n = len(self.actions)
            lines = [f"{self.place}: {n} action{'' if n == 1 else 's'}"]
        lines += [f"  {action}\n    because {action.because}" for action in self.actions]
        if self.left:
            lines += ["not repaired:"]
            lines += [f"  {f.code} {f.key or '/'}: {_why_left(f)}" for f in self.left]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        from exzarr._html.fragments import folded, framed, heading, items, table

        rows = [(str(action), action.because) for action in self.actions]
        actions = table(("action", "because"), rows, frozenset({0, 1})) if rows else ""
        left = items([f"{f.code} {f.key or '/'}: {_why_left(f)}" for f in self.left])
        return framed(
            heading(self.place, str(self).splitlines()[0].removeprefix(f"{self.place}: ")),
            actions,
            folded("Not repaired", left, f"({len(self.left):,})", opened=True) if left else "",
        )


def make_plan(report: CheckReport, *, quarantine: bool) -> RepairPlan:
    """Plan the repair of the findings in `report`."""
    by_target: dict[tuple[What, str], list[Finding]] = {}
    left = []
    for finding in report.findings:
        what = _WHAT.get(finding.code)
        if what is None or (finding.kind.on_request and not quarantine):
            left.append(finding)
        else:
            by_target.setdefault((what, finding.key), []).append(finding)
    actions = []
    for (what, key), findings in by_target.items():
        first = findings[0]
        because = first.detail + (f" (and {len(findings) - 1} more)" if len(findings) > 1 else "")
        actions.append(
            Action(
                what=what,
                path=first.path,
                key=key,
                codes=tuple(sorted({finding.code for finding in findings})),
                because=because,
                index=first.index if what == "quarantine" else None,
                fingerprint=first.fingerprint if what != "consolidate" else "",
            )
        )
    # Documents first, because other values are read with them; consolidated metadata last, because it copies them.
    order = {"mend": 0, "remove": 1, "quarantine": 2, "rescue": 3, "consolidate": 4}
    actions.sort(key=lambda action: (order[action.what], action.key))
    return RepairPlan(report.place, report.path, tuple(actions), tuple(left))


def _why_left(finding: Finding) -> str:
    kind = finding.kind
    if finding.code in _WHAT:
        return f"{kind.title}; on request (quarantine), a repair {kind.repair}"
    return f"{kind.title}; {kind.repair}"


def _action(json_: Mapping[str, Any]) -> Action:
    what, codes, index = json_["what"], json_["codes"], json_.get("index")
    if what not in _DESCRIPTIONS or not isinstance(codes, list) or not all(code in KINDS for code in codes):
        raise ArgumentError(
            f"this is not a repair plan: {str(what)[:80]!r} for {str(codes)[:80]} is not a known action"
        )
    texts = {name: json_.get(name, "") for name in ("path", "key", "because", "fingerprint")}
    if not all(isinstance(text, str) for text in texts.values()):
        raise ArgumentError("this is not a repair plan: path, key, because and fingerprint must be strings")
    return Action(
        what=what, codes=tuple(codes), index=None if index is None else tuple(map(int, index)), **texts
    )
