"""What a target has stored of one array: keys, sizes and digests, in bounded memory.

The keys are in a temporary database. SQLite keeps it in memory while it is small, and else in a file that disappears with
the process. Listings may therefore have any order and any length.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import NamedTuple, Self

__all__ = ["Inventory", "Known"]

PAGE = 1000


class Known(NamedTuple):
    """What a listing says about a stored value. `digest` is that of `proof.digest_of`."""

    size: int | None
    digest: str | None


class Inventory:
    """A map from keys to `Known`. Any number of threads may use it."""

    def __init__(self) -> None:
        self._db = sqlite3.connect("", check_same_thread=False, isolation_level=None)
        self._lock = threading.Lock()
        self._db.execute("PRAGMA cache_size = -8000")
        self._db.execute("CREATE TABLE stored (key TEXT PRIMARY KEY, size, digest) WITHOUT ROWID")
        self._db.execute("BEGIN")

    def fill(self, found: Iterable[tuple[str, Known]]) -> None:
        """Add keys."""
        rows = ((key, *known) for key, known in found)
        with self._lock:
            self._db.executemany("INSERT OR REPLACE INTO stored VALUES (?, ?, ?)", rows)

    def find(self, key: str) -> Known | None:
        """Return what is known of a key, or None if it is not stored."""
        with self._lock:
            row = self._db.execute("SELECT size, digest FROM stored WHERE key = ?", (key,)).fetchone()
        return None if row is None else Known(*row)

    def discard(self, key: str) -> None:
        """Remove a key."""
        with self._lock:
            self._db.execute("DELETE FROM stored WHERE key = ?", (key,))

    def __len__(self) -> int:
        with self._lock:
            count: int = self._db.execute("SELECT count(*) FROM stored").fetchone()[0]
        return count

    def __iter__(self) -> Iterator[str]:
        """Iterate over the keys in order. They may be discarded meanwhile."""
        last = ""
        while True:
            with self._lock:
                sql = "SELECT key FROM stored WHERE key > ? ORDER BY key LIMIT ?"
                rows = self._db.execute(sql, (last, PAGE)).fetchall()
            if not rows:
                return
            yield from (key for (key,) in rows)
            last = rows[-1][0]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._db.close()
