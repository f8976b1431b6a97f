"""What a repair would do: made from a check, printed, kept as JSON, and carried out as it stands."""

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

_SAYS: dict[What, str] = {
    "mend": "store the document as the specification wants it",
    "consolidate": "consolidate the metadata of the group again",
    "remove": "remove the temporary file",
    "quarantine": "move the chunk into quarantine, so that it reads as missing",
    "rescue": "move the shard into quarantine, and make a new one of the inner chunks that decode",
}


@dataclass(frozen=True, slots=True)
class Action:
    """One thing to do.

    Attributes
    ----------
    what
        ``"mend"`` a document, ``"consolidate"`` a group, ``"remove"`` a temporary file, move a chunk into ``"quarantine"``, or
        ``"rescue"`` a shard.
    path, key
        The node and the key that it is about, from the root of the store.
    codes
        Codes of the findings that it mends.
    because
        What was wrong with the first of them.
    index
        The chunk's (shard's) index in the grid.
    mark
        What the value was when it was found wrong: another value is left alone.
    """

    what: What
    path: str
    key: str
    codes: tuple[str, ...]
    because: str
    index: tuple[int, ...] | None = None
    mark: str = ""

    def __str__(self) -> str:
        return f"{', '.join(self.codes)} {self.key or '/'}: {_SAYS[self.what]}"


@dataclass(frozen=True, slots=True)
class RepairPlan:
    """What `exzarr.repair` would do. Printing it shows it.

    Attributes
    ----------
    place, path
        What was checked, and its path in the store.
    actions
        What to do, in this order.
    left
        Findings that nothing is done about.
    """

    place: str
    path: str
    actions: tuple[Action, ...]
    left: tuple[Finding, ...] = ()

    def to_json(self) -> str:
        """The plan as JSON; findings that nothing is done about are not part of it."""
        return json.dumps(
            {
                "exzarr_repair_plan": VERSION,
                "place": self.place,
                "path": self.path,
                "actions": [{"does": _SAYS[action.what], **asdict(action)} for action in self.actions],
            },
            indent=2,
        )

    @classmethod
    def from_json(cls, text: str) -> RepairPlan:
        """The plan that `to_json` gave. ArgumentError where it is none."""
        try:
            json_ = json.loads(text)
            if not isinstance(json_, dict) or json_.get("exzarr_repair_plan") != VERSION:
                raise ArgumentError(f"this is no repair plan: 'exzarr_repair_plan' should be {VERSION}")
            actions = tuple([_action(item) for item in json_["actions"]])
            return cls(str(json_["place"]), str(json_["path"]), actions)
        except (KeyError, TypeError, ValueError, RecursionError) as error:
            if isinstance(error, ArgumentError):
                raise
            raise ArgumentError(f"this is no repair plan: {error!r}") from error

    def save(self, file: str | os.PathLike[str]) -> None:
        """Write the plan to a file. One that is there must be a plan, too."""
        path = Path(file)
        if path.exists():
            try:
                self.from_json(path.read_text(encoding="utf-8"))
            except (ArgumentError, UnicodeError):
                raise ArgumentError(
                    f"{path} is there already, and is no repair plan: choose another name"
                ) from None
        path.write_text(self.to_json() + "\n", encoding="utf-8")

    @classmethod
    def load(cls, file: str | os.PathLike[str]) -> RepairPlan:
        """The plan in a file."""
        try:
            return cls.from_json(Path(file).read_text(encoding="utf-8"))
        except (ArgumentError, UnicodeError) as error:
            raise ArgumentError(f"{os.fspath(file)}: {error}") from error

    def __str__(self) -> str:
        if not self.actions:
            lines = [f"{self.place}: there is nothing to repair"]
        else:
            n = len(self.actions)
            lines = [f"{self.place}: {n} thing{'' if n == 1 else 's'} to do"]
        lines += [f"  {action}\n    because {action.because}" for action in self.actions]
        if self.left:
            lines += ["left as it is:"]
            lines += [f"  {f.code} {f.key or '/'}: {_why_left(f)}" for f in self.left]
        return "\n".join(lines)


def make_plan(report: CheckReport, *, quarantine: bool) -> RepairPlan:
    """The plan for what `report` found."""
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
                mark=first.mark if what != "consolidate" else "",
            )
        )
    # First what others are read by, then what takes up space, then chunks, and last what tells of all.
    order = {"mend": 0, "remove": 1, "quarantine": 2, "rescue": 3, "consolidate": 4}
    actions.sort(key=lambda action: (order[action.what], action.key))
    return RepairPlan(report.place, report.path, tuple(actions), tuple(left))


def _why_left(finding: Finding) -> str:
    kind = finding.kind
    if finding.code in _WHAT:
        return f"{kind.title}; on request (quarantine) a repair {kind.repair}"
    return f"{kind.title}; {kind.repair}"


def _action(json_: Mapping[str, Any]) -> Action:
    what, codes, index = json_["what"], json_["codes"], json_.get("index")
    if what not in _SAYS or not isinstance(codes, list) or not all(code in KINDS for code in codes):
        raise ArgumentError(
            f"this is no repair plan: {str(what)[:80]!r} for {str(codes)[:80]} is nothing to do"
        )
    texts = {name: json_.get(name, "") for name in ("path", "key", "because", "mark")}
    if not all(isinstance(text, str) for text in texts.values()):
        raise ArgumentError("this is no repair plan: path, key, because and mark are strings")
    return Action(
        what=what, codes=tuple(codes), index=None if index is None else tuple(map(int, index)), **texts
    )
