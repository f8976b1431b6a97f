"""Keys ↔ files in a folder."""

from __future__ import annotations

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
    Store,
    ValueReader,
    is_reserved,
    range_error,
    read_only_error,
)
from exzarr.stores.local import file_locks, files, write
from exzarr.stores.local.update import update_file
from exzarr.stores.os_errors import is_absence, store_error

if TYPE_CHECKING:
    from exzarr.stores.staging import Aside

if os.name == "nt":
    from exzarr.stores.local.windows import check_windows_key as check_key
else:
    from exzarr.stores.base import check_key

__all__ = ["LocalStore"]


class LocalStore(Store):
    """A folder of files: key ``a/c/0/1`` is the file ``<path>/a/c/0/1``.

    `path` is the root of the hierarchy. It need not exist: reading from a folder that is not
    there finds nothing, and the first write makes it.

    A value is replaced by writing a temporary file beside it and renaming that, so that
    readers, in this process or any other, see the old value or the new one, and a writer that
    dies leaves at most a temporary file (a hidden one, never listed as a key).
    ``durability="fsync"`` also waits until the file and its folder are on the disk: what was
    put survives a power cut. It is as slow as the disk. Where it is not given, the setting ``durability``
    counts (`exzarr.config`), which is how it is said for arrays that are opened by their path.

    Symbolic links are read and listed as what they point to, inside the store or outside:
    whoever can put a link into the folder could put a copy there just as well. Listings don't
    follow a link to a folder that they meet inside a linked folder, so that loops end. Putting
    to a key that is a link replaces the link, deleting removes the link: a file that a link
    points to is never written to, a folder that a link points to is never emptied.

    Two stores are equal, and hash alike, where their paths are the same. Pickling one keeps its
    path (made absolute when the store was), not its content.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        read_only: bool = False,
        durability: Literal["rename", "fsync"] | None = None,
    ) -> None:
        text = os.fsdecode(path)
        if not text or "\0" in text:
            raise ArgumentError(f"a LocalStore needs the path of a folder, not {text!r}")
        durability = durability or config.get().durability  # type: ignore[assignment]
        if durability not in ("rename", "fsync"):
            raise ArgumentError(f"durability is 'rename' or 'fsync', not {durability!r}")
        self.path = os.path.abspath(text)
        self.read_only = read_only
        self.durability: Literal["rename", "fsync"] = durability
        # Windows takes '/' as well, and keys are joined to this by mere concatenation.
        self._base = self.path.replace(os.sep, "/").rstrip("/") + "/"
        self._sync = durability == "fsync"

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
        except (OSError, UnicodeError):  # whatever it is, `read_into` says it better
            return super().read_each(keys, buffers, starts)

    def try_each(self, keys: Sequence[str], buffers: Sequence[memoryview]) -> Sequence[int | Exception]:
        base = self._base
        try:
            for key in keys:
                check_key(key)
            return files.read_each([base + key for key in keys], buffers, repeat(0))
        except (OSError, UnicodeError, ExzarrError):  # whichever it was
            return super().try_each(keys, buffers)

    def open_value(self, key: str) -> ValueReader | None:
        check_key(key)
        try:
            return files.OpenFile(self._base + key)
        except (OSError, UnicodeError) as error:
            self._raise_unless_absent(error, key)
            return None

    def read_ranges(self, key: str, ranges: Sequence[tuple[int, int]], buffer: memoryview) -> bool:
        check_key(key)
        try:
            short = files.read_ranges(self._base + key, ranges, buffer)
        except (OSError, UnicodeError) as error:
            self._raise_unless_absent(error, key)
            return False
        if short is not None:
            raise range_error(self, key, *short)
        return True

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
        if self.read_only:
            raise read_only_error(self, key)
        try:
            write.replace_file(self._base + key, value, sync=self._sync)
        except (OSError, UnicodeError) as error:
            raise store_error(error, self, key, writing=True) from error

    def put_parts(self, key: str, parts: Sequence[Buffer]) -> None:
        check_key(key)
        if self.read_only:
            raise read_only_error(self, key)
        try:
            write.replace_file(self._base + key, [*parts], sync=self._sync)
        except (OSError, UnicodeError) as error:
            raise store_error(error, self, key, writing=True) from error

    def put_if_absent(self, key: str, value: Buffer) -> bool:
        """See `Store.put_if_absent`; across processes and machines, where the file system has hard links."""
        check_key(key)
        if self.read_only:
            raise read_only_error(self, key)
        try:
            return write.replace_file(self._base + key, value, sync=self._sync, move=write.move_to_new)
        except (OSError, UnicodeError) as error:
            raise store_error(error, self, key, writing=True) from error

    def update(self, key: str, change: Change) -> None:
        """See `Store.update`; keeps out other processes, too (`stores.file_locks`)."""
        check_key(key)
        if self.read_only:
            raise read_only_error(self, key)
        try:
            update_file(self._base + key, change, sync=self._sync)
        except ExzarrError:
            raise
        except (OSError, UnicodeError) as error:
            raise store_error(error, self, key, writing=True) from error

    def being_updated(self, key: str) -> bool:
        path = self._base + check_key(key)
        return locks.is_locked(path) or file_locks.is_locked(path)

    def announce_intent(self, prefix: str, note: Buffer) -> Callable[[], None]:
        """See `Store.announce_intent`; whoever is killed leaves it behind. Where there is no room for one, there is none."""
        _check_prefix(prefix)
        folder = f"{self._base}{prefix}/" if prefix else self._base
        try:
            file = write.write_temporary(folder, note, make=True)
        except (OSError, UnicodeError):  # what can't be written for the same reason will say so
            return lambda: None
        return partial(write.discard, file)

    def delete(self, key: str) -> None:
        check_key(key)
        if self.read_only:
            raise read_only_error(self, key)
        try:
            write.delete_file(self._base + key)
        except (OSError, UnicodeError) as error:
            raise store_error(error, self, key, writing=True) from error

    def delete_prefix(self, prefix: str) -> None:
        """Remove every key under `prefix`, and the folder; for ``""`` all but the store's own folder.

        For readers all keys under `prefix` go at once. Temporary and lock files go, too.
        """
        _check_prefix(prefix)
        if self.read_only:
            raise read_only_error(self, prefix)
        try:
            if prefix:
                write.delete_tree(self._base + prefix)
            else:
                write.delete_content(self._base)
        except (OSError, UnicodeError) as error:
            raise store_error(error, self, prefix, writing=True) from error

    def aside(self, prefix: str, *, replacing: bool) -> Aside | None:
        """See `Store.aside`: a hidden folder of the same file system."""
        from exzarr.stores.local.staging import folder_aside

        _check_prefix(prefix)
        if type(self) is not LocalStore:  # what is written has to pass through a derived class
            return None
        return folder_aside(self, prefix, replacing=replacing)

    # -- listing -----------------------------------------------------------------

    def list(self, prefix: str = "") -> Iterator[str]:
        _check_prefix(prefix)
        return self._walk(prefix + "/" if prefix else "")

    def _walk(self, top: str) -> Iterator[str]:
        # (folder, whether a link led there)
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
                        if kind is _FOLDER:
                            if not entry.is_symlink():
                                pending.append((f"{folder}{name}/", linked))
                            elif not linked:
                                pending.append((f"{folder}{name}/", True))
                        elif kind is _FILE:
                            yield folder + name
            except (OSError, UnicodeError) as error:
                self._raise_unless_absent(error, folder)

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
                        if kind is _FILE:
                            keys.append(entry.name)
                        elif kind is _FOLDER:
                            (links if entry.is_symlink() else prefixes).append(entry.name)
        except (OSError, UnicodeError) as error:
            self._raise_unless_absent(error, prefix)
        if links and not self._is_linked(prefix):
            prefixes += links
        return sorted(keys), sorted(prefixes)

    def _is_linked(self, prefix: str) -> bool:
        """Whether a link leads to the folder of `prefix`: then links in it to folders are not followed."""
        real = os.path.realpath(self._base)
        return os.path.realpath(self._base + prefix) != (
            os.path.join(real, *prefix.split("/")) if prefix else real
        )

    # -- what it is --------------------------------------------------------------

    def local_path(self, key: str) -> str:
        return self._base + _check_prefix(key)

    def above(self) -> LocalStore | None:
        folder = os.path.dirname(self.path)
        return None if folder == self.path else LocalStore(folder, read_only=True)

    def as_read_only(self) -> LocalStore:
        return self if self.read_only else type(self)(self.path, read_only=True, durability=self.durability)

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
        return _restore, (type(self), self.path, self.read_only, self.durability)


def _restore(
    kind: type[LocalStore], path: str, read_only: bool, durability: Literal["rename", "fsync"]
) -> LocalStore:
    return kind(path, read_only=read_only, durability=durability)


def _check_prefix(prefix: str) -> str:
    return check_key(prefix) if prefix else prefix


_FILE, _FOLDER, _OTHER = "file", "folder", "other"


def _kind(entry: os.DirEntry[str]) -> str:
    try:
        return _FOLDER if entry.is_dir() else _FILE if entry.is_file() else _OTHER
    except OSError:  # links in a circle, or to where one may not look
        return _OTHER


def _is_name(name: str) -> bool:
    """Whether a file may be a key: not ours, and something that can be asked for and printed."""
    if is_reserved(name):
        return False
    if name.isascii():
        return True
    try:
        name.encode()
    except UnicodeEncodeError:  # bytes that are no UTF-8
        return False
    return True
