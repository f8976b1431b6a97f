"""What a store is: keys ↔ bytes.

A key is a ``/``-separated string without a leading slash (Zarr v3 core, "Stores",
https://zarr-specs.readthedocs.io/en/latest/v3/core/index.html#abstract-store-interface).
A store is written by deriving from `Store` and giving it five methods: `get`, `put`,
`delete`, `list` and `list_dir`. The rest has a default in terms of these; a store that knows
a faster way overrides it, and the engine, which calls only what stands here, gets
faster without knowing which store it has.

All methods may be called from many threads at once. `exzarr.testing.store_suite` holds the
tests that a store should pass.
"""

from __future__ import annotations

import errno
from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from itertools import repeat
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self

from exzarr.errors import ArgumentError, ChangedError, ListingUnsupportedError, ReadOnlyError, StoreError
from exzarr.stores.keys import TEMPORARY_SUFFIX, check_key, check_prefix, is_reserved
from exzarr.stores.locks import ThreadLock, is_locked
from exzarr.stores.write_intents import announce, intents_in_memory

if TYPE_CHECKING:
    from exzarr.stores.staging import Aside

__all__ = [
    "ABSENT",
    "KEEP",
    "TEMPORARY_SUFFIX",
    "Buffer",
    "ByteRange",
    "BytesReader",
    "Change",
    "Fetched",
    "Store",
    "ValueReader",
    "announce",
    "check_key",
    "check_prefix",
    "is_reserved",
    "resolve_range",
    "whole_value",
]

Buffer = bytes | bytearray | memoryview
"""Flat bytes. A memoryview has the format ``B`` and is contiguous."""

ByteRange = tuple[int, int | None]
"""``(start, length)``; ``length`` None means to the end. A negative start counts from the end."""

KEEP: Sequence[Buffer] = ()
"""What the function given to `Store.update` returns where the value is to stay as it is."""

ABSENT: Hashable = "absent"
"""The version of a value that is not there."""


def resolve_range(byte_range: ByteRange, size: int) -> tuple[int, int]:
    """Begin and end, in bytes, of `byte_range` in a value of `size` bytes; cut to the value."""
    start, length = byte_range
    if length is not None and length < 0:
        raise ArgumentError(f"byte range {byte_range}: the length may not be negative")
    begin = max(0, size + start) if start < 0 else min(start, size)
    return begin, size if length is None else min(begin + length, size)


class ValueReader(Protocol):
    """One value, opened: what `Store.open_value` gives."""

    size: int
    """Its length in bytes."""
    version: Hashable
    """Two readers of one key with the same version read the same bytes; None where that is not known."""

    def read_into(self, buffer: memoryview, start: int) -> None:
        """Fill `buffer` from byte `start` on; StoreError where the value ends before.

        May be called from several threads at once.
        """
        ...

    def close(self) -> None: ...


Change = Callable[["ValueReader | None"], "Sequence[Buffer] | None"]
"""From a stored value (None: absent) to what replaces it, in pieces (None: nothing); or `KEEP`."""


class BytesReader:
    """A value that lies in memory, opened."""

    __slots__ = ("_value", "size", "version")

    def __init__(self, value: Buffer, version: Hashable = None) -> None:
        self._value = value
        self.size = len(value)
        self.version = version

    def read_into(self, buffer: memoryview, start: int) -> None:
        end = start + len(buffer)
        if end > self.size:
            raise StoreError(f"bytes {start} to {end} were wanted of a value of {self.size} bytes")
        buffer[:] = self._value[start:end]

    def close(self) -> None:
        pass


@dataclass(frozen=True, slots=True)
class Fetched:
    """What one request told of a value: what `Store.fetch` and `Store.stat` give.

    Attributes
    ----------
    data
        The bytes that were asked for.
    size
        Length of the whole value.
    version
        As `ValueReader.version`.
    """

    data: Buffer
    size: int
    version: Hashable


def whole_value(value: ValueReader) -> bytearray:
    """All bytes of an opened value."""
    whole = bytearray(value.size)
    value.read_into(memoryview(whole), 0)
    return whole


def _tried(store: Store, key: str, buffer: memoryview) -> int | Exception:
    try:
        return store.read_into(key, buffer)
    except Exception as error:  # noqa: BLE001 - whoever asked for several looks at each
        return error


class Store(ABC):
    """Keys ↔ bytes."""

    read_only: bool = False

    concurrency: int = 0
    """How many requests it wants in flight at once; 0 where it answers at once, and nothing is gained by that."""

    picklable: bool = True
    """Whether it can be pickled for other processes: False where it lies in this one's memory."""

    conditional_delete: bool = True
    """Whether `update` can delete a value on the condition that nobody has changed it.

    Where it can't, whoever changes a part of a chunk puts one that holds nothing, instead of deleting it.
    """

    exclusive_update: bool = True
    """Whether nobody else can change a value while `update` does, for as long as that takes.

    Where others can, `update` puts on the condition that nobody has, and who changes several values together
    has to take turns (`exzarr._nodes.leases`).
    """

    @property
    def lists(self) -> bool:
        """Whether the store can say which keys it has, as far as that is known.

        Where it cannot, `list` and `list_dir` raise ListingUnsupportedError. Some stores know only after the first
        attempt. An empty listing always means that there are no keys.
        """
        return True

    # -- the five ----------------------------------------------------------------

    @abstractmethod
    def get(self, key: str, byte_range: ByteRange | None = None) -> Buffer | None:
        """The value at `key`, or the part of it that `byte_range` names; None if absent.

        A range that starts past the end gives ``b""``; one that ends past it is cut short.
        """

    @abstractmethod
    def put(self, key: str, value: Buffer) -> None:
        """Store `value` at `key`, atomically: readers see the old value or the new one."""

    @abstractmethod
    def delete(self, key: str) -> None:
        """Remove `key`; nothing happens where it is absent."""

    @abstractmethod
    def list(self, prefix: str = "") -> Iterator[str]:
        """Every key that starts with ``prefix + "/"`` (every key for ``""``), in no set order.

        ListingUnsupportedError, before the first key, where the store cannot list (see `lists`).
        """

    @abstractmethod
    def list_dir(self, prefix: str = "") -> tuple[Sequence[str], Sequence[str]]:
        """``(keys, prefixes)`` directly under `prefix`, as last path components, sorted.

        A store that has folders may name a prefix under which there is no key any more.
        """

    def odd_keys(self, prefix: str = "") -> Iterator[str]:
        """Names under `prefix` that the store holds, but that are no keys (``"a//b"``): no reader can ask for them."""
        check_prefix(prefix)
        return iter(())

    # -- what the engine calls, with defaults -------------------------------------

    def read_into(self, key: str, buffer: memoryview, start: int = 0) -> int:
        """Read the value at `key`, from byte `start`, into `buffer` (flat, writable bytes).

        Returns how many bytes there were, -1 where the key is absent. Where the value goes
        on after the buffer is full, the result is larger than ``len(buffer)`` (by how much is
        not said). A store may stop early where its medium does (a network file system): what
        looks too short is read again, with `get`, by whoever finds it so.
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
        """`read_into` for several keys, each into its own buffer (there may be more buffers than keys)."""
        return [*map(self.read_into, keys, buffers, starts or repeat(0))]

    def try_each(self, keys: Sequence[str], buffers: Sequence[memoryview]) -> Sequence[int | Exception]:
        """As `read_each`, where each key fails by itself: with what it failed with in its place."""
        return [_tried(self, key, buffer) for key, buffer in zip(keys, buffers, strict=False)]

    def open_value(self, key: str) -> ValueReader | None:
        """Open the value at `key`, to read parts of it; None where it is absent.

        All parts come from one value, also where another is put meanwhile.
        """
        value = self.get(key)
        return None if value is None else BytesReader(value)

    def read_ranges(self, key: str, ranges: Sequence[tuple[int, int]], buffer: memoryview) -> bool:
        """Read ``(start, length)`` ranges of one value, one after the other, into `buffer`.

        False where the key is absent. StoreError where the value ends before a range does.
        """
        at = 0
        for start, length in ranges:
            part = self.get(key, (start, length))
            if part is None:
                return False
            if len(part) != length:
                raise range_error(self, key, start, length, len(part))
            buffer[at : at + length] = part
            at += length
        return True

    def fetch(
        self, key: str, byte_range: ByteRange | None = None, version: Hashable = None
    ) -> Fetched | None:
        """`get`, and what else is known of the value then.

        With `version`, that value and no other: ChangedError where there is another one by now.
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

    def stat(self, key: str) -> Fetched | None:
        """Size and version of the value at `key`, and no data; None if absent."""
        return self.fetch(key, (0, 0))

    def put_parts(self, key: str, parts: Sequence[Buffer]) -> None:
        """`put` of one value that lies in several pieces."""
        self.put(key, b"".join(parts))

    def put_if_absent(self, key: str, value: Buffer) -> bool:
        """`put` where nothing is stored at `key`; False, and nothing done, where something is.

        Of several who come at once, one gets True. This default keeps only threads apart.
        """
        with ThreadLock((self, key), key):
            if self.exists(key):
                return False
            self.put(key, value)
            return True

    def update(self, key: str, change: Change) -> None:
        """Replace the value at `key` by ``change(value)``, with nobody else updating it in between.

        Parameters
        ----------
        change
            Gets the value, opened (None where there is none), which it need not close. It returns the
            pieces of the new value, None to delete the key, or `KEEP`. It may be called again, with a
            newer value, where somebody has put one meanwhile; it may not update the same key.

        Raises
        ------
        LockTimeoutError
            Somebody else is at it for longer than the setting ``lock_timeout``.

        What `change` raises is raised, and nothing has happened. This default keeps the threads of this
        process apart that use this store, or one equal to it; others, and whoever calls `put`, may come in
        between.
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

    def being_updated(self, key: str) -> bool:
        """Whether somebody is in the midst of an `update` of the value at `key`, as far as can be told."""
        return is_locked((self, key))

    def announce_intent(self, prefix: str, note: bytes) -> Callable[[], None]:
        """Leave a note below `prefix` on what is being done there; what is returned takes it away (`stores.notes`).

        In a folder that is a temporary file, which stays when its writer is killed; this default keeps it in memory.
        """
        return intents_in_memory.leave((self, prefix), note)

    def write_intents(self, prefix: str) -> Sequence[bytes]:
        """The notes below `prefix` that are kept in memory."""
        return intents_in_memory.at((self, prefix))

    def size(self, key: str) -> int | None:
        """Length of the value at `key` in bytes; None if absent."""
        value = self.get(key)
        return None if value is None else len(value)

    def exists(self, key: str) -> bool:
        """Whether there is a value at `key`."""
        return self.size(key) is not None

    def delete_prefix(self, prefix: str) -> None:
        """Remove every key that starts with ``prefix + "/"`` (every key for ``""``)."""
        for key in [*self.list(prefix)]:
            self.delete(key)

    def aside(self, prefix: str, *, replacing: bool) -> Aside | None:
        """A place to build what is to be stored under `prefix`, and appears there when it is whole.

        `replacing` says whether there is something under `prefix` now, which the new content replaces. None where
        the store cannot replace many values in one step, or where writing them directly is as good.
        """
        return None

    def above(self) -> Store | None:
        """The store that holds this one's folder, one level up; None where there is none, or it cannot be reached.

        Only for looking at what lies there: an array, say, below which no node may be created.
        """
        return None

    def local_path(self, key: str) -> str | None:
        """The file or folder that is `key` (a key, a prefix, or ``""``), whether it exists or not.

        None where the store is no folder of files. The value at a key is exactly the bytes of that
        file; a lock on it, or beside it, holds for everyone who uses the folder.
        """
        return None

    def as_read_only(self) -> Store:
        """This store, refusing writes."""
        if self.read_only:
            return self
        from exzarr.stores.wrappers.base import ReadOnlyStore

        return ReadOnlyStore(self)

    def close(self) -> None:
        """Finish what is pending. A closed store may not be used."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def url(self) -> str:
        """Where the store is, for people: ``file:///data/cube.zarr``, ``memory://…``."""
        return f"<{type(self).__name__}>"

    def __str__(self) -> str:
        return self.url

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.url!r})"


def range_error(store: Store, key: str, start: int, length: int, got: int) -> StoreError:
    """What `read_ranges` raises where a value is shorter than was promised."""
    return StoreError(
        f"key {key!r} in {store} ends before byte {start + length}: "
        f"the range from {start} gave {got} of {length} bytes"
    )


def listing_error(store: Store | str, prefix: str, reason: str) -> ListingUnsupportedError:
    """What `list` and `list_dir` raise where a store cannot list."""
    made = ListingUnsupportedError(
        f"cannot list {prefix or '/'!r} in {store}: {reason}. Open arrays and groups by their paths; what lies below a "
        "group is found through its consolidated metadata, where it has some"
    )
    made.errno = errno.ENOTSUP  # a second attempt would fail in the same way
    return made


def changed_error(store: Store, key: str) -> ChangedError:
    """What is raised where a value was replaced while its parts were read."""
    return ChangedError(f"key {key!r} in {store} was replaced, or deleted, while it was read; read it again")


def read_only_error(store: Store, what: str) -> ReadOnlyError:
    """What writes to a read-only store raise; `what` is the key or the prefix."""
    return ReadOnlyError(
        f"cannot write {what!r}: {store} was opened for reading; open it with mode 'r+' or 'a'"
    )
