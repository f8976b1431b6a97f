"""Concurrent reads at given offsets of one open file."""

from __future__ import annotations

import os
from io import SEEK_CUR, SEEK_END, RawIOBase
from threading import Lock

__all__ = ["FileAt", "Positioned"]


class FileAt:
    """Reader of an open file at given offsets, for any number of threads."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self._lock = Lock()

    def size(self) -> int:
        return os.fstat(self.fd).st_size

    def read(self, start: int, length: int) -> bytes:
        """Return `length` bytes from `start` on, or fewer if the file ends before."""
        parts = []
        while length > 0:
            part = self._read(start, length)
            if not part:
                break
            parts.append(part)
            start += len(part)
            length -= len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    if hasattr(os, "pread"):

        def _read(self, start: int, length: int) -> bytes:
            return os.pread(self.fd, length, start)

    else:

        def _read(self, start: int, length: int) -> bytes:
            with self._lock:
                os.lseek(self.fd, start, os.SEEK_SET)
                return os.read(self.fd, length)

    if hasattr(os, "preadv"):

        def read_into(self, start: int, buffer: memoryview) -> int:
            """Fill `buffer` from `start` on. Return the number of bytes read."""
            done = 0
            while done < len(buffer):
                n = os.preadv(self.fd, (buffer[done:] if done else buffer,), start + done)
                if not n:
                    break
                done += n
            return done

    else:

        def read_into(self, start: int, buffer: memoryview) -> int:
            data = self.read(start, len(buffer))
            buffer[: len(data)] = data
            return len(data)


class Positioned(RawIOBase):
    """File object on a `FileAt`, with its own position, for the standard library."""

    def __init__(self, file: FileAt) -> None:
        self._file = file
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = 0) -> int:
        base = {SEEK_CUR: self._at, SEEK_END: self._file.size() if whence == SEEK_END else 0}.get(whence, 0)
        if base + offset < 0:
            raise OSError("seek before the start of the file")
        self._at = base + offset
        return self._at

    def read(self, size: int = -1) -> bytes:
        left = max(0, self._file.size() - self._at)
        data = self._file.read(self._at, left if size < 0 else min(size, left))
        self._at += len(data)
        return data
