"""Reading the members of a zip file that nobody vouches for.

A member is found by the archive's directory, which the standard library parses, and read at
its place in the file without moving a file position, so that threads (and forked children) read
side by side. Sizes are held against the file's before anything is allocated, and unpacking
stops at the size that the directory promised.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Hashable, Sequence
from io import SEEK_CUR, SEEK_END, RawIOBase
from threading import Lock
from typing import TYPE_CHECKING, Literal

from exzarr.errors import StoreError, UnsupportedError
from exzarr.stores.base import Buffer, ByteRange, BytesReader, ValueReader, resolve_range
from exzarr.stores.files import merge_adjacent

if TYPE_CHECKING:
    from zipfile import ZipInfo

__all__ = ["Archive", "FileAt", "open_archive"]

ZIP_STORED, ZIP_DEFLATED = 0, 8

_LOCAL_HEADER = 30
_ENCRYPTED = 1

# Deflate can't do better than 1032 : 1. For the other methods, which can, members beyond
# this ratio may unpack to no more than _ANY_RATIO bytes.
_MAX_RATIO = 1032
_ANY_RATIO = 1 << 26


class FileAt:
    """Reads an open file at given places, from any number of threads."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self._lock = Lock()

    def size(self) -> int:
        return os.fstat(self.fd).st_size

    def read(self, start: int, length: int) -> bytes:
        """`length` bytes from `start` on, less only where the file ends."""
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
            """Fill `buffer` from `start` on; how many bytes there were."""
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


class _Positioned(RawIOBase):
    """A file object on a `FileAt`, for the standard library: its position is its own."""

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


class Archive:
    """The members of a zip file, by key."""

    def __init__(self, file: FileAt, where: str, members: dict[str, ZipInfo]) -> None:
        self.file = file
        self.where = where
        self.members = members
        self._data_at: dict[ZipInfo, int] = {}

    def read(self, key: str, byte_range: ByteRange | None = None) -> bytes | bytearray | memoryview | None:
        """The member's bytes, or a part of them; None where there is no such member."""
        info = self.members.get(key)
        if info is None:
            return None
        if byte_range is None:
            return self._whole(info)
        begin, end = resolve_range(byte_range, info.file_size)
        if begin >= end:
            return b""
        if info.compress_type == ZIP_STORED:
            return self.file.read(self._find(info) + begin, end - begin)
        return memoryview(self._whole(info))[begin:end]

    def read_into(self, key: str, buffer: memoryview, start: int) -> int:
        """As `Store.read_into`."""
        info = self.members.get(key)
        if info is None:
            return -1
        length = max(0, info.file_size - start)
        if not 0 < length <= len(buffer):
            return length
        if info.compress_type != ZIP_STORED:
            buffer[:length] = memoryview(self._whole(info))[start:]
            return length
        part = buffer[:length] if length < len(buffer) else buffer
        if self.file.read_into(self._find(info) + start, part) != length:
            raise self._error(info, "the file ends in the midst of it")
        if not start and _crc32(part) != info.CRC:
            raise self._error(info, "its checksum is wrong: it was damaged after it was written")
        return length

    def read_ranges(
        self, key: str, ranges: Sequence[tuple[int, int]], buffer: memoryview
    ) -> Literal["absent"] | tuple[int, int, int] | None:
        """As `Store.read_ranges`; what went short is given as `range_error` takes it."""
        info = self.members.get(key)
        if info is None:
            return "absent"
        stored = info.compress_type == ZIP_STORED
        base = self._find(info) if stored else 0
        whole = None if stored else memoryview(self._whole(info))
        at = 0
        for start, length in merge_adjacent(ranges):
            there = max(0, min(length, info.file_size - start))
            part = buffer[at : at + there]
            if whole is None:
                there = self.file.read_into(base + start, part)
            else:
                part[:] = whole[start : start + there]
            if there < length:
                return start, length, there
            at += length
        return None

    def open_value(self, key: str) -> ValueReader | None:
        """As `Store.open_value`."""
        info = self.members.get(key)
        if info is None:
            return None
        if info.compress_type != ZIP_STORED:
            return BytesReader(self._whole(info), info)
        return _Member(self.file, self._find(info), info)

    def forget(self, info: ZipInfo) -> None:
        """Drop what is remembered of a member that was replaced."""
        self._data_at.pop(info, None)

    def _whole(self, info: ZipInfo) -> bytes | bytearray:
        at = self._find(info)
        method = info.compress_type
        if method == ZIP_STORED:
            data: bytes | bytearray = self.file.read(at, info.file_size)
        elif method == ZIP_DEFLATED:
            data = self._inflate(info, self.file.read(at, info.compress_size))
        else:
            return self._unpack_otherwise(info)
        if len(data) != info.file_size:
            raise self._error(info, f"it holds {len(data)} bytes, where the directory says {info.file_size}")
        if _crc32(data) != info.CRC:
            raise self._error(info, "its checksum is wrong: it was damaged after it was written")
        return data

    def _find(self, info: ZipInfo) -> int:
        """Where in the file the member's bytes start. They lie wholly in the file."""
        at = self._data_at.get(info)
        if at is None:
            at = self._data_at[info] = self._check(info)
        return at

    def _check(self, info: ZipInfo) -> int:
        header = self.file.read(info.header_offset, _LOCAL_HEADER) if info.header_offset >= 0 else b""
        if len(header) != _LOCAL_HEADER or header[:4] != b"PK\x03\x04":
            raise self._error(info, "the directory points to a place where no member starts")
        names, extra = struct.unpack("<HH", header[26:30])
        at: int = info.header_offset + _LOCAL_HEADER + names + extra
        if at + info.compress_size > self.file.size():
            raise self._error(info, "it reaches past the end of the file; the zip was cut off or damaged")
        if info.flag_bits & _ENCRYPTED:
            raise UnsupportedError(
                f"{info.filename!r} in {self.where} is encrypted, which exzarr does not read"
            )
        if info.compress_type == ZIP_STORED and info.compress_size != info.file_size:
            raise self._error(info, "it is stored as it is, and yet has two sizes")
        limit = info.compress_size * _MAX_RATIO + 1024
        if info.compress_type not in (ZIP_STORED, ZIP_DEFLATED):
            limit = max(limit, _ANY_RATIO)
        if info.file_size > limit:
            raise self._error(
                info,
                f"its {info.compress_size} bytes would unpack to {info.file_size}; no honest zip does that",
            )
        return at

    def _inflate(self, info: ZipInfo, packed: bytes) -> bytes | bytearray:
        import deflate

        if not info.file_size:  # which the library takes for: any size
            return b""
        try:
            data: bytearray = deflate.deflate_decompress(packed, info.file_size)
        except deflate.DeflateError as error:
            raise self._error(info, f"it cannot be unpacked: {error}") from error
        return data

    def _unpack_otherwise(self, info: ZipInfo) -> bytes:
        # Rare (bzip2, lzma): left to the standard library, which unpacks piece by piece, checks the
        # checksum, and stops at the promised size.
        from zipfile import ZipFile

        try:
            with ZipFile(_Positioned(self.file)) as archive, archive.open(info) as member:
                data = member.read(info.file_size + 1)
        except Exception as error:
            raise self._error(info, f"it cannot be unpacked: {error}") from error
        if len(data) != info.file_size:
            raise self._error(info, f"it holds {len(data)} bytes, where the directory says {info.file_size}")
        return data

    def _error(self, info: ZipInfo, reason: str) -> StoreError:
        return StoreError(f"cannot read {info.filename!r} in {self.where}: {reason}")


class _Member:
    """A member that is not compressed, opened: a `ValueReader`."""

    __slots__ = ("_at", "_file", "size", "version")

    def __init__(self, file: FileAt, at: int, info: ZipInfo) -> None:
        self._file = file
        self._at = at
        self.size: int = info.file_size
        # Itself: the archive has it as long as the member is what it is.
        self.version: Hashable = info

    def read_into(self, buffer: memoryview, start: int) -> None:
        end = start + len(buffer)
        if end > self.size or self._file.read_into(self._at + start, buffer) != len(buffer):
            raise StoreError(f"bytes {start} to {end} were wanted of a value of {self.size} bytes")

    def close(self) -> None:
        pass


def open_archive(file: FileAt, where: str) -> Archive:
    """The archive in `file`; StoreError where it is none, or its directory is damaged."""
    from zipfile import BadZipFile, ZipFile

    try:
        infos = ZipFile(_Positioned(file)).infolist()
    # What the standard library lets out of a malformed directory is more than BadZipFile.
    except (
        BadZipFile,
        NotImplementedError,
        ValueError,
        LookupError,
        ArithmeticError,
        struct.error,
        EOFError,
    ) as error:
        raise StoreError(f"{where} is no zip file, or a damaged one: {error}") from error
    # Of members with one name the last counts, as it does for the standard library: a writer
    # that appended has replaced the others. Names that are no keys can't be asked for.
    return Archive(file, where, {i.filename.removeprefix("./"): i for i in infos if not i.is_dir()})


def _crc32(data: Buffer) -> int:
    # An order of magnitude faster than zlib's: 0.4 µs for 16 KiB.
    from deflate import crc32

    return int(crc32(data))
