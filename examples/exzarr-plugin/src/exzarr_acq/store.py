"""The store for ``acq://`` URLs: all keys in one file.

Readers take no lock. Writers append under the file's lock, which the kernel releases when a writer dies. Every put is one
record, so readers see a value whole or not at all.
"""

from __future__ import annotations

import fcntl
import os
import re
import threading
import time
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from exzarr import config
from exzarr.errors import ArgumentError, LockTimeoutError, ReadOnlyError, StoreError
from exzarr.stores import (
    KEEP,
    Buffer,
    ByteRange,
    BytesReader,
    Change,
    Store,
    StoreTraits,
    check_key,
    check_prefix,
    resolve_range,
)

from exzarr_acq.container import DELETE, DELETE_PREFIX, MAGIC, PUT, Container, Entry, record

__all__ = ["AcqStore", "open_url"]


def open_url(url: str, *, mode: str | None, storage_options: Mapping[str, Any]) -> tuple[Store, str]:
    """Open ``acq:///folder/file.acq/path/in/it``. Nothing is created before the first put."""
    if storage_options:
        raise ArgumentError(f"acq:// takes no storage_options, not {', '.join(storage_options)}")
    match = re.fullmatch(r"acq://(.+?\.acq)(?:/(.*))?", url, re.DOTALL)
    if match is None:
        raise ArgumentError(f"{url!r} does not name a file that ends in .acq: acq:///folder/file.acq")
    return AcqStore(match[1], read_only=mode == "r"), (match[2] or "").strip("/")


class AcqStore(Store):
    """A store in one ``.acq`` file.

    Parameters
    ----------
    path
        The file. The first put creates it.
    read_only
        True to refuse writes.
    """

    def __init__(self, path: str | os.PathLike[str], *, read_only: bool = False) -> None:
        self.path = Path(path).absolute()
        self.traits = StoreTraits(read_only=read_only, exclusive_update=False)
        self._lock = threading.RLock()
        self._opened: Container | None = None

    # -- reading --------------------------------------------------------------------

    def get(self, key: str, byte_range: ByteRange | None = None) -> Buffer | None:
        with self._lock:
            found = self._container()
            entry = None if found is None else found.keys.get(check_key(key))
        check_key(key)
        if found is None or entry is None:
            return None
        begin, end = (0, entry.size) if byte_range is None else resolve_range(byte_range, entry.size)
        data = os.pread(found.fd, end - begin, entry.start + begin)
        if len(data) != end - begin or (byte_range is None and zlib.crc32(data) != entry.crc):
            raise StoreError(f"key {key!r} in {self} is damaged: its checksum does not match")
        return data

    def size(self, key: str) -> int | None:
        entry = self._entries().get(check_key(key))
        return None if entry is None else entry.size

    def list(self, prefix: str = "") -> Iterator[str]:
        start = check_prefix(prefix) and prefix + "/"
        return iter([key for key in self._entries() if key.startswith(start)])

    def list_dir(self, prefix: str = "") -> tuple[Sequence[str], Sequence[str]]:
        skip = len(prefix) + bool(prefix)
        names = [key[skip:].partition("/") for key in self.list(prefix)]
        return sorted(name for name, slash, _ in names if not slash), sorted(
            {name for name, slash, _ in names if slash}
        )

    def _entries(self) -> dict[str, Entry]:
        with self._lock:
            found = self._container()
            return {} if found is None else dict(found.keys)

    def _container(self) -> Container | None:
        """Return the file with all records that are whole; None if there is no file yet."""
        try:
            now = self.path.stat()
        except FileNotFoundError:
            self._opened = None
            return None
        opened = self._opened
        if opened is None or os.fstat(opened.fd).st_ino != now.st_ino:  # `compact` replaced the file
            fd = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
            opened = Container(fd)
            magic = os.pread(fd, len(MAGIC), 0)
            if magic != MAGIC and not MAGIC.startswith(magic):
                raise StoreError(f"{self.path} is not an .acq file")
            self._opened = opened
        if now.st_size > opened.end:
            opened.refresh()
        return opened

    # -- writing --------------------------------------------------------------------

    def put(self, key: str, value: Buffer) -> None:
        data = bytes(memoryview(value))
        self._append(PUT, check_key(key), data)

    def delete(self, key: str) -> None:
        self._append(DELETE, check_key(key))

    def delete_prefix(self, prefix: str) -> None:
        self._append(DELETE_PREFIX, check_prefix(prefix))

    def put_if_absent(self, key: str, value: Buffer) -> bool:
        check_key(key)
        with self._writing() as (fd, found):
            if key in found.keys:
                return False
            found.append(fd, PUT, key, bytes(value))
            return True

    def update(self, key: str, change: Change) -> None:
        # Without the lock, because `change` may write other keys. If another writer comes first, it is called again.
        check_key(key)
        while True:
            before = self._entries().get(key)
            value = self.get(key)
            if self.read_only:
                raise ReadOnlyError(f"cannot write {key!r}: {self} was opened for reading")
            parts = change(None if value is None else BytesReader(value))
            if parts is KEEP or (parts is None and before is None):
                return
            with self._writing() as (fd, found):
                if found.keys.get(key) == before:
                    found.append(fd, DELETE if parts is None else PUT, key, b"".join(parts or ()))
                    return

    def compact(self) -> int:
        """Write a new file without the values that were replaced, and return how many bytes that saves."""
        with self._writing() as (_, found):
            before, place, keys = found.end, len(MAGIC), {}
            other = self.path.with_name(self.path.name + ".compact")
            with other.open("wb") as file:
                file.write(MAGIC)
                for key, entry in found.keys.items():
                    value = os.pread(found.fd, entry.size, entry.start)
                    one = record(PUT, key.encode(), value, 0)
                    keys[key] = Entry(
                        place + one.index(key.encode(), 18) + len(key.encode()), entry.size, entry.crc
                    )
                    place += file.write(one)
                place += file.write(found.index_record(keys, place))
                file.flush()
                os.fsync(file.fileno())
            other.replace(self.path)
            return before - place

    def _append(self, kind: int, key: str, value: bytes = b"") -> None:
        if kind != PUT and not self.read_only and not any(self._affected(kind, key)):
            return
        with self._writing() as (fd, found):
            found.append(fd, kind, key, value)

    def _affected(self, kind: int, key: str) -> Iterator[bool]:
        below = key + "/" if key else ""
        return (one == key if kind == DELETE else one.startswith(below) for one in self._entries())

    @contextmanager
    def _writing(self) -> Iterator[tuple[int, Container]]:
        """Yield a descriptor that holds the file's lock, and the file with all its records."""
        if self.read_only:
            raise ReadOnlyError(f"cannot write to {self}: it was opened for reading")
        with self._lock:
            fd = self._locked()
            try:
                if os.fstat(fd).st_size < len(MAGIC):
                    os.pwrite(fd, MAGIC, 0)
                found = self._container()
                assert found is not None
                yield fd, found
            finally:
                os.close(fd)  # releases the lock

    def _locked(self) -> int:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        deadline = time.monotonic() + config.get().lock_timeout
        while True:
            # A lock belongs to the open file: a forked child must not share it with its parent.
            fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
            try:
                while True:
                    try:
                        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                        break
                    except BlockingIOError:
                        if time.monotonic() > deadline:
                            raise LockTimeoutError(f"another writer holds the lock of {self}") from None
                        time.sleep(0.0005)
                if os.fstat(fd).st_ino == self.path.stat().st_ino:
                    return fd
            except BaseException:
                os.close(fd)
                raise
            os.close(fd)  # `compact` replaced the file meanwhile

    # -- the store itself --------------------------------------------------------------

    @property
    def url(self) -> str:
        return f"acq://{self.path}"

    def __reduce__(self) -> tuple[Any, ...]:
        return _opened, (str(self.path), self.read_only)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, AcqStore) and (other.path, other.read_only) == (self.path, self.read_only)

    def __hash__(self) -> int:
        return hash(self.path)


def _opened(path: str, read_only: bool) -> AcqStore:
    return AcqStore(path, read_only=read_only)
