"""Properties of object stores and of their values that need no further request."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from exzarr.errors import StoreError
from exzarr.stores.base import Fetched, Store, changed_error

__all__ = ["TAIL_NBYTES", "PartlyKnown", "etag_of", "listed_version_of", "mode_of", "root_of", "version_of"]

TAIL_NBYTES = 64 * 1024
"""Number of last bytes that are read when a value is opened. A shard has its index at the end."""


class PartlyKnown:
    """An opened value whose last bytes are already read."""

    __slots__ = ("_key", "_store", "_tail", "_tail_at", "size", "version")

    def __init__(self, store: Store, key: str, tail: Fetched) -> None:
        self._store = store
        self._key = key
        self._tail = memoryview(tail.data)
        self._tail_at = tail.size - len(tail.data)
        self.size = tail.size
        self.version = tail.version

    def read_into(self, buffer: memoryview, start: int) -> None:
        end = start + len(buffer)
        if end > self.size:
            raise StoreError(
                f"cannot read bytes {start} to {end} of key {self._key!r} in {self._store}: "
                f"the value has {self.size} bytes"
            )
        if start >= self._tail_at:
            buffer[:] = self._tail[start - self._tail_at : end - self._tail_at]
            return
        found = self._store.fetch(self._key, (start, len(buffer)), self.version)
        if found is None or len(found.data) != len(buffer):
            raise changed_error(self._store, self._key)
        buffer[:] = found.data

    def close(self) -> None:
        self._tail = memoryview(b"")


def root_of(client: Any) -> str:
    """Return a URL of one of obstore's stores to show to users, without secrets."""
    name = type(client).__name__
    inside = getattr(client, "prefix", None)
    tail = f"/{str(inside).strip('/')}" if inside and name != "LocalStore" else ""
    if name in ("S3Store", "GCSStore"):
        return f"{'s3' if name == 'S3Store' else 'gs'}://{client.config.get('bucket', '?')}{tail}"
    if name == "AzureStore":
        return f"az://{client.config.get('container_name', '?')}{tail}"
    if name == "HTTPStore":
        return str(client.url).partition("?")[0].rstrip("/")
    if name == "LocalStore":
        return f"obstore+file://{inside or ''}"
    return f"obstore+memory://{id(client):x}"


def version_of(meta: Any) -> Hashable:
    """Return the version of a value: its ETag, and the store's own version if it has one."""
    etag, version = meta.get("e_tag"), meta.get("version")
    if etag is None:
        return f"{meta['last_modified'].isoformat()} {meta['size']}"
    return etag if version is None else (etag, version)


def listed_version_of(meta: Any) -> Hashable:
    """Return the version of a listed value. Azure lists ETags without their quotes."""
    etag = meta.get("e_tag")
    if etag is not None and not etag.endswith('"'):
        meta = {**meta, "e_tag": f'"{etag}"'}
    return version_of(meta)


def etag_of(version: Hashable) -> str | None:
    """Return the ETag in a version; None if there is none."""
    found = version[0] if isinstance(version, tuple) else version
    return found if isinstance(found, str) and found.endswith('"') else None


def mode_of(version: Hashable) -> dict[str, str]:
    """Return obstore's `mode` of a put that replaces only this version."""
    if isinstance(version, tuple):
        return {"e_tag": version[0], "version": version[1]}
    return {"e_tag": str(version)}
