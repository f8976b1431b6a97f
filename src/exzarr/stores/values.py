"""Values of stores: bytes, parts of them, and how changes describe them."""

from __future__ import annotations

import enum
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol

from exzarr.errors import ArgumentError, StoreError

__all__ = [
    "ABSENT",
    "KEEP",
    "Absent",
    "Buffer",
    "ByteRange",
    "BytesReader",
    "Change",
    "Fetched",
    "Keep",
    "Listed",
    "NewValue",
    "ValueReader",
    "resolve_range",
    "whole_value",
]

Buffer = bytes | bytearray | memoryview
"""Flat bytes. A memoryview has the format ``B`` and is contiguous."""

ByteRange = tuple[int, int | None]
"""``(start, length)``; ``length`` None means to the end. A negative start counts from the end."""


class Keep(enum.Enum):
    """Type of `KEEP`."""

    KEEP = "keep"


KEEP: Final = Keep.KEEP
"""Result of the function given to `Store.update` that keeps the stored value unchanged."""


class Absent(enum.Enum):
    """Type of `ABSENT`."""

    ABSENT = "absent"


ABSENT: Final = Absent.ABSENT
"""Version of a missing value."""

NewValue = Sequence[Buffer] | Keep | None
"""What a change makes of a value: the parts of the new value, None to delete it, or `KEEP`."""


def resolve_range(byte_range: ByteRange, size: int) -> tuple[int, int]:
    """Return the begin and end of `byte_range` in a value of `size` bytes, clipped to the value."""
    start, length = byte_range
    if length is not None and length < 0:
        raise ArgumentError(f"byte range {byte_range}: the length may not be negative")
    begin = max(0, size + start) if start < 0 else min(start, size)
    return begin, size if length is None else min(begin + length, size)


class ValueReader(Protocol):
    """An opened value, as `Store.open_value` returns it."""

    size: int
    """Length of the value in bytes."""
    version: Hashable
    """Version of the value: two readers of one key with equal versions read equal bytes. None: unknown."""

    def read_into(self, buffer: memoryview, start: int) -> None:
        """Fill `buffer` from byte `start` on. Raise StoreError if the value is too short.

        Several threads may call this concurrently.
        """
        ...

    def close(self) -> None:
        """Release the value."""
        ...


Change = Callable[["ValueReader | None"], NewValue]
"""Function from a stored value (None: missing) to the new value."""


class BytesReader:
    """Reader of a value in memory."""

    __slots__ = ("_value", "size", "version")

    def __init__(self, value: Buffer, version: Hashable = None) -> None:
        self._value = value
        self.size = len(value)
        self.version = version

    def read_into(self, buffer: memoryview, start: int) -> None:
        """Fill `buffer` from byte `start` on; see `ValueReader`."""
        end = start + len(buffer)
        if end > self.size:
            raise StoreError(f"cannot read bytes {start} to {end} of a value of {self.size} bytes")
        buffer[:] = self._value[start:end]

    def close(self) -> None:
        """Do nothing: the value is in memory."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """Result of one request, as `Store.fetch` and `Store.stat` return it.

    Attributes
    ----------
    data
        The requested bytes.
    size
        Length of the whole value.
    version
        Version of the value (see `ValueReader.version`).
    """

    data: Buffer
    size: int
    version: Hashable


class Listed(NamedTuple):
    """One value of a listing, as `Store.list_values` yields it."""

    key: str
    size: int
    """Length of the value in bytes."""
    version: Hashable
    """Version of the value (see `ValueReader.version`); None: unknown."""


def whole_value(value: ValueReader) -> bytearray:
    """Read all bytes of an opened value."""
    whole = bytearray(value.size)
    value.read_into(memoryview(whole), 0)
    return whole
