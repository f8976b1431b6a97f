"""Memory that a Parquet file needs, computed before it is decoded.

Each page header has the decompressed length and the number of values. Libraries allocate that much memory before they
check the numbers. exzarr therefore reads the page headers first. Format: Thrift's compact protocol
(https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md) of the ``PageHeader`` in
https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["pages"]

_MOST_DEEP = 8
_DATA, _DICTIONARY, _DATA_V2 = 5, 7, 8


def pages(data: memoryview, start: int, length: int) -> Iterator[tuple[int, int]]:
    """Iterate over the decompressed size and number of values of each page. Raise ValueError if one is damaged."""
    at, end = start, start + length
    if not 0 <= start <= end <= len(data):
        raise ValueError("a column that is not in the file")
    while at < end:
        header, at = _struct(data, at, 0)
        unpacked, packed = header.get(2), header.get(3)
        if not isinstance(unpacked, int) or not isinstance(packed, int) or min(unpacked, packed) < 0:
            raise ValueError("a page without a length")
        values = 0
        for kind in (_DATA, _DICTIONARY, _DATA_V2):
            inner = header.get(kind)
            if isinstance(inner, Mapping) and isinstance(inner.get(1), int):
                if inner[1] < 0:
                    raise ValueError("a page of less than no values")
                values = inner[1]
        yield unpacked, values
        at += packed
    if at != end:
        raise ValueError("a page that is longer than its column")


def _struct(data: memoryview, at: int, depth: int) -> tuple[dict[int, Any], int]:
    """Return the numbers of a struct by field, including nested structs, and the offset of its end."""
    if depth > _MOST_DEEP:
        raise ValueError("structs in structs")
    found: dict[int, Any] = {}
    field = 0
    while True:
        byte, at = _byte(data, at)
        if not byte:
            return found, at
        kind = byte & 15
        if byte >> 4:
            field += byte >> 4
        else:
            field, at = _zigzag(data, at)
        found[field], at = _value(data, at, kind, depth)


def _value(data: memoryview, at: int, kind: int, depth: int) -> tuple[Any, int]:
    if kind in (1, 2):  # true and false have no bytes
        return None, at
    if kind == 3:
        return None, at + 1
    if kind in (4, 5, 6):
        return _zigzag(data, at)
    if kind == 7:
        return None, at + 8
    if kind == 8:
        length, at = _varint(data, at)
        return None, at + length
    if kind == 12:
        return _struct(data, at, depth + 1)
    raise ValueError(f"type {kind}, which page headers do not have")


def _byte(data: memoryview, at: int) -> tuple[int, int]:
    if at >= len(data):
        raise ValueError("a header that does not end")
    return data[at], at + 1


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        byte, at = _byte(data, at)
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
    raise ValueError("a number that does not end")


def _zigzag(data: memoryview, at: int) -> tuple[int, int]:
    value, at = _varint(data, at)
    return (value >> 1) ^ -(value & 1), at
