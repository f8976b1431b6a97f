"""The identity of a chunk: what proves that it has not changed since its statistics were computed.

A store gives each value a version. Versions of two kinds are lasting: they mean the same in every process, and a changed
value never gets the version of an earlier one.

`file`   inode, modification time, change time (both in nanoseconds) and size of a file
`etag`   a strong ETag of an object store. Listings have it, too; they lack the store's own version

**Timestamps have a granularity.** A file that is written twice within one tick of the file system's clock may have equal
timestamps. A file is therefore *settled* if its timestamps are older than the file system's clock was before the file was
read, by more than one tick. Each later change then gets a later change time. The clock is that of a new file in the same
folder: it is the server's clock in a network file system.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Hashable, Sequence
from hashlib import sha256
from typing import Any

from exzarr._format import v2, v3
from exzarr._format.metadata import ArrayMetadata
from exzarr.errors import UnsupportedError
from exzarr.stores.base import Buffer, Store
from exzarr.stores.wrappers.caching import CachedStore

__all__ = ["DIGEST_NBYTES", "Digests", "canonical", "check_store", "clock_of", "lasting", "unsettled_for"]

DIGEST_NBYTES = 16

FINE_NS, COARSE_NS = 100_000_000, 2_000_000_000
"""How long a file takes to settle, if its file system has fine or coarse timestamps (FAT: 2 seconds)."""

RESOLUTION_NS = 10_000_000
"""Timestamps that are multiples of this many nanoseconds may be coarse. No kernel's clock ticks less often."""

V3_MEMBERS = ("chunk_grid", "codecs", "data_type", "fill_value")
V2_MEMBERS = ("chunks", "compressor", "dtype", "fill_value", "filters", "order")
"""Members of the metadata document that determine the values of a chunk."""

ETAG_SCHEMES = {"s3", "gs", "az", "http", "https"}


def check_store(store: Store) -> None:
    """Raise UnsupportedError if the store keeps values: entries must describe the chunks of the store itself."""
    inner: Any = store
    while inner is not None:
        if isinstance(inner, CachedStore):
            raise UnsupportedError(
                f"statistics cannot be built through the cache of {store}, which may keep old values: open the array "
                "without the cache"
            )
        inner = getattr(inner, "inner", None)


def lasting(store: Store, version: Hashable) -> list[Any] | None:
    """Return the version of a value as JSON, or None if it is not lasting."""
    parts = version if isinstance(version, tuple) else (version,)
    if store.local_path("") is not None:
        return ["file", *parts] if len(parts) == 4 and all(type(n) is int for n in parts) else None
    etag = parts[0]
    if not isinstance(etag, str) or len(etag) < 3 or not etag[0] == etag[-1] == '"':
        return None
    return ["etag", etag] if store.url.partition("://")[0] in ETAG_SCHEMES else None


def clock_of(store: Store, path: str) -> int | None:
    """Return the time of the file system in nanoseconds, or None if the store is not a folder of files."""
    folder = store.local_path(path)
    if folder is None:
        return None
    with tempfile.TemporaryFile(dir=folder) as probe:
        probe.write(b"0")
        probe.flush()
        return os.fstat(probe.fileno()).st_mtime_ns


def unsettled_for(identity: Sequence[Any], clock: int | None) -> int:
    """Return how many nanoseconds before a value is settled; 0 if it is. `clock` is the time before it was read."""
    if identity[0] != "file" or clock is None:
        return 0
    times: tuple[int, int] = identity[2], identity[3]
    settled = [at + (FINE_NS if at % RESOLUTION_NS else COARSE_NS) for at in times]
    return max(0, *[at - clock for at in settled])


class Digests:
    """Digests of entries. Each proves the identity of the chunk and all values of the entry.

    An entry whose values come from several writers, or that was written in part, therefore proves nothing.
    """

    def __init__(self, meta: ArrayMetadata) -> None:
        document, members = (
            (v3.to_json(meta), V3_MEMBERS) if meta.zarr_format == 3 else (v2.array_json(meta)[0], V2_MEMBERS)
        )
        self._metadata = sha256(
            canonical({name: document.get(name) for name in members}).encode()
        ).hexdigest()

    def of(self, version: str, chunk: str, shape: str, start: int, nbytes: int, values: Buffer) -> bytes:
        """Return the digest of an entry.

        Parameters
        ----------
        version
            The version of the stored value (`lasting`), as `canonical` JSON.
        chunk, shape
            Index of the chunk, and the shape of its part inside the array, as numbers separated by commas.
        start, nbytes
            Place of the chunk's bytes in the stored value; -1 and -1 for an inner chunk that is not stored.
        values
            The values of the entry, as `Table.values` has them.
        """
        # This is what `canonical` would return. A table has many entries, and this is much faster.
        identity = (
            f'{{"chunk":[{chunk}],"metadata":"{self._metadata}","range":[{start},{nbytes}],'
            f'"shape":[{shape}],"value":{version}}}'
        )
        digest = sha256(identity.encode())
        digest.update(b"\0")
        digest.update(values)
        return digest.digest()[:DIGEST_NBYTES]


def canonical(document: Any) -> str:
    """Return JSON with sorted keys and without spaces."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"))
