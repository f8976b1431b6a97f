"""Zip file that is a value of another store, such as an object store or another zip file. It is read in place."""

from __future__ import annotations

from collections.abc import Hashable

from exzarr.errors import NodeNotFoundError, StoreError
from exzarr.stores.base import Store, StoreTraits
from exzarr.stores.file_at import FileAt
from exzarr.stores.zip.archive import open_archive
from exzarr.stores.zip.store import ZipStore

__all__ = ["NestedZipStore"]


class NestedZipStore(ZipStore):
    """Zip file at a key of another store. Each read is a range request there.

    Parameters
    ----------
    outer
        The other store.
    key
        The key of the zip file.
    """

    def __init__(self, outer: Store, key: str) -> None:
        found = outer.fetch(key, (0, 0))
        if found is None:
            raise NodeNotFoundError(f"there is no zip file {key!r} in {outer}")
        super()._start(f"{outer.url.rstrip('/')}/{key}", "r")
        self.outer = outer
        self.key = key
        self.traits = StoreTraits(
            read_only=True, concurrency=outer.traits.concurrency, picklable=outer.traits.picklable
        )
        self._archive = open_archive(_ValueAt(outer, key, found.size, found.version), self.url)

    def close(self) -> None:
        self._archive = None

    def parent(self) -> None:  # type: ignore[override]  # it may be another kind of store
        return None

    @property
    def url(self) -> str:
        return f"{self.path}|zip:"

    def __repr__(self) -> str:
        return f"NestedZipStore({self.outer!r}, {self.key!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, NestedZipStore) and (self.outer, self.key) == (other.outer, other.key)

    def __hash__(self) -> int:
        return hash((NestedZipStore, self.path))

    def __reduce__(self) -> tuple[object, ...]:
        return NestedZipStore, (self.outer, self.key)


class _ValueAt(FileAt):
    """Reader of a value at given offsets. A value that is replaced meanwhile is an error."""

    def __init__(self, store: Store, key: str, size: int, version: Hashable) -> None:
        self._store, self._key, self._size, self._version = store, key, size, version

    def size(self) -> int:
        return self._size

    def read(self, start: int, length: int) -> bytes:
        if length <= 0:
            return b""
        found = self._store.fetch(self._key, (start, length), self._version)
        if found is None:
            raise StoreError(f"key {self._key!r} in {self._store} was deleted while it was read")
        return bytes(found.data)

    def read_into(self, start: int, buffer: memoryview) -> int:
        data = self.read(start, len(buffer))
        buffer[: len(data)] = data
        return len(data)
