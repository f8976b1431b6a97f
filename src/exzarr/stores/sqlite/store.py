"""Store in one SQLite file.

The file has one table. Each value is a row, and each change is a transaction. A replaced value is a new row with a
new number, which is never reused: the number is the value's version. The file is in WAL mode
(https://sqlite.org/wal.html). Readers and writers, of any number of processes on one machine, do not wait
for each other. A writer waits for another writer's put. While the file is open, there are two more files in
its folder, `-wal` and `-shm`. The last process that closes the file removes them. Network file systems are not
supported.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from typing import Any, Literal, TypeVar

from exzarr import config
from exzarr.errors import ArgumentError, StoreError
from exzarr.stores.base import (
    KEEP,
    Buffer,
    ByteRange,
    BytesReader,
    Change,
    Listed,
    Store,
    StoreTraits,
    ValueReader,
    check_key,
    check_prefix,
    check_writable,
)
from exzarr.stores.local.store import LocalStore
from exzarr.stores.local.write import delete_file, move_to_new, temporary_name
from exzarr.stores.locks import ThreadLock, deadline
from exzarr.stores.sqlite.key_locks import key_lock
from exzarr.stores.sqlite.rows import PAGE_NBYTES, TABLE, as_blob, directly_under, open_blob, part, under

__all__ = ["SQLiteStore"]

T = TypeVar("T")

SMALL_NBYTES = 256 * 1024
"""Largest size of a value that is read completely when it is opened. Larger ones keep a connection open."""

WAIT_SECONDS = 60
"""Seconds that a write waits for other writes."""


class SQLiteStore(Store):
    """Transactional store in one file, safe for concurrent threads and processes.

    Parameters
    ----------
    path
        The file. The first write creates it, with its parent folders.
    durability
        With ``"rename"``, writes survive the end of the process. With ``"fsync"``, each write waits for the disk, and
        also survives a power failure. Default: the setting ``durability``.
    read_only
        Refuse writes.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        durability: Literal["rename", "fsync"] | None = None,
        read_only: bool = False,
    ) -> None:
        durability = durability or config.get().durability  # type: ignore[assignment]
        if durability not in ("rename", "fsync"):
            raise ArgumentError(f"durability is 'rename' or 'fsync', not {durability!r}")
        self.path = os.path.abspath(os.fspath(path))
        self.durability = durability
        self.traits = StoreTraits(read_only=read_only)
        self._local = threading.local()
        self._connections: list[sqlite3.Connection] = []
        self._process = os.getpid()
        self._guard = threading.Lock()

    # -- connections -------------------------------------------------------------

    def _connect(self) -> sqlite3.Connection | None:
        """Return a new connection; None if there is no file yet."""
        if not os.path.exists(self.path):
            return None
        # A connection may be closed in another thread than the one that used it.
        db = sqlite3.connect(self.path, timeout=WAIT_SECONDS, isolation_level=None, check_same_thread=False)
        db.execute(f"PRAGMA synchronous = {'FULL' if self.durability == 'fsync' else 'NORMAL'}")
        return db

    def _connection(self, make: bool) -> sqlite3.Connection | None:
        """Return this thread's connection. Without a file, create it if `make` is set, else return None."""
        if self._process != os.getpid():
            # A forked child may neither use nor close a connection: that would break its parent's locks.
            _leaked.append((self._connections, self._local))
            self._local, self._connections = threading.local(), []
            self._guard, self._process = threading.Lock(), os.getpid()
        db: sqlite3.Connection | None = getattr(self._local, "db", None)
        if db is not None:
            return db
        if make and not os.path.exists(self.path):
            self._create()
        db = self._connect()
        if db is not None:
            if not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'entries'").fetchone():
                if not make:
                    db.close()
                    return None
                db.execute(TABLE)
            self._local.db = db
            with self._guard:
                self._connections.append(db)
        return db

    def _create(self) -> None:
        folder = os.path.dirname(self.path)
        os.makedirs(folder, exist_ok=True)
        # Create it under a temporary name and rename it: switching to WAL fails if another process has the file open.
        made = os.path.join(folder, temporary_name())
        try:
            with closing(sqlite3.connect(made, timeout=WAIT_SECONDS, isolation_level=None)) as db:
                db.execute(f"PRAGMA page_size = {PAGE_NBYTES}")
                db.execute("PRAGMA journal_mode = WAL")
                db.execute(TABLE)
            move_to_new(made, self.path)
        finally:
            delete_file(made)

    @contextmanager
    def _store_errors(self, key: str) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, UnicodeEncodeError) as error:
            raise StoreError(f"key {key!r} in {self}: {type(error).__name__}: {error}") from error

    def _read(self, key: str, ask: Callable[[sqlite3.Connection], T], absent: T) -> T:
        with self._store_errors(key):
            db = self._connection(make=False)
            return absent if db is None else ask(db)

    def _write(self, key: str, sql: str, *parameters: Any) -> sqlite3.Cursor:
        with self._store_errors(key):
            db = self._connection(make=True)
            assert db is not None
            return db.execute(sql, parameters)

    # -- required methods --------------------------------------------------------

    def get(self, key: str, byte_range: ByteRange | None = None) -> Buffer | None:
        check_key(key)
        if byte_range is None:
            row = self._row(key, "value")
            return None if row is None else row[0]
        return self._read(key, lambda db: part(db, key, byte_range), None)

    def _row(self, key: str, columns: str) -> Any:
        sql = f"SELECT {columns} FROM entries WHERE key = ?"  # noqa: S608 - ours
        return self._read(key, lambda db: db.execute(sql, (key,)).fetchone(), None)

    def put(self, key: str, value: Buffer) -> None:
        check_key(key)
        check_writable(self, key)
        self._write(key, "INSERT OR REPLACE INTO entries (key, value) VALUES (?, ?)", key, as_blob(value))

    def delete(self, key: str) -> None:
        check_key(key)
        check_writable(self, key)
        self._delete(key, "DELETE FROM entries WHERE key = ?", key)

    def delete_prefix(self, prefix: str) -> None:
        check_prefix(prefix)
        check_writable(self, prefix)
        where, bounds = under(prefix)
        self._delete(prefix, f"DELETE FROM entries WHERE {where}", *bounds)  # noqa: S608 - ours

    def _delete(self, key: str, sql: str, *parameters: Any) -> None:
        if os.path.exists(self.path):
            self._write(key, sql, *parameters)

    def list(self, prefix: str = "") -> Iterator[str]:
        check_prefix(prefix)
        return (key for (key,) in self._pages(prefix, "key"))

    def list_values(self, prefix: str = "") -> Iterator[Listed]:
        check_prefix(prefix)
        return (Listed(*row) for row in self._pages(prefix, "key, length(value), number"))

    def _pages(self, prefix: str, columns: str) -> Iterator[Any]:
        # In pages, so that no transaction stays open during the iteration.
        where, bounds = under(prefix)
        sql = f"SELECT {columns} FROM entries WHERE {where} ORDER BY key LIMIT 10000"  # noqa: S608 - ours
        rows: list[Any] = self._read(prefix, lambda db: db.execute(sql, bounds).fetchall(), [])
        while rows:
            yield from rows
            last = rows[-1][0]
            sql = f"SELECT {columns} FROM entries WHERE key > ? AND {where} ORDER BY key LIMIT 10000"  # noqa: S608
            rows = self._read(prefix, lambda db: db.execute(sql, (last, *bounds)).fetchall(), [])  # noqa: B023

    def list_dir(self, prefix: str = "") -> tuple[Sequence[str], Sequence[str]]:
        check_prefix(prefix)
        nothing: tuple[list[str], list[str]] = ([], [])
        return self._read(prefix, lambda db: directly_under(db, prefix), nothing)

    # -- faster overrides of defaults ----------------------------------------------

    def open_value(self, key: str) -> ValueReader | None:
        check_key(key)
        row = self._row(
            key, f"number, length(value), CASE WHEN length(value) <= {SMALL_NBYTES} THEN value END"
        )
        if row is None:
            return None
        if row[2] is not None:
            return BytesReader(row[2], row[0])
        with self._store_errors(key):
            db = self._connect()
            if db is None:
                return None
            try:
                # The transaction sees one state of the database until it ends.
                db.execute("BEGIN")
                row = db.execute("SELECT number, length(value) FROM entries WHERE key = ?", (key,)).fetchone()
                if row is not None:
                    return _Value(self, key, db, *row)
            except BaseException:
                db.close()
                raise
            db.close()
            return None

    def put_if_absent(self, key: str, value: Buffer) -> bool:
        check_key(key)
        check_writable(self, key)
        sql = "INSERT OR IGNORE INTO entries (key, value) VALUES (?, ?)"
        return self._write(key, sql, key, as_blob(value)).rowcount == 1

    def update(self, key: str, change: Change) -> None:
        check_key(key)
        check_writable(self, key)
        end = deadline()
        line = ThreadLock((self, key), key)
        line.acquire(end)
        try:
            self._update(key, change, end)
        finally:
            line.release()

    def _update(self, key: str, change: Change, end: float) -> None:
        # No transaction is open while `change` runs, because it would block all other writers. Compare-and-swap
        # alone is not enough: a change may write other keys, as an append does.
        with key_lock(f"{self.path}-locks", key, end):
            while True:
                row = self._row(key, "number, value")
                parts = change(None if row is None else BytesReader(row[1], row[0]))
                if parts is KEEP or self._put_if(key, parts, None if row is None else row[0]):
                    return

    def _put_if(self, key: str, parts: Sequence[Buffer] | None, number: int | None) -> bool:
        """Put the parts (None: delete) if the value still has this number. Return False if it has not."""
        if number is None:
            return (
                self.put_if_absent(key, b"".join(parts)) if parts is not None else self._row(key, "1") is None
            )
        delete = "DELETE FROM entries WHERE key = ? AND number = ?"
        if parts is None:
            return self._write(key, delete, key, number).rowcount == 1
        value = b"".join(parts)
        with self._store_errors(key):
            db = self._connection(make=True)
            assert db is not None
            db.execute("BEGIN IMMEDIATE")
            try:
                gone = db.execute(delete, (key, number)).rowcount == 1
                if gone:
                    db.execute("INSERT INTO entries (key, value) VALUES (?, ?)", (key, value))
            except BaseException:
                db.execute("ROLLBACK")
                raise
            db.execute("COMMIT")
            return gone

    def staging_area(self, prefix: str, *, replacing: bool) -> _SQLiteStaging | None:
        """Return another file, whose rows are copied in one transaction (see `Store.staging_area`)."""
        check_prefix(prefix)
        return _SQLiteStaging(self, prefix) if replacing and type(self) is SQLiteStore else None

    def _take_rows(self, file: str, prefix: str, replace: bool) -> bool:
        """Replace the rows under `prefix` by those of another file. Without `replace`, return False if there are some."""
        where, bounds = under(prefix)
        with self._store_errors(prefix):
            db = self._connection(make=True)
            assert db is not None
            db.execute("ATTACH ? AS staged", (file,))
            try:
                db.execute("BEGIN IMMEDIATE")
                try:
                    free = (
                        replace
                        or not db.execute(
                            f"SELECT 1 FROM main.entries WHERE {where} LIMIT 1",  # noqa: S608 - ours
                            bounds,
                        ).fetchone()
                    )
                    if free:
                        db.execute(f"DELETE FROM main.entries WHERE {where}", bounds)  # noqa: S608 - ours
                        columns = (
                            "INSERT INTO main.entries (key, value) SELECT key, value FROM staged.entries"
                        )
                        db.execute(f"{columns} WHERE {where} ORDER BY number", bounds)
                except BaseException:
                    db.execute("ROLLBACK")
                    raise
                db.execute("COMMIT")
            finally:
                db.execute("DETACH staged")
        return free

    def size(self, key: str) -> int | None:
        row = self._row(check_key(key), "length(value)")
        return None if row is None else row[0]

    # -- the store itself --------------------------------------------------------

    def as_read_only(self) -> SQLiteStore:
        if self.read_only:
            return self
        return SQLiteStore(self.path, durability=self.durability, read_only=True)

    def close(self) -> None:
        if self._process == os.getpid():
            with self._guard:
                connections, self._connections = self._connections, []
                self._local = threading.local()
            for db in connections:
                db.close()

    def __del__(self) -> None:
        # Python 3.13 warns of connections that were not closed.
        with suppress(Exception):  # of a store that was not created completely, or at exit
            self.close()

    def parent(self) -> LocalStore:
        """Return the store of the file's folder."""
        return LocalStore(os.path.dirname(self.path), read_only=True)

    @property
    def url(self) -> str:
        return f"sqlite://{self.path}"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SQLiteStore) and other.path == self.path

    def __hash__(self) -> int:
        return hash((SQLiteStore, self.path))

    def __reduce__(self) -> tuple[object, ...]:
        return _make, (self.path, self.durability, self.read_only)


class _Value:
    """An opened value, in its own transaction."""

    def __init__(self, store: SQLiteStore, key: str, db: sqlite3.Connection, number: int, size: int) -> None:
        self._store, self._key, self._db = store, key, db
        self._number = number
        self._lock = threading.Lock()
        self.size = size
        self.version: Hashable = number

    def read_into(self, buffer: memoryview, start: int) -> None:
        end = start + len(buffer)
        if end > self.size:
            raise StoreError(
                f"cannot read bytes {start} to {end} of key {self._key!r} in {self._store}: "
                f"the value has {self.size} bytes"
            )
        with self._lock, self._store._store_errors(self._key), open_blob(self._db, self._number) as blob:
            blob.seek(start)
            buffer[:] = blob.read(len(buffer))

    def close(self) -> None:
        self._db.close()


class _Hidden(SQLiteStore):
    """Store that a `_SQLiteStaging` builds in. Its messages name the destination."""

    destination_url = ""

    @property
    def url(self) -> str:
        return self.destination_url or super().url


class _SQLiteStaging:
    """Staging area in another SQLite file (see `stores.staging.StagingArea`)."""

    in_steps = False

    def __init__(self, to: SQLiteStore, prefix: str) -> None:
        self._to = to
        self._prefix = prefix
        self.store = _Hidden(os.path.join(os.path.dirname(to.path), temporary_name()))
        self.store.destination_url = to.url

    def swap_in(self, *, replace: bool) -> bool:
        self.store.close()  # writes the log to the file
        return self._to._take_rows(self.store.path, self._prefix, replace)

    def discard(self) -> None:
        self.store.close()
        for ending in ("", "-wal", "-shm"):
            delete_file(self.store.path + ending)


_leaked: list[Any] = []
"""Connections of the parent, which a forked child must not close."""


def _make(path: str, durability: Literal["rename", "fsync"], read_only: bool) -> SQLiteStore:
    return SQLiteStore(path, durability=durability, read_only=read_only)
