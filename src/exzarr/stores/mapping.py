"""Store in a dict of the caller, or in another mapping from keys to bytes."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, MutableMapping, Sequence
from itertools import count
from typing import Any
from weakref import WeakValueDictionary

from exzarr.errors import StoreError
from exzarr.stores.base import (
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

__all__ = ["MappingStore"]

_lock = threading.Lock()
"""Held to change a value of any mapping."""


def _after_fork() -> None:
    """Replace the lock: a thread of the parent, which does not exist here, may have held it."""
    global _lock
    _lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)

_tokens = count()
_living: WeakValueDictionary[int, MappingStore] = WeakValueDictionary()


class MappingStore(Store):
    """Store in a mapping from keys to bytes, such as a dict.

    Values that are buffers of zarr-python are read as well: a dict of one of its MemoryStores, for example.

    Parameters
    ----------
    values
        The mapping. The store changes it, and sees the changes of other users.
    make_value
        Function from bytes to the value that is stored. Default: the bytes themselves.
    read_only
        Refuse writes.

    Notes
    -----
    Two stores of one mapping are equal. Their partial writes exclude each other. Other code that changes the mapping
    is not excluded, but a partial write begins again if it notices such a change.

    The mapping must permit calls from several threads, as a dict does.
    """

    def __init__(
        self,
        values: MutableMapping[str, Any],
        *,
        make_value: Callable[[bytes], Any] | None = None,
        read_only: bool = False,
    ) -> None:
        self._values = values
        self._make_value = make_value
        self.traits = StoreTraits(read_only=read_only, picklable=False)
        self._token = next(_tokens)
        _living[self._token] = self

    def _view(self, key: str, value: Any) -> Buffer:
        """Return the bytes of a value of the mapping."""
        if type(value) is bytes:
            return value
        try:
            # A buffer of zarr-python, whatever it is made of, can give a NumPy array.
            array = value.as_numpy_array() if hasattr(value, "as_numpy_array") else value
            return memoryview(array).cast("B")
        except TypeError:
            raise StoreError(
                f"the value at key {key!r} in {self} is a {type(value).__name__}; a mapping that is a store "
                "has values of bytes, or buffers of zarr-python"
            ) from None

    def _find(self, key: str) -> tuple[Any, Buffer | None]:
        """Return the value of the mapping, and its bytes; None for both if the key is missing."""
        value = self._values.get(check_key(key))
        return value, None if value is None else self._view(key, value)

    def get(self, key: str, byte_range: ByteRange | None = None) -> Buffer | None:
        value = self._find(key)[1]
        if value is None or byte_range is None:
            return value
        begin, end = resolve_range(byte_range, len(value))
        return memoryview(value)[begin:end]

    def open_value(self, key: str) -> ValueReader | None:
        value = self._find(key)[1]
        return None if value is None else BytesReader(memoryview(value))

    def put(self, key: str, value: Buffer) -> None:
        check_key(key)
        check_writable(self, key)
        made = self._made(value)
        with _lock:
            self._values[key] = made

    def _made(self, value: Buffer) -> Any:
        data = value if type(value) is bytes else bytes(memoryview(value))
        return data if self._make_value is None else self._make_value(data)

    def put_if_absent(self, key: str, value: Buffer) -> bool:
        check_key(key)
        check_writable(self, key)
        made = self._made(value)
        with _lock:
            if key in self._values:
                return False
            self._values[key] = made
            return True

    def update(self, key: str, change: Change) -> None:
        check_key(key)
        check_writable(self, key)
        with ThreadLock((self, key), key):
            while True:
                old, data = self._find(key)
                parts = change(None if data is None else BytesReader(memoryview(data)))
                if parts is KEEP:
                    return
                made = None if parts is None else self._made(b"".join(parts))
                with _lock:
                    now = self._values.get(key)
                    # A mapping may make a new object for each access.
                    if now is not old and (now is None or old is None or self._view(key, now) != data):
                        continue
                    if made is not None:
                        self._values[key] = made
                    elif now is not None:
                        del self._values[key]
                    return

    def delete(self, key: str) -> None:
        check_key(key)
        check_writable(self, key)
        with _lock:
            self._values.pop(key, None)

    def list(self, prefix: str = "") -> Iterator[str]:
        check_prefix(prefix)
        return iter(keys_under(self._keys(), prefix))

    def list_dir(self, prefix: str = "") -> tuple[Sequence[str], Sequence[str]]:
        check_prefix(prefix)
        return keys_directly_under(self._keys(), prefix)

    def _keys(self) -> Sequence[str]:
        with _lock:
            return sorted([*self._values])

    def as_read_only(self) -> MappingStore:
        return self if self.read_only else MappingStore(self._values, read_only=True)

    @property
    def url(self) -> str:
        return f"memory://#{type(self._values).__name__}-{id(self._values):x}"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, MappingStore) and other._values is self._values

    def __hash__(self) -> int:
        return id(self._values)

    def __reduce__(self) -> tuple[object, ...]:
        return _find, (os.getpid(), self._token)


def _find(process: int, token: int) -> MappingStore:
    store = _living.get(token) if process == os.getpid() else None
    if store is None:
        raise StoreError(
            "a mapping that is a store lives in its process, as long as there is a reference to the store: "
            f"cannot unpickle the store of process {process} in process {os.getpid()}; "
            "use a LocalStore to share arrays between processes"
        )
    return store
