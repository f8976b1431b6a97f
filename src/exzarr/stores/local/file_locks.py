"""Locks between processes: a file that is changed is its own lock.

Who wants to change a file opens it and takes its lock (``flock``, https://man7.org/linux/man-pages/man2/flock.2.html).
The change replaces the file, so the lock ends with what it protected; whoever waited finds another file
at the path, and takes the lock of that. So there is no lock file that could be left over, and nothing
in the folder that others would take for a key. The kernel gives the lock back when its holder ends,
however that ends. Threads line up in their process first (`stores.locks`), and one of them tries for the file.

Waiting is by trying again, since a call that blocks could not time out. Who waits says so by a shared
lock on the file's first byte, where the system has locks of open file descriptions (Linux). Who gives
the lock back sees it, and pauses for longer than it takes to try again: so nobody who changes a value
again and again starves the others.

Where there is no ``flock`` (Windows), only threads are kept apart.
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
"""Seconds between two tries: at first, and after waiting for long."""
GIVE_WAY = 0.0015
"""Seconds before who was waited for may come back."""

_UNSUPPORTED = frozenset({errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EINVAL})


def available() -> bool:
    """Whether processes are kept apart."""
    return fcntl is not None and config.get().file_locks


def lock_file(path: str, end: float) -> LockedFile:
    """The file at `path`, opened and locked.

    FileNotFoundError (or what else the system says) where there is none; LockTimeoutError where it is
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
            # A network file system, which locks only what is open for writing.
            flags |= os.O_RDWR
        else:
            file.close()


def is_locked(path: str) -> bool:
    """Whether a process, this one or another, holds the lock of the file at `path` just now."""
    if not available():
        return False
    try:
        fd = os.open(path, READ_FLAGS)
    except OSError:
        return False
    try:
        # Shared, so that those who ask at the same moment don't see one another.
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # a file system without locks
        return False
    finally:
        # Not by closing alone: a child that was forked meanwhile has the file open, too.
        _unlock(fd)
        os.close(fd)
    return False


class LockedFile(OpenFile):
    """A file that is open, and locked until it is closed."""

    __slots__ = ("path", "staged")

    def __init__(self, path: str, flags: int) -> None:
        self.path = path
        self.staged: Staged | None = None
        # Under the guard, which a fork waits for: the child must know all descriptors that it inherits.
        with _guard:
            super().__init__(path, flags)
            _open_files.add(self)

    def stage(self, parts: Sequence[Buffer]) -> None:
        """See `stores.notes.announce`."""
        self.staged = stage(self.path, parts, self.staged)

    @property
    def held(self) -> bool:
        """False when it is closed, and in a forked child: there its parent holds the lock."""
        return self._fd >= 0

    def lock(self, end: float) -> bool:
        """Take the lock; LockTimeoutError where it is not free in time.

        False where waiting for it is in vain, since another file has taken its place.
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
        """Whether it is still the file at its path, and as it was."""
        # Opened, not just looked at: what a network file system has cached of the folder may be old.
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
            # Not by closing alone: a child that was forked meanwhile has the file open, too.
            _unlock(fd)
        # Without the guard: where the file has been replaced the system removes it now, and waits for what is just being
        # written of it. A child that is forked meanwhile keeps it open, unlocked and without a name, until it ends.
        os.close(fd)
        if waited_for:
            time.sleep(GIVE_WAY)


def _failed(path: str, error: OSError) -> StoreError:
    reason = error.strerror or str(error)
    if error.errno in _UNSUPPORTED:
        return StoreError(
            f"cannot lock {path!r}: {reason}. The file system has no locks; where no other process writes, "
            "exzarr.config.set(file_locks=False) does without"
        )
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS, errno.EBADF):
        return ReadOnlyError(f"may not lock {path!r}: {reason}; check the file's permissions")
    return StoreError(f"cannot lock {path!r}: {reason}")


# -- what the system has -----------------------------------------------------------------


def try_lock(fd: int) -> bool:
    """Lock the whole file that is open as `fd`; False where somebody else has it locked."""
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
    # struct flock: type, whence, start, length, and a process id, which is not used
    return struct.pack("@hhqqi4x", kind, os.SEEK_SET, 0, 1, 0)


if hasattr(fcntl, "F_OFD_SETLK"):
    _WAITING, _WHO_WAITS = _request(fcntl.F_RDLCK), _request(fcntl.F_WRLCK)
    _NOBODY = _request(fcntl.F_UNLCK)[:2]
    _FLAGS = True
else:
    _FLAGS = False


def _say_waiting(fd: int) -> None:
    if _FLAGS:
        try:
            fcntl.fcntl(fd, fcntl.F_OFD_SETLK, _WAITING)
        except OSError:  # where flock is made of such locks, as on network file systems
            pass


def _is_waited_for(fd: int) -> bool:
    try:
        return _FLAGS and fcntl.fcntl(fd, fcntl.F_OFD_GETLK, _WHO_WAITS)[:2] != _NOBODY
    except OSError:
        return False


# -- across a fork -----------------------------------------------------------------------

_open_files: set[LockedFile] = set()
# Reentrant for the sake of a signal handler that forks.
_guard = threading.RLock()


def _before_fork() -> None:
    _guard.acquire()


def _after_fork_in_parent() -> None:
    _guard.release()


def _after_fork_in_child() -> None:
    """What the parent has locked it goes on to hold: the child only closes its descriptors of it.

    Else the locks of a parent that is killed would live on in the child.
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
