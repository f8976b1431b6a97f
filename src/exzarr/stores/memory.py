"""Store in this process's memory."""

from __future__ import annotations

import os
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import replace
from itertools import count
from threading import Lock
from weakref import WeakValueDictionary

from exzarr.errors import StoreError
from exzarr.stores.base import (
    ABSENT,
    KEEP,
    Buffer,
    ByteRange,
    BytesReader,
    Change,
    Store,
    StoreTraits,
    ValueReader,
    check_key,
    check_prefix,
    check_writable,
    resolve_range,
)
from exzarr.stores.listing import keys_directly_under, keys_under
from exzarr.stores.locks import ThreadLock

__all__ = ["MemoryStore"]


class _Values(dict[str, "tuple[bytes, int]"]):
    """Values with versions, shared by a store and its read-only views."""

    __slots__ = ("__weakref__", "lock", "name", "ordered", "state", "token", "version")

    def __init__(self, name: str = "") -> None:
        super().__init__()
        self.name = name
        self.token = next(_tokens)
        self.version = count()
        self.lock = Lock()  # held to change a value
        # Replaced after every change. A listing compares it to find out whether its sorted keys are out of date.
        self.state = object()
        self.ordered: tuple[object, Sequence[str]] = (None, ())
        _living[self.token] = self

    def keys_in_order(self) -> Sequence[str]:
        # Copy the keys first, in one step, because other threads may change the dict.
        state = self.state
        known, keys = self.ordered
        if known is not state:
            keys = sorted([*self])
            self.ordered = (state, keys)
        return keys


_tokens = count()
_living: WeakValueDictionary[int, _Values] = WeakValueDictionary()
_named: dict[str, _Values] = {}


def _after_fork() -> None:
    """Replace all locks: a thread of the parent, which does not exist here, may have held one."""
    for values in _living.values():
        values.lock = Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


class MemoryStore(Store):
    """Store in this process's memory. It is deleted with the last reference to it.

    Parameters
    ----------
    name
        Name of a store that lives as long as the process: the store of ``memory://name``. None creates a new store.
    read_only
        Refuse writes.

    Notes
    -----
    Values are immutable bytes. `put` copies a value unless it is bytes already.

    Two stores are equal if they share their content, as a store and its read-only view do. A store that
    is pickled and unpickled in one process shares its content with the original. Unpickling in another process
    raises StoreError. This includes a forked child, where writes to the copied content would be lost silently. An
    array or a group of the store can be unpickled in another process, but each operation on it raises StoreError.
    """

    traits = StoreTraits(picklable=False)

    def __init__(self, name: str | None = None, *, read_only: bool = False) -> None:
        self.traits = replace(self.traits, read_only=read_only)
        if name is None:
            self._values = _Values()
        elif name in _named:
            self._values = _named[name]
        else:  # in one step: concurrent threads get the same values
            self._values = _named.setdefault(name, _Values(name))

    # Each access to the dict is atomic: reading needs no lock.

    def get(self, key: str, byte_range: ByteRange | None = None) -> Buffer | None:
        found = self._values.get(check_key(key))
        if found is None:
            return None
        value = found[0]
        if byte_range is None:
            return value
        begin, end = resolve_range(byte_range, len(value))
        return memoryview(value)[begin:end]

    def read_into(self, key: str, buffer: memoryview, start: int = 0) -> int:
        found = self._values.get(check_key(key))
        if found is None:
            return -1
        value = found[0]
        n, room = max(0, len(value) - start), len(buffer)
        if n <= room:
            buffer[:n] = memoryview(value)[start:] if start else value
        else:
            buffer[:] = memoryview(value)[start : start + room]
        return n

    def open_value(self, key: str) -> ValueReader | None:
        found = self._values.get(check_key(key))
        return None if found is None else BytesReader(memoryview(found[0]), found[1])

    def size(self, key: str) -> int | None:
        found = self._values.get(check_key(key))
        return None if found is None else len(found[0])

    def put(self, key: str, value: Buffer) -> None:
        check_key(key)
        check_writable(self, key)
        values = self._values
        entry = value if type(value) is bytes else bytes(memoryview(value)), next(values.version)
        with values.lock:
            values[key] = entry
        values.state = object()

    def put_if_absent(self, key: str, value: Buffer) -> bool:
        check_key(key)
        check_writable(self, key)
        return self._put_if(key, [value], ABSENT)

    def update(self, key: str, change: Change) -> None:
        check_key(key)
        check_writable(self, key)
        with ThreadLock((self, key), key):
            while True:
                value = self.open_value(key)
                parts = change(value)
                if parts is KEEP or self._put_if(key, parts, ABSENT if value is None else value.version):
                    return

    def _put_if(self, key: str, parts: Sequence[Buffer] | None, version: Hashable) -> bool:
        """Put the parts (None: delete) if the value still has `version`. Return False if it has not."""
        values = self._values
        entry = None if parts is None else (b"".join(parts), next(values.version))
        with values.lock:
            found = values.get(key)
            if version != (ABSENT if found is None else found[1]):
                return False
            if entry is not None:
                values[key] = entry
            elif found is not None:
                del values[key]
        values.state = object()
        return True

    def delete(self, key: str) -> None:
        check_key(key)
        check_writable(self, key)
        with self._values.lock:
            self._values.pop(key, None)
        self._values.state = object()

    def delete_prefix(self, prefix: str) -> None:
        check_prefix(prefix)
        check_writable(self, prefix)
        with self._values.lock:
            for key in keys_under(self._values.keys_in_order(), prefix):
                self._values.pop(key, None)
        self._values.state = object()

    def staging_area(self, prefix: str, *, replacing: bool) -> _MemoryStaging | None:
        """Return another store in memory, whose values are moved (see `Store.staging_area`)."""
        check_prefix(prefix)
        return _MemoryStaging(self, prefix) if replacing and type(self) is MemoryStore else None

    def list(self, prefix: str = "") -> Iterator[str]:
        check_prefix(prefix)
        return iter(keys_under(self._values.keys_in_order(), prefix))

    def list_dir(self, prefix: str = "") -> tuple[Sequence[str], Sequence[str]]:
        check_prefix(prefix)
        return keys_directly_under(self._values.keys_in_order(), prefix)

    def as_read_only(self) -> MemoryStore:
        if self.read_only:
            return self
        return _view(self._values, True)

    @property
    def url(self) -> str:
        return f"memory://{self._values.name or f'#{self._values.token}'}"

    def __repr__(self) -> str:
        name = repr(self._values.name) if self._values.name else ""
        return f"<MemoryStore({name}) of {len(self._values)} keys>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, MemoryStore) and other._values is self._values

    def __hash__(self) -> int:
        return id(self._values)

    def __reduce__(self) -> tuple[object, ...]:
        return _find, (os.getpid(), self._values.token, self.read_only)


class _MemoryStaging:
    """Staging area in memory (see `stores.staging.StagingArea`)."""

    in_steps = False

    def __init__(self, to: MemoryStore, prefix: str) -> None:
        self._to = to._values
        self._prefix = prefix
        self.store = _Hidden(self._to)

    def swap_in(self, *, replace: bool) -> bool:
        values = self._to
        built = self.store._values
        new = {
            key: (built[key][0], next(values.version))
            for key in keys_under(built.keys_in_order(), self._prefix)
        }
        with values.lock:
            old = keys_under(values.keys_in_order(), self._prefix)
            if old and not replace:
                return False
            for key in old:
                values.pop(key, None)
            values.update(new)  # in one step: readers see all of it or nothing
        values.state = object()
        return True

    def discard(self) -> None:
        self.store._values.clear()


class _Hidden(MemoryStore):
    """Store that a `_MemoryStaging` builds in. Its messages name the destination."""

    def __init__(self, to: _Values) -> None:
        super().__init__()
        self._destination = to

    @property
    def url(self) -> str:
        return _view(self._destination, False).url


def _view(values: _Values, read_only: bool) -> MemoryStore:
    store = MemoryStore.__new__(MemoryStore)
    store.traits = replace(MemoryStore.traits, read_only=read_only)
    store._values = values
    return store


def _find(process: int, token: int, read_only: bool) -> MemoryStore:
    values = _living.get(token) if process == os.getpid() else None
    if values is None:
        raise StoreError(
            "a MemoryStore lives in the process that made it, as long as there is a reference to it: "
            f"cannot unpickle the store of process {process} in process {os.getpid()}; "
            "use a LocalStore to share arrays between processes"
        )
    return _view(values, read_only)
