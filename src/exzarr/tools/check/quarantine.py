"""Moving a stored value out of sight, and putting one where there is none: nobody's write is lost by either.

A folder has what it takes: renaming moves whatever is there, and a look at what was moved tells whether it
is what was meant; if it is not (somebody replaced it at that moment), it goes back unless there is something
newer. Other stores can only look right before they write.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from exzarr.errors import StoreError
from exzarr.stores.base import Buffer, Store
from exzarr.stores.local_write import make_folders, temporary_name
from exzarr.tools.check.entries import QUARANTINE

__all__ = ["put_new", "quarantine_key", "set_aside"]


def quarantine_key(path: str, key: str, stamp: str) -> str:
    """Where the value at `key`, below the array at `path`, is kept by the repair called `stamp`."""
    head = f"{path}/" if path else ""
    return f"{head}{QUARANTINE}/{stamp}/{key[len(head) :]}"


class Held:
    """A value as it was before somebody looked at it closely: `set_aside` moves this one, and no other."""

    def __init__(self, store: Store, key: str) -> None:
        self.store = store
        self.key = key
        folder = store.local_path("")
        self.file = None if folder is None else Path(folder) / key
        self.value: Buffer | None = None
        self.identity: tuple[int, int, int] | None = None
        if self.file is None:
            self.value = store.get(key)
        else:
            self.identity = _identity(self.file)

    @property
    def exists(self) -> bool:
        return self.value is not None or self.identity is not None


def set_aside(held: Held, target: str) -> bool:
    """Move the value to the key `target`; False, and nothing is changed, where it is another one by now."""
    store, file = held.store, held.file
    if file is None:
        assert held.value is not None
        store.put(target, held.value)
        now = store.get(held.key)
        if now is None or bytes(now) != bytes(held.value):
            store.delete(target)
            return False
        store.delete(held.key)
        return True
    aside = Path(store.local_path("") or "") / target
    try:
        make_folders(f"{aside.parent.as_posix()}/")
        file.rename(aside)
    except FileNotFoundError:
        return False
    except OSError as error:
        raise StoreError(f"cannot move {held.key!r} in {store} into quarantine: {error.strerror}") from error
    if _identity(aside) == held.identity:
        return True
    try:
        os.link(aside, file)
    except FileExistsError:
        pass  # and something newer still is there: the older of the two stays in quarantine
    else:
        aside.unlink()
    return False


def put_new(store: Store, key: str, parts: Sequence[Buffer]) -> bool:
    """Store a value at a key where there is none; False where there is one."""
    folder = store.local_path("")
    if folder is None:
        if store.exists(key):
            return False
        store.put_parts(key, parts)
        return True
    file = Path(folder) / key
    temporary = file.parent / temporary_name()
    try:
        with temporary.open("xb") as out:
            for part in parts:
                out.write(part)
            out.flush()
            os.fsync(out.fileno())
        try:
            os.link(temporary, file)
        except FileExistsError:
            return False
        return True
    except OSError as error:
        raise StoreError(f"cannot write {key!r} in {store}: {error.strerror}") from error
    finally:
        temporary.unlink(missing_ok=True)


def _identity(file: Path) -> tuple[int, int, int] | None:
    try:
        status = file.lstat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_size
