"""Opened values of `ZarrPythonStore`: those of a transaction, and those of a snapshot."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from exzarr.errors import StoreError
from exzarr.stores.base import Buffer, ByteRange, BytesReader, Store, resolve_range

__all__ = ["SnapshotReader", "StagedValue", "part"]


class StagedValue(BytesReader):
    """Opened value of a transaction. An announced document is stored at once (see `stores.write_intents.announce`)."""

    __slots__ = ("_key", "_store", "data", "staged")

    def __init__(self, store: Store, key: str, data: Buffer) -> None:
        super().__init__(data)
        self._store, self._key, self.data = store, key, data
        self.staged: Sequence[Buffer] | None = None

    def stage(self, parts: Sequence[Buffer]) -> None:
        self.staged = parts
        self._store.put_parts(self._key, parts)


class SnapshotReader:
    """Opened value of a store whose values do not change."""

    def __init__(self, store: Store, key: str, size: int, version: Hashable) -> None:
        self._store, self._key, self.size, self.version = store, key, size, version

    def read_into(self, buffer: memoryview, start: int) -> None:
        data = self._store.get(self._key, (start, len(buffer)))
        if data is None or len(data) != len(buffer):
            raise StoreError(
                f"cannot read bytes {start} to {start + len(buffer)} of key {self._key!r} in {self._store}"
            )
        buffer[:] = data

    def close(self) -> None:
        pass


def part(value: Buffer | None, byte_range: ByteRange | None) -> Buffer | None:
    """Return a part of `value`."""
    if value is None or byte_range is None:
        return value
    begin, end = resolve_range(byte_range, len(value))
    return value[begin:end]
