"""Stores of zarr-python as stores of exzarr: icechunk's sessions, VirtualiZarr's manifests, wrappers, your own.

zarr-python's store interface is asynchronous (https://zarr.readthedocs.io/en/stable/api/zarr/abc/store/). Each method
here runs a coroutine in exzarr's event loop and waits for it, so that threads have several requests in flight.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable, Iterator, Sequence
from typing import Any, TypeVar

from exzarr._event_loop import wait_for
from exzarr.errors import ArgumentError, ExzarrError, StoreError, UpdateUnsupportedError
from exzarr.stores.base import (
    KEEP,
    Buffer,
    ByteRange,
    BytesReader,
    Change,
    Fetched,
    Store,
    StoreTraits,
    ValueReader,
    changed_error,
    check_key,
    check_prefix,
    check_writable,
    listing_error,
    resolve_range,
)
from exzarr.stores.counterparts import is_zarr_store
from exzarr.stores.locks import ThreadLock
from exzarr.stores.zarr_python.listing import collect, is_no_key, keys_and_prefixes
from exzarr.stores.zarr_python.values import SnapshotReader, StagedValue, part

__all__ = ["ZarrPythonStore"]

T = TypeVar("T")

_IN_MEMORY = ("MemoryStore", "ManagedMemoryStore", "GpuMemoryStore")
"""Classes of zarr-python whose values only this process has."""


class ZarrPythonStore(Store):
    """Any store with zarr-python's interface, as a store of exzarr.

    zarr-python's interface has no conditional put. Partial writes of a chunk are therefore refused, with two
    exceptions: stores in this process's memory, and transactions (`transactional`).

    Parameters
    ----------
    inner
        The store: an instance of `zarr.abc.store.Store`.
    single_writer
        Declare that there is no other writer. With other writers, data can be lost.
    concurrency
        Preferred number of requests in flight.
    read_only
        Refuse writes. A store that is itself read-only always refuses them.
    url
        The location, for messages. Default: what the store calls itself.

    Attributes
    ----------
    inner
        The store of zarr-python.
    transactional
        True if the store is the session of a transaction, as icechunk's is: no other session sees its writes before
        the commit, or can change its values. The threads of this process exclude each other. Sessions that change the
        same chunk are in conflict, which the commit reports. Within the session, documents are stored before chunks,
        as icechunk requires: other threads of the session may see an array whose chunks are not all stored yet.
    """

    def __init__(
        self,
        inner: Any,
        *,
        single_writer: bool = False,
        concurrency: int = 16,
        read_only: bool = False,
        url: str | None = None,
    ) -> None:
        if not is_zarr_store(inner):
            raise ArgumentError(f"a ZarrPythonStore needs a store of zarr-python, not {type(inner).__name__}")
        from zarr.abc.store import OffsetByteRequest, RangeByteRequest, Store as TheirStore, SuffixByteRequest
        from zarr.core.buffer import default_buffer_prototype

        self.inner = inner
        innermost = inner
        while isinstance(wrapped := getattr(innermost, "_store", None), TheirStore):
            innermost = wrapped
        session = getattr(innermost, "session", None)
        self.transactional = callable(getattr(session, "commit", None))
        in_memory = type(innermost).__name__ in _IN_MEMORY
        self._innermost, self._in_memory = innermost, in_memory
        self.single_writer = single_writer or self.transactional or in_memory
        self._snapshot: Hashable = None
        if self.transactional and session is not None and session.read_only:
            self._snapshot = str(session.snapshot_id)
        read_only = read_only or inner.read_only or not inner.supports_writes
        # A session that can be written holds its changes: what another process writes to a pickle of it is not here.
        travels = not in_memory and (not self.transactional or self._snapshot is not None)
        self.traits = StoreTraits(
            read_only=read_only,
            concurrency=concurrency,
            picklable=travels,
            lists=inner.supports_listing,
            documents_first=self.transactional,
        )
        self._given_url = url
        # VirtualiZarr's ManifestStore gives the document of the group above for a missing node.
        self._answers_for_missing = type(innermost).__name__ == "ManifestStore"
        self._has_size = type(inner).getsize is not TheirStore.getsize
        self._prototype = default_buffer_prototype()
        self._make_value = self._prototype.buffer.from_bytes
        self._ranges = (RangeByteRequest, OffsetByteRequest, SuffixByteRequest)

    # -- requests ----------------------------------------------------------------

    def _ask(self, what: str, key: str, call: Callable[..., Any], *args: Any) -> Any:
        """Run a coroutine function of the store. Raise FileNotFoundError, or StoreError for other errors."""
        try:
            return wait_for(_run(call, args))
        except FileNotFoundError:
            raise
        except KeyError as error:
            if what == "put":
                raise self._error(what, key, error) from error
            raise FileNotFoundError(key) from error
        except NotImplementedError as error:
            if what == "list":
                raise listing_error(self, key, f"{type(self.inner).__name__} has no such listing") from error
            raise self._error(what, key, error) from error
        except ExzarrError:
            raise
        except Exception as error:
            if what != "put" and is_no_key(error):
                raise FileNotFoundError(key) from error
            raise self._error(what, key, error) from error

    def _error(self, what: str, key: str, error: Exception) -> StoreError:
        # The cause has the other lines.
        text = next(iter(str(error).strip().splitlines()), "")
        made = StoreError(f"cannot {what} key {key!r} in {self}: {type(error).__name__}: {text}")
        made.errno = error.errno if isinstance(error, OSError) else None
        return made

    def _get(self, key: str, request: Any) -> Buffer | None:
        if self._answers_for_missing and key.endswith("/zarr.json") and not self._is_listed(key):
            return None
        try:
            value = self._ask("get", key, self.inner.get, key, self._prototype, request)
        except FileNotFoundError:
            return None
        return None if value is None else memoryview(value.as_numpy_array()).cast("B")

    def _is_listed(self, document: str) -> bool:
        above, _, name = document.removesuffix("/zarr.json").rpartition("/")
        return name in self._ask("list", above, collect, self.inner.list_dir, above)

    # -- reading -----------------------------------------------------------------

    def get(self, key: str, byte_range: ByteRange | None = None) -> Buffer | None:
        check_key(key)
        if byte_range is None:
            return self._get(key, None)
        start, length = byte_range
        resolve_range(byte_range, 0)  # validate the range
        within, offset, suffix = self._ranges
        if length == 0:
            return b"" if self.exists(key) else None
        if start < 0 and not self._has_size:
            return part(self._get(key, None), byte_range)
        try:
            if start >= 0:
                return self._get(key, offset(start) if length is None else within(start, start + length))
            found = self._get(key, suffix(-start))
        except StoreError:
            # Stores differ in what they do about a range that is not within the value.
            return part(self._get(key, None), byte_range)
        # Nor do they agree about a suffix that is longer than the value.
        if found is not None and len(found) < -start:
            return part(self._get(key, None), byte_range)
        return found if found is None or length is None else found[:length]

    def read_into(self, key: str, buffer: memoryview, start: int = 0) -> int:
        data = self.get(key, (start, len(buffer) + 1) if start else None)
        if data is None:
            return -1
        buffer[: len(data)] = data[: len(buffer)]
        return len(data)

    def open_value(self, key: str) -> ValueReader | None:
        if self._snapshot is not None and self._has_size:
            size = self.size(key)
            return None if size is None else SnapshotReader(self, key, size, self._snapshot)
        value = self.get(key)
        return None if value is None else BytesReader(value, self._snapshot)

    def fetch(
        self, key: str, byte_range: ByteRange | None = None, version: Hashable = None
    ) -> Fetched | None:
        size: int | None = None
        data: Buffer | None
        if byte_range is None or not self._has_size:
            whole = self.get(key)
            size, data = None if whole is None else len(whole), part(whole, byte_range)
        elif byte_range[1] == 0:
            size, data = self.size(key), b""
        else:
            data = self.get(key, byte_range)
            size = None if data is None else self.size(key)
        if size is None or data is None:
            if version is not None:
                raise changed_error(self, key)
            return None
        if version is not None and version != self._snapshot:
            raise changed_error(self, key)
        return Fetched(data, size, self._snapshot)

    def size(self, key: str) -> int | None:
        check_key(key)
        try:
            if self._has_size:
                size: int = self._ask("get", key, self.inner.getsize, key)
                return size
            value = self._get(key, None)
        except FileNotFoundError:
            return None
        except StoreError:
            if self.exists(key):
                raise
            return None
        return None if value is None else len(value)

    def exists(self, key: str) -> bool:
        check_key(key)
        try:
            return bool(self._ask("get", key, self._exists, key))
        except FileNotFoundError:
            return False

    async def _exists(self, key: str) -> bool:
        try:
            return bool(await self.inner.exists(key))
        except NotImplementedError:
            return await self.inner.get(key, self._prototype) is not None

    # -- writing -----------------------------------------------------------------

    def put(self, key: str, value: Buffer) -> None:
        check_key(key)
        check_writable(self, key)
        # A copy, because stores in memory keep what they are given.
        self._ask("put", key, self.inner.set, key, self._make_value(bytes(value)))

    def delete(self, key: str) -> None:
        check_key(key)
        check_writable(self, key)
        if not self.exists(key):  # a store in a folder would delete everything below the key
            return
        try:
            self._ask("delete", key, self.inner.delete, key)
        except FileNotFoundError:
            pass

    def delete_prefix(self, prefix: str) -> None:
        check_writable(self, check_prefix(prefix))
        try:
            self._ask("delete", prefix, self.inner.delete_dir, prefix)
        except FileNotFoundError:
            pass
        except StoreError:
            if prefix and not self.exists(prefix):
                raise
            super().delete_prefix(prefix)  # stores in folders refuse the name of a file

    def update(self, key: str, change: Change) -> None:
        check_key(key)
        check_writable(self, key)
        if not self.single_writer:
            raise UpdateUnsupportedError(
                f"cannot change part of key {key!r} in {self}: zarr-python's stores have no conditional put, so that "
                "another writer's change could be lost; write whole chunks, use exzarr's own store for this place, or "
                "declare that there is no other writer: exzarr.stores.ZarrPythonStore(store, single_writer=True)"
            )
        if not self.transactional:
            super().update(key, change)
            return
        with ThreadLock((self, key), key):
            before = self.get(key)
            value = None if before is None else StagedValue(self, key, before)
            try:
                parts = change(value)
            except BaseException:
                if value is not None and value.staged is not None:
                    self.put(key, value.data)
                raise
            if parts is None:
                self.delete(key)
            elif parts is not KEEP and (value is None or parts is not value.staged):
                self.put_parts(key, parts)

    # -- listing -----------------------------------------------------------------

    def list(self, prefix: str = "") -> Iterator[str]:
        check_prefix(prefix)
        self._require_listing(prefix)
        top = f"{prefix}/" if prefix else ""
        try:
            found = self._ask("list", prefix, collect, self.inner.list_prefix, top)
        except FileNotFoundError:
            return iter(())
        # Some stores keep a slash at the begin of their keys.
        return (key for key in (str(key).lstrip("/") for key in found) if key.startswith(top))

    def list_dir(self, prefix: str = "") -> tuple[Sequence[str], Sequence[str]]:
        check_prefix(prefix)
        self._require_listing(prefix)
        try:
            keys, prefixes = self._ask(
                "list",
                prefix,
                keys_and_prefixes,
                self.inner,
                self._prototype,
                prefix,
                self.traits.concurrency,
            )
        except FileNotFoundError:
            return [], []
        return sorted(keys), sorted(prefixes)

    def _require_listing(self, prefix: str) -> None:
        if not self.traits.lists:
            raise listing_error(self, prefix, f"{type(self.inner).__name__} has no listing")

    # -- the store itself --------------------------------------------------------

    @property
    def url(self) -> str:
        if self._given_url is not None:
            return self._given_url
        text = str(self.inner)
        return text if "://" in text and "\n" not in text else f"<{type(self.inner).__name__}>"

    def __repr__(self) -> str:
        return f"ZarrPythonStore({self.url!r})"

    def close(self) -> None:
        # The caller made the store, and closes it.
        pass

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ZarrPythonStore):
            return False
        if self._in_memory:  # zarr-python's are equal if their content is
            return other._innermost is self._innermost
        return other.inner is self.inner or bool(other.inner == self.inner)

    def __hash__(self) -> int:
        return hash((ZarrPythonStore, id(self._innermost) if self._in_memory else type(self.inner)))

    def __reduce__(self) -> tuple[object, ...]:
        settings = {
            "single_writer": self.single_writer,
            "concurrency": self.traits.concurrency,
            "read_only": self.read_only,
            "url": self._given_url,
        }
        return _make, (self.inner, settings)


def _make(inner: Any, settings: dict[str, Any]) -> ZarrPythonStore:
    return ZarrPythonStore(inner, **settings)


async def _run(call: Callable[..., Awaitable[Any]], args: Sequence[Any]) -> Any:
    return await call(*args)
