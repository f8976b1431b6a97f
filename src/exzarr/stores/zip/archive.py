"""Reader of the members of an untrusted zip file.

The standard library parses the archive's directory, which gives the offset of each member. Reads do not move
the file position, so that threads (and forked children) can read concurrently. Sizes are checked against the
size of the file before memory is allocated. Decompression stops at the size in the directory.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING

from exzarr.errors import StoreError, UnsupportedError
from exzarr.stores.base import Buffer, ByteRange, BytesReader, ValueReader, resolve_range
from exzarr.stores.file_at import FileAt, Positioned

if TYPE_CHECKING:
    from zipfile import ZipInfo

__all__ = ["Archive", "open_archive"]

ZIP_STORED, ZIP_DEFLATED = 0, 8

_LOCAL_HEADER = 30
_ENCRYPTED = 1

# The largest ratio of deflate is 1032 : 1. With other methods, a member beyond this ratio may have at most
# _ANY_RATIO bytes when decompressed.
_MAX_RATIO = 1032
_ANY_RATIO = 1 << 26


class Archive:
    """The members of a zip file, by key."""

    def __init__(self, file: FileAt, where: str, members: dict[str, ZipInfo]) -> None:
        self.file = file
        self.where = where
        self.members = members
        self._data_at: dict[ZipInfo, int] = {}

    def read(self, key: str, byte_range: ByteRange | None = None) -> bytes | bytearray | memoryview | None:
        """Return the member's bytes, or a part of them; None if there is no such member."""
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
        """Read a member into `buffer` (see `Store.read_into`)."""
        info = self.members.get(key)
        if info is None:
            return -1
        length = max(0, info.file_size - start)
        part = buffer[:length] if length < len(buffer) else buffer
        if not part:
            return length
        if info.compress_type != ZIP_STORED:
            part[:] = memoryview(self._whole(info))[start : start + len(part)]
            return length
        if self.file.read_into(self._find(info) + start, part) != len(part):
            raise self._error(info, "the file ends within it")
        if len(part) == info.file_size and _crc32(part) != info.CRC:
            raise self._error(info, "its checksum is wrong: it was damaged after it was written")
        return length

    def open_value(self, key: str) -> ValueReader | None:
        """Open a member (see `Store.open_value`)."""
        info = self.members.get(key)
        if info is None:
            return None
        if info.compress_type != ZIP_STORED:
            return BytesReader(self._whole(info), info)
        return _Member(self.file, self._find(info), info)

    def forget(self, info: ZipInfo) -> None:
        """Drop the cached offset of a member that was replaced."""
        self._data_at.pop(info, None)

    def _whole(self, info: ZipInfo) -> bytes | bytearray:
        at = self._find(info)
        data: bytes | bytearray = self.file.read(at, info.compress_size)
        if info.compress_type != ZIP_STORED:
            data = self._unpack(info, data)
        if len(data) != info.file_size:
            raise self._error(info, f"it has {len(data)} bytes, but {info.file_size} in the directory")
        if _crc32(data) != info.CRC:
            raise self._error(info, "its checksum is wrong: it was damaged after it was written")
        return data

    def _find(self, info: ZipInfo) -> int:
        """Return the offset of the member's bytes, after a check that all of them are in the file."""
        at = self._data_at.get(info)
        if at is None:
            at = self._data_at[info] = self._check(info)
        return at

    def _check(self, info: ZipInfo) -> int:
        header = self.file.read(info.header_offset, _LOCAL_HEADER) if info.header_offset >= 0 else b""
        if len(header) != _LOCAL_HEADER or header[:4] != b"PK\x03\x04":
            raise self._error(info, "the directory points to an offset at which no member starts")
        names, extra = struct.unpack("<HH", header[26:30])
        at: int = info.header_offset + _LOCAL_HEADER + names + extra
        if at + info.compress_size > self.file.size():
            raise self._error(info, "it reaches past the end of the file; the zip was cut off or damaged")
        if info.flag_bits & _ENCRYPTED:
            raise UnsupportedError(
                f"{info.filename!r} in {self.where} is encrypted, which exzarr does not read"
            )
        if info.compress_type == ZIP_STORED and info.compress_size != info.file_size:
            raise self._error(info, "it is not compressed, but its two sizes differ")
        limit = info.compress_size * _MAX_RATIO + 1024
        if info.compress_type not in (ZIP_STORED, ZIP_DEFLATED):
            limit = max(limit, _ANY_RATIO)
        if info.file_size > limit:
            raise self._error(
                info,
                f"its {info.compress_size} bytes would unpack to {info.file_size}, which no valid zip does",
            )
        return at

    def _unpack(self, info: ZipInfo, packed: bytes | bytearray) -> bytes | bytearray:
        unpack = _UNPACK.get(info.compress_type)
        if unpack is None:
            raise UnsupportedError(
                f"{info.filename!r} in {self.where} is compressed by method {info.compress_type}; "
                "exzarr reads members that are stored, deflated, or compressed by bzip2 or lzma"
            )
        try:
            return unpack(packed, info.file_size) if info.file_size else b""
        except Exception as error:  # each library has its own exceptions
            raise self._error(info, f"it cannot be unpacked: {error}") from error

    def _error(self, info: ZipInfo, reason: str) -> StoreError:
        return StoreError(f"cannot read {info.filename!r} in {self.where}: {reason}")


class _Member:
    """`ValueReader` of a member that is not compressed."""

    __slots__ = ("_at", "_file", "size", "version")

    def __init__(self, file: FileAt, at: int, info: ZipInfo) -> None:
        self._file = file
        self._at = at
        self.size: int = info.file_size
        # The ZipInfo object: the archive keeps it as long as the member is unchanged.
        self.version: Hashable = info

    def read_into(self, buffer: memoryview, start: int) -> None:
        end = start + len(buffer)
        if end > self.size or self._file.read_into(self._at + start, buffer) != len(buffer):
            raise StoreError(f"cannot read bytes {start} to {end} of a value of {self.size} bytes")

    def close(self) -> None:
        pass


def open_archive(file: FileAt, where: str) -> Archive:
    """Open the archive in `file`. Raise StoreError if it is not a zip, or if its directory is damaged."""
    from zipfile import BadZipFile, ZipFile

    try:
        infos = ZipFile(Positioned(file)).infolist()
    # The standard library raises more than BadZipFile for a malformed directory.
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
    # The last member of each name counts, as in the standard library: it was appended to replace the others.
    # Names that are not valid keys cannot be requested.
    return Archive(
        file, where, {i.filename.removeprefix("./"): i for i in infos if i.filename and not i.is_dir()}
    )


# The standard library does not limit the output of bzip2 and lzma. These functions return at most `size` bytes,
# whatever the archive contains. The caller checks whether there are fewer.


def _inflate(packed: bytes | bytearray, size: int) -> bytearray:
    from deflate import deflate_decompress

    data: bytearray = deflate_decompress(packed, size)
    return data


def _unpack_bzip2(packed: bytes | bytearray, size: int) -> bytes:
    from bz2 import BZ2Decompressor

    return BZ2Decompressor().decompress(packed, size)


def _unpack_lzma(packed: bytes | bytearray, size: int) -> bytes:
    """Decompress zip's lzma: a version, the length of the properties (5), these, and the raw stream (APPNOTE 5.8.8)."""
    from lzma import FILTER_LZMA1, FORMAT_RAW, LZMADecompressor

    length, properties, dictionary = struct.unpack("<HBI", packed[2:9])
    if length != 5:
        raise ValueError(f"its lzma properties are {length} bytes long, not 5")
    rest, lc = divmod(properties, 9)
    pb, lp = divmod(rest, 5)
    # No match reaches back further than the length of the data: a larger dictionary would never be filled.
    reach = min(dictionary, max(size, 4096))
    filters = [{"id": FILTER_LZMA1, "lc": lc, "lp": lp, "pb": pb, "dict_size": reach}]
    return LZMADecompressor(FORMAT_RAW, filters=filters).decompress(packed[9:], size)


_UNPACK: dict[int, Callable[[bytes | bytearray, int], bytes | bytearray]] = {
    ZIP_DEFLATED: _inflate,
    12: _unpack_bzip2,
    14: _unpack_lzma,
}


def _crc32(data: Buffer) -> int:
    # Ten times faster than zlib's: 0.4 µs for 16 KiB.
    from deflate import crc32

    return int(crc32(data))
