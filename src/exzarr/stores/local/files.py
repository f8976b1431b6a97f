"""Reads of files with as few system calls as the platform permits.

This module is independent of keys and stores. All failures, including a missing file, are raised as the system's
OSError.
"""

from __future__ import annotations

import errno
import os
import sys
import threading
from collections.abc import Callable, Hashable, Iterable, Sequence
from stat import S_ISREG

from exzarr.errors import StoreError
from exzarr.stores.base import ByteRange, resolve_range

__all__ = [
    "READ_FLAGS",
    "OpenFile",
    "file_size",
    "file_version",
    "read_file",
    "read_into",
]

# O_NONBLOCK has no effect on files. It keeps opening a FIFO in a store from blocking. Python's descriptors
# are close-on-exec by default.
READ_FLAGS = (
    os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0) | getattr(os, "O_BINARY", 0)
)

# Linux reads at most 0x7ffff000 bytes in one call, others 2 GiB - 1.
_ONE_READ = 0x7FFF_F000

# Largest number of buffers of one call (POSIX requires 16, Linux and macOS accept 1024).
_MOST_BUFFERS = 1024 if sys.platform in ("linux", "darwin") else 16

# Reading one byte more than the buffer shows whether the value is longer. Its content is never used, so all threads
# share it.
_SPARE = bytearray(1)


def _preadv_into(path: str, buffer: memoryview, start: int = 0) -> int:
    """Read the file from byte `start` on into `buffer`. Return the number of bytes read.

    Return the buffer's length plus one if the file is longer.
    """
    fd = os.open(path, READ_FLAGS)
    try:
        n = os.preadv(fd, (buffer, _SPARE), start)
        more = n
        while more >= _ONE_READ and n < len(buffer):
            more = os.preadv(fd, (buffer[n:], _SPARE), start + n)
            n += more
        return n
    finally:
        os.close(fd)


def _portable_into(path: str, buffer: memoryview, start: int = 0) -> int:
    """Read as `_preadv_into`, on systems without preadv (Windows, old macOS)."""
    with open(path, "rb", buffering=0) as file:
        if start:
            file.seek(start)
        n, size = 0, buffer.nbytes
        while n < size:
            more = file.readinto(buffer[n:])
            if not more:
                return n
            n += more
        return n + len(file.read(1))


def _preadv_each(paths: Sequence[str], buffers: Sequence[memoryview], starts: Iterable[int]) -> list[int]:
    """Call `read_into` for several files. The result is -1 for a missing file."""
    opened, preadv, close = os.open, os.preadv, os.close
    sizes: list[int] = []
    for path, buffer, start in zip(paths, buffers, starts, strict=False):
        try:
            fd = opened(path, READ_FLAGS)
        except FileNotFoundError:
            sizes.append(-1)
            continue
        try:
            sizes.append(preadv(fd, (buffer, _SPARE), start))
        finally:
            close(fd)
    return sizes


def _portable_each(paths: Sequence[str], buffers: Sequence[memoryview], starts: Iterable[int]) -> list[int]:
    sizes: list[int] = []
    for path, buffer, start in zip(paths, buffers, starts, strict=False):
        try:
            sizes.append(_portable_into(path, buffer, start))
        except FileNotFoundError:
            sizes.append(-1)
    return sizes


read_each = _preadv_each if hasattr(os, "preadv") else _portable_each


def file_version(status: os.stat_result) -> Hashable:
    """Return a version that differs if the file was changed.

    Replacing a file changes its inode. Writing into it changes its ctime (even if mtime is reset), unless within one
    tick of the kernel's clock.
    """
    return status.st_ino, status.st_mtime_ns, status.st_ctime_ns, status.st_size


class OpenFile:
    """`ValueReader` of a file. It keeps reading the same content after the file is replaced."""

    __slots__ = ("_fd", "size", "version")

    def __init__(self, path: str, flags: int = READ_FLAGS) -> None:
        self._fd = os.open(path, flags)
        try:
            status = os.fstat(self._fd)
            if not S_ISREG(status.st_mode):
                raise IsADirectoryError(errno.EISDIR, "not a file", path)
        except BaseException:
            os.close(self._fd)
            raise
        self.size = status.st_size
        self.version: Hashable = file_version(status)

    def read_into(self, buffer: memoryview, start: int) -> None:
        got = _pread_into(self._fd, buffer, start)
        while got < len(buffer):
            more = _pread_into(self._fd, buffer[got:], start + got)
            if not more:
                raise StoreError(f"the file ends at byte {start + got}, {len(buffer) - got} bytes short")
            got += more

    def read_scattered(self, buffers: Sequence[memoryview], start: int) -> None:
        """Fill several buffers with consecutive bytes, from byte `start` on."""
        for first in range(0, len(buffers), _MOST_BUFFERS):
            part = buffers[first : first + _MOST_BUFFERS]
            nbytes = sum(map(len, part))
            if not _fill(self._fd, part, start, nbytes):
                at = start
                for buffer in part:
                    self.read_into(buffer, at)
                    at += len(buffer)
            start += nbytes

    def close(self) -> None:
        os.close(self._fd)


def _preadv_all(fd: int, buffers: Sequence[memoryview], start: int, nbytes: int) -> bool:
    return os.preadv(fd, buffers, start) == nbytes


_fill: Callable[..., bool] = _preadv_all if hasattr(os, "preadv") else lambda *_: False
"""Fill all buffers by one call, and return True on success."""


def _preadv_once(fd: int, buffer: memoryview, start: int) -> int:
    return os.preadv(fd, (buffer,), start)


_seeking = threading.Lock()


def _seek_and_read(fd: int, buffer: memoryview, start: int) -> int:
    with _seeking:  # the position belongs to the descriptor, which threads share
        os.lseek(fd, start, os.SEEK_SET)
        data = os.read(fd, len(buffer))
    buffer[: len(data)] = data
    return len(data)


_pread_into = _preadv_once if hasattr(os, "preadv") else _seek_and_read


if hasattr(os, "preadv"):
    read_into = _preadv_into
else:
    read_into = _portable_into


def read_file(path: str, byte_range: ByteRange | None = None) -> bytes | None:
    """Return the bytes of a file, or a range of them; None if it is not a regular file (a FIFO, a device)."""
    fd = os.open(path, READ_FLAGS)
    try:
        status = os.fstat(fd)
        if not S_ISREG(status.st_mode):
            return None
        size = status.st_size
        if byte_range is None:
            # Request one byte more than the size: a shorter result then means the end of the file.
            data = os.read(fd, size + 1)
            return data if len(data) == size < _ONE_READ else _read_on(fd, data, None)
        begin, end = resolve_range(byte_range, size)
        if begin >= end:
            return b""
        if begin:
            os.lseek(fd, begin, os.SEEK_SET)
        data = os.read(fd, end - begin)
        return data if len(data) == end - begin else _read_on(fd, data, end - begin)
    finally:
        os.close(fd)


def _read_on(fd: int, data: bytes, size: int | None) -> bytes:
    """Return `data` and the bytes after it, up to `size` bytes in total or to the end."""
    parts = [data]
    got = len(data)
    while data and (size is None or got < size):
        data = os.read(fd, 1 << 24 if size is None else size - got)
        parts.append(data)
        got += len(data)
    return b"".join(parts)


def file_size(path: str) -> int | None:
    """Return the length of a file in bytes; None if it is not a regular file (a folder, a FIFO)."""
    status = os.stat(path)
    return status.st_size if S_ISREG(status.st_mode) else None
