"""Base class of store wrappers.

`StoreWrapper` forwards every method to another store. A wrapper overrides one of three things:

- `around`, to count, delay, retry or refuse requests of any kind,
- `inner_key` and `inner_prefix`, to map keys,
- single methods.

A wrapper without `around` forwards batches as batches, so that the store's faster methods stay in effect.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from exzarr.stores.base import (
    KEEP,
    Buffer,
    ByteRange,
    Change,
    Fetched,
    Listed,
    NewValue,
    Store,
    StoreTraits,
    ValueReader,
)

if TYPE_CHECKING:
    from exzarr.stores.maintenance import Maintenance
    from exzarr.telemetry.events import RequestKind

__all__ = ["Request", "StoreWrapper"]

T = TypeVar("T")


class Request(NamedTuple):
    """Description of one request to a store."""

    kind: RequestKind
    """``get`` (a whole value), ``range`` (a part of a value), ``size`` (size, version or existence of a value),
    ``put``, ``delete`` or ``list``."""
    key: str
    """The key; the prefix of a listing and of `delete_prefix`."""
    parts: Sequence[Buffer] = ()
    """The value that is put."""
    room: int | None = None
    """Length of the buffer to read into. The result is then the number that `Store.read_into` returns."""

    @property
    def nbytes(self) -> int:
        """Number of bytes that are put."""
        return sum(map(len, self.parts)) if self.parts else 0

    def nbytes_read(self, result: Any) -> int:
        """Return the number of bytes read, from the result of the request."""
        if self.room is not None:
            read: int = result
            return read if 0 <= read <= self.room else max(0, min(read, self.room))
        if type(result) is Fetched:
            return len(result.data)
        return len(result) if isinstance(result, (bytes, bytearray, memoryview)) else 0


class StoreWrapper(Store):
    """Store that forwards every call to the store `inner`.

    A subclass can override reading, putting or deleting without `update` and `put_if_absent`: these then call
    its overrides. They exclude the same writers as `inner` does.
    """

    def __init__(self, inner: Store) -> None:
        self.inner = inner

    @property
    def traits(self) -> StoreTraits:  # type: ignore[override]  # those of `inner`, which may change
        return self.inner.traits

    # -- what subclasses override ------------------------------------------------

    def around(self, request: Request, call: Callable[[], T]) -> T:
        """Carry out a request by ``call()`` and return its result.

        Each key of a batch is a request of its own, and so is each part of an opened value. An update is two requests:
        one that gets the value, and one that puts the new value. A listing is one request.
        """
        return call()

    def inner_key(self, key: str) -> str:
        """Return the key in `inner` of a key of this store."""
        return key

    def inner_prefix(self, prefix: str) -> str:
        """Return the prefix in `inner` of a prefix of this store, which may be ``""``."""
        return prefix

    @property
    def _intercepts(self) -> bool:
        return type(self).around is not StoreWrapper.around

    def _overrides(self, *names: str) -> bool:
        kind = type(self)
        return any(getattr(kind, name) is not getattr(StoreWrapper, name) for name in names)

    # -- reading -----------------------------------------------------------------

    def get(self, key: str, byte_range: ByteRange | None = None) -> Buffer | None:
        inside = self.inner_key(key)
        return self.around(Request(_kind(byte_range), key), lambda: self.inner.get(inside, byte_range))

    def fetch(
        self, key: str, byte_range: ByteRange | None = None, version: Hashable = None
    ) -> Fetched | None:
        inside = self.inner_key(key)
        return self.around(
            Request(_kind(byte_range), key), lambda: self.inner.fetch(inside, byte_range, version)
        )

    def read_into(self, key: str, buffer: memoryview, start: int = 0) -> int:
        inside = self.inner_key(key)
        request = Request("range" if start else "get", key, (), len(buffer))
        return self.around(request, lambda: self.inner.read_into(inside, buffer, start))

    def read_each(
        self, keys: Sequence[str], buffers: Sequence[memoryview], starts: Sequence[int] | None = None
    ) -> Sequence[int]:
        if self._intercepts:
            return super().read_each(keys, buffers, starts)
        return self.inner.read_each([*map(self.inner_key, keys)], buffers, starts)

    def try_each(self, keys: Sequence[str], buffers: Sequence[memoryview]) -> Sequence[int | Exception]:
        if self._intercepts or self._overrides("read_into"):
            return super().try_each(keys, buffers)
        return self.inner.try_each([*map(self.inner_key, keys)], buffers)

    def open_value(self, key: str) -> ValueReader | None:
        inside = self.inner_key(key)
        value = self.around(Request("size", key), lambda: self.inner.open_value(inside))
        return value if value is None or not self._intercepts else _InterceptedValue(self, key, value)

    def size(self, key: str) -> int | None:
        inside = self.inner_key(key)
        return self.around(Request("size", key), lambda: self.inner.size(inside))

    # -- writing -----------------------------------------------------------------

    def put(self, key: str, value: Buffer) -> None:
        inside = self.inner_key(key)
        self.around(Request("put", key, [value]), lambda: self.inner.put(inside, value))

    def put_parts(self, key: str, parts: Sequence[Buffer]) -> None:
        inside = self.inner_key(key)
        self.around(Request("put", key, parts), lambda: self.inner.put_parts(inside, parts))

    def put_if_absent(self, key: str, value: Buffer) -> bool:
        inside = self.inner_key(key)
        if self._overrides("put_if_absent") or not self._overrides("put", "put_parts"):
            return self.around(Request("put", key, [value]), lambda: self.inner.put_if_absent(inside, value))
        made = False

        def put_by_override(_: ValueReader | None) -> NewValue:
            nonlocal made
            made = super(StoreWrapper, self).put_if_absent(key, value)
            return KEEP

        self.inner.update(inside, put_by_override)
        return made

    def update(self, key: str, change: Change) -> None:
        inside = self.inner_key(key)
        if not self._overrides("update") and self._overrides(
            "get", "open_value", "put", "put_parts", "delete"
        ):
            self.inner.update(inside, lambda _: self._update_by_overrides(key, change))
        elif self._intercepts:
            self.inner.update(inside, lambda value: self._intercepted_change(key, change, value))
        else:
            self.inner.update(inside, change)

    def _update_by_overrides(self, key: str, change: Change) -> NewValue:
        super().update(key, change)
        return KEEP

    def _intercepted_change(self, key: str, change: Change, value: ValueReader | None) -> NewValue:
        size = 0 if value is None else value.size
        self.around(Request("get", key, (), size), lambda: size)
        parts = change(value)
        if parts is None:
            self.around(Request("delete", key), _nothing)
        elif parts is not KEEP:
            self.around(Request("put", key, parts), _nothing)
        return parts

    def delete(self, key: str) -> None:
        inside = self.inner_key(key)
        self.around(Request("delete", key), lambda: self.inner.delete(inside))

    def delete_prefix(self, prefix: str) -> None:
        inside = self.inner_prefix(prefix)
        self.around(Request("delete", prefix), lambda: self.inner.delete_prefix(inside))

    # -- listing -----------------------------------------------------------------

    def list(self, prefix: str = "") -> Iterator[str]:
        inside = self.inner_prefix(prefix)
        return self.around(Request("list", prefix), lambda: self.inner.list(inside))

    def list_dir(self, prefix: str = "") -> tuple[Sequence[str], Sequence[str]]:
        inside = self.inner_prefix(prefix)
        return self.around(Request("list", prefix), lambda: self.inner.list_dir(inside))

    def list_values(self, prefix: str = "") -> Iterator[Listed]:
        if self._overrides("list", "fetch") and not self._overrides("list_values"):
            return super().list_values(prefix)
        inside = self.inner_prefix(prefix)
        return self.around(Request("list", prefix), lambda: self.inner.list_values(inside))

    # -- the store itself --------------------------------------------------------

    def maintenance(self, prefix: str = "") -> Maintenance:
        return self.inner.maintenance(self.inner_prefix(prefix))

    def parent(self) -> Store | None:
        return self.inner.parent()

    def local_path(self, key: str) -> str | None:
        return self.inner.local_path(self.inner_prefix(key))

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


class _InterceptedValue:
    """An opened value whose reads are requests."""

    __slots__ = ("_key", "_store", "_value", "size", "version")

    def __init__(self, store: StoreWrapper, key: str, value: ValueReader) -> None:
        self._store = store
        self._key = key
        self._value = value
        self.size = value.size
        self.version = value.version

    def read_into(self, buffer: memoryview, start: int) -> None:
        if start + len(buffer) > self.size:  # a retry would fail in the same way
            self._value.read_into(buffer, start)
            return

        def fill() -> int:
            self._value.read_into(buffer, start)
            return len(buffer)

        self._store.around(Request("range", self._key, (), len(buffer)), fill)

    def close(self) -> None:
        self._value.close()


def _kind(byte_range: ByteRange | None) -> RequestKind:
    return "get" if byte_range is None else "size" if byte_range[1] == 0 else "range"


def _nothing() -> None:
    """Do nothing: the `update` of the inner store carries out the request."""
