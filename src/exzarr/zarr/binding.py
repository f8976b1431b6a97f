"""What a codec pipeline knows of its array: the metadata, the store, and exzarr's access to the chunks."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from time import perf_counter
from typing import Any

import numpy as np

from exzarr.chunks import ChunkAccess, ChunkSelections
from exzarr.errors import ExzarrError
from exzarr.zarr.stores import Counterpart, counterpart

__all__ = ["Binding", "Work"]

AnyArray = np.ndarray[Any, Any]

QUICK_NBYTES = 64 * 1024
"""Up to this size, a selection in one chunk is read in the event loop: another thread would cost more than the read."""

SLOW_SECONDS = 0.002
"""After a read in the event loop that took longer, the next `SLOW_READS` are in another thread."""

SLOW_READS = 32

_OWN = ("zarr", "numcodecs")
"""Packages whose codecs and data types exzarr may replace. Others may register their own under the same names."""


@dataclass(frozen=True, slots=True)
class Work:
    """One read or write, as exzarr runs it."""

    access: ChunkAccess
    chunks: ChunkSelections


class Binding:
    """The array of a codec pipeline.

    A pickle has zarr-python's metadata and store only. The rest is made again on first use.

    Attributes
    ----------
    protects
        False once the store has refused a safe update.
    reason
        Why the last write is not exzarr's.
    """

    def __init__(self, metadata: Any, store: Any) -> None:
        self._metadata = metadata
        self._store = store
        self._found: Counterpart | None = None
        self._looked = False
        self._access: dict[str, ChunkAccess | None] = {}
        self._slow_reads = 0
        self.protects = True
        self.reason = ""

    def __reduce__(self) -> tuple[Any, ...]:
        return Binding, (self._metadata, self._store)

    def work_for(
        self, batch: Sequence[Any], buffer: AnyArray, drop_axes: tuple[int, ...], *, writing: bool = False
    ) -> Work | None:
        """Return the work of a batch of zarr-python; None if its own pipeline must do it."""
        places, specs, in_chunk, in_buffer, _ = zip(*batch, strict=True)
        store = self._store
        try:
            if not all(place.store is store for place in places):
                self.reason = "the chunks are in several stores"
                return None
            keys = [place.path for place in places]
        except AttributeError:  # the parts of a shard
            self.reason = "the chunks are not in a store"
            return None
        if not self._looked:
            self._found, self._looked = counterpart(store), True
        found = self._found
        if found is None or (writing and not (found.protects and self.protects)):
            self.reason = f"exzarr has no safe updates for the store {type(store).__name__}"
            return None
        if writing and found.store.read_only:
            return None  # zarr-python refuses
        access = self._access_to(found, keys[0])
        self.reason = "exzarr does not have the array's data type or a codec of it"
        if access is None or not _same(buffer.dtype, access.dtype):
            return None
        shapes: list[tuple[int, ...]] | None = [spec.shape for spec in specs]
        regular = access.chunk_shape
        if regular is not None:
            if not all(shape == regular for shape in shapes or ()):
                return None
            shapes = None
        return Work(access, ChunkSelections(keys, in_chunk, in_buffer, drop_axes, shapes))

    async def read(self, work: Work, out: AnyArray) -> Sequence[str]:
        """Read into `out`, and return the keys of the missing chunks."""
        keys = work.chunks.keys
        if (
            len(keys) > 1
            or out.nbytes > QUICK_NBYTES
            or work.access.store.traits.concurrency
            or self._slow_reads
        ):
            self._slow_reads = max(0, self._slow_reads - 1)
            return await asyncio.to_thread(work.access.read, work.chunks, out)
        start = perf_counter()
        missing = work.access.read(work.chunks, out)
        if perf_counter() - start > SLOW_SECONDS:
            self._slow_reads = SLOW_READS
        return missing

    def _access_to(self, found: Counterpart, key: str) -> ChunkAccess | None:
        """Return the access to the array that has the chunk at `key`."""
        metadata = self._metadata
        own = metadata.encode_chunk_key((0,) * len(metadata.shape))
        path = "/".join(key.split("/")[: -own.count("/") - 1])
        if path not in self._access:
            self._access[path] = self._open(found, path)
        return self._access[path]

    def _open(self, found: Counterpart, path: str) -> ChunkAccess | None:
        from zarr.core.buffer import default_buffer_prototype

        metadata = self._metadata
        if not all(type(part).__module__.partition(".")[0] in _OWN for part in _parts(metadata)):
            return None
        name = "zarr.json" if metadata.zarr_format == 3 else ".zarray"
        try:
            document = metadata.to_buffer_dict(default_buffer_prototype())[name].to_bytes()
            access = ChunkAccess(
                found.store,
                path,
                document,
                zarr_format=metadata.zarr_format,
                shard_order=partial(_shard_order, metadata),
            )
        except (ExzarrError, ValueError, TypeError, KeyError):
            return None  # exzarr does not have it, or zarr-python does not store it
        return access if _same(metadata.dtype.to_native_dtype(), access.dtype) else None


def _parts(metadata: Any) -> Iterator[Any]:
    """Iterate over the data type and the codecs of an array, and those inside its codecs."""
    yield metadata.dtype
    pending = (
        [*(metadata.filters or ()), metadata.compressor] if metadata.zarr_format == 2 else [*metadata.codecs]
    )
    for codec in pending:
        if codec is not None:
            yield codec
            pending += [*getattr(codec, "codecs", ()), *getattr(codec, "index_codecs", ())]


def _shard_order(metadata: Any, counts: tuple[int, ...]) -> Sequence[int]:
    """Return the numbers of a shard's inner chunks in the order in which zarr-python would store them."""
    codec = next((codec for codec in metadata.codecs if hasattr(codec, "subchunk_write_order")), None)
    if codec is None:  # zarr-python < 3.2
        from zarr.core.indexing import morton_order_iter

        coordinates = morton_order_iter(counts)
    else:
        coordinates = codec._subchunk_order_iter(counts, codec.subchunk_write_order)
    order: list[int] = np.ravel_multi_index(np.array([*coordinates]).T, counts).tolist() if counts else [0]
    return order


def _same(one: np.dtype[Any], other: np.dtype[Any]) -> bool:
    """Return True if two data types differ at most in the order of bytes."""
    return one == other or (one.names is None and one.newbyteorder("=") == other.newbyteorder("="))
