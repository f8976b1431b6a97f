"""What locks guarantee in a folder: warn once where it is less than on a local disk, or refuse to rely on it.

A write that needs a lock asks `check_locking` first. Writes of whole chunks need none and never ask.
"""

from __future__ import annotations

import os
import threading
import warnings
from dataclasses import dataclass
from typing import Literal

from exzarr import config
from exzarr.errors import LockingWarning, UpdateUnsupportedError
from exzarr.stores.local import file_locks
from exzarr.stores.local.file_systems import UNKNOWN, Mount, Reach, mount_of, reach_of
from exzarr.stores.local.write import discard, temporary_name

__all__ = ["LockingMode", "FolderLocks", "check_locking", "locks_in"]

LockingMode = Literal["auto", "required"]

ALIGNED = (
    "Writes of whole chunks need no lock: let each worker write its own chunks (see array.explain.write)"
)
_GUARANTEES = {
    Reach.HOSTS: "locks exclude writers on all hosts if the server supports them, which this host cannot check",
    Reach.HOST: "locks exclude only writers on this host: its mount options keep locks local",
    Reach.NOT_KNOWN: "locks exclude writers on this host; whether they exclude those on other hosts is not known",
    Reach.NONE: "there are no locks",
}


@dataclass(frozen=True, slots=True)
class FolderLocks:
    """What is known about locks in a folder.

    Attributes
    ----------
    mount
        File system of the folder.
    reach
        Which writers a lock excludes, by the type and the options of the mount, and by a trial.
    links
        True if files can be created exclusively, by hard links. None if it was not tried.
    """

    mount: Mount
    reach: Reach
    links: bool | None = None

    @property
    def promised(self) -> bool:
        """True if no writer is known or suspected to be excluded by no lock."""
        return self.reach in (Reach.ALL, Reach.HOSTS)

    def __str__(self) -> str:
        text = f"{self.mount}: {_GUARANTEES.get(self.reach, 'locks exclude all writers')}"
        if self.links is False:
            text += (
                "; it has no hard links, so two writers that create the same chunk or node may both succeed"
            )
        return text


def check_locking(folder: str, mode: str) -> None:
    """Warn once for each file system on which locks guarantee less than on a local disk.

    Raise UpdateUnsupportedError if `mode` is ``"required"`` and the locks do not exclude all writers.
    """
    if not file_locks.available():
        if mode == "required":
            raise UpdateUnsupportedError(
                f"cannot lock values in {folder!r}: locking is 'required', and locks between processes are "
                f"{'disabled (config.file_locks)' if not config.get().file_locks else 'not available on this system'}. "
                f"{ALIGNED}, or use locking='auto' if no other process writes"
            )
        return
    found, first = locks_in(folder)
    if mode == "required" and not found.promised:
        raise UpdateUnsupportedError(
            f"cannot lock values in {folder!r}: locking is 'required', and the folder is on {found}. "
            f"{ALIGNED}, use a local disk or an object store, or use locking='auto' if no other host writes"
        )
    if first and found.reach is not Reach.ALL and found.mount is not UNKNOWN:
        warnings.warn(f"{folder!r} is on {found}. {ALIGNED}.", LockingWarning, stacklevel=2)


def locks_in(folder: str) -> tuple[FolderLocks, bool]:
    """Return what is known about locks in `folder`, and True if its file system was examined just now."""
    while not os.path.isdir(folder) and folder != os.path.dirname(folder):
        folder = os.path.dirname(folder)
    device = os.stat(folder).st_dev
    with _guard:
        found = _known.get(device)
        if found is not None:
            return found, False
        found = _known[device] = _examined(folder)
        return found, True


def _examined(folder: str) -> FolderLocks:
    mount = mount_of(folder)
    reach = reach_of(mount)
    if reach is Reach.ALL:
        return FolderLocks(mount, reach)
    try:
        excludes, links = try_locks(folder)
    except OSError:  # the folder cannot be written: the write will fail with a better error
        return FolderLocks(mount, reach)
    return FolderLocks(mount, reach if excludes else Reach.NONE, links)


def try_locks(folder: str) -> tuple[bool, bool]:
    """Try locks and links with a temporary file.

    Returns
    -------
    excludes : bool
        Whether a lock of one open file excludes another one.
    links : bool
        Whether hard links work.

    Raises
    ------
    OSError
        No file can be created.
    """
    path = os.path.join(folder, temporary_name())
    one = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        return _excludes(one, path), _links(path)
    finally:
        os.close(one)
        discard(path)


def _excludes(one: int, path: str) -> bool:
    other = os.open(path, os.O_RDWR)
    try:
        return file_locks.try_lock(one) and not file_locks.try_lock(other)
    except OSError:
        return False
    finally:
        os.close(other)


def _links(path: str) -> bool:
    other = os.path.join(os.path.dirname(path), temporary_name())
    try:
        os.link(path, other)
    except OSError:
        return False
    discard(other)
    return True


_known: dict[int, FolderLocks] = {}
_guard = threading.Lock()


def _forget() -> None:
    """Replace the lock after a fork: another thread of the parent may have held it."""
    global _guard
    _guard = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
