"""Inspect every suspicion again before it becomes a finding.

Other processes may write during a check. A value may be incomplete for a moment, or a chunk may be outside a grid that
is about to grow. Each possible problem is therefore noted as a `Suspicion` with a function that inspects it again. It
becomes a finding if the same value has the same problem twice, with a pause in between if the value is new. A value
that is written in several steps must have the problem three times. A value that keeps changing is *unsettled*, and
is reported as such.
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
"""Seconds between two inspections of a new value: longer than any writer needs between two steps of a change."""

NEW = 3.0
"""Age in seconds up to which a value may be incomplete, because some writers do not write and rename."""

ROUNDS = 4

Identity = tuple[str, str, int | None, str]


@dataclass(slots=True)
class Suspicion:
    """A possible problem with one key.

    Attributes
    ----------
    findings
        The findings to report if the problem is confirmed.
    again
        Inspects the key again, without cached state, and returns the current findings.
    changing
        The value is written in several steps, and may have been inspected between two of them. One more inspection is
        required.
    done
        Identities of the findings that are decided.
    seen
        Identities of the findings that were confirmed once (only if `changing`).
    """

    findings: tuple[Finding, ...]
    again: Callable[[], tuple[Finding, ...]]
    changing: bool = False
    done: set[Identity] = field(default_factory=set)
    seen: set[Identity] = field(default_factory=set)


class Findings:
    """The suspicions and findings of a check. Safe to use from several threads.

    At most `limit` findings are kept for each code and node; `more` counts the others.
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
        """Note a suspicion. Findings over the limit are only counted."""
        with self._lock:
            kept = tuple([finding for finding in findings if self._has_room(finding)])
            if kept:
                self._suspicions.append(Suspicion(kept, again, changing))

    def count(self, code: str, path: str, more: int) -> None:
        """Count findings over the limit. A negative number counts as 0."""
        if more > 0:
            with self._lock:
                self.more[path, code] = self.more.get((path, code), 0) + more

    def leave_open(self, finding: Finding) -> None:
        """Note an unsettled finding."""
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
        """Inspect all suspicions again and decide them, if there are more than `most`."""
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
        """Confirm or drop the findings of a suspicion. Return True if another inspection is required."""
        before = {_identity(finding) for finding in suspicion.findings}
        left = []
        for finding in suspicion.again():
            identity = _identity(finding)
            if identity in suspicion.done:
                continue
            if identity in before and (identity in suspicion.seen or not suspicion.changing):
                self.confirmed.append(finding)
                suspicion.done.add(identity)
            else:  # another problem than before, so the value has changed; or not seen often enough
                left.append(finding)
                if identity in before:
                    suspicion.seen.add(identity)
        suspicion.findings = tuple(left)
        return bool(left)


def _identity(finding: Finding) -> Identity:
    return finding.code, finding.key, finding.number, finding.fingerprint
