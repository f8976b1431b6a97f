"""Store for kerchunk's reference sets, which show parts of other files as a hierarchy.

A reference set maps each key to bytes of a file, or contains the value itself. With it, exzarr reads HDF5 and NetCDF
files as Zarr without copying them. Format: https://fsspec.github.io/kerchunk/spec.html. Reference sets are not
trusted: they can only lead to files that the caller allows.
"""

from __future__ import annotations

import json
import os
from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from exzarr.errors import ReadOnlyError, StoreError
from exzarr.stores.base import (
    Buffer,
    ByteRange,
    Fetched,
    Store,
    StoreTraits,
    check_key,
    check_prefix,
    fetch_by_get,
    read_only_error,
    resolve_range,
)
from exzarr.stores.references.json_set import JsonReferences, ReferenceSet, is_json, unpacked
from exzarr.stores.references.parquet_set import ParquetReferences
from exzarr.stores.resolve import refuse_options, resolve_url
from exzarr.stores.urls import encoded, is_url, joined, plain

if TYPE_CHECKING:
    from exzarr.stores.url_options import StorageOptions

__all__ = ["ReferenceStore", "folder_store"]


_MOST_SIZES = 10_000
"""Largest number of cached file sizes."""


class ReferenceStore(Store):
    """Read-only store of a reference set.

    Parameters
    ----------
    references
        The path or URL of a JSON file (``.json``, ``.json.gz``, ``.json.zst``), or its content; or the path or URL
        of the folder of a Parquet reference set, or a store of that folder. Parquet sets are read in parts and can
        have millions of references. They need the extra ``parquet``.
    base
        The folder that relative targets begin at: a path or a URL. Default: the folder of `references`.
    allow
        Places that references may lead to: folders, and beginnings of URLs (``"s3://bucket/data/"``). Default:
        the content of `base`. Reading a reference to any other place raises an error.
    stores
        Stores to read URLs with, by the beginning of the URL: ``{"s3://bucket": ObjectStore(...)}``. Stores of
        other URLs are created with `storage_options` and the environment.
    storage_options
        Options for the target URLs: see `exzarr.open`.
    """

    def __init__(
        self,
        references: str | os.PathLike[str] | Mapping[str, Any] | Store,
        *,
        base: str | os.PathLike[str] | None = None,
        allow: Sequence[str | os.PathLike[str]] | None = None,
        stores: Mapping[str, Store] | None = None,
        storage_options: StorageOptions | None = None,
    ) -> None:
        self._name = "<given>"
        place: str | None = None
        if not isinstance(references, (Mapping, Store)):
            place = plain(os.fspath(references))
            place = place if is_url(place) else os.path.abspath(place)
            base = place.rstrip("/").rpartition("/" if is_url(place) else os.sep)[0] if base is None else base
            self._name = place
        self._base = None if base is None else _folder(os.fspath(base))
        if allow is None:
            allow = [] if self._base is None else [self._base + "/"]
        self._allowed = [_allowed(os.fspath(one)) for one in allow]
        if storage_options and not any(map(is_url, [self._name, *self._allowed])):
            refuse_options(
                storage_options, "these references may not lead to URLs: permit URLs by allow=[...]"
            )
        self._storage_options = storage_options
        self._stores: dict[str, Store] = dict(stores or {})
        self._sizes: dict[str, int] = {}
        self._set = self._opened(references if place is None else place)
        self.traits = StoreTraits(read_only=True, concurrency=64 if self._set.remote else 0)

    def _opened(self, references: str | Mapping[str, Any] | Store | Any) -> ReferenceSet:
        if isinstance(references, Mapping):
            return JsonReferences(references, self._name)
        remote = any(map(is_url, self._allowed))
        if isinstance(references, Store):
            self._name = str(references)
            return ParquetReferences(references, self._name, remote=remote)
        if os.path.isdir(references) or (is_url(references) and not is_json(references)):
            return ParquetReferences(self._folder(references), self._name, remote=remote)
        folder, _, name = references.rpartition("/" if is_url(references) else os.sep)
        try:
            value = self._folder(folder).get(name)
            if value is None:
                raise FileNotFoundError("there is no such file")
            document = json.loads(unpacked(bytes(value)))
        except (OSError, ValueError, RecursionError) as error:
            raise StoreError(f"cannot read references from {references!r}: {error}") from error
        return JsonReferences(document, self._name)

    def _folder(self, place: str) -> Store:
        """Return the store of a folder. If it is a URL, use the storage options."""
        return folder_store(encoded(place), storage_options=self._storage_options if is_url(place) else None)

    # -- reading -----------------------------------------------------------------

    def get(self, key: str, byte_range: ByteRange | None = None) -> Buffer | None:
        ref = self._set.get(check_key(key))
        if byte_range is not None:
            resolve_range(byte_range, 0)  # validate the range
        if ref is None:
            return None
        if isinstance(ref, bytes):
            begin, end = resolve_range(byte_range or (0, None), len(ref))
            return ref[begin:end]
        target, offset, length = ref
        store, inside = self._target(key, target)
        if length is None:
            data = store.get(inside, byte_range)
        else:
            begin, end = resolve_range(byte_range or (0, None), length)
            data = store.get(inside, (offset + begin, end - begin))
            if data is not None and len(data) != end - begin:
                raise self._cut_short(key, target, len(data), end - begin, offset + begin)
        if data is None:
            raise StoreError(f"key {key!r} in {self}: there is no {target!r}")
        return data

    def size(self, key: str) -> int | None:
        ref = self._set.get(check_key(key))
        if ref is None or isinstance(ref, bytes):
            return None if ref is None else len(ref)
        target, offset, length = ref
        # Raise an error if the target cannot be read: not allowed, missing or truncated.
        size = self._file_size(key, target)
        if length is None:
            return size
        if offset + length > size:
            raise self._cut_short(key, target, max(0, size - offset), length, offset)
        return length

    def fetch(
        self, key: str, byte_range: ByteRange | None = None, version: Hashable = None
    ) -> Fetched | None:
        return fetch_by_get(self, key, byte_range, version)

    def _file_size(self, key: str, target: str) -> int:
        size = self._sizes.get(target)
        if size is None:
            store, inside = self._target(key, target)
            size = store.size(inside)
            if size is None:
                raise StoreError(f"key {key!r} in {self}: there is no {target!r}")
            if len(self._sizes) >= _MOST_SIZES:
                self._sizes.clear()
            self._sizes[target] = size
        return size

    def _cut_short(self, key: str, target: str, there: int, length: int, offset: int) -> StoreError:
        return StoreError(
            f"key {key!r} in {self}: {target!r} has {there} of the {length} bytes from {offset} on; the file has been "
            "changed since the references were created"
        )

    def _target(self, key: str, target: str) -> tuple[Store, str]:
        """Return the store of a target file, and its key there."""
        path = plain(target)
        if not is_url(path) and not os.path.isabs(path):
            if self._base is None:
                raise StoreError(
                    f"key {key!r} in {self}: {target!r} is relative; give its folder by ReferenceStore(..., base=...)"
                )
            path = joined(self._base, path) if is_url(self._base) else path
        if is_url(path):
            parts = path.partition("://")[2].split("/")
            if not any(path.startswith(one) for one in self._allowed) or ".." in parts or "." in parts:
                raise self._forbidden(key, target)
            folder, _, name = path.rpartition("/")
            for start, store in self._stores.items():
                begin = plain(start).rstrip("/") + "/"
                if path.startswith(begin):
                    return store, path[len(begin) :]
        else:
            # Resolve links before the check.
            path = os.path.realpath(os.path.join(self._base or "", path))
            if not any((path + os.sep).startswith(one) for one in self._allowed):
                raise self._forbidden(key, target)
            folder, name = os.path.split(path)
        found = self._stores.get(folder)
        if found is None:
            found = self._stores[folder] = self._folder(folder)
        return found, name

    def _forbidden(self, key: str, target: str) -> StoreError:
        return StoreError(
            f"key {key!r} in {self} refers to {target!r}, which is not allowed; "
            "permit folders and URLs by ReferenceStore(..., allow=[...])"
        )

    def list(self, prefix: str = "") -> Iterator[str]:
        check_prefix(prefix)
        return self._set.list(prefix)

    def list_dir(self, prefix: str = "") -> tuple[Sequence[str], Sequence[str]]:
        check_prefix(prefix)
        return self._set.list_dir(prefix)

    # -- writes are refused ------------------------------------------------------

    def put(self, key: str, value: Buffer) -> None:
        raise self._refused(key)

    def delete(self, key: str) -> None:
        raise self._refused(key)

    def delete_prefix(self, prefix: str) -> None:
        raise self._refused(prefix)

    def _refused(self, key: str) -> ReadOnlyError:
        return read_only_error(self, key)

    @property
    def url(self) -> str:
        return f"references:{self._name}"


def _folder(place: str) -> str:
    """Return a folder's plain URL or absolute path."""
    place = plain(place)
    return place.rstrip("/") if is_url(place) else os.path.abspath(place)


def _allowed(one: str) -> str:
    one = plain(one)
    return one if is_url(one) else os.path.join(os.path.realpath(one), "")


def folder_store(
    place: str, *, read_only: bool = True, storage_options: StorageOptions | None = None
) -> Store:
    """Return the store of a folder's path or URL. Reference sets are excluded, because they could refer to each other."""
    if not is_url(place):
        from exzarr.stores.local.store import LocalStore

        refuse_options(storage_options, f"{place!r} is a local path")
        return LocalStore(place, read_only=read_only)
    from exzarr.stores.wrappers.prefix import PrefixStore

    store, inside = resolve_url(place, "r" if read_only else None, storage_options)
    return PrefixStore(store, inside) if inside else store
