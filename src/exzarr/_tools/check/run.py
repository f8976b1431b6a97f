"""One check while it runs: what was asked for, what was found, and how far it is."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import partial

from exzarr._format.metadata import ArrayMetadata
from exzarr._stream.progress.progress import Meter
from exzarr._tools.check.confirm import Findings
from exzarr._tools.check.entries import QUARANTINE, Entry, age, directly
from exzarr._tools.check.findings import Finding
from exzarr._tools.check.leftovers import inspect_leftover
from exzarr.errors import ListingUnsupportedError
from exzarr.stores.base import Store

__all__ = ["FULL", "Counter", "Options", "Run"]

FULL = "exzarr_full"
"""The attribute by which an array says that every chunk of it is stored, if it is true."""


@dataclass(frozen=True, slots=True)
class Options:
    """What was asked for; see `exzarr.check`."""

    deep: bool
    full: bool | Sequence[str]
    workers: int
    grace: float

    def is_full(self, path: str, meta: ArrayMetadata) -> bool:
        """Whether the array at `path` is said to be full: by the caller, or by its own attribute."""
        if meta.attributes.get(FULL) is True or self.full is True:
            return True
        patterns = [] if self.full is False else self.full
        return any(fnmatchcase(path, pattern.strip("/")) for pattern in patterns)


class Counter:
    """How far a check is, in chunks of all arrays; those that are not stored count as well."""

    def __init__(self, meter: Meter | None) -> None:
        self._meter = meter
        self._lock = threading.Lock()
        self._left = 0

    def start(self, chunks: int) -> None:
        """Now comes an array of so many chunks."""
        self._left = chunks

    def advance(self, chunks: int, nbytes: int) -> None:
        """Some chunks are done, of so many bytes of elements."""
        if self._meter is not None:
            with self._lock:
                chunks = min(chunks, self._left)
                self._left -= chunks
                self._meter.add(chunks, nbytes)

    def finish(self) -> None:
        """The array is done; what is not stored as well."""
        self.advance(self._left, 0)


class Run:
    """What the parts of a check share."""

    def __init__(self, store: Store, options: Options, limit: int) -> None:
        self.store = store
        self.options = options
        self.findings = Findings(store, limit)
        self.counter = Counter(None)
        self.quarantines: list[str] = []
        self.unlisted = False

    def cannot_list(self, path: str, error: ListingUnsupportedError) -> None:
        """Note, once, that the store does not list: what lies at and below `path` is looked at without that."""
        if not self.unlisted:
            self.unlisted = True
            finding = Finding("EXZ405", path, path, str(error))
            self.findings.suspect([finding], lambda: (finding,))

    def is_young(self, *keys: str) -> bool:
        """Whether one of the values was written so lately that somebody may still be at work there."""
        ages = [age(self.store, key) for key in keys]
        return any(old is not None and old < self.options.grace for old in ages)

    def odd_entry(self, path: str, entry: Entry) -> None:
        """Deal with what lies below the node at `path` and is no value."""
        if entry.kind == "own":
            self.left_over(path, entry.key)
        elif entry.kind == "prefix" and entry.key.endswith(QUARANTINE):
            self.quarantines.append(entry.key)
        elif entry.kind == "link":
            finding = Finding("EXZ404", path, entry.key, "it is a symbolic link")
            self.findings.suspect([finding], lambda: (finding,))
        elif entry.kind == "hidden":
            finding = Finding("EXZ406", path, _printable(entry.key), entry.why)
            self.findings.suspect([finding], lambda: (finding,))
        elif entry.kind == "unreadable":
            finding = Finding("EXZ205", path, entry.key, "what lies below it cannot be listed")
            self.findings.suspect([finding], partial(self._still_unreadable, finding))

    def _still_unreadable(self, finding: Finding) -> tuple[Finding, ...]:
        unreadable = any(entry.kind == "unreadable" for entry, _ in directly(self.store, finding.key))
        return (finding,) if unreadable else ()

    def left_over(self, path: str, key: str) -> None:
        """Deal with a temporary file below the node at `path`."""
        grace = self.options.grace

        def again() -> tuple[Finding, ...]:
            found, certain = inspect_leftover(self.store, path, key, grace)
            return (found,) if found is not None and certain else ()

        found, certain = inspect_leftover(self.store, path, key, grace)
        if found is None:
            return
        if certain:
            self.findings.suspect([found], again)
        else:
            self.findings.leave_open(found)


def _printable(key: str) -> str:
    """A name that is no UTF-8, as it can be printed."""
    return key.encode("utf-8", "backslashreplace").decode()
