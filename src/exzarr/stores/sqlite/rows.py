"""Table of a store in SQLite, and its queries. Each function takes a connection."""

from __future__ import annotations

import sqlite3

from exzarr.stores.base import Buffer, ByteRange, resolve_range

__all__ = ["PAGE_NBYTES", "TABLE", "as_blob", "directly_under", "open_blob", "part", "under"]

TABLE = """
CREATE TABLE IF NOT EXISTS entries (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    key TEXT NOT NULL UNIQUE,
    value BLOB NOT NULL
)
"""
PAGE_NBYTES = 8192


def as_blob(value: Buffer) -> Buffer:
    """Return a value as an object that SQLite accepts."""
    return value if isinstance(value, bytes) else bytes(memoryview(value))


def open_blob(db: sqlite3.Connection, number: int) -> sqlite3.Blob:
    """Open the value of one row, to read parts of it."""
    return db.blobopen("entries", "value", number, readonly=True)


def part(db: sqlite3.Connection, key: str, byte_range: ByteRange) -> bytes | None:
    """Return a range of the value at `key`; None if the key is missing."""
    resolve_range(byte_range, 0)  # validate the range
    db.execute("BEGIN")
    try:
        row = db.execute("SELECT number, length(value) FROM entries WHERE key = ?", (key,)).fetchone()
        if row is None:
            return None
        begin, end = resolve_range(byte_range, row[1])
        if begin == end:
            return b""
        with open_blob(db, row[0]) as blob:
            blob.seek(begin)
            return blob.read(end - begin)
    finally:
        db.execute("COMMIT")


def under(prefix: str) -> tuple[str, tuple[str, ...]]:
    """Return the condition for keys that start with ``prefix + "/"``. ``0`` is the character after ``/``."""
    return ("key >= ? AND key < ?", (prefix + "/", prefix + "0")) if prefix else ("TRUE", ())


def directly_under(db: sqlite3.Connection, prefix: str) -> tuple[list[str], list[str]]:
    """Return the names of the keys directly under `prefix`, and of the prefixes, sorted."""
    top = prefix + "/" if prefix else ""
    keys: list[str] = []
    prefixes: list[str] = []
    where, bounds = under(prefix)
    sql = f"SELECT key FROM entries WHERE {where} AND key >= ? ORDER BY key"  # noqa: S608 - ours
    after: str | None = top
    while after is not None:
        rows = db.execute(sql, (*bounds, after))
        after = None
        for (key,) in rows:
            name, slash, _ = key[len(top) :].partition("/")
            if slash:
                # Continue after all keys under this prefix.
                prefixes.append(name)
                after = f"{top}{name}0"
                break
            keys.append(name)
        rows.close()
    # As in `stores.listing`: 'a-b' sorts before 'a/c'.
    prefixes.sort()
    return keys, prefixes
