"""An array as the engine sees it, prepared once for all reads and writes.

A `ChunkSource` combines a store, a path, and a metadata document. For every chunk it has the key, the codecs, and the
value of a missing chunk. A change of the metadata, such as a resize, requires a new source.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy
from operator import is_
from typing import TYPE_CHECKING, Any

import numpy as np

from exzarr import config
from exzarr._engine.planning.plan import Dimension, Plan
from exzarr._engine.run_buffer import slots_for
from exzarr._engine.shards import ShardLayout
from exzarr._format import fill_values
from exzarr._format.chunk_keys import ExtendedKeys
from exzarr._format.metadata import ArrayMetadata
from exzarr.codecs.base import ChunkSpec
from exzarr.codecs.pipeline import BoundPipeline, ChunkPipeline, pipeline_for
from exzarr.codecs.registry import generation
from exzarr.errors import ChunkCorruptError, ChunkMissingError
from exzarr.stores.base import Store

if TYPE_CHECKING:
    from exzarr._engine.recorder import ChunkRecorder

__all__ = ["ChunkSource", "open_source"]


CHUNK_COST = 4096
"""Fixed cost of a chunk of any size, in bytes of a compressed chunk that could be decoded in the same time."""

VARIABLE_BUFFER = 64 * 1024
"""Buffer size for chunks of unknown size. Larger chunks cost a second request to the store."""

MAX_BUFFER = 64 * 1024 * 1024
"""Maximum buffer size that metadata can cause. Only existing chunks cause larger buffers."""

SERIAL_NBYTES = 48 * 1024
"""Up to this size, chunks of quick codecs are read by one thread. For other codecs the limit is a sixth of it.

Each system call and each codec releases the interpreter lock and must acquire it again. With such short calls, threads
would mostly wait for each other.
"""


MOST_BOUND = 32
"""Number of arrays whose bound pipelines are kept, to reuse them after a resize."""


class ChunkSource:
    """One array's chunks in one store.

    Attributes
    ----------
    store, path
        The array's store, and its path in it (``""`` for a root array).
    shape, dims
        The array's shape and its chunk grid's dimensions.
    fill
        The value of missing chunks.
    missing_error
        Missing chunks raise an error instead.
    pipeline
        The bound pipeline of all chunks of a regular grid; None for other grids (use `pipeline_at`).
    layout
        The layout of all shards of a regular grid; None for other grids (use `layout_at`), and without shards.
    sharded
        Chunks are shards whose inner chunks can be read one by one.
    nbytes
        Bytes of a decoded chunk, or inner chunk if there are shards. In a grid that is not regular, of the largest.
    buffer_size
        Bytes of a buffer for an encoded chunk. Few chunks are larger.
    slots
        How many neighboring chunks to move together (`run_buffer`).
    inner_pipeline
        The bound pipeline of a chunk, or inner chunk if there are shards. In a grid that is not regular, of the
        largest.
    chunk_cost
        The cost of reading one chunk, in bytes of a compressed chunk.
    prefer_serial, prefer_serial_write
        Decoding, or encoding, a chunk hardly takes longer than the calls around it. One thread does it.
    recorder
        Measures each chunk while a hook is registered (`recording`); else None.
    """

    __slots__ = (
        "_bound",
        "_encoding",
        "_layouts",
        "_prefix",
        "_spec",
        "chain",
        "dims",
        "fill",
        "grid",
        "join",
        "labels",
        "layout",
        "prefer_serial",
        "prefer_serial_write",
        "chunk_cost",
        "missing_error",
        "nbytes",
        "path",
        "pipeline",
        "recorder",
        "buffer_size",
        "sharded",
        "slots",
        "shape",
        "store",
        "inner_pipeline",
    )

    def __init__(
        self,
        store: Store,
        path: str,
        meta: ArrayMetadata,
        chain: ChunkPipeline,
        fill: Any,
        *,
        missing_error: bool = False,
        bounds: dict[tuple[int, ...], BoundPipeline] | None = None,
    ) -> None:
        self.store = store
        self.recorder: ChunkRecorder | None = None
        self.path = path
        self.shape = meta.shape
        self.grid = meta.chunk_grid
        self.dims: Sequence[Dimension] = meta.chunk_grid.dims
        self.fill = fill
        self.missing_error = missing_error
        self.chain = chain
        self._prefix = f"{path}/" if path else ""
        self._encoding = meta.chunk_key_encoding
        self.labels, self.join = _key_makers(self._prefix, meta)
        self._bound: dict[tuple[int, ...], BoundPipeline] = {} if bounds is None else bounds
        self._layouts: dict[tuple[int, ...], ShardLayout] = {}
        regular = meta.chunk_grid.regular
        largest = meta.chunk_grid.chunk_shape if regular else meta.chunk_grid.max_chunk_shape
        self._spec = ChunkSpec(largest, meta.data_type, fill)
        bound = self._bind(largest)
        self.sharded = bound.shards is not None
        self.inner_pipeline = unit = bound.shards.inner if bound.shards else bound
        self.nbytes = unit.spec.nbytes
        self.slots = slots_for(unit.spec)
        self.buffer_size = min(
            unit.max_encoded_size, VARIABLE_BUFFER if meta.data_type.variable_length else MAX_BUFFER
        )
        weight = 64 if unit.raw else 2 if unit.quick else 1
        self.chunk_cost = CHUNK_COST + self.nbytes // weight
        self.prefer_serial = self.nbytes <= (
            SERIAL_NBYTES if unit.quick and not unit.raw else SERIAL_NBYTES // 6
        )
        self.prefer_serial_write = self.nbytes <= (SERIAL_NBYTES if unit.quick else SERIAL_NBYTES // 6)
        self.layout = self._layout_for(largest) if self.sharded and regular else None
        self.pipeline = bound if regular and not self.sharded else None

    # -- keys ------------------------------------------------------------------------

    def key(self, index: tuple[int, ...]) -> str:
        """Return the store key of the chunk (or shard) at `index`."""
        return self._prefix + self._encoding.encode(index)

    def index(self, key: str) -> tuple[int, ...]:
        """Return the chunk index of a key that `labels` and `join` made."""
        return self._encoding.decode(key[len(self._prefix) :], len(self.shape)) or ()

    # -- chunks ----------------------------------------------------------------------

    def pipeline_at(self, key: str) -> BoundPipeline:
        """Return the bound pipeline of the chunk at `key`."""
        return self.pipeline or self._bind(self.grid.chunk_shape_at(self.index(key)))

    def layout_at(self, key: str) -> ShardLayout:
        """Return the layout of the shard at `key`."""
        return self.layout or self._layout_for(self.grid.chunk_shape_at(self.index(key)))

    def extents_at(self, key: str, layout: ShardLayout) -> list[int]:
        """Return the shape of the part of the shard at `key` that is inside the array."""
        corner = [dim.offset(i) for dim, i in zip(self.dims, self.index(key), strict=True)]
        return [min(size, n - at) for size, n, at in zip(layout.shape, self.shape, corner, strict=True)]

    def _bind(self, shape: tuple[int, ...]) -> BoundPipeline:
        bound = self._bound.get(shape)
        if bound is None:
            if self.recorder is None:
                bound = self.chain.bind(self._spec.with_(shape=shape))
            else:
                bound = self.recorder.timed(self.recorder.source._bind(shape))
            self._bound[shape] = bound
        return bound

    def _layout_for(self, shape: tuple[int, ...]) -> ShardLayout:
        layout = self._layouts.get(shape)
        if layout is None:
            if self.recorder is None:
                shards = self._bind(shape).shards
                assert shards is not None
                layout = ShardLayout(shards)
            else:
                layout = self.recorder.source._layout_for(shape).recorded(self.recorder)
            self._layouts[shape] = layout
        return layout

    # -- walking ---------------------------------------------------------------------

    def items(self, plan: Plan, *, covers: bool = False) -> Any:
        """Iterate over ``(key, chunk index, work index[, covers])`` for every chunk of a plan."""
        return plan.walk(self.labels, self.join, covers=covers)

    def runs(self, plan: Plan, most: int) -> Any:
        """Iterate over ``(keys, chunk index, work index)``: like `items`, with up to `most` neighbors together."""
        return plan.runs(self.labels, self.join, most)

    def recorded(self, recorder: ChunkRecorder, store: Store) -> ChunkSource:
        """Return a source of the same array that reads through `store` and whose codecs report to `recorder`."""
        new = copy(self)
        new.recorder, new.store = recorder, store
        new._bound, new._layouts = {}, {}
        new.layout = self.layout and new._layout_for(self.layout.shape)
        new.pipeline = self.pipeline and new._bind(self.pipeline.spec.shape)
        inner = new.layout.inner if new.layout is not None else new.pipeline
        new.inner_pipeline = inner or recorder.timed(self.inner_pipeline)
        return new

    def strict(self) -> ChunkSource:
        """Return a source of the same array whose missing chunks raise an error."""
        if self.missing_error:
            return self
        strict = copy(self)
        strict.missing_error = True
        return strict

    def absent(self, key: str, number: int | None = None) -> Any:
        """Return the fill value for the missing chunk at `key`, or its inner chunk `number`.

        Raise ChunkMissingError if the array was opened with ``missing="error"``.
        """
        if self.missing_error:
            reason = 'it is not stored, and the array was opened with missing="error"'
            raise ChunkMissingError(self.path, self.index(key), key, reason)
        if self.recorder is not None:
            self.recorder.absent(key, number)
        return self.fill

    def corrupt(self, key: str, reason: object) -> ChunkCorruptError:
        """Return the error for a chunk that cannot be decoded."""
        return ChunkCorruptError(self.path, self.index(key), key, str(reason))

    @property
    def spec(self) -> ChunkSpec:
        """Shape, data type and fill value of the largest chunk."""
        return self._spec

    @property
    def dtype(self) -> np.dtype[Any]:
        return self._spec.dtype


def _key_makers(
    prefix: str, meta: ArrayMetadata
) -> tuple[Sequence[Callable[[int], str]], Callable[[tuple[str, ...]], str]]:
    """Return functions that make a key from chunk coordinates: a label per dimension, and one that joins labels."""
    encoding = meta.chunk_key_encoding
    if not meta.shape:
        only = prefix + encoding.encode(())
        return (), lambda _: only
    if isinstance(encoding, ExtendedKeys):
        return [str] * len(meta.shape), lambda labels: prefix + encoding.encode([int(n) for n in labels])
    # Each dimension adds one piece, so that a key is a concatenation.
    head, separator = prefix + encoding.prefix, encoding.separator
    labels: list[Callable[[int], str]] = [lambda coord: f"{separator}{coord}"] * len(meta.shape)
    labels[0] = lambda coord: f"{head}{coord}"
    return labels, "".join


def open_source(store: Store, path: str, meta: ArrayMetadata, *, missing_error: bool = False) -> ChunkSource:
    """Return the source of the array that `meta` describes."""
    chain, bounds = _chain_of(meta)
    fill = fill_values.default(meta.data_type) if meta.fill_value is None else meta.fill_value
    return ChunkSource(store, path, meta, chain, fill, missing_error=missing_error, bounds=bounds)


_Bounds = dict[tuple[int, ...], BoundPipeline]
_chains: dict[tuple[int, ...], tuple[tuple[Any, ...], int, ChunkPipeline, _Bounds]] = {}
"""Chains and their bound pipelines, by the identities of the objects that they follow from."""


def _chain_of(meta: ArrayMetadata) -> tuple[ChunkPipeline, _Bounds]:
    """Return the chain and the dict of its bound pipelines, shared with other sources of the same chain.

    These are earlier sources of the same array (before a resize), and those of arrays whose documents differ only in
    attributes (`_format.v3_alike`).
    """
    if not meta.codecs:  # v2
        return pipeline_for(meta), {}
    # Settings decide which codecs are allowed.
    parts, now = (meta.codecs, meta.data_type, meta.fill_value, config.get()), generation()
    key = tuple(map(id, parts))
    known = _chains.get(key)
    if known is not None and all(map(is_, known[0], parts)) and known[1] == now:
        return known[2], known[3]
    if len(_chains) >= MOST_BOUND:
        _chains.clear()
    made = pipeline_for(meta), _Bounds()
    _chains[key] = parts, now, *made
    return made
