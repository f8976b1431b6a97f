"""Writing a zip file beside its place."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from exzarr.errors import StoreError
from exzarr.stores.base import Buffer
from exzarr.stores.file_at import FileAt
from exzarr.stores.local_write import make_folders, temporary_name
from exzarr.stores.zip_archive import Archive

if TYPE_CHECKING:
    from zipfile import ZipInfo

__all__ = ["ZipWriter"]

_CREATE = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)


class ZipWriter:
    """A zip file under a temporary name, and what it holds so far. Not for several threads at once."""

    def __init__(self, path: str, where: str) -> None:
        from zipfile import ZipFile

        self._path = path
        folder = path[: path.rindex(os.sep) + 1]
        self._temporary = folder + temporary_name()
        try:
            fd = os.open(self._temporary, _CREATE, 0o666)
        except FileNotFoundError:
            make_folders(folder.replace(os.sep, "/"))
            fd = os.open(self._temporary, _CREATE, 0o666)
        self._file = os.fdopen(fd, "w+b")
        self._zip = ZipFile(self._file, "w", allowZip64=True)
        self.archive = Archive(FileAt(fd), where, {})
        self._failed: BaseException | None = None

    def put(self, key: str, value: Buffer) -> None:
        from zipfile import ZIP_STORED, ZipInfo

        self._check()
        data = value if isinstance(value, bytes) else bytes(memoryview(value))
        info = ZipInfo(key)  # of 1980
        info.compress_type = ZIP_STORED
        info.external_attr = 0o644 << 16
        self._zip.NameToInfo.pop(key, None)  # which would be warned of
        try:
            self._zip.writestr(info, data)
            self._file.flush()  # for readers
        except BaseException as error:
            # Half a member may be in the file: a directory over it would be a lie.
            self._failed = error
            if isinstance(error, OSError):
                raise StoreError(f"cannot write {key!r} to {self.archive.where}: {error.strerror}") from error
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
                f"{self.archive.where} failed before ({self._failed}), and can't be written any more"
            )

    def finish(self, *, replace: bool) -> None:
        """Write the directory, and rename the file to where it belongs. Nothing is left if that fails."""
        try:
            self._check()
            kept: list[ZipInfo] = [*self.archive.members.values()]
            self._zip.filelist = kept
            self._zip.NameToInfo = {info.filename: info for info in kept}
            # The directory is written even if nothing was put since.
            self._zip._didModify = True  # type: ignore[attr-defined]
            self._zip.close()
            self._file.close()
            if replace:
                os.replace(self._temporary, self._path)
            else:
                _rename_to_new(self._temporary, self._path)
        except BaseException:
            self.discard()
            raise

    def discard(self) -> None:
        """Remove the file."""
        # Closing a ZipFile would write a directory.
        self._zip.fp = None
        try:
            self._file.close()
        except OSError:
            pass  # a full disk, which is why we are here
        try:
            os.unlink(self._temporary)
        except OSError:
            pass


def _rename_to_new(source: str, target: str) -> None:
    """Rename a file to a name that must be free: FileExistsError where it is not."""
    try:
        os.link(source, target)
    except FileExistsError:
        raise
    except OSError:  # a file system without links: the check and the renaming are two steps
        if os.path.lexists(target):
            raise FileExistsError(target) from None
        os.replace(source, target)
    else:
        os.unlink(source)
