"""Writer of a zip file under a temporary name."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from exzarr import config
from exzarr.errors import StoreError
from exzarr.stores.base import TEMPORARY_SUFFIX, Buffer
from exzarr.stores.file_at import FileAt
from exzarr.stores.local.file_locks import available, try_lock
from exzarr.stores.local.lock_holders import holder_of
from exzarr.stores.local.locking import check_locking
from exzarr.stores.local.write import (
    delete_file,
    fsync,
    fsync_folder,
    make_folders,
    move_to_new,
    temporary_name,
)
from exzarr.stores.zip.archive import Archive

if TYPE_CHECKING:
    from zipfile import ZipInfo

__all__ = ["ZipWriter"]

_CREATE = os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0)


class ZipWriter:
    """Writer of a zip file under a temporary name. It is not safe for concurrent threads.

    The temporary file is locked while it is written. Another writer of the same archive gets a StoreError.
    The next writer reuses the temporary file of a killed writer. If files cannot be locked (Windows), each writer
    has its own temporary file, and the last one that is closed remains.
    """

    def __init__(self, path: str, where: str, *, sync: bool = False) -> None:
        from zipfile import ZipFile

        self._path = path
        self._folder, _, name = path.rpartition(os.sep)
        self._sync = sync
        self._locked = available()
        check_locking(self._folder or os.sep, config.get().locking)
        own = f".{name}{TEMPORARY_SUFFIX}" if self._locked else temporary_name()
        self._temporary = f"{self._folder}{os.sep}{own}"
        try:
            fd = self._open(where)
        except FileNotFoundError:
            make_folders(self._folder.replace(os.sep, "/"))
            fd = self._open(where)
        self._file = os.fdopen(fd, "w+b")
        self._zip = ZipFile(self._file, "w", allowZip64=True)
        self.archive = Archive(FileAt(fd), where, {})
        self._failed: BaseException | None = None

    def _open(self, where: str) -> int:
        if not self._locked:
            return os.open(self._temporary, _CREATE | os.O_EXCL, 0o666)
        while True:
            fd = os.open(self._temporary, _CREATE | os.O_NOFOLLOW, 0o666)
            try:
                if not try_lock(fd):
                    raise StoreError(
                        f"{where} is being written by {holder_of(fd)}: a zip file has one writer at a time"
                    )
                # The previous writer may just have renamed the file to its path.
                if os.path.exists(self._temporary) and os.path.samestat(
                    os.fstat(fd), os.stat(self._temporary)
                ):
                    os.ftruncate(fd, 0)
                    return fd
            except BaseException:
                os.close(fd)
                raise
            os.close(fd)

    def put(self, key: str, value: Buffer) -> None:
        from zipfile import ZIP_STORED, ZipInfo

        self._check()
        data = value if isinstance(value, bytes) else bytes(memoryview(value))
        info = ZipInfo(key)  # its default date is 1980
        info.compress_type = ZIP_STORED
        info.external_attr = 0o644 << 16
        self._zip.NameToInfo.pop(key, None)  # avoids the warning about duplicate names
        try:
            self._zip.writestr(info, data)
            self._file.flush()  # for readers
        except BaseException as error:
            # The file may contain a part of a member. No valid directory can be written any more.
            self._failed = error
            if isinstance(error, OSError):
                failed = StoreError(f"cannot write {key!r} to {self.archive.where}: {error.strerror}")
                failed.errno = error.errno
                raise failed from error
            raise
        self._forget(key)
        self.archive.members[key] = info

    def delete(self, key: str) -> None:
        self._check()
        self._forget(key)

    def _forget(self, key: str) -> None:
        old = self.archive.members.pop(key, None)
        if old is not None:
            self.archive.forget(old)

    def _check(self) -> None:
        if self._failed is not None:
            raise StoreError(
                f"cannot write {self.archive.where} any more: an earlier write failed ({self._failed})"
            )

    def finish(self, *, replace: bool) -> None:
        """Write the directory, and rename the file to its path. If that fails, remove the file."""
        try:
            self._check()
            kept: list[ZipInfo] = [*self.archive.members.values()]
            self._zip.filelist = kept
            self._zip.NameToInfo = {info.filename: info for info in kept}
            # Write the directory even if there was no put since.
            self._zip._didModify = True  # type: ignore[attr-defined]
            self._zip.close()
            self._file.flush()
            if self._sync:
                fsync(self._file.fileno())
            if not self._locked:  # Windows cannot rename an open file
                self._file.close()
            if replace:
                os.replace(self._temporary, self._path)
            elif not move_to_new(self._temporary, self._path):
                raise FileExistsError(self._path)
            self._file.close()  # not earlier: this releases the lock
            if self._sync:
                fsync_folder(self._folder)
        except BaseException:
            self.discard()
            raise

    def discard(self) -> None:
        """Remove the file."""
        # Closing a ZipFile would write a directory.
        self._zip.fp = None
        if self._locked:  # before the lock is released and another writer begins
            delete_file(self._temporary)
        try:
            self._file.close()
        except OSError:
            pass  # a full disk, for example, which may be the reason to discard
        if not self._locked:
            delete_file(self._temporary)
