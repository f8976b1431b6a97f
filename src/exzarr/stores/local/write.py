"""Atomic replacement and removal of files."""

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
"""A temporary file, and its content: the announced parts of the value."""

# Largest number of buffers (IOV_MAX) of one call on Linux and macOS.
_ONE_WRITEV = 1024

# Attempts of a writer whose folder is deleted concurrently.
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
    """Return a file name that no other thread, process or machine uses: ``.<pid>-<random>-<n>.exzarr-tmp``."""
    return f"{_process}{next(_counter)}{TEMPORARY_SUFFIX}"


def replace_file(
    path: str,
    value: Buffer | list[Buffer],
    *,
    sync: bool = False,
    move: Callable[[str, str], bool | None] | None = None,
) -> bool:
    """Replace the content of the file at `path` atomically, and create missing folders.

    A list has the parts of one value. With `sync`, wait until the file and its folder entry are on the disk.
    `move` renames the finished file. If it returns False, the file is discarded, and False returned.
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
            # The folder is missing, or another process has deleted it together with the temporary file.
            if isinstance(error, FileNotFoundError) and attempt < _ATTEMPTS - 1:
                make_folders(folder, sync)
                continue
            raise
        if sync:
            fsync_folder(folder)
        return True
    return False  # never: the last attempt raises


def write_temporary(folder: str, value: Buffer | list[Buffer], *, make: bool = False) -> str:
    """Write `value` to a temporary file in `folder` (which ends with a slash), and return its path.

    With `make`, create the folder if it is missing.
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
    """Remove a temporary file if it exists."""
    try:
        os.unlink(temporary)
    except OSError:
        pass


def stage(path: str, parts: Sequence[Buffer], before: Staged | None) -> Staged | None:
    """Write the temporary file that will replace the file at `path` at the end of the change.

    `before` is an earlier staged file of the same change, which is discarded. If the folder is missing, nothing is
    staged and `before` is returned.
    """
    try:
        temporary = write_temporary(path[: path.rindex("/") + 1], [*parts])
    except FileNotFoundError:
        return before
    if before is not None:
        discard(before[0])
    return temporary, parts


def replace_by_staged(staged: Staged, path: str, *, sync: bool, move: Callable[[str, str], bool]) -> bool:
    """Replace a file as `replace_file` does, by a temporary file that is already written."""
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
    """Return a `move` for `replace_file` that renames only if the existing file has this version.

    A change between the check and the rename, within a few microseconds, is overwritten.
    """

    def move(temporary: str, path: str) -> bool:
        if version_at(path) != version:
            return False
        _rename(temporary, path)
        return True

    return move


def move_to_new(temporary: str, path: str) -> bool:
    """Move a file to `path` only if `path` does not exist: an exact `move` for `replace_file`."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        return False
    except FileNotFoundError:
        raise
    except OSError:  # a file system without hard links: the check and the rename are two steps
        if os.path.lexists(path):
            return False
        _rename(temporary, path)
    else:
        os.unlink(temporary)
    return True


def version_at(path: str) -> Hashable:
    """Return the version of the file at `path`, as `files.OpenFile` does; ABSENT if there is none."""
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
    """Create `folder` and its missing parents. Return the created folders, the topmost first."""
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
            break  # deleted again; the caller retries
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
    except OSError:  # a file system without F_FULLFSYNC
        os.fsync(fd)


def _fsync_folder_posix(folder: str) -> None:
    fd = os.open(folder, os.O_RDONLY)
    try:
        fsync(fd)
    finally:
        os.close(fd)


def _fsync_folder_windows(folder: str) -> None:
    pass  # not available and not needed: NTFS journals its folders


def _rename_windows(temporary: str, path: str) -> None:
    # A file that is open for reading cannot be replaced. Retry, because reads are short.
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
    """Remove the file or link at `path`. Do nothing if it is a folder or missing."""
    try:
        os.unlink(path)
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        pass
    except PermissionError:
        if os.path.islink(path) or not os.path.isdir(path):  # macOS and Windows raise this for a folder
            raise


def delete_tree(path: str) -> None:
    """Remove the folder at `path` with its content. If it is a link to a folder, remove only the link.

    The folder is renamed first. For readers all content therefore disappears together, and concurrent writers
    create a new folder.
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
    if is_reserved(name):  # left over by a killed process
        _remove_tree(path)
        return
    hidden = f"{folder}/{temporary_name()}"
    try:
        os.rename(path, hidden)
    except FileNotFoundError:
        return
    except OSError:
        hidden = path  # a mount point, for example: remove its content in place
    _remove_tree(hidden)


def delete_content(folder: str) -> None:
    """Remove everything in `folder`, but not the folder itself."""
    try:
        names = os.listdir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return
    # Temporary files last: they describe the rest if the removal is interrupted.
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
            # Another process deletes the same folder.
            if not os.path.isdir(path):
                return
        except OSError as error:
            # Another process writes to a folder that could not be renamed.
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST) or attempt == _ATTEMPTS - 1:
                raise
