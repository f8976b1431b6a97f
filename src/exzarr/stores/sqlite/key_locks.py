"""Locks between processes on keys that are not files: for stores in one file, on this machine.

Each lock is an empty file in a separate folder next to the store, while a process holds it or waits for it. A lock
file of a killed process is not locked. The next process that locks the same key removes it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b

from exzarr import config
from exzarr.errors import StoreError
from exzarr.stores.local.file_locks import available, lock_file
from exzarr.stores.local.locking import check_locking
from exzarr.stores.local.write import delete_file

__all__ = ["key_lock"]


@contextmanager
def key_lock(folder: str, key: str, end: float) -> Iterator[None]:
    """Exclude other processes that lock the same key of the same folder.

    Raise LockTimeoutError if the lock is not free by `end` (`time.monotonic`).
    """
    check_locking(os.path.dirname(folder), config.get().locking)
    if not available():
        yield
        return
    path = os.path.join(folder, blake2b(key.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest())
    while True:
        try:
            file = lock_file(path, end)
            break
        except FileNotFoundError:
            _make(folder, path)
    try:
        yield
    finally:
        if file.held:  # not in a forked child
            delete_file(path)  # before it is unlocked: waiting processes see that it is gone
            file.close()
            try:
                os.rmdir(folder)
            except OSError:  # it contains other locks
                pass


def _make(folder: str, path: str) -> None:
    try:
        os.makedirs(folder, exist_ok=True)
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o666))
    except (FileNotFoundError, FileExistsError):  # the folder was removed again
        pass
    except OSError as error:
        raise StoreError(f"cannot make the lock file {path!r}: {error.strerror}") from error
