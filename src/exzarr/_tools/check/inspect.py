"""One stored chunk, looked at: is it what the metadata says it should be?"""

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
    """How the chunks of one array are looked at.

    Attributes
    ----------
    source
        The array.
    deep
        Read and decode; else sizes and shard indexes have to do.
    full
        The array is said to be full: inner chunks that are not stored are findings.
    """

    source: ChunkSource
    deep: bool
    full: bool

    def __call__(self, key: str, index: Index) -> tuple[Finding, ...]:
        """What is wrong with the chunk (or shard) at `key`. Nothing, where it is not stored (any more)."""
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
        mark = fingerprint_of(value)
        wrong = _wrong_size(value.size, pipeline)
        if wrong is not None:
            return Finding("EXZ202", path, key, wrong, index, mark=mark)
        if not self.deep:
            return None
        try:
            pipeline.decode(read_all(value))
        except ChecksumError as error:
            return Finding("EXZ203", path, key, str(error), index, mark=mark)
        except CodecError as error:
            return Finding("EXZ201", path, key, str(error), index, mark=mark)
        except MemoryError:
            detail = f"its {value.size} bytes decode to more than there is memory for"
            return Finding("EXZ206", path, key, detail, index, mark=mark)
        return None


def _open(store: Store, key: str) -> ValueReader | None:
    """The value at `key`, opened; in one request, where requests take their time."""
    if not store.concurrency:
        return store.open_value(key)
    fetched = store.fetch(key)
    return None if fetched is None else BytesReader(fetched.data, fetched.version)


def _wrong_size(size: int, pipeline: BoundPipeline) -> str | None:
    wanted = pipeline.encoded_size
    if wanted is not None:
        return None if size == wanted else f"it has {size} bytes, and should have {wanted}"
    if size == 0:
        return "it is empty"
    # What others encode may be somewhat larger than what exzarr would make of it.
    most = max(2 * pipeline.max_encoded_size, PLAUSIBLE)
    return f"it has {size} bytes, and no chunk of this array has more than {most}" if size > most else None
