"""Store in a folder of files."""

from __future__ import annotations

import enum
import os
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import repeat
from typing import TYPE_CHECKING, Literal

from exzarr import config
from exzarr.errors import ArgumentError, ExzarrError
from exzarr.stores import locks
from exzarr.stores.base import (
    Buffer,
    ByteRange,
    Change,
    Listed,
    Maintenance,
    Store,
    StoreTraits,
    ValueReader,
    check_writable,
    is_reserved,
)
from exzarr.stores.local import file_locks, files, write
from exzarr.stores.local.locking import LockingMode, check_locking
from exzarr.stores.local.update import update_file
from exzarr.stores.os_errors import is_absence, store_error

if TYPE_CHECKING:
    from exzarr.stores.staging import StagingArea

if os.name == "nt":
    from exzarr.stores.local.windows import check_windows_key as check_key
else:
    from exzarr.stores.base import check_key

__all__ = ["LocalStore"]


class LocalStore(Store):
    """Folder of files: the key ``a/c/0/1`` is the file ``<path>/a/c/0/1``.

    Parameters
    ----------
    path
        The root folder of the hierarchy. It need not exist: reads find nothing, and the first write creates it.
    read_only
        Refuse writes.
    durability
        With ``"rename"``, writes survive the end of the process. With ``"fsync"``, each write waits until the
        file and its folder are on the disk, and survives a power failure. Default: the setting ``durability``
        (`exzarr.config`), which also applies to arrays that are opened by their path.
    locking
        What a write that needs a lock does if the folder is on a file system whose locks may not exclude all writers,
        such as NFS. ``"auto"``: the first one warns (LockingWarning). ``"required"``: raise UpdateUnsupportedError.
        Writes of whole chunks need no lock. Default: the setting ``locking``.

    Notes
    -----
    Writes are atomic: the store writes a temporary file in the same folder and renames it. Readers, in all processes,
    see the old value or the new value. A killed writer leaves at most a hidden temporary file, which is never
    listed as a key.

    Reads and listings follow symbolic links, inside and outside of the store. This gives no new rights: a user who
    can create a link in the folder can also create a copy. Listings do not follow a link to a folder inside
    a linked folder, which prevents loops. A put to a link replaces the link, and a delete removes the link. Neither
    changes the link's target.

    Two stores are equal, with equal hashes, if their paths are equal. A pickle keeps the absolute path, not the
    content.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        read_only: bool = False,
        durability: Literal["rename", "fsync"] | None = None,
        locking: LockingMode | None = None,
    ) -> None:
        text = os.fsdecode(path)
        if not text or "\0" in text:
            raise ArgumentError(f"a LocalStore needs the path of a folder, not {text!r}")
        durability = durability or config.get().durability  # type: ignore[assignment]
        if durability not in ("rename", "fsync"):
            raise ArgumentError(f"durability is 'rename' or 'fsync', not {durability!r}")
        locking = locking or config.get().locking  # type: ignore[assignment]
        if locking not in ("auto", "required"):
            raise ArgumentError(f"locking is 'auto' or 'required', not {locking!r}")
        self.path = os.path.abspath(text)
        self.traits = StoreTraits(read_only=read_only)
        self.durability: Literal["rename", "fsync"] = durability
        # Windows accepts '/' too. Keys are appended to this by concatenation.
        self._base = self.path.replace(os.sep, "/").rstrip("/") + "/"
        self._sync = durability == "fsync"
        self.locking: LockingMode = locking
        self._locks_checked = False

    # -- reading -----------------------------------------------------------------

    def read_into(self, key: str, buffer: memoryview, start: int = 0) -> int:
        check_key(key)
        try:
            return files.read_into(self._base + key, buffer, start)
        except FileNotFoundError:
            return -1
        except (OSError, UnicodeError) as error:
            self._raise_unless_absent(error, key)
            return -1

    def read_each(
        self, keys: Sequence[str], buffers: Sequence[memoryview], starts: Sequence[int] | None = None
    ) -> Sequence[int]:
        for key in keys:
            check_key(key)
        base = self._base
        try:
            return files.read_each([base + key for key in keys], buffers, starts or repeat(0))
        except (OSError, UnicodeError):  # `read_into` raises a better error
            return super().read_each(keys, buffers, starts)

    def try_each(self, keys: Sequence[str], buffers: Sequence[memoryview]) -> Sequence[int | Exception]:
        base = self._base
        try:
            for key in keys:
                check_key(key)
            return files.read_each([base + key for key in keys], buffers, repeat(0))
        except (OSError, UnicodeError, ExzarrError):  # read again one by one, to find the failed keys
            return super().try_each(keys, buffers)

    def open_value(self, key: str) -> ValueReader | None:
        check_key(key)
        try:
            return files.OpenFile(self._base + key)
        except (OSError, UnicodeError) as error:
            self._raise_unless_absent(error, key)
            return None

    def get(self, key: str, byte_range: ByteRange | None = None) -> Buffer | None:
        check_key(key)
        try:
            return files.read_file(self._base + key, byte_range)
        except FileNotFoundError:
            return None
        except (OSError, UnicodeError) as error:
            self._raise_unless_absent(error, key)
            return None

    def size(self, key: str) -> int | None:
        check_key(key)
        try:
            return files.file_size(self._base + key)
        except (OSError, UnicodeError) as error:
            self._raise_unless_absent(error, key)
            return None

    def _raise_unless_absent(self, error: OSError | UnicodeError, key: str) -> None:
        if isinstance(error, UnicodeError) or not is_absence(error, self._base + key):
            raise store_error(error, self, key) from error

    # -- writing -----------------------------------------------------------------

    def put(self, key: str, value: Buffer) -> None:
        check_key(key)
        check_writable(self, key)
        try:
            write.replace_file(self._base + key, value, sync=self._sync)
        except (OSError, UnicodeError) as error:
            raise store_error(error, self, key, writing=True) from error

    def put_parts(self, key: str, parts: Sequence[Buffer]) -> None:
        check_key(key)
        check_writable(self, key)
        try:
            write.replace_file(self._base + key, [*parts], sync=self._sync)
        except (OSError, UnicodeError) as error:
            raise store_error(error, self, key, writing=True) from error

    def put_if_absent(self, key: str, value: Buffer) -> bool:
        """Store `value` if `key` is missing, safe among processes and machines if the file system has hard links."""
        check_key(key)
        check_writable(self, key)
        try:
            return write.replace_file(self._base + key, value, sync=self._sync, move=write.move_to_new)
        except (OSError, UnicodeError) as error:
            raise store_error(error, self, key, writing=True) from error

    def update(self, key: str, change: Change) -> None:
        """Update a value (see `Store.update`), excluding other processes too (`stores.local.file_locks`)."""
        check_key(key)
        check_writable(self, key)
        if not self._locks_checked:
            self._check_locks()
        try:
            update_file(self._base + key, change, sync=self._sync)
        except ExzarrError:
            raise
        except (OSError, UnicodeError) as error:
            raise store_error(error, self, key, writing=True) from error

    def _check_locks(self) -> None:
        """Warn or raise if the locks in the folder may not exclude all writers (see `locking`)."""
        check_locking(self.path, self.locking)
        self._locks_checked = self.locking == "auto"  # the setting `file_locks` can change

    def delete(self, key: str) -> None:
        check_key(key)
        check_writable(self, key)
        try:
            write.delete_file(self._base + key)
        except (OSError, UnicodeError) as error:
            raise store_error(error, self, key, writing=True) from error

    def delete_prefix(self, prefix: str) -> None:
        """Delete all keys under `prefix`, and the folder; for ``""`` all but the store's own folder.

        For readers all keys under `prefix` disappear together. Temporary and lock files are deleted too.
        """
        _check_prefix(prefix)
        check_writable(self, prefix)
        try:
            if prefix:
                write.delete_tree(self._base + prefix)
            else:
                write.delete_content(self._base)
        except (OSError, UnicodeError) as error:
            raise store_error(error, self, prefix, writing=True) from error

    def staging_area(self, prefix: str, *, replacing: bool) -> StagingArea | None:
        """Return a staging area in a hidden folder of the same file system (see `Store.staging_area`)."""
        from exzarr.stores.local.staging import folder_staging

        _check_prefix(prefix)
        if type(self) is not LocalStore:  # writes must go through the methods of a derived class
            return None
        return folder_staging(self, prefix, replacing=replacing)

    # -- listing -----------------------------------------------------------------

    def list(self, prefix: str = "") -> Iterator[str]:
        _check_prefix(prefix)
        return self._walk(prefix + "/" if prefix else "")

    def _walk(self, top: str) -> Iterator[str]:
        # (folder, True if it was reached by a link)
        pending = [(top, False)]
        while pending:
            folder, linked = pending.pop()
            try:
                with os.scandir(self._base + folder) as entries:
                    for entry in entries:
                        name = entry.name
                        if not _is_name(name):
                            continue
                        kind = _kind(entry)
                        if kind is _Kind.FOLDER:
                            if not entry.is_symlink():
                                pending.append((f"{folder}{name}/", linked))
                            elif not linked:
                                pending.append((f"{folder}{name}/", True))
                        elif kind is _Kind.FILE:
                            yield folder + name
            except (OSError, UnicodeError) as error:
                self._raise_unless_absent(error, folder)

    def list_values(self, prefix: str = "") -> Iterator[Listed]:
        for key in self.list(prefix):
            try:
                status = os.stat(self._base + key)
            except (OSError, UnicodeError) as error:
                self._raise_unless_absent(error, key)
                continue
            yield Listed(key, status.st_size, files.file_version(status))

    def list_dir(self, prefix: str = "") -> tuple[Sequence[str], Sequence[str]]:
        _check_prefix(prefix)
        keys: list[str] = []
        prefixes: list[str] = []
        links: list[str] = []
        try:
            with os.scandir(self._base + prefix) as entries:
                for entry in entries:
                    if _is_name(entry.name):
                        kind = _kind(entry)
                        if kind is _Kind.FILE:
                            keys.append(entry.name)
                        elif kind is _Kind.FOLDER:
                            (links if entry.is_symlink() else prefixes).append(entry.name)
        except (OSError, UnicodeError) as error:
            self._raise_unless_absent(error, prefix)
        if links and not self._is_linked(prefix):
            prefixes += links
        return sorted(keys), sorted(prefixes)

    def _is_linked(self, prefix: str) -> bool:
        """Return True if a link leads to the folder of `prefix`. Links to folders in it are then not followed."""
        real = os.path.realpath(self._base)
        return os.path.realpath(self._base + prefix) != (
            os.path.join(real, *prefix.split("/")) if prefix else real
        )

    # -- the store itself --------------------------------------------------------

    def maintenance(self, prefix: str = "") -> Maintenance:
        return _FolderMaintenance(self, _check_prefix(prefix))

    def local_path(self, key: str) -> str:
        return self._base + _check_prefix(key)

    def parent(self) -> LocalStore | None:
        folder = os.path.dirname(self.path)
        return None if folder == self.path else LocalStore(folder, read_only=True)

    def as_read_only(self) -> LocalStore:
        if self.read_only:
            return self
        return type(self)(self.path, read_only=True, durability=self.durability, locking=self.locking)

    @property
    def url(self) -> str:
        from urllib.parse import quote

        path = self._base[:-1] or "/"
        return "file://" + quote(
            path if path.startswith("/") else "/" + path, safe="/:", errors="surrogateescape"
        )

    def __repr__(self) -> str:
        return f"LocalStore({self.path!r}{', read_only=True' if self.read_only else ''})"

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and isinstance(other, LocalStore) and other.path == self.path

    def __hash__(self) -> int:
        return hash((LocalStore, self.path))

    def __reduce__(self) -> tuple[object, ...]:
        return _restore, (type(self), self.path, self.read_only, self.durability, self.locking)


class _FolderMaintenance(Maintenance):
    """Changes of all processes that use the folder."""

    def announce_intent(self, intent: bytes) -> Callable[[], None]:
        """Store a write intent in a temporary file, which a killed writer leaves. Do nothing if the disk is full."""
        try:
            file = write.write_temporary(f"{self._folder}/", intent, make=True)
        except (OSError, UnicodeError):  # the write itself will fail with the same error
            return lambda: None
        return partial(write.discard, file)

    def is_updating(self, name: str) -> bool:
        path = f"{self._folder}/{check_key(name)}"
        return locks.is_locked(path) or file_locks.is_locked(path)

    @property
    def _folder(self) -> str:
        return (self.store.local_path(self.prefix) or "").rstrip("/")


def _restore(
    kind: type[LocalStore],
    path: str,
    read_only: bool,
    durability: Literal["rename", "fsync"],
    locking: LockingMode = "auto",  # a pickle of an older version
) -> LocalStore:
    return kind(path, read_only=read_only, durability=durability, locking=locking)


def _check_prefix(prefix: str) -> str:
    return check_key(prefix) if prefix else prefix


class _Kind(enum.Enum):
    FILE = "file"
    FOLDER = "folder"
    OTHER = "other"


def _kind(entry: os.DirEntry[str]) -> _Kind:
    try:
        return _Kind.FOLDER if entry.is_dir() else _Kind.FILE if entry.is_file() else _Kind.OTHER
    except OSError:  # circular links, or no permission
        return _Kind.OTHER


def _is_name(name: str) -> bool:
    """Return True if a file name can be a part of a key: it is not reserved, and is valid UTF-8."""
    if is_reserved(name):
        return False
    if name.isascii():
        return True
    try:
        name.encode()
    except UnicodeEncodeError:  # bytes that are no UTF-8
        return False
    return True
