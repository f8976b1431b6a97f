"""The store contract: a map from keys to bytes.

A key is a ``/``-separated string without a leading slash (Zarr v3 core, "Stores",
https://zarr-specs.readthedocs.io/en/latest/v3/core/index.html#abstract-store-interface).
To write a store, derive from `Store` and define five methods: `get`, `put`, `delete`, `list` and
`list_dir`. The other 18 methods have defaults that call these five. A store overrides a default if it has a
faster way. The engine calls only the methods of `Store`. `stores.protocols` has the parts of the contract.

Many threads may call all methods concurrently. `exzarr.testing.store_suite` has the tests that a store
should pass.
"""

from __future__ import annotations

import errno
from abc import ABC, abstractmethod
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import fields
from itertools import repeat
from types import TracebackType
from typing import TYPE_CHECKING, Self

from exzarr.errors import ArgumentError, ChangedError, ListingUnsupportedError, ReadOnlyError
from exzarr.stores.keys import TEMPORARY_SUFFIX, check_key, check_prefix, is_reserved
from exzarr.stores.locks import ThreadLock
from exzarr.stores.maintenance import Maintenance
from exzarr.stores.traits import StoreTraits
from exzarr.stores.values import (
    ABSENT,
    KEEP,
    Absent,
    Buffer,
    ByteRange,
    BytesReader,
    Change,
    Fetched,
    Keep,
    Listed,
    NewValue,
    ValueReader,
    resolve_range,
    whole_value,
)
from exzarr.stores.write_intents import announce

if TYPE_CHECKING:
    from exzarr.stores.staging import StagingArea

__all__ = [
    "ABSENT",
    "Absent",
    "KEEP",
    "Maintenance",
    "TEMPORARY_SUFFIX",
    "Buffer",
    "ByteRange",
    "BytesReader",
    "Change",
    "Fetched",
    "Keep",
    "Listed",
    "NewValue",
    "Store",
    "StoreTraits",
    "ValueReader",
    "announce",
    "check_key",
    "check_prefix",
    "is_reserved",
    "resolve_range",
    "whole_value",
]


def _read_or_error(store: Store, key: str, buffer: memoryview) -> int | Exception:
    try:
        return store.read_into(key, buffer)
    except Exception as error:  # noqa: BLE001 - the caller inspects each error
        return error


class Store(ABC):
    """Base class of all stores: a map from keys to bytes."""

    traits: StoreTraits = StoreTraits()
    """Traits of the store: set them in the class, or in ``__init__``."""

    def __init_subclass__(cls, **options: object) -> None:
        super().__init_subclass__(**options)
        for one in fields(StoreTraits):
            if one.name in vars(cls) and not isinstance(vars(cls)[one.name], property):
                raise ArgumentError(
                    f"{cls.__name__}.{one.name} has no effect: set traits = StoreTraits({one.name}=...)"
                )

    @property
    def read_only(self) -> bool:
        """True if all writes raise ReadOnlyError (``traits.read_only``)."""
        return self.traits.read_only

    # -- the five required methods -------------------------------------------------

    @abstractmethod
    def get(self, key: str, byte_range: ByteRange | None = None) -> Buffer | None:
        """Return the value at `key`, or a part of it; None if the key is missing.

        Parameters
        ----------
        key
            The key.
        byte_range
            ``(start, length)`` of the requested part; None for the whole value. A range that starts past the end
            gives ``b""``. A range that ends past the end is clipped.
        """

    @abstractmethod
    def put(self, key: str, value: Buffer) -> None:
        """Store `value` at `key` atomically. Readers see the old value or the new value."""

    @abstractmethod
    def delete(self, key: str) -> None:
        """Delete `key`. Do nothing if it is missing."""

    @abstractmethod
    def list(self, prefix: str = "") -> Iterator[str]:
        """Iterate over the keys that start with ``prefix + "/"`` (all keys for ``""``), in any order.

        Raises
        ------
        ListingUnsupportedError
            The store cannot list (see `StoreTraits.lists`). Raised before the first key.
        """

    @abstractmethod
    def list_dir(self, prefix: str = "") -> tuple[Sequence[str], Sequence[str]]:
        """Return ``(keys, prefixes)`` directly under `prefix`, as last path components, sorted.

        A store with folders may return a prefix that has no keys any more.
        """

    # -- methods with defaults -----------------------------------------------------

    def read_into(self, key: str, buffer: memoryview, start: int = 0) -> int:
        """Read the value at `key`, from byte `start`, into `buffer` (flat, writable bytes).

        Returns
        -------
        int
            Number of bytes read; -1 if the key is missing. If the value is longer than the buffer, any number
            larger than ``len(buffer)``. A store may stop early if its medium does (a network file system).
            The caller reads a value that is too short again with `get`.
        """
        value = self.get(key, (start, len(buffer) + 1) if start else None)
        if value is None:
            return -1
        n, room = len(value), len(buffer)
        if n <= room:
            buffer[:n] = value
        else:
            buffer[:] = value[:room]
        return n

    def read_each(
        self, keys: Sequence[str], buffers: Sequence[memoryview], starts: Sequence[int] | None = None
    ) -> Sequence[int]:
        """Call `read_into` for several keys, each with its own buffer. Extra buffers are ignored."""
        return [*map(self.read_into, keys, buffers, starts or repeat(0))]

    def try_each(self, keys: Sequence[str], buffers: Sequence[memoryview]) -> Sequence[int | Exception]:
        """Read as `read_each` does, and return the error of each key that fails in place of its result."""
        return [_read_or_error(self, key, buffer) for key, buffer in zip(keys, buffers, strict=False)]

    def open_value(self, key: str) -> ValueReader | None:
        """Open the value at `key` to read parts of it. Return None if the key is missing.

        All parts come from one value, even if another value is put meanwhile.
        """
        value = self.get(key)
        return None if value is None else BytesReader(value)

    def fetch(
        self, key: str, byte_range: ByteRange | None = None, version: Hashable = None
    ) -> Fetched | None:
        """Return a value, or a part of it, with its size and version; None if the key is missing.

        The range ``(0, 0)`` gets size and version only.

        Raises
        ------
        ChangedError
            `version` is given, and the stored value has another version.
        """
        value = self.open_value(key)
        if value is None:
            return None
        try:
            if version is not None and value.version != version:
                raise changed_error(self, key)
            begin, end = resolve_range(byte_range or (0, None), value.size)
            data = bytearray(end - begin)
            value.read_into(memoryview(data), begin)
            return Fetched(data, value.size, value.version)
        finally:
            value.close()

    def put_parts(self, key: str, parts: Sequence[Buffer]) -> None:
        """Store one value that is given in several parts."""
        self.put(key, b"".join(parts))

    def put_if_absent(self, key: str, value: Buffer) -> bool:
        """Store `value` if `key` is missing. Return False, without a change, if it exists.

        One of several concurrent calls returns True. This default is safe among threads only.
        """
        with ThreadLock((self, key), key):
            if self.exists(key):
                return False
            self.put(key, value)
            return True

    def update(self, key: str, change: Change) -> None:
        """Replace the value at `key` by ``change(value)``. Concurrent updates of the key wait.

        Parameters
        ----------
        key
            The key.
        change
            Function that gets the opened value (None if missing) and need not close it. It returns the
            parts of the new value, None to delete the key, or `KEEP`. It may be called again with a
            newer value if another writer has put one meanwhile. It may not update the same key.

        Raises
        ------
        LockTimeoutError
            Another writer holds the lock for longer than the setting ``lock_timeout``.

        Notes
        -----
        Errors that `change` raises are raised, and the value is unchanged. This default excludes threads of this
        process that use this store or one equal to it. It excludes neither other processes nor calls of `put`.
        """
        with ThreadLock((self, key), key):
            value = self.open_value(key)
            try:
                parts = change(value)
            finally:
                if value is not None:
                    value.close()
            if parts is None:
                self.delete(key)
            elif parts is not KEEP:
                self.put_parts(key, parts)

    def size(self, key: str) -> int | None:
        """Return the length of the value at `key` in bytes; None if the key is missing."""
        value = self.get(key)
        return None if value is None else len(value)

    def exists(self, key: str) -> bool:
        """Return True if there is a value at `key`."""
        return self.size(key) is not None

    def list_values(self, prefix: str = "") -> Iterator[Listed]:
        """Iterate over keys as `list` does, with the size and version of their values.

        The version of a value is that of `fetch` and `open_value`, or one that is equal to no other version. Values
        that are deleted during the listing may be left out.
        """
        for key in self.list(prefix):
            found = self.fetch(key, (0, 0))
            if found is not None:
                yield Listed(key, found.size, found.version)

    def delete_prefix(self, prefix: str) -> None:
        """Delete all keys that start with ``prefix + "/"`` (all keys for ``""``)."""
        for key in [*self.list(prefix)]:
            self.delete(key)

    def staging_area(self, prefix: str, *, replacing: bool) -> StagingArea | None:
        """Return a place to stage new content of `prefix`, which moves to `prefix` when it is complete.

        `replacing` is True if the content replaces existing content under `prefix`. Return None if the store cannot
        replace many values in one step, or if writing them directly is as good.
        """
        return None

    def maintenance(self, prefix: str = "") -> Maintenance:
        """Return what recovery and checks ask about the keys under `prefix`."""
        return Maintenance(self, prefix)

    def parent(self) -> Store | None:
        """Return the store one level above this one's folder; None if there is none or it cannot be reached.

        Use it only to inspect the parent folder: no node may be created below an array, for example.
        """
        return None

    def local_path(self, key: str) -> str | None:
        """Return the path of the file or folder of `key` (a key, a prefix, or ``""``), even if it does not exist.

        Return None if the store is not a folder of files. The value at a key is exactly the bytes of its
        file. A lock on the file, or beside it, holds for all users of the folder.
        """
        return None

    def as_read_only(self) -> Store:
        """Return a view of this store that refuses writes."""
        if self.read_only:
            return self
        from exzarr.stores.wrappers.read_only import ReadOnlyStore

        return ReadOnlyStore(self)

    def close(self) -> None:
        """Finish pending work and release resources. A closed store may not be used."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def url(self) -> str:
        """Readable location of the store: ``file:///data/cube.zarr``, ``memory://…``."""
        return f"<{type(self).__name__}>"

    def __str__(self) -> str:
        return self.url

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.url!r})"


def fetch_by_get(store: Store, key: str, byte_range: ByteRange | None, version: Hashable) -> Fetched | None:
    """Fetch as `Store.fetch`, from a store without versions whose `get` reads no more than the range."""
    if version is not None:
        raise changed_error(store, key)
    data: Buffer | None = b"" if byte_range is not None and byte_range[1] == 0 else store.get(key, byte_range)
    if data is None:
        return None
    size = len(data) if byte_range is None else store.size(key)
    return None if size is None else Fetched(data, size, None)


def listing_error(store: Store | str, prefix: str, reason: str) -> ListingUnsupportedError:
    """Create the error that `list` and `list_dir` raise if a store cannot list."""
    made = ListingUnsupportedError(
        f"cannot list {prefix or '/'!r} in {store}: {reason}. Open arrays and groups by their paths; the members of a "
        "group are found only through its consolidated metadata"
    )
    made.errno = errno.ENOTSUP  # a second attempt would fail in the same way
    return made


def changed_error(store: Store, key: str) -> ChangedError:
    """Create the error for a value that was replaced while its parts were read."""
    return ChangedError(f"key {key!r} in {store} was replaced, or deleted, while it was read; read it again")


def read_only_error(store: Store, what: str) -> ReadOnlyError:
    """Create the error of a write to a read-only store. `what` is the key or the prefix."""
    return ReadOnlyError(
        f"cannot write {what!r}: {store} was opened for reading; open it with mode 'r+' or 'a'"
    )


def check_writable(store: Store, what: str) -> None:
    """Raise ReadOnlyError if the store is read-only. `what` is the key or the prefix."""
    if store.traits.read_only:
        raise read_only_error(store, what)
