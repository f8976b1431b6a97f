"""Exclusive update of a file."""

from __future__ import annotations

import time
from collections.abc import Hashable, Sequence

from exzarr.errors import LockTimeoutError, StoreError
from exzarr.stores.base import KEEP, Buffer, BytesReader, Change
from exzarr.stores.local.file_locks import LockedFile, available, lock_file
from exzarr.stores.local.files import OpenFile
from exzarr.stores.local.write import (
    Staged,
    delete_file,
    discard,
    move_if,
    move_to_new,
    replace_by_staged,
    replace_file,
    stage,
    version_at,
)
from exzarr.stores.locks import ThreadLock, deadline
from exzarr.stores.os_errors import is_absence

__all__ = ["update_file"]


def update_file(path: str, change: Change, *, sync: bool = False) -> None:
    """Update the file at `path` (see `Store.update`).

    An existing file is locked. A missing file cannot be locked: one of several concurrent writers creates it, and
    the others then update it. Writers of whole values replace the file without a lock. The update detects this
    before it replaces the file, and calls `change` again with the new content.
    """
    end = deadline()
    line = ThreadLock(path, path)
    line.acquire(end)
    try:
        while not _update(path, change, end, sync):
            if time.monotonic() > end:
                raise LockTimeoutError(
                    f"cannot update {path!r}: other writers, which take no lock, replaced it during each attempt"
                )
    finally:
        line.release()


def _update(path: str, change: Change, end: float, sync: bool) -> bool:
    """Try the update once. Return False if another writer was faster."""
    file = _open(path, end)
    try:
        parts = change(file)
        if parts is KEEP:
            return True
        if isinstance(file, LockedFile) and not file.held:
            raise StoreError(f"{path!r} is being changed by the process that this one was forked from")
        if file is None:
            return parts is None or replace_file(path, [*parts], sync=sync, move=move_to_new)
        if parts is not None:
            move = move_if(file.version)
            if file.staged is not None and file.staged[1] is parts:
                done = replace_by_staged(file.staged, path, sync=sync, move=move)
                file.staged = None if done else file.staged
                return done
            return replace_file(path, [*parts], sync=sync, move=move)
        if version_at(path) != file.version:
            return False
        delete_file(path)
        return True
    finally:
        if file is not None:
            file.close()


def _open(path: str, end: float) -> LockedFile | _ReadFile | None:
    try:
        return lock_file(path, end) if available() else _read(path)
    except OSError as error:
        if isinstance(error, StoreError) or not is_absence(error, path):
            raise
        return None


class _ReadFile(BytesReader):
    """A file that was read without a lock."""

    __slots__ = ("path", "staged")

    def __init__(self, path: str, whole: Buffer, version: Hashable) -> None:
        super().__init__(whole, version)
        self.path = path
        self.staged: Staged | None = None

    def stage(self, parts: Sequence[Buffer]) -> None:
        """Write the announced value to a temporary file (see `stores.write_intents.announce`)."""
        self.staged = stage(self.path, parts, self.staged)

    def close(self) -> None:
        if self.staged is not None:
            discard(self.staged[0])


def _read(path: str) -> _ReadFile:
    # Closed again: Windows cannot replace an open file.
    file = OpenFile(path)
    try:
        whole = memoryview(bytearray(file.size))
        file.read_into(whole, 0)
        return _ReadFile(path, whole, file.version)
    finally:
        file.close()
