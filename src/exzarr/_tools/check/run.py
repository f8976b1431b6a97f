"""State that the parts of one check share: options, findings and progress."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import partial

from exzarr._format.metadata import ArrayMetadata
from exzarr._stream.progress.progress import SILENT, Meter
from exzarr._tools.check.confirm import Findings
from exzarr._tools.check.entries import QUARANTINE, Entry, age, directly
from exzarr._tools.check.findings import Finding
from exzarr._tools.check.leftovers import inspect_leftover
from exzarr.errors import ListingUnsupportedError
from exzarr.stores.base import Store

__all__ = ["FULL", "Counter", "Options", "Run"]

FULL = "exzarr_full"
"""Attribute of arrays. If it is true, every chunk of the array must be stored."""


@dataclass(frozen=True, slots=True)
class Options:
    """Options of a check; see `exzarr.check`."""

    deep: bool
    full: bool | Sequence[str]
    workers: int
    grace: float

    def is_full(self, path: str, meta: ArrayMetadata) -> bool:
        """Return True if the caller or the array's attribute declares that the array is full."""
        if meta.attributes.get(FULL) is True or self.full is True:
            return True
        patterns = [] if self.full is False else self.full
        return any(fnmatchcase(path, pattern.strip("/")) for pattern in patterns)


class Counter:
    """Progress of a check, in chunks of all arrays. Chunks that are not stored count as well."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        self._lock = threading.Lock()
        self._left = 0

    def start(self, chunks: int) -> None:
        """Start an array with this number of chunks."""
        self._left = chunks

    def advance(self, chunks: int, nbytes: int) -> None:
        """Count finished chunks, and the bytes of their elements."""
        with self._lock:
            chunks = min(chunks, self._left)
            self._left -= chunks
            self._meter.add(chunks, nbytes)

    def finish(self) -> None:
        """Finish the array. Chunks that are not stored count as done."""
        self.advance(self._left, 0)


class Run:
    """State that the parts of a check share."""

    def __init__(self, store: Store, options: Options, limit: int) -> None:
        self.store = store
        self.options = options
        self.findings = Findings(store, limit)
        self.counter = Counter(SILENT)
        self.quarantines: list[str] = []
        self.unlisted = False

    def cannot_list(self, path: str, error: ListingUnsupportedError) -> None:
        """Report once that the store cannot list its keys."""
        if not self.unlisted:
            self.unlisted = True
            finding = Finding("EXZ405", path, path, str(error))
            self.findings.suspect([finding], lambda: (finding,))

    def is_young(self, *keys: str) -> bool:
        """Return True if a value is younger than `grace`, so that another process may still be writing."""
        ages = [age(self.store, key) for key in keys]
        return any(old is not None and old < self.options.grace for old in ages)

    def odd_entry(self, path: str, entry: Entry) -> None:
        """Handle an entry below the node at `path` that is not a value."""
        if entry.kind == "own":
            self.leftover(path, entry.key)
        elif entry.kind == "prefix" and entry.key.endswith(QUARANTINE):
            self.quarantines.append(entry.key)
        elif entry.kind == "link":
            finding = Finding("EXZ404", path, entry.key, "the entry is a symbolic link")
            self.findings.suspect([finding], lambda: (finding,))
        elif entry.kind == "hidden":
            finding = Finding("EXZ406", path, _printable(entry.key), entry.why)
            self.findings.suspect([finding], lambda: (finding,))
        elif entry.kind == "unreadable":
            finding = Finding("EXZ205", path, entry.key, "the entries below this path cannot be listed")
            self.findings.suspect([finding], partial(self._still_unreadable, finding))

    def _still_unreadable(self, finding: Finding) -> tuple[Finding, ...]:
        unreadable = any(entry.kind == "unreadable" for entry, _ in directly(self.store, finding.key))
        return (finding,) if unreadable else ()

    def leftover(self, path: str, key: str) -> None:
        """Handle a temporary file below the node at `path`."""
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
    """Return `key` with characters that are not valid UTF-8 escaped."""
    return key.encode("utf-8", "backslashreplace").decode()
