"""Stores that count, break, or slow down the engine's requests."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

from exzarr.stores.base import KEEP, Buffer, ByteRange, Change, NewValue, Store, ValueReader
from exzarr.stores.wrappers.base import StoreWrapper

__all__ = ["Hook", "Short", "Spy"]


class Spy(StoreWrapper):
    """Count requests and bytes of all reads of chunks, without metadata documents."""

    def __init__(self, inner: Store) -> None:
        super().__init__(inner)
        self.reads: list[tuple[str, int]] = []
        self.writes: list[str] = []
        self.threads: set[int] = set()

    def note(self, key: str, n: int) -> None:
        if not key.endswith(("zarr.json", ".zarray", ".zattrs")):
            self.reads.append((key, n))
            self.threads.add(threading.get_ident())

    def get(self, key: str, byte_range: ByteRange | None = None) -> Buffer | None:
        value = super().get(key, byte_range)
        self.note(key, 0 if value is None else len(value))
        return value

    def read_into(self, key: str, buffer: memoryview, start: int = 0) -> int:
        n = super().read_into(key, buffer, start)
        self.note(key, min(max(n, 0), len(buffer)))
        return n

    def read_each(
        self, keys: Sequence[str], buffers: Sequence[memoryview], starts: Sequence[int] | None = None
    ) -> Sequence[int]:
        return Store.read_each(self, keys, buffers, starts)

    def open_value(self, key: str) -> ValueReader | None:
        value = super().open_value(key)
        if value is None:
            self.note(key, 0)
            return None
        return _Reader(self, key, value)

    def put(self, key: str, value: Buffer) -> None:
        self.writes.append(key)
        super().put(key, value)

    def put_parts(self, key: str, parts: Sequence[Buffer]) -> None:
        self.writes.append(key)
        super().put_parts(key, parts)

    def update(self, key: str, change: Change) -> None:
        def watched(value: ValueReader | None) -> NewValue:
            if value is None:
                self.note(key, 0)
            parts = change(None if value is None else _Reader(self, key, value))
            if parts is not KEEP:
                self.writes.append(key)
            return parts

        super().update(key, watched)

    def delete(self, key: str) -> None:
        self.writes.append(key)
        super().delete(key)


class _Reader:
    def __init__(self, spy: Spy, key: str, value: ValueReader) -> None:
        self._spy, self._key, self._value = spy, key, value
        self.size, self.version = value.size, value.version

    def read_into(self, buffer: memoryview, start: int) -> None:
        self._spy.note(self._key, len(buffer))
        self._value.read_into(buffer, start)

    def close(self) -> None:
        self._value.close()


class Short(StoreWrapper):
    """Store whose fast read methods read `cut` bytes too few, as some network file systems do."""

    def __init__(self, inner: Store, cut: int = 1) -> None:
        super().__init__(inner)
        self.cut = cut

    def read_into(self, key: str, buffer: memoryview, start: int = 0) -> int:
        n = super().read_into(key, buffer, start)
        if n <= 0:
            return n
        got = max(0, min(n, len(buffer)) - self.cut)
        buffer[got:] = b"\xaa" * (len(buffer) - got)
        return got

    def read_each(
        self, keys: Sequence[str], buffers: Sequence[memoryview], starts: Sequence[int] | None = None
    ) -> Sequence[int]:
        return Store.read_each(self, keys, buffers, starts)


class Hook(StoreWrapper):
    """Call ``hook(what, key)`` before every read and write of a chunk. The hook may raise."""

    def __init__(self, inner: Store, hook: Callable[[str, str], Any]) -> None:
        super().__init__(inner)
        self.hook = hook

    def get(self, key: str, byte_range: ByteRange | None = None) -> Buffer | None:
        self.hook("get", key)
        return super().get(key, byte_range)

    def read_into(self, key: str, buffer: memoryview, start: int = 0) -> int:
        self.hook("get", key)
        return super().read_into(key, buffer, start)

    def read_each(
        self, keys: Sequence[str], buffers: Sequence[memoryview], starts: Sequence[int] | None = None
    ) -> Sequence[int]:
        return Store.read_each(self, keys, buffers, starts)

    def open_value(self, key: str) -> ValueReader | None:
        self.hook("get", key)
        return super().open_value(key)

    def put(self, key: str, value: Buffer) -> None:
        self.hook("put", key)
        super().put(key, value)

    def put_parts(self, key: str, parts: Sequence[Buffer]) -> None:
        self.hook("put", key)
        super().put_parts(key, parts)

    def update(self, key: str, change: Change) -> None:
        def hooked(value: ValueReader | None) -> NewValue:
            self.hook("get", key)
            parts = change(value)
            self.hook("put", key)
            return parts

        super().update(key, hooked)

    def delete(self, key: str) -> None:
        self.hook("put", key)
        super().delete(key)
