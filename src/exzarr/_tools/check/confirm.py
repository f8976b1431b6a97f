"""Every suspicion is looked at again before it becomes a finding.

Others may be writing while a store is checked: what is half of something now may be whole a moment later,
a chunk may lie outside of a grid that is about to grow. So whatever looks wrong is noted as a `Suspicion`, which
knows how to look again. It becomes a finding when the same value is found wrong in the same way twice, with a pause
between where the value is new; three times, where it takes several steps to make it. What changes all the time
is *unsettled*, and is reported as that.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from exzarr._tools.check.entries import age
from exzarr._tools.check.findings import Finding
from exzarr.stores.base import Store

__all__ = ["Findings", "Suspicion"]

PAUSE = 0.2
"""Seconds between two looks at what is new: more than any writer takes from one step of a change to the next."""

NEW = 3.0
"""Up to this age in seconds a value may be one that somebody is still writing (not every writer renames)."""

ROUNDS = 4

Identity = tuple[str, str, int | None, str]


@dataclass(slots=True)
class Suspicion:
    """Something that looks wrong.

    Attributes
    ----------
    findings
        What it would be reported as: all that is wrong with one key.
    again
        Looks at it again, with nothing remembered, and says what is wrong now.
    changing
        It is made in several steps, so that a look may have been between two of them: it has to be found
        once more than other things.
    done
        Identities of what is decided.
    """

    findings: tuple[Finding, ...]
    again: Callable[[], tuple[Finding, ...]]
    changing: bool = False
    done: set[Identity] = field(default_factory=set)
    seen: set[Identity] = field(default_factory=set)


class Findings:
    """What a check has found so far: suspicions, and what became of them. Used by many threads at once.

    Of each code at most `limit` findings are kept for each node; `more` counts the others.
    """

    def __init__(self, store: Store, limit: int) -> None:
        self._store = store
        self.limit = limit
        self._lock = threading.Lock()
        self._suspicions: list[Suspicion] = []
        self._counts: dict[tuple[str, str], int] = {}
        self.confirmed: list[Finding] = []
        self.unsettled: list[Finding] = []
        self.more: dict[tuple[str, str], int] = {}

    def suspect(
        self,
        findings: Iterable[Finding],
        again: Callable[[], tuple[Finding, ...]],
        *,
        changing: bool = False,
    ) -> None:
        """Note that something looks wrong, unless there is so much of it already that it is only counted."""
        with self._lock:
            kept = tuple([finding for finding in findings if self._has_room(finding)])
            if kept:
                self._suspicions.append(Suspicion(kept, again, changing))

    def count(self, code: str, path: str, more: int) -> None:
        """Count some findings (no fewer than none) that are too many to be looked at."""
        if more > 0:
            with self._lock:
                self.more[path, code] = self.more.get((path, code), 0) + more

    def leave_open(self, finding: Finding) -> None:
        """Note something that cannot be judged yet."""
        with self._lock:
            if self._has_room(finding):
                self.unsettled.append(finding)

    def _has_room(self, finding: Finding) -> bool:
        which = (finding.path, finding.code)
        count = self._counts[which] = self._counts.get(which, 0) + 1
        if count > self.limit:
            self.more[which] = self.more.get(which, 0) + 1
        return count <= self.limit

    def settle(self, most: int = 0) -> None:
        """Look at all suspicions again, and decide; only where there are more than `most`."""
        if len(self._suspicions) <= most:
            return
        pending, self._suspicions = self._suspicions, []
        if any(suspicion.changing or self._is_new(suspicion) for suspicion in pending):
            time.sleep(PAUSE)
        for attempt in range(ROUNDS):
            if attempt and pending:
                time.sleep(PAUSE)
            pending = [suspicion for suspicion in pending if self._is_open(suspicion)]
        self.unsettled += [finding for suspicion in pending for finding in suspicion.findings]

    def _is_new(self, suspicion: Suspicion) -> bool:
        old = age(self._store, suspicion.findings[0].key)
        return old is not None and old < NEW

    def _is_open(self, suspicion: Suspicion) -> bool:
        """Confirm or drop what can be; whether there is something left to be looked at once more."""
        before = {_identity(finding) for finding in suspicion.findings}
        left = []
        for finding in suspicion.again():
            identity = _identity(finding)
            if identity in suspicion.done:
                continue
            if identity in before and (identity in suspicion.seen or not suspicion.changing):
                self.confirmed.append(finding)
                suspicion.done.add(identity)
            else:  # wrong in another way than before, which makes it another value; or not seen often enough
                left.append(finding)
                if identity in before:
                    suspicion.seen.add(identity)
        suspicion.findings = tuple(left)
        return bool(left)


def _identity(finding: Finding) -> Identity:
    return finding.code, finding.key, finding.number, finding.mark
