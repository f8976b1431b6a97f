"""Base class of store wrappers, and wrappers for a part of a store and for read-only access.

`StoreWrapper` forwards every method, and a wrapper overrides those that it changes. A store's faster
overrides therefore stay in effect inside a wrapper.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import replace
from functools import cache
from types import TracebackType
from typing import TYPE_CHECKING

from exzarr.stores.base import (
    KEEP,
    Buffer,
    ByteRange,
    Change,
    Fetched,
    NewValue,
    Store,
    StoreTraits,
    ValueReader,
    check_key,
    check_prefix,
    read_only_error,
)

if TYPE_CHECKING:
    from exzarr.stores.staging import StagingArea

__all__ = ["PrefixStore", "ReadOnlyStore", "StoreWrapper"]


class StoreWrapper(Store):
    """Base class of wrappers. It forwards every call to the store `inner`.

    A subclass that overrides reading, putting or deleting, but not `update` or `put_if_absent`, gets versions of
    these that call its overrides. They exclude the same writers as `inner` does.
    """

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        own = cls.__dict__.keys()
        if own & {"get", "open_value", "put", "put_parts", "delete"} and "update" not in own:
            cls.update = _update_by_other_methods  # type: ignore[method-assign, assignment]
        if own & {"put", "put_parts"} and "put_if_absent" not in own:
            cls.put_if_absent = _put_if_absent_by_other_methods  # type: ignore[method-assign, assignment]

    def __init__(self, inner: Store) -> None:
        self.inner = inner

    @property
    def traits(self) -> StoreTraits:  # type: ignore[override]  # those of `inner`, which may change
        return self.inner.traits

    def get(self, key: str, byte_range: ByteRange | None = None) -> Buffer | None:
        return self.inner.get(key, byte_range)

    def put(self, key: str, value: Buffer) -> None:
        self.inner.put(key, value)

    def put_parts(self, key: str, parts: Sequence[Buffer]) -> None:
        self.inner.put_parts(key, parts)

    def put_if_absent(self, key: str, value: Buffer) -> bool:
        return self.inner.put_if_absent(key, value)

    def update(self, key: str, change: Change) -> None:
        self.inner.update(key, change)

    def being_updated(self, key: str) -> bool:
        return self.inner.being_updated(key)

    def announce_intent(self, prefix: str, intent: bytes) -> Callable[[], None]:
        return self.inner.announce_intent(prefix, intent)

    def write_intents(self, prefix: str) -> Sequence[bytes]:
        return self.inner.write_intents(prefix)

    def delete(self, key: str) -> None:
        self.inner.delete(key)

    def list(self, prefix: str = "") -> Iterator[str]:
        return self.inner.list(prefix)

    def list_dir(self, prefix: str = "") -> tuple[Sequence[str], Sequence[str]]:
        return self.inner.list_dir(prefix)

    def odd_keys(self, prefix: str = "") -> Iterator[str]:
        return self.inner.odd_keys(prefix)

    def read_into(self, key: str, buffer: memoryview, start: int = 0) -> int:
        return self.inner.read_into(key, buffer, start)

    def read_each(
        self, keys: Sequence[str], buffers: Sequence[memoryview], starts: Sequence[int] | None = None
    ) -> Sequence[int]:
        return self.inner.read_each(keys, buffers, starts)

    def open_value(self, key: str) -> ValueReader | None:
        return self.inner.open_value(key)

    def fetch(
        self, key: str, byte_range: ByteRange | None = None, version: Hashable = None
    ) -> Fetched | None:
        return self.inner.fetch(key, byte_range, version)

    def stat(self, key: str) -> Fetched | None:
        return self.inner.stat(key)

    def size(self, key: str) -> int | None:
        return self.inner.size(key)

    def exists(self, key: str) -> bool:
        return self.inner.exists(key)

    def delete_prefix(self, prefix: str) -> None:
        self.inner.delete_prefix(prefix)

    def parent(self) -> Store | None:
        return self.inner.parent()

    def local_path(self, key: str) -> str | None:
        return self.inner.local_path(key)

    def close(self) -> None:
        self.inner.close()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # The inner store may handle a failed block in its own way.
        self.inner.__exit__(kind, error, trace)

    @property
    def url(self) -> str:
        return self.inner.url

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.inner!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, StoreWrapper) and type(other) is type(self) and other.inner == self.inner

    def __hash__(self) -> int:
        return hash((type(self), self.inner))


def _update_by_other_methods(store: StoreWrapper, key: str, change: Change) -> None:
    def do(_: ValueReader | None) -> NewValue:
        Store.update(store, key, change)
        return KEEP

    store.inner.update(key, do)


def _put_if_absent_by_other_methods(store: StoreWrapper, key: str, value: Buffer) -> bool:
    made = False

    def do(_: ValueReader | None) -> NewValue:
        nonlocal made
        made = Store.put_if_absent(store, key, value)
        return KEEP

    store.inner.update(key, do)
    return made


@cache
def _read_only(traits: StoreTraits) -> StoreTraits:
    return replace(traits, read_only=True)


class ReadOnlyStore(StoreWrapper):
    """Wrapper that refuses writes with ReadOnlyError."""

    @property
    def traits(self) -> StoreTraits:  # type: ignore[override]
        return _read_only(self.inner.traits)

    def put(self, key: str, value: Buffer) -> None:
        raise read_only_error(self, key)

    def put_parts(self, key: str, parts: Sequence[Buffer]) -> None:
        raise read_only_error(self, key)

    def put_if_absent(self, key: str, value: Buffer) -> bool:
        raise read_only_error(self, key)

    def update(self, key: str, change: Change) -> None:
        raise read_only_error(self, key)

    def delete(self, key: str) -> None:
        raise read_only_error(self, key)

    def delete_prefix(self, prefix: str) -> None:
        raise read_only_error(self, prefix)


class PrefixStore(StoreWrapper):
    """Store of the keys under a prefix of another store.

    Parameters
    ----------
    inner
        The other store.
    prefix
        The prefix, without a slash at its end. ``""`` shows all keys.
    """

    def __init__(self, inner: Store, prefix: str) -> None:
        super().__init__(inner)
        self.prefix = check_prefix(prefix)
        self._base = prefix + "/" if prefix else ""

    def _key(self, key: str) -> str:
        return self._base + check_key(key)

    def _prefix(self, prefix: str) -> str:
        return self._base + check_prefix(prefix) if prefix else self.prefix

    def get(self, key: str, byte_range: ByteRange | None = None) -> Buffer | None:
        return self.inner.get(self._key(key), byte_range)

    def put(self, key: str, value: Buffer) -> None:
        self.inner.put(self._key(key), value)

    def put_parts(self, key: str, parts: Sequence[Buffer]) -> None:
        self.inner.put_parts(self._key(key), parts)

    def put_if_absent(self, key: str, value: Buffer) -> bool:
        return self.inner.put_if_absent(self._key(key), value)

    def update(self, key: str, change: Change) -> None:
        self.inner.update(self._key(key), change)

    def being_updated(self, key: str) -> bool:
        return self.inner.being_updated(self._key(key))

    def announce_intent(self, prefix: str, intent: bytes) -> Callable[[], None]:
        return self.inner.announce_intent(self._prefix(prefix), intent)

    def write_intents(self, prefix: str) -> Sequence[bytes]:
        return self.inner.write_intents(self._prefix(prefix))

    def delete(self, key: str) -> None:
        self.inner.delete(self._key(key))

    def list(self, prefix: str = "") -> Iterator[str]:
        skip = len(self._base)
        return (key[skip:] for key in self.inner.list(self._prefix(prefix)))

    def list_dir(self, prefix: str = "") -> tuple[Sequence[str], Sequence[str]]:
        return self.inner.list_dir(self._prefix(prefix))

    def read_into(self, key: str, buffer: memoryview, start: int = 0) -> int:
        return self.inner.read_into(self._key(key), buffer, start)

    def read_each(
        self, keys: Sequence[str], buffers: Sequence[memoryview], starts: Sequence[int] | None = None
    ) -> Sequence[int]:
        return self.inner.read_each([self._key(key) for key in keys], buffers, starts)

    def open_value(self, key: str) -> ValueReader | None:
        return self.inner.open_value(self._key(key))

    def fetch(
        self, key: str, byte_range: ByteRange | None = None, version: Hashable = None
    ) -> Fetched | None:
        return self.inner.fetch(self._key(key), byte_range, version)

    def stat(self, key: str) -> Fetched | None:
        return self.inner.stat(self._key(key))

    def size(self, key: str) -> int | None:
        return self.inner.size(self._key(key))

    def exists(self, key: str) -> bool:
        return self.inner.exists(self._key(key))

    def delete_prefix(self, prefix: str) -> None:
        self.inner.delete_prefix(self._prefix(prefix))

    def staging_area(self, prefix: str, *, replacing: bool) -> StagingArea | None:
        found = self.inner.staging_area(self._prefix(prefix), replacing=replacing)
        return None if found is None else _PrefixStaging(found, self.prefix)

    def parent(self) -> Store | None:
        if not self.prefix:
            return self.inner.parent()
        return PrefixStore(self.inner, self.prefix.rpartition("/")[0])

    def local_path(self, key: str) -> str | None:
        return self.inner.local_path(self._prefix(key))

    def as_read_only(self) -> Store:
        return self if self.read_only else PrefixStore(self.inner.as_read_only(), self.prefix)

    @property
    def url(self) -> str:
        return f"{self.inner.url.rstrip('/')}/{self.prefix}" if self.prefix else self.inner.url

    def __repr__(self) -> str:
        return f"PrefixStore({self.inner!r}, {self.prefix!r})"

    def __eq__(self, other: object) -> bool:
        return super().__eq__(other) and isinstance(other, PrefixStore) and other.prefix == self.prefix

    def __hash__(self) -> int:
        return hash((PrefixStore, self.inner, self.prefix))


class _PrefixStaging:
    """Staging area of a `PrefixStore`: that of the inner store, below the prefix."""

    def __init__(self, inner: StagingArea, prefix: str) -> None:
        self._inner = inner
        self.store: Store = PrefixStore(inner.store, prefix)

    @property
    def in_steps(self) -> bool:
        return self._inner.in_steps

    def swap_in(self, *, replace: bool) -> bool:
        return self._inner.swap_in(replace=replace)

    def discard(self) -> None:
        self._inner.discard()
