"""Building what goes into a folder somewhere else first, to be moved there by one renaming.

The place is a folder of a temporary name, on the same file system: no reader looks into it, and `exzarr.check`
finds it when whoever was building is dead.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path

from exzarr.stores.base import Store, is_reserved
from exzarr.stores.local import LocalStore
from exzarr.stores.local_write import delete_tree, fsync_folder, make_folders, temporary_name
from exzarr.stores.os_errors import store_error

__all__ = ["can_be_moved_in", "is_filled", "make_aside", "move_in", "remove"]


class Aside(LocalStore):
    """A folder that is to be moved. Messages and profiles call it by where it goes."""

    goes_to = ""

    @property
    def url(self) -> str:
        return self.goes_to or super().url


def can_be_moved_in(store: Store, prefix: str, *, overwrite: bool) -> bool:
    """Whether a new folder can be moved to `prefix` when it is finished.

    That is where nothing is in the way, or, with `overwrite`, nothing will be by then.
    """
    if type(store) is not LocalStore:
        return False
    folder = Path(store.local_path(prefix))
    if folder.is_symlink() or folder.is_mount():
        return False
    if not folder.exists():
        return True
    above = folder.parent
    if not os.access(above, os.W_OK) or above.stat().st_dev != folder.stat().st_dev:
        return False
    return overwrite or not any(folder.iterdir())


def make_aside(store: Store, prefix: str) -> Aside:
    """A store of its own, in a new folder above `prefix`, for what `move_in` will bring there."""
    assert isinstance(store, LocalStore)
    above = Path(store.local_path(prefix)).parent
    while not above.exists() and above != above.parent:
        above = above.parent
    aside = Aside(above / temporary_name(), durability=store.durability)
    aside.goes_to = f"{store.url}/{prefix}" if prefix else store.url
    return aside


def is_filled(store: Store, prefix: str) -> bool:
    """Whether `move_in` fills a folder that is there, in several steps."""
    return Path(store.local_path(prefix) or "").exists()


def move_in(aside: LocalStore, store: Store, prefix: str) -> bool:
    """Make what was built the folder at `prefix`; False where something is there meanwhile.

    Where there is an empty folder, that stays (it has permissions of its own), and is filled: with files last, the
    documents among them.
    """
    assert isinstance(store, LocalStore)
    folder, built = Path(store.local_path(prefix)), Path(aside.path)
    sync = store.durability == "fsync"
    try:
        if folder.exists():
            moves = sorted(built.iterdir(), key=Path.is_file)
            if any(not is_reserved(there.name) for there in folder.iterdir()):
                return False
        else:
            make_folders(str(folder.parent), sync)
            moves = []
        try:
            for one in moves:
                one.rename(folder / one.name)
            if moves:
                built.rmdir()
            else:
                built.rename(folder)
        except OSError as error:
            if error.errno in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
                return False
            raise
        if sync:
            fsync_folder(f"{folder if moves else folder.parent}/")
    except OSError as error:
        raise store_error(error, store, prefix, writing=True) from error
    return True


def remove(aside: LocalStore) -> None:
    """Remove what was built."""
    delete_tree(aside.path)
