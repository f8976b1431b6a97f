"""The store of exzarr for a store of zarr-python."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any

from exzarr.errors import ExzarrError
from exzarr.stores import (
    KEEP,
    Buffer,
    ByteRange,
    BytesReader,
    Change,
    FsspecStore,
    LocalStore,
    ObjectStore,
    PrefixStore,
    Store,
    StoreTraits,
    ValueReader,
    ZipStore,
    resolve_range,
)

__all__ = ["Counterpart", "counterpart"]


@dataclass(frozen=True, slots=True)
class Counterpart:
    """A store of exzarr for the content of a store of zarr-python.

    Attributes
    ----------
    store
        The store.
    protects
        Its `Store.update` excludes other writers, so that concurrent partial writes lose nothing, or raises
        UpdateUnsupportedError.
    """

    store: Store
    protects: bool


def counterpart(theirs: Any) -> Counterpart | None:
    """Return the counterpart of a store of zarr-python; None if exzarr has none.

    Only zarr-python's own classes have one. A subclass or a wrapper may do anything with the keys and values that pass
    through it.
    """
    kind = type(theirs)
    if kind.__module__.partition(".")[0] != "zarr":
        return None
    made = _MAKERS.get(kind.__name__)
    try:
        return None if made is None else made(theirs)
    except (ExzarrError, OSError, AttributeError, TypeError):
        return None  # zarr-python reports what is wrong with its store


def _local(theirs: Any) -> Counterpart:
    return Counterpart(LocalStore(theirs.root, read_only=theirs.read_only), True)


def _memory(theirs: Any) -> Counterpart:
    return Counterpart(BufferStore(theirs._store_dict, read_only=theirs.read_only), True)


def _managed_memory(theirs: Any) -> Counterpart:
    whole = _memory(theirs)
    return Counterpart(PrefixStore(whole.store, theirs.path), True) if theirs.path else whole


def _zip(theirs: Any) -> Counterpart | None:
    # zarr-python holds an archive that it writes open, and its table of contents in memory.
    if theirs._zmode != "r" or theirs.path is None:
        return None
    return Counterpart(ZipStore(theirs.path), False)


def _object(theirs: Any) -> Counterpart:
    return Counterpart(ObjectStore(theirs.store, read_only=theirs.read_only), True)


def _fsspec(theirs: Any) -> Counterpart | None:
    fs = getattr(theirs.fs, "sync_fs", theirs.fs)
    if "reference" in fs.protocol:  # has all references in memory: do not load them twice
        return None
    if getattr(fs, "asynchronous", False):  # it belongs to the event loop of zarr-python
        fs = type(fs)(*fs.storage_args, **{**fs.storage_options, "asynchronous": False})
    return Counterpart(FsspecStore(fs, theirs.path, read_only=theirs.read_only), False)


_MAKERS: dict[str, Callable[[Any], Counterpart | None]] = {
    "LocalStore": _local,
    "MemoryStore": _memory,
    "ManagedMemoryStore": _managed_memory,
    "ZipStore": _zip,
    "ObjectStore": _object,
    "FsspecStore": _fsspec,
}


_lock = threading.Lock()
"""Held to change a value of any `BufferStore`."""


def _after_fork() -> None:
    """Replace the lock: a thread of the parent, which does not exist here, may have held it."""
    global _lock
    _lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


class BufferStore(Store):
    """The dict of a MemoryStore of zarr-python, which holds zarr-python's buffers.

    Two stores of one dict are equal. They exclude each other's updates.
    """

    def __init__(self, values: MutableMapping[str, Any], *, read_only: bool = False) -> None:
        from zarr.core.buffer.cpu import Buffer as TheirBuffer

        self._values = values
        self._made_of: Callable[[bytes], Any] = TheirBuffer.from_bytes
        self.traits = StoreTraits(read_only=read_only, picklable=False)

    def _get(self, key: str) -> memoryview | None:
        found = self._values.get(key)
        return None if found is None else memoryview(found.as_numpy_array()).cast("B")

    def get(self, key: str, byte_range: ByteRange | None = None) -> Buffer | None:
        value = self._get(key)
        if value is None or byte_range is None:
            return value
        begin, end = resolve_range(byte_range, len(value))
        return value[begin:end]

    def open_value(self, key: str) -> ValueReader | None:
        value = self._get(key)
        return None if value is None else BytesReader(value)

    def put(self, key: str, value: Buffer) -> None:
        made = self._made_of(bytes(value))
        with _lock:
            self._values[key] = made

    def update(self, key: str, change: Change) -> None:
        while True:
            old = self._values.get(key)
            value = None if old is None else BytesReader(memoryview(old.as_numpy_array()).cast("B"))
            parts = change(value)
            if parts is KEEP:
                return
            made = None if parts is None else self._made_of(b"".join(parts))
            with _lock:
                if self._values.get(key) is not old:
                    continue
                if made is not None:
                    self._values[key] = made
                elif old is not None:
                    del self._values[key]
                return

    def delete(self, key: str) -> None:
        with _lock:
            self._values.pop(key, None)

    def list(self, prefix: str = "") -> Iterator[str]:
        head = f"{prefix}/" if prefix else ""
        return iter([key for key in [*self._values] if key.startswith(head)])

    def list_dir(self, prefix: str = "") -> tuple[Sequence[str], Sequence[str]]:
        head = len(prefix) + 1 if prefix else 0
        names = [key[head:].partition("/") for key in self.list(prefix)]
        return (
            sorted({name for name, slash, _ in names if not slash}),
            sorted({name for name, slash, _ in names if slash}),
        )

    @property
    def url(self) -> str:
        return f"memory://{id(self._values)}"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, BufferStore) and other._values is self._values

    def __hash__(self) -> int:
        return id(self._values)
