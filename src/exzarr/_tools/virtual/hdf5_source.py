"""Sources that h5py can open: a path, or a value of a store as a file object."""

from __future__ import annotations

import io
from typing import Any

from exzarr._tools.virtual.places import Place
from exzarr.stores.base import Store

__all__ = ["source_of"]

_BUFFER = 1 << 19


def source_of(place: Place) -> Any:
    """Return the argument for `h5py.File` to read the file at `place`. Raise FileNotFoundError if it is missing."""
    path = place.store.local_path(place.key)
    if path is not None:
        return path
    size = place.store.size(place.key)
    if size is None:
        raise FileNotFoundError(f"there is no {place.name!r}")
    return io.BufferedReader(_StoreFile(place.store, place.key, size), _BUFFER)


class _StoreFile(io.RawIOBase):
    """A value of a store as a read-only file object."""

    def __init__(self, store: Store, key: str, size: int) -> None:
        self._store, self._key, self._size = store, key, size
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = offset + (0, self._at, self._size)[whence]
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        length = max(0, min(len(view), self._size - self._at))
        data = self._store.get(self._key, (self._at, length)) if length else b""
        if data is None or len(data) != length:
            raise OSError(f"{self._key!r} has changed while it was read")
        view[:length] = data
        self._at += length
        return length
