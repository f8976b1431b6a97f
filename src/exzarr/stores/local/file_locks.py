"""Locks between processes. The lock of a file is on the file itself.

To change a file, a writer opens and locks it (``flock``, https://man7.org/linux/man-pages/man2/flock.2.html).
The change replaces the file, and the lock ends with the old file. A waiting writer then finds another file
at the path, and locks that. There are no separate lock files that could be left over or be taken for keys. The
kernel releases the lock when its holder ends, for any reason. The threads of a process first wait for each
other (`stores.locks`), and one of them locks the file.

Writers wait by polling, because a blocking call could not time out. On systems with locks of open file descriptions
(Linux), a waiting writer takes a shared lock on the file's first byte. The holder detects it when it releases the
lock, and pauses for longer than one polling interval. A writer that updates a value repeatedly therefore does not
starve the others.

Without ``flock`` (Windows), the locks exclude only threads.
"""

from __future__ import annotations

import errno
import os
import struct
import threading
import time
from collections.abc import Sequence

from exzarr import config
from exzarr.errors import ReadOnlyError, StoreError
from exzarr.stores.base import Buffer
from exzarr.stores.local.files import READ_FLAGS, OpenFile, file_version
from exzarr.stores.local.lock_holders import holder_of
from exzarr.stores.local.write import Staged, discard, stage
from exzarr.stores.locks import note_wait, timed_out

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

__all__ = ["LockedFile", "available", "is_locked", "lock_file"]

FIRST_PAUSE, LAST_PAUSE = 0.0001, 0.001
"""First and longest polling interval in seconds."""
GIVE_WAY = 0.0015
"""Seconds that a holder pauses after it releases a lock for which others wait."""

_UNSUPPORTED = frozenset({errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EINVAL})


def available() -> bool:
    """Return True if locks exclude other processes."""
    return fcntl is not None and config.get().file_locks


def lock_file(path: str, end: float) -> LockedFile:
    """Open and lock the file at `path`.

    Raise FileNotFoundError (or another error of the system) if it is missing, and LockTimeoutError if the lock is
    not free by `end` (`time.monotonic`).
    """
    flags = READ_FLAGS
    while True:
        file = LockedFile(path, flags)
        try:
            if file.lock(end) and file.is_in_place():
                return file
        except BaseException as error:
            file.close()
            if not isinstance(error, OSError) or isinstance(error, StoreError):
                raise
            if error.errno != errno.EBADF or flags != READ_FLAGS:
                raise _failed(path, error) from error
            # A network file system that locks only files that are open for writing.
            flags |= os.O_RDWR
        else:
            file.close()


def is_locked(path: str) -> bool:
    """Return True if any process, including this one, holds the lock of the file at `path`."""
    if not available():
        return False
    try:
        fd = os.open(path, READ_FLAGS)
    except OSError:
        return False
    try:
        # Shared, so that concurrent calls do not see each other.
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # a file system without locks
        return False
    finally:
        # Closing is not enough: a child that was forked meanwhile has the file open too.
        _unlock(fd)
        os.close(fd)
    return False


class LockedFile(OpenFile):
    """An open file that is locked until it is closed."""

    __slots__ = ("path", "staged")

    def __init__(self, path: str, flags: int) -> None:
        self.path = path
        self.staged: Staged | None = None
        # A fork waits for the guard: the child must know all descriptors that it inherits.
        with _guard:
            super().__init__(path, flags)
            _open_files.add(self)

    def stage(self, parts: Sequence[Buffer]) -> None:
        """Write the announced value to a temporary file (see `stores.write_intents.announce`)."""
        self.staged = stage(self.path, parts, self.staged)

    @property
    def held(self) -> bool:
        """True while this process holds the lock. False in a forked child, whose parent holds it."""
        return self._fd >= 0

    def lock(self, end: float) -> bool:
        """Acquire the lock. Raise LockTimeoutError if it is not free in time.

        Return False if another file has replaced this one, so that waiting is useless.
        """
        if try_lock(self._fd):
            return True
        began = now = time.monotonic()
        _say_waiting(self._fd)
        try:
            while now < end:
                time.sleep(min(max(FIRST_PAUSE, (now - began) / 100), LAST_PAUSE, end - now))
                if try_lock(self._fd):
                    return True
                if not self.is_in_place():
                    return False
                now = time.monotonic()
        finally:
            note_wait(time.monotonic() - began)
        raise timed_out(self.path, holder_of(self._fd))

    def is_in_place(self) -> bool:
        """Return True if this is still the file at its path, and unchanged."""
        # Open the file instead of `stat`: a network file system may have cached old attributes.
        try:
            fd = os.open(self.path, READ_FLAGS)
        except OSError:
            return False
        try:
            return file_version(os.fstat(fd)) == self.version
        finally:
            os.close(fd)

    def close(self) -> None:
        if self.staged is not None:
            discard(self.staged[0])
        with _guard:
            _open_files.discard(self)
            fd, self._fd = self._fd, -1
            if fd < 0:
                return
            waited_for = _is_waited_for(fd)
            # Closing is not enough: a child that was forked meanwhile has the file open too.
            _unlock(fd)
        # Without the guard: if the file was replaced, the system removes it now and waits for its pending writes.
        # A child that is forked meanwhile keeps it open, unlocked and without a name, until the child ends.
        os.close(fd)
        if waited_for:
            time.sleep(GIVE_WAY)


def _failed(path: str, error: OSError) -> StoreError:
    reason = error.strerror or str(error)
    if error.errno in _UNSUPPORTED:
        return StoreError(
            f"cannot lock {path!r}: {reason}. The file system has no locks; if no other process writes, "
            "disable them with exzarr.config.set(file_locks=False)"
        )
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS, errno.EBADF):
        return ReadOnlyError(f"may not lock {path!r}: {reason}; check the file's permissions")
    return StoreError(f"cannot lock {path!r}: {reason}")


# -- system calls ------------------------------------------------------------------------


def try_lock(fd: int) -> bool:
    """Lock the whole file that is open as `fd`. Return False if another process holds the lock."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _unlock(fd: int) -> None:
    try:
        fcntl.flock(fd, fcntl.LOCK_UN)
    except OSError:  # a file system without locks
        pass


def _request(kind: int) -> bytes:
    # struct flock: type, whence, start, length, and an unused process id
    return struct.pack("@hhqqi4x", kind, os.SEEK_SET, 0, 1, 0)


if hasattr(fcntl, "F_OFD_SETLK"):
    _WAITING, _PROBE = _request(fcntl.F_RDLCK), _request(fcntl.F_WRLCK)
    _UNLOCKED = _request(fcntl.F_UNLCK)[:2]
    _FLAGS = True
else:
    _FLAGS = False


def _say_waiting(fd: int) -> None:
    if _FLAGS:
        try:
            fcntl.fcntl(fd, fcntl.F_OFD_SETLK, _WAITING)
        except OSError:  # flock itself uses such locks, as on network file systems
            pass


def _is_waited_for(fd: int) -> bool:
    try:
        return _FLAGS and fcntl.fcntl(fd, fcntl.F_OFD_GETLK, _PROBE)[:2] != _UNLOCKED
    except OSError:
        return False


# -- across a fork -----------------------------------------------------------------------

_open_files: set[LockedFile] = set()
# Reentrant, because a signal handler may fork.
_guard = threading.RLock()


def _before_fork() -> None:
    _guard.acquire()


def _after_fork_in_parent() -> None:
    _guard.release()


def _after_fork_in_child() -> None:
    """Close the inherited descriptors in a forked child. The parent keeps its locks.

    Otherwise the child would keep the locks of a parent that is killed.
    """
    global _guard
    _guard = threading.RLock()
    for file in _open_files:
        fd, file._fd, file.staged = file._fd, -1, None
        os.close(fd)
    _open_files.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child
    )
