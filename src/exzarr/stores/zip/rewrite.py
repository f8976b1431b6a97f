"""A zip file that is changed: a new file gets what was changed, and in the end all other members of the old one."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from types import TracebackType

from exzarr.errors import ChangedError
from exzarr.stores.base import (
    Buffer,
    ByteRange,
    Listed,
    Store,
    StoreTraits,
    ValueReader,
    check_key,
    check_prefix,
)
from exzarr.stores.listing import keys_directly_under
from exzarr.stores.local.store import LocalStore
from exzarr.stores.zip.store import ZipStore

__all__ = ["ZipRewrite"]


class ZipRewrite(Store):
    """An existing zip file, to read and to change.

    The file itself stays as it is until the store is closed, and stays for good if nothing was changed, if the ``with``
    block fails, or if the process is killed. Then a new file takes its place in one step.

    Parameters
    ----------
    path
        The file.
    """

    traits = StoreTraits(picklable=False)

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._state = _state(path)
        self._old = ZipStore(path)
        try:
            self._new = ZipStore(path, "w")
        except BaseException:
            self._old.close()
            raise
        self._dropped: set[str] = set()
        self._changed = False

    def _of(self, key: str) -> ZipStore:
        """Return the file that has the value at `key`, if any."""
        return self._old if self._new.size(key) is None and key not in self._dropped else self._new

    def get(self, key: str, byte_range: ByteRange | None = None) -> Buffer | None:
        return self._of(check_key(key)).get(key, byte_range)

    def open_value(self, key: str) -> ValueReader | None:
        return self._of(check_key(key)).open_value(key)

    def size(self, key: str) -> int | None:
        return self._of(check_key(key)).size(key)

    def list(self, prefix: str = "") -> Iterator[str]:
        check_prefix(prefix)
        old, new, dropped = [*self._old.list(prefix)], {*self._new.list(prefix)}, self._dropped
        return iter([*sorted(new), *[key for key in old if key not in new and key not in dropped]])

    def list_values(self, prefix: str = "") -> Iterator[Listed]:
        for key in self.list(prefix):
            size = self.size(key)
            if size is not None:
                yield Listed(key, size, None)

    def list_dir(self, prefix: str = "") -> tuple[Sequence[str], Sequence[str]]:
        return keys_directly_under(sorted(self.list(prefix)), prefix)

    def put(self, key: str, value: Buffer) -> None:
        self._new.put(key, value)
        self._changed = True

    def delete(self, key: str) -> None:
        if self.size(key) is not None:
            self._dropped.add(key)
            self._new.delete(key)
            self._changed = True

    def close(self) -> None:
        """Write the new file, unless nothing was changed.

        Raises
        ------
        ChangedError
            Another writer has replaced or changed the file since it was opened. It stays as that writer left it.
        """
        try:
            if not self._changed:
                self._new.discard()
                return
            for key in self._old.list():
                if key not in self._dropped and self._new.size(key) is None:
                    self._new.put(key, self._old.get(key) or b"")
            if _state(self._old.path) != self._state:
                raise ChangedError(
                    f"{self._old.path!r} was changed by another writer while it was rewritten, and stays as that writer "
                    "left it: repeat the call"
                )
            self._new.close()
        except BaseException:
            self._new.discard()
            raise
        finally:
            self._old.close()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self._new.discard()
            self._old.close()

    def parent(self) -> LocalStore:
        """Return the store of the file's folder."""
        return self._old.parent()

    @property
    def url(self) -> str:
        return self._old.url

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, ZipStore) and other.path == self._old.path)

    def __hash__(self) -> int:
        return hash(self._old)


def _state(path: str | os.PathLike[str]) -> tuple[int, ...] | None:
    """Return what changes when a file is written or replaced; None if there is none."""
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns
