"""Any store of exzarr with the interface of zarr-python's stores, and the node of zarr-python for a node of exzarr."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import zarr
from zarr.abc.store import OffsetByteRequest, RangeByteRequest, Store, SuffixByteRequest
from zarr.core.buffer import Buffer, BufferPrototype, default_buffer_prototype

import exzarr
from exzarr.errors import ArgumentError, StoreError
from exzarr.stores import ByteRange, Store as OurStore, StoreLike, resolve_store

__all__ = ["StoreView", "as_store", "as_zarr"]

T = TypeVar("T")

_THREADS = 16
"""Number of threads for stores that have no preferred number of requests in flight."""


def as_store(store: StoreLike | exzarr.Array | exzarr.Group, *, read_only: bool = False) -> StoreView:
    """Return a store of zarr-python for any store of exzarr.

    Use it where zarr-python, xarray or dask take a store, and exzarr has one that zarr-python lacks: a store in SQLite,
    in references, in a cache, behind a rate limit, or your own.

    Parameters
    ----------
    store
        A store of exzarr, or anything that `exzarr.open` takes as one; or an array or group of exzarr, which is the
        root of the result.
    read_only
        Refuse writes.

    Examples
    --------
    >>> import exzarr, zarr
    >>> store = exzarr.stores.LatencyStore(exzarr.MemoryStore(), 0.001)
    >>> exzarr.create_array(store, data=[1, 2, 3])[...].tolist()
    [1, 2, 3]
    >>> zarr.open_array(exzarr.zarr.as_store(store), mode="r")[1:].tolist()
    [2, 3]
    """
    if isinstance(store, exzarr.Array | exzarr.Group):
        found, path = store.store, store.path
        read_only = read_only or store.read_only
    else:
        found, path = resolve_store(store)
    if path:
        from exzarr.stores import PrefixStore

        found = PrefixStore(found, path)
    return StoreView(found, read_only=read_only or found.read_only)


def as_zarr(node: exzarr.Array | exzarr.Group) -> Any:
    """Return the array or group of zarr-python for an array or group of exzarr: both see the same data.

    Use it for functions that require zarr-python's classes: ``xarray.backends.ZarrStore(as_zarr(group))``.

    Examples
    --------
    >>> import exzarr
    >>> group = exzarr.create_group(exzarr.MemoryStore())
    >>> a = group.create_array("a", data=[1, 2, 3])
    >>> exzarr.zarr.as_zarr(group)["a"][1:].tolist()
    [2, 3]
    """
    if not isinstance(node, exzarr.Array | exzarr.Group):
        raise ArgumentError(
            f"as_zarr takes an array or a group of exzarr, not {type(node).__module__}.{type(node).__name__}; "
            "exzarr.open opens one"
        )
    view = StoreView(node.store, read_only=node.read_only)
    return zarr.open(view, path=node.path, mode="r" if view.read_only else "r+", zarr_format=node.zarr_format)


class StoreView(Store):  # type: ignore[misc]
    """A store of exzarr with the interface of zarr-python's stores (see `as_store`).

    Requests run in threads, and never block zarr-python's event loop.

    Parameters
    ----------
    store
        The store of exzarr. It stays open when this one is closed.
    read_only
        Refuse writes.
    """

    def __init__(self, store: OurStore, *, read_only: bool = False) -> None:
        super().__init__(read_only=read_only)
        self.store = store
        self._pool: tuple[int, ThreadPoolExecutor] | None = None

    def with_read_only(self, read_only: bool = False) -> StoreView:
        return StoreView(self.store, read_only=read_only)

    # -- traits --------------------------------------------------------------------

    @property
    def supports_writes(self) -> bool:
        return not self.store.read_only

    @property
    def supports_deletes(self) -> bool:
        return not self.store.read_only

    @property
    def supports_listing(self) -> bool:
        return self.store.traits.lists

    # -- requests ------------------------------------------------------------------

    async def _ask(self, call: Callable[..., T], *args: Any) -> T:
        await self._ensure_open()
        return await asyncio.get_running_loop().run_in_executor(self._threads(), _call, call, *args)

    def _threads(self) -> ThreadPoolExecutor:
        """Return the pool of this store. One for all could deadlock if a store is inside another."""
        known = self._pool
        if known is None or known[0] != os.getpid():  # a forked child has none of the threads
            threads = self.store.traits.concurrency or _THREADS
            known = self._pool = (os.getpid(), ThreadPoolExecutor(threads, thread_name_prefix="exzarr-store"))
        return known[1]

    async def get(
        self, key: str, prototype: BufferPrototype | None = None, byte_range: Any = None
    ) -> Buffer | None:
        return await self._ask(self._get, key, prototype, byte_range)

    def _get(self, key: str, prototype: BufferPrototype | None, byte_range: Any) -> Buffer | None:
        wanted = _our_range(byte_range)
        if wanted is not None and wanted[1] is not None and wanted[1] < 0:
            wanted = (wanted[0], 0)
        value = self.store.get(key, wanted)
        if value is None:
            return None
        buffer: Buffer = (prototype or default_buffer_prototype()).buffer.from_bytes(value)
        return buffer

    async def get_partial_values(
        self, prototype: BufferPrototype, key_ranges: Iterable[tuple[str, Any]]
    ) -> list[Buffer | None]:
        wanted = [*key_ranges]
        return [*await asyncio.gather(*(self.get(key, prototype, part) for key, part in wanted))]

    async def exists(self, key: str) -> bool:
        return await self._ask(self.store.exists, key)

    async def getsize(self, key: str) -> int:
        size = await self._ask(self.store.size, key)
        if size is None:
            raise FileNotFoundError(key)
        return size

    async def set(self, key: str, value: Buffer) -> None:
        self._check_value(value)
        await self._ask(self.store.put, key, value.to_bytes())

    async def set_if_not_exists(self, key: str, value: Buffer) -> None:
        self._check_value(value)
        await self._ask(self.store.put_if_absent, key, value.to_bytes())

    def _check_value(self, value: Any) -> None:
        self._check_writable()
        if not isinstance(value, Buffer):
            raise TypeError(f"`value` must be a Buffer instance, not {type(value).__name__}")

    async def delete(self, key: str) -> None:
        self._check_writable()
        await self._ask(self.store.delete, key)

    async def delete_dir(self, prefix: str) -> None:
        self._check_writable()
        await self._ask(self.store.delete_prefix, prefix.strip("/"))

    # zarr-python's synchronous pipeline calls these, in threads of its own.

    def get_sync(
        self, key: str, *, prototype: BufferPrototype | None = None, byte_range: Any = None
    ) -> Buffer | None:
        self._is_open = True
        return _call(self._get, key, prototype, byte_range)

    def set_sync(self, key: str, value: Buffer) -> None:
        self._check_value(value)
        self._is_open = True
        _call(self.store.put, key, value.to_bytes())

    def delete_sync(self, key: str) -> None:
        self._check_writable()
        self._is_open = True
        _call(self.store.delete, key)

    # -- listing -------------------------------------------------------------------

    async def list(self) -> AsyncIterator[str]:
        for key in await self._ask(self._listed, ""):
            yield key

    async def list_prefix(self, prefix: str) -> AsyncIterator[str]:
        for key in await self._ask(self._listed, prefix):
            yield key

    def _listed(self, prefix: str) -> Sequence[str]:
        """Return the keys that begin with a prefix, which may end within a name."""
        folder = prefix.rpartition("/")[0]
        return [key for key in self.store.list(folder) if key.startswith(prefix)]

    async def list_dir(self, prefix: str) -> AsyncIterator[str]:
        keys, prefixes = await self._ask(self.store.list_dir, prefix.strip("/"))
        for name in dict.fromkeys((*keys, *prefixes)):
            yield name

    # -- the store itself ----------------------------------------------------------

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, StoreView) and other.store == self.store and other._read_only == self._read_only
        )

    def __hash__(self) -> int:
        return hash((StoreView, self.store, self._read_only))

    def __reduce__(self) -> tuple[object, ...]:
        return _view, (self.store, self._read_only)

    def __str__(self) -> str:
        return self.store.url

    def __repr__(self) -> str:
        return f"exzarr.zarr.as_store({self.store!r})"


def _view(store: OurStore, read_only: bool) -> StoreView:
    return StoreView(store, read_only=read_only)


def _our_range(request: Any) -> ByteRange | None:
    match request:
        case None:
            return None
        case RangeByteRequest(start, end):
            return start, end - start
        case OffsetByteRequest(offset):
            return offset, None
        case SuffixByteRequest(suffix):
            return (-suffix, None) if suffix else (0, 0)
        case _:
            raise ValueError(f"Unexpected byte_range, got {request}.")


def _call(call: Callable[..., T], *args: Any) -> T:
    """Call a method of the store. Errors with an errno become OSError, which zarr-python's users catch."""
    try:
        return call(*args)
    except StoreError as error:
        if error.errno is None or isinstance(error, OSError):
            raise
        raise OSError(error.errno, str(error)) from error
