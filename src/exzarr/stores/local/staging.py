"""Staging of a node in a hidden folder of the same file system, which then becomes the node's folder.

The folder has a temporary name. Readers ignore it, and `exzarr.check` finds it if its writer was killed.
On Linux the new folder and the old folder exchange their names in one step. On other systems the old folder is
renamed first, and for a moment neither exists. A folder that cannot be renamed (a mount point, or a folder whose
parent is not writable) stays, and its entries are replaced one by one.
"""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from pathlib import Path

from exzarr.stores.base import is_reserved
from exzarr.stores.local.exchange import exchange
from exzarr.stores.local.store import LocalStore
from exzarr.stores.local.write import delete_tree, fsync_folder, make_folders, temporary_name
from exzarr.stores.os_errors import store_error
from exzarr.stores.staging import HiddenFolder

__all__ = ["FolderStaging", "folder_staging"]


def folder_staging(store: LocalStore, prefix: str, *, replacing: bool) -> FolderStaging | None:
    """Return a staging area (see `Store.staging_area`); None if the prefix has content that may not be replaced."""
    target = Path(store.local_path(prefix))
    if not prefix:  # for the root, replace the target of a link; elsewhere the link itself is replaced
        target = Path(os.path.realpath(target))
    if not replacing and os.path.lexists(target) and (target.is_symlink() or _entries(target)):
        return None
    return FolderStaging(store, prefix, target)


class FolderStaging:
    """Staging area in a hidden folder (see `stores.staging.StagingArea`)."""

    def __init__(self, store: LocalStore, prefix: str, target: Path) -> None:
        self._to = store
        self._prefix = prefix
        self._target = target
        self._inside = os.path.lexists(target) and not _can_be_renamed(target)
        above = target if self._inside else target.parent
        while not above.exists() and above != above.parent:
            above = above.parent
        self.store = HiddenFolder(above / temporary_name(), durability=store.durability)
        self.store.destination_url = store.url
        self._built = Path(self.store.local_path(prefix))

    @property
    def in_steps(self) -> bool:
        """See `StagingArea`. An existing empty folder is kept and filled, to keep its permissions."""
        return self._inside or (self._target.is_dir() and not _entries(self._target))

    def swap_in(self, *, replace: bool) -> bool:
        """See `StagingArea`."""
        try:
            done = self._swap_in(replace)
            if done and self._to.durability == "fsync":
                fsync_folder(f"{self._target}/" if self.in_steps else f"{self._target.parent}/")
        except OSError as error:
            raise store_error(error, self._to, self._prefix, writing=True) from error
        return done

    def _swap_in(self, replace: bool) -> bool:
        target, built = self._target, self._built
        there = os.path.lexists(target)
        entries = _entries(target) if there else []
        if not replace and (entries or target.is_symlink()):
            return False
        if there and (self._inside or not (entries or target.is_symlink())):
            self._fill(entries)
        elif there:
            _copy_permissions(target, built)
            self._replace()
        else:
            make_folders(str(target.parent), self._to.durability == "fsync")
            try:
                built.rename(target)
            except OSError as error:
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
                    raise
                return self._swap_in(replace) if replace else False  # created by another process meanwhile
        return True

    def _replace(self) -> None:
        """Give the new folder the name of the old one."""
        if exchange(str(self._built), str(self._target)):
            return
        old = Path(self.store.path).parent / temporary_name()
        self._target.rename(old)
        try:
            self._built.rename(self._target)
        except BaseException:
            old.rename(self._target)
            raise
        with suppress(OSError):
            delete_tree(str(old))

    def _fill(self, old: list[Path]) -> None:
        """Move the old entries out of the folder, and the new ones in, documents (files) last."""
        retired = Path(self.store.path) / temporary_name()
        if old:
            retired.mkdir()
        # Documents first: while it is replaced in part, the folder is then no node.
        for one in sorted(old, key=Path.is_dir):
            one.rename(retired / one.name)
        for one in sorted(self._built.iterdir(), key=Path.is_file):
            one.rename(self._target / one.name)

    def discard(self) -> None:
        """See `StagingArea`."""
        with suppress(OSError):  # the rest has a temporary name
            delete_tree(self.store.path)


def _entries(folder: Path) -> list[Path]:
    """Return the entries of a folder that are not temporary."""
    return [one for one in folder.iterdir() if not is_reserved(one.name)] if folder.is_dir() else []


def _can_be_renamed(folder: Path) -> bool:
    above = folder.parent
    if not os.access(above, os.W_OK) or folder.is_mount():
        return False
    return above.stat().st_dev == folder.lstat().st_dev


def _copy_permissions(old: Path, new: Path) -> None:
    """Copy the mode and the group of the old folder to the new one, as far as the system permits."""
    with suppress(OSError):
        if not old.is_symlink():
            if hasattr(os, "chown"):
                os.chown(new, -1, old.stat().st_gid)
            import shutil  # slow to import

            shutil.copymode(old, new)
