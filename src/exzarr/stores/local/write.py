"""Replacing and removing files so that nobody ever sees half of it."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Hashable, Sequence
from itertools import count

from exzarr.stores.base import ABSENT, TEMPORARY_SUFFIX, Buffer, is_reserved
from exzarr.stores.local.files import file_version

__all__ = [
    "Staged",
    "delete_content",
    "delete_file",
    "delete_tree",
    "discard",
    "fsync",
    "fsync_folder",
    "make_folders",
    "move_if",
    "move_to_new",
    "replace_by_staged",
    "replace_file",
    "stage",
    "temporary_name",
    "version_at",
    "write_temporary",
]

_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)

Staged = tuple[str, Sequence[Buffer]]
"""A temporary file, and what is in it: the pieces, as whoever announced them will hand them over."""

# Linux and macOS take so many pieces (IOV_MAX) in one call.
_ONE_WRITEV = 1024

# How often a folder may be deleted under a writer before it gives up.
_ATTEMPTS = 100

_counter = count()
_process = ""


def _name_process() -> None:
    # Process ids are not unique where several machines or containers share a folder.
    global _process
    _process = f".{os.getpid()}-{os.urandom(4).hex()}-"


_name_process()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_name_process)


def temporary_name() -> str:
    """A file name that no other thread, process or machine has: ``.<pid>-<random>-<n>.exzarr-tmp``."""
    return f"{_process}{next(_counter)}{TEMPORARY_SUFFIX}"


def replace_file(
    path: str,
    value: Buffer | list[Buffer],
    *,
    sync: bool = False,
    move: Callable[[str, str], bool | None] | None = None,
) -> bool:
    """Make `value` the content of the file at `path`, at once; make its folders where they lack.

    A list holds the pieces of one value. With `sync`, return only when the file and its place in the folder are on the disk.
    `move` renames the finished file; where it returns False, that is discarded, and False returned.
    """
    rename = move or _rename
    folder = path[: path.rindex("/") + 1]
    for attempt in range(_ATTEMPTS):
        temporary = f"{folder}{_process}{next(_counter)}{TEMPORARY_SUFFIX}"
        try:
            _write_new(temporary, value, sync)
            if rename(temporary, path) is False:
                os.unlink(temporary)
                return False
        except BaseException as error:
            discard(temporary)
            # There is no such folder yet, or somebody has deleted it, and our temporary file with it.
            if isinstance(error, FileNotFoundError) and attempt < _ATTEMPTS - 1:
                make_folders(folder, sync)
                continue
            raise
        if sync:
            fsync_folder(folder)
        return True
    return False  # never: the last attempt raises


def write_temporary(folder: str, value: Buffer | list[Buffer], *, make: bool = False) -> str:
    """Write `value` to a temporary file in `folder` (which ends with a slash); returns its path.

    With `make`, the folder is made where it lacks.
    """
    temporary = f"{folder}{_process}{next(_counter)}{TEMPORARY_SUFFIX}"
    for attempt in range(_ATTEMPTS):
        try:
            _write_new(temporary, value, False)
        except BaseException as error:
            discard(temporary)
            if not make or not isinstance(error, FileNotFoundError) or attempt == _ATTEMPTS - 1:
                raise
            make_folders(folder)
        else:
            break
    return temporary


def discard(temporary: str) -> None:
    """Remove a temporary file, if it is there."""
    try:
        os.unlink(temporary)
    except OSError:
        pass


def stage(path: str, parts: Sequence[Buffer], before: Staged | None) -> Staged | None:
    """Write the temporary file that is to replace the one at `path`, while what belongs to the change is yet to be done.

    `before` is what was staged for the same change already, and is no more wanted. None where the folder is gone.
    """
    try:
        temporary = write_temporary(path[: path.rindex("/") + 1], [*parts])
    except FileNotFoundError:
        return before
    if before is not None:
        discard(before[0])
    return temporary, parts


def replace_by_staged(staged: Staged, path: str, *, sync: bool, move: Callable[[str, str], bool]) -> bool:
    """`replace_file`, with a temporary file that is written already."""
    temporary = staged[0]
    if sync:
        fd = os.open(temporary, os.O_RDWR)
        try:
            fsync(fd)
        finally:
            os.close(fd)
    if not move(temporary, path):
        return False
    if sync:
        fsync_folder(path[: path.rindex("/") + 1])
    return True


def _write_new(path: str, value: Buffer | list[Buffer], sync: bool) -> None:
    fd = os.open(path, _CREATE, 0o666)
    try:
        if isinstance(value, list):
            _write_parts(fd, value)
        else:
            n = os.write(fd, value)
            if n != len(value):
                _write_rest(fd, value, n)
        if sync:
            fsync(fd)
    finally:
        os.close(fd)


def move_if(version: Hashable) -> Callable[[str, str], bool]:
    """A `move` for `replace_file`: nothing happens unless the file there has this version.

    Who replaces it between this look and the renaming is overwritten: there are a few microseconds for that.
    """

    def move(temporary: str, path: str) -> bool:
        if version_at(path) != version:
            return False
        _rename(temporary, path)
        return True

    return move


def move_to_new(temporary: str, path: str) -> bool:
    """A `move` for `replace_file`: nothing happens where something is at `path` already. Exact."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        return False
    except FileNotFoundError:
        raise
    except OSError:  # a file system without links: the check and the renaming are two steps
        if os.path.lexists(path):
            return False
        _rename(temporary, path)
    else:
        os.unlink(temporary)
    return True


def version_at(path: str) -> Hashable:
    """The version of the file at `path`, as `files.OpenFile` has it; ABSENT where there is none."""
    try:
        return file_version(os.stat(path))
    except (FileNotFoundError, NotADirectoryError):
        return ABSENT


def _write_parts(fd: int, parts: list[Buffer]) -> None:
    for first in range(0, len(parts), _ONE_WRITEV):
        some = parts[first : first + _ONE_WRITEV]
        done = os.writev(fd, some)
        for part in some:
            if done < len(part):
                _write_rest(fd, part, max(done, 0))
            done -= len(part)


if not hasattr(os, "writev"):  # Windows

    def _write_parts(fd: int, parts: list[Buffer]) -> None:
        _write_rest(fd, b"".join(parts), 0)


def _write_rest(fd: int, value: Buffer, done: int) -> None:
    with memoryview(value) as view, view.cast("B") as flat:
        while done < len(flat):
            done += os.write(fd, flat[done:])


def make_folders(folder: str, sync: bool = False) -> list[str]:
    """Make `folder` and those above it, where they lack; returns what was made, the topmost first."""
    missing = []
    made: list[str] = []
    folder = folder.rstrip("/")
    while folder and not os.path.isdir(folder):
        missing.append(folder)
        folder = folder.rpartition("/")[0]
    for path in reversed(missing):
        try:
            os.mkdir(path)
        except FileExistsError:
            if not os.path.isdir(path):
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), path) from None
        except FileNotFoundError:
            break  # deleted again; whoever called begins anew
        else:
            made.append(path)
        if sync:
            fsync_folder(path.rpartition("/")[0] + "/")
    return made


def _fsync_posix(fd: int) -> None:
    os.fsync(fd)


def _fsync_apple(fd: int) -> None:
    # fsync on macOS leaves the data in the drive's cache.
    import fcntl

    try:
        fcntl.fcntl(fd, fcntl.F_FULLFSYNC)  # type: ignore[attr-defined,unused-ignore]
    except OSError:  # file systems that don't know it
        os.fsync(fd)


def _fsync_folder_posix(folder: str) -> None:
    fd = os.open(folder, os.O_RDONLY)
    try:
        fsync(fd)
    finally:
        os.close(fd)


def _fsync_folder_windows(folder: str) -> None:
    pass  # there is no such thing: NTFS logs its folders


def _rename_windows(temporary: str, path: str) -> None:
    # A file that somebody has open for reading can't be replaced; readers are quick.
    import time

    for attempt in range(50):
        try:
            os.replace(temporary, path)
            return
        except PermissionError:
            if attempt == 49 or os.path.isdir(path):
                raise
            time.sleep(0.001 * (attempt + 1))


_rename: Callable[[str, str], None] = _rename_windows if os.name == "nt" else os.rename
fsync_folder = _fsync_folder_windows if os.name == "nt" else _fsync_folder_posix
fsync = _fsync_apple if hasattr(os, "uname") and os.uname().sysname == "Darwin" else _fsync_posix


def delete_file(path: str) -> None:
    """Remove the file or link at `path`; folders and what is absent are left alone."""
    try:
        os.unlink(path)
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        pass
    except PermissionError:
        if os.path.islink(path) or not os.path.isdir(path):  # what macOS and Windows say of a folder
            raise


def delete_tree(path: str) -> None:
    """Remove the folder at `path` and all in it. Of a link to a folder, only the link goes.

    The folder is renamed first, so that for readers everything in it goes at once, and so
    that writers who come meanwhile begin a new folder.
    """
    try:
        mode = os.lstat(path).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return
    if stat.S_ISLNK(mode):
        if os.path.isdir(path):
            delete_file(path)
        return
    if not stat.S_ISDIR(mode):
        return
    folder, _, name = path.rpartition("/")
    if is_reserved(name):  # left over by a deleter that died
        _remove_tree(path)
        return
    aside = f"{folder}/{temporary_name()}"
    try:
        os.rename(path, aside)
    except FileNotFoundError:
        return
    except OSError:
        aside = path  # a mount point, say: what is in it can go, even so
    _remove_tree(aside)


def delete_content(folder: str) -> None:
    """Remove everything in `folder`, but not the folder itself."""
    try:
        names = os.listdir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return
    # Temporary files last: they tell what the rest was, to whoever finds it half removed.
    for name in sorted(names, key=is_reserved):
        path = f"{folder}{name}"
        if os.path.isdir(path):
            delete_tree(path)
        else:
            delete_file(path)


def _remove_tree(path: str) -> None:
    import shutil

    for attempt in range(_ATTEMPTS):
        try:
            shutil.rmtree(path)
            return
        except FileNotFoundError:
            # Gone, or a part of it: somebody else deletes the same folder.
            if not os.path.isdir(path):
                return
        except OSError as error:
            # Somebody puts into a folder that could not be renamed away.
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST) or attempt == _ATTEMPTS - 1:
                raise
