"""Store in a zip file."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Sequence
from threading import Lock
from types import TracebackType
from typing import Literal
from weakref import finalize

from exzarr import config
from exzarr.errors import ArgumentError, NodeExistsError, NodeNotFoundError, StoreError
from exzarr.stores.base import (
    Buffer,
    ByteRange,
    Listed,
    Maintenance,
    Store,
    StoreTraits,
    ValueReader,
    check_key,
    check_prefix,
    read_only_error,
)
from exzarr.stores.file_at import FileAt
from exzarr.stores.listing import keys_directly_under, keys_under
from exzarr.stores.local.store import LocalStore
from exzarr.stores.zip.archive import Archive, open_archive
from exzarr.stores.zip.writer import ZipWriter

__all__ = ["ZipStore"]


class ZipStore(Store):
    """Zip file, read in place or written as a whole.

    Parameters
    ----------
    path
        The file.
    mode
        ``"r"`` reads the file. ``"w"`` writes a new file and replaces an existing one. ``"x"`` writes a new file,
        which may not exist yet. Only one writer at a time, in any process, may write a file (else StoreError).

    Notes
    -----
    Writing: the archive is a hidden file in the folder of `path` until the store is closed. Until then
    an older archive can be read, and it stays if the writer is killed. A ``with`` block that ends in an exception
    discards the new archive. While a store is written, it can be read, and keys can be replaced and deleted. The
    space of replaced and deleted values stays in the file. Members are neither compressed (Zarr's chunks already
    are) nor time-stamped: equal content gives equal files. With the setting ``durability="fsync"``
    the archive is on the disk when the store is closed.

    Reading: the checksum of each whole member is verified. Members may be compressed. If a name occurs twice,
    the last member counts. Names that are not valid keys (``../x``, ``/x``) are ignored. To open a hierarchy in a
    folder of the zip, use the folder's name as the path.

    An open store keeps reading the old file after it is replaced. Two stores that read the same path are equal. A
    pickle of a store that reads keeps its path. A store that writes cannot be pickled.
    """

    _writer: ZipWriter | None
    _archive: Archive | None

    def __init__(self, path: str | os.PathLike[str], mode: Literal["r", "w", "x"] = "r") -> None:
        if mode not in ("r", "w", "x"):
            raise ArgumentError(
                f"the mode of a ZipStore is 'r', 'w' or 'x', not {mode!r}: a zip is written as a whole"
            )
        text = os.fsdecode(path)
        if not text or "\0" in text:
            raise ArgumentError(f"a ZipStore needs the path of a file, not {text!r}")
        self._start(os.path.abspath(text), mode)
        if mode == "r":
            self._archive = self._open()
        else:
            self._writer = self._create()
            self._archive = self._writer.archive

    def _start(self, path: str, mode: Literal["r", "w", "x"]) -> None:
        """Set the attributes of a store that is not open yet."""
        self.path = path
        self.mode = mode
        self.traits = StoreTraits(read_only=mode == "r")
        self._ordered: tuple[str, ...] | None = None
        self._lock = Lock()
        self._finalizer: finalize[..., ZipStore]
        self._writer = None
        self._archive = None

    def _open(self) -> Archive:
        try:
            fd = os.open(self.path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        except (FileNotFoundError, NotADirectoryError):
            raise NodeNotFoundError(f"there is no zip file {self.path!r}") from None
        except OSError as error:
            raise StoreError(f"cannot open the zip file {self.path!r}: {error.strerror}") from error
        self._finalizer = finalize(self, os.close, fd)
        try:
            return open_archive(FileAt(fd), self.url)
        except OSError as error:
            self._finalizer()
            if isinstance(error, StoreError):
                raise
            raise StoreError(f"cannot read the zip file {self.path!r}: {error.strerror}") from error

    def _create(self) -> ZipWriter:
        if self.mode == "x" and os.path.lexists(self.path):
            raise NodeExistsError(f"{self.path!r} already exists; use mode 'w' to replace it")
        try:
            writer = ZipWriter(self.path, self.url, sync=config.get().durability == "fsync")
        except OSError as error:
            if isinstance(error, StoreError):
                raise
            raise StoreError(f"cannot write a zip file at {self.path!r}: {error.strerror}") from error
        self._finalizer = finalize(self, _abandon, writer, self.path, os.getpid())
        return writer

    def _opened(self) -> Archive:
        if self._archive is None:
            raise StoreError(f"{self} is closed")
        return self._archive

    # -- reading -----------------------------------------------------------------

    def get(self, key: str, byte_range: ByteRange | None = None) -> Buffer | None:
        return self._opened().read(check_key(key), byte_range)

    def read_into(self, key: str, buffer: memoryview, start: int = 0) -> int:
        return self._opened().read_into(check_key(key), buffer, start)

    def open_value(self, key: str) -> ValueReader | None:
        return self._opened().open_value(check_key(key))

    def size(self, key: str) -> int | None:
        info = self._opened().members.get(check_key(key))
        return None if info is None else info.file_size

    # -- listing -----------------------------------------------------------------

    def list(self, prefix: str = "") -> Iterator[str]:
        check_prefix(prefix)
        return iter(keys_under(self._keys(), prefix))

    def list_values(self, prefix: str = "") -> Iterator[Listed]:
        members = self._opened().members
        return (Listed(key, members[key].file_size, None) for key in self.list(prefix))

    def list_dir(self, prefix: str = "") -> tuple[Sequence[str], Sequence[str]]:
        check_prefix(prefix)
        return keys_directly_under(self._keys(), prefix)

    def _keys(self) -> tuple[str, ...]:
        with self._lock:
            if self._ordered is None:
                self._ordered = tuple(sorted(filter(_is_key, self._opened().members)))
            return self._ordered

    # -- writing -----------------------------------------------------------------

    def put(self, key: str, value: Buffer) -> None:
        check_key(key)
        with self._lock:
            self._writing(key).put(key, value)
            self._ordered = None

    def delete(self, key: str) -> None:
        check_key(key)
        with self._lock:
            self._writing(key).delete(key)
            self._ordered = None

    def delete_prefix(self, prefix: str) -> None:
        keys = [*self.list(prefix)]
        with self._lock:
            writer = self._writing(prefix)
            for key in keys:
                writer.delete(key)
            self._ordered = None

    def _writing(self, key: str) -> ZipWriter:
        self._opened()
        if self._writer is None:
            raise read_only_error(self, key)
        return self._writer

    def close(self) -> None:
        """Finish the archive and move it to its path, or close the file that is read."""
        with self._lock:
            if self._archive is None:
                return
            self._archive = None
            if self._writer is None:
                self._finalizer()
                return
            self._finalizer.detach()
            try:
                self._writer.finish(replace=self.mode == "w")
            except FileExistsError as error:
                raise NodeExistsError(f"{self.path!r} was created by another process meanwhile") from error
            except OSError as error:
                if isinstance(error, StoreError):
                    raise
                raise StoreError(f"cannot write the zip file {self.path!r}: {error.strerror}") from error

    def discard(self) -> None:
        """Close the store and discard the new archive. An existing file at the path stays."""
        with self._lock:
            self._archive = None
            self._finalizer.detach()
            if self._writer is not None:
                self._writer.discard()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None and self._writer is not None:
            self.discard()
        else:
            self.close()

    # -- the store itself --------------------------------------------------------

    def maintenance(self, prefix: str = "") -> Maintenance:
        return _ZipMaintenance(self, prefix)

    def parent(self) -> LocalStore:
        """Return the store of the file's folder."""
        return LocalStore(os.path.dirname(self.path), read_only=True)

    @property
    def url(self) -> str:
        return f"zip://{self.path}"

    def __repr__(self) -> str:
        return f"ZipStore({self.path!r}, mode={self.mode!r})"

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        return isinstance(other, ZipStore) and self.mode == other.mode == "r" and self.path == other.path

    def __hash__(self) -> int:
        return hash((ZipStore, self.path))

    def __reduce__(self) -> tuple[object, ...]:
        if self._writer is not None:
            raise StoreError(
                f"cannot pickle {self} while it is written: close it, and pickle a store that reads it"
            )
        return type(self), (self.path, "r")


class _ZipMaintenance(Maintenance):
    def odd_names(self) -> Iterator[str]:
        assert isinstance(self.store, ZipStore)
        head = self.key("")
        names = sorted(self.store._opened().members)
        return (name[len(head) :] for name in names if name.startswith(head) and not _is_key(name))


def _is_key(name: str) -> bool:
    try:
        check_key(name)
    except StoreError:
        return False
    return True


def _abandon(writer: ZipWriter, path: str, process: int) -> None:
    # A forked child has a copy of the store, but the file is its parent's.
    if process != os.getpid():
        return
    writer.discard()
    warnings.warn(
        f"the ZipStore of {path!r} was never closed, and its content is discarded: "
        "call close(), or use it in a `with` block",
        RuntimeWarning,
        stacklevel=2,
    )
