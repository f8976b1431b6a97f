"""Inspect one stored chunk: does it match the array's metadata?"""

from __future__ import annotations

from dataclasses import dataclass

from exzarr._engine.source import ChunkSource
from exzarr._tools.check.findings import Finding
from exzarr._tools.check.shards import inspect_shard
from exzarr._tools.check.values import PLAUSIBLE, fingerprint_of, read_all
from exzarr.codecs.pipeline import BoundPipeline
from exzarr.errors import ChecksumError, CodecError, StoreError
from exzarr.stores.base import BytesReader, Store, ValueReader

__all__ = ["ChunkInspector"]

Index = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ChunkInspector:
    """Inspects the chunks of one array.

    Attributes
    ----------
    source
        The array.
    deep
        Read and decode chunks. Otherwise only sizes and shard indexes are checked.
    full
        The array is declared full: inner chunks that are not stored are findings.
    """

    source: ChunkSource
    deep: bool
    full: bool

    def __call__(self, key: str, index: Index) -> tuple[Finding, ...]:
        """Return the findings for the chunk (or shard) at `key`; none if it is not stored."""
        source = self.source
        try:
            if source.sharded:
                return inspect_shard(source, key, index, deep=self.deep, full=self.full)
            pipeline = source.pipeline or source.pipeline_at(key)
            if not self.deep:
                size = source.store.size(key)
                wrong = None if size is None else _wrong_size(size, pipeline)
                if wrong is None:
                    return ()
            value = _open(source.store, key)
            if value is None:
                return ()
            try:
                found = self._decode(key, index, pipeline, value)
            finally:
                value.close()
            return () if found is None else (found,)
        except StoreError as error:
            return (Finding("EXZ205", source.path, key, str(error), index),)

    def _decode(self, key: str, index: Index, pipeline: BoundPipeline, value: ValueReader) -> Finding | None:
        path = self.source.path
        fingerprint = fingerprint_of(value)
        wrong = _wrong_size(value.size, pipeline)
        if wrong is not None:
            return Finding("EXZ202", path, key, wrong, index, fingerprint=fingerprint)
        if not self.deep:
            return None
        try:
            pipeline.decode(read_all(value))
        except ChecksumError as error:
            return Finding("EXZ203", path, key, str(error), index, fingerprint=fingerprint)
        except CodecError as error:
            return Finding("EXZ201", path, key, str(error), index, fingerprint=fingerprint)
        except MemoryError:
            detail = f"its {value.size} bytes decode to more than the available memory"
            return Finding("EXZ206", path, key, detail, index, fingerprint=fingerprint)
        return None


def _open(store: Store, key: str) -> ValueReader | None:
    """Open the value at `key`; with one request on stores with high latency."""
    if not store.traits.concurrency:
        return store.open_value(key)
    fetched = store.fetch(key)
    return None if fetched is None else BytesReader(fetched.data, fetched.version)


def _wrong_size(size: int, pipeline: BoundPipeline) -> str | None:
    wanted = pipeline.encoded_size
    if wanted is not None:
        return None if size == wanted else f"it has {size} bytes instead of {wanted}"
    if size == 0:
        return "it is empty"
    # Other software may encode a chunk into more bytes than exzarr.
    most = max(2 * pipeline.max_encoded_size, PLAUSIBLE)
    return f"it has {size} bytes, but chunks of this array have at most {most}" if size > most else None
