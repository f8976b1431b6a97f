"""The format of ``.acq`` files: records that are only appended, and an index.

::

    file    = magic, record...
    record  = magic, kind, length of the key, length of the value, crc32 of the value, crc32 of this head and the key,
              key, value, place of the last index, end mark

A record counts when all of it is there, down to its end mark. What a killed writer leaves behind the last whole record is
ignored by readers and cut off by the next writer. Every `INDEX_EVERY` records the writer appends the index of all keys. The
last bytes of the file say where it is, so opening a file reads the index and the few records after it.
"""

from __future__ import annotations

import json
import os
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

__all__ = ["DELETE", "DELETE_PREFIX", "INDEX", "INDEX_EVERY", "MAGIC", "PUT", "Container", "Entry", "record"]

MAGIC = b"ACQFILE1"
PUT, DELETE, DELETE_PREFIX, INDEX = range(4)
INDEX_EVERY = 512

_HEAD = struct.Struct("<4sBHQI")
_CRC = struct.Struct("<I")
_TAIL = struct.Struct("<Q4s")
_RECORD, _END = b"ACQr", b"ACQe"
_AROUND = _HEAD.size + _CRC.size + _TAIL.size


class Entry(NamedTuple):
    """Where a value is: its first byte in the file, its length, and its crc32."""

    start: int
    size: int
    crc: int


class _Record(NamedTuple):
    kind: int
    key: str
    entry: Entry
    end: int
    index: int


def record(kind: int, key: bytes, value: bytes, index: int) -> bytes:
    """Return the bytes of a record. `index` is the place of the last index record, 0 for none."""
    head = _HEAD.pack(_RECORD, kind, len(key), len(value), zlib.crc32(value))
    return b"".join((head, _CRC.pack(zlib.crc32(key, zlib.crc32(head))), key, value, _TAIL.pack(index, _END)))


@dataclass
class Container:
    """One opened file, and what its records say so far. The descriptor is closed when no reader has the object."""

    fd: int
    keys: dict[str, Entry] = field(default_factory=dict)
    end: int = len(MAGIC)
    last_index: int = 0
    since_index: int = 0

    def __del__(self) -> None:
        os.close(self.fd)

    def refresh(self) -> None:
        """Read the records that were appended since the last call."""
        size = os.fstat(self.fd).st_size
        if self.end == len(MAGIC) and size > self.end:
            self._load_index(size)
        for one in self._records(size):
            self._apply(one)

    def append(self, fd: int, kind: int, key: str, value: bytes) -> None:
        """Append a record through the descriptor of a writer, which holds the lock and has called `refresh`."""
        self._write(fd, record(kind, key.encode(), value, self.last_index))
        self.refresh()
        if self.since_index >= INDEX_EVERY:
            self._write(fd, self.index_record())
            self.refresh()

    def index_record(self, keys: dict[str, Entry] | None = None, place: int | None = None) -> bytes:
        """Return an index record, for `place` in the file."""
        place = self.end if place is None else place
        return record(INDEX, b"", json.dumps(self.keys if keys is None else keys).encode(), place)

    def _write(self, fd: int, data: bytes) -> None:
        os.ftruncate(fd, self.end)  # what a killed writer left
        view, at = memoryview(data), self.end
        while view:
            written = os.pwrite(fd, view, at)
            view, at = view[written:], at + written

    def _records(self, size: int) -> Iterator[_Record]:
        while (found := self._record_at(self.end, size)) is not None:
            yield found

    def _record_at(self, at: int, size: int) -> _Record | None:
        """Return the record at a place, or None if it is not whole."""
        if at + _AROUND > size:
            return None
        head = os.pread(self.fd, _HEAD.size + _CRC.size, at)
        magic, kind, key_size, value_size, crc = _HEAD.unpack_from(head)
        end = at + _AROUND + key_size + value_size
        if magic != _RECORD or end > size:
            return None
        key = os.pread(self.fd, key_size, at + len(head))
        index, mark = _TAIL.unpack(os.pread(self.fd, _TAIL.size, end - _TAIL.size))
        if (
            mark != _END
            or zlib.crc32(key, zlib.crc32(head[: _HEAD.size])) != _CRC.unpack_from(head, _HEAD.size)[0]
        ):
            return None
        return _Record(kind, key.decode(), Entry(at + len(head) + key_size, value_size, crc), end, index)

    def _apply(self, one: _Record) -> None:
        if one.kind == PUT:
            self.keys[one.key] = one.entry
        elif one.kind == DELETE:
            self.keys.pop(one.key, None)
        elif one.kind == DELETE_PREFIX:
            below = one.key + "/" if one.key else ""
            self.keys = {key: entry for key, entry in self.keys.items() if not key.startswith(below)}
        self.last_index = one.index
        self.since_index = 0 if one.kind == INDEX else self.since_index + 1
        self.end = one.end

    def _load_index(self, size: int) -> None:
        """Start from the last index, if the end of the file says where a good one is."""
        if size < len(MAGIC) + _AROUND:
            return
        place, mark = _TAIL.unpack(os.pread(self.fd, _TAIL.size, size - _TAIL.size))
        found = self._record_at(place, size) if mark == _END and len(MAGIC) <= place < size else None
        if found is None or found.kind != INDEX:
            return  # read all records
        data = os.pread(self.fd, found.entry.size, found.entry.start)
        if zlib.crc32(data) == found.entry.crc:
            self.keys = {key: Entry(*entry) for key, entry in json.loads(data).items()}
            self._apply(found)
