"""A `ChunkSource` whose store and codecs are observed, for the length of one read or write."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np
import numpy.typing as npt

from exzarr import telemetry
from exzarr.codecs.pipeline import BoundPipeline
from exzarr.engine.observed.codecs import ObservedLayout, observed_pipeline, take_over
from exzarr.engine.observed.ledger import Ledger
from exzarr.engine.observed.store import EngineStore
from exzarr.engine.plan import Plan
from exzarr.engine.shards import ShardLayout
from exzarr.engine.source import ChunkSource
from exzarr.stores.observed import ObservedStore
from exzarr.telemetry.events import SelectionRead, SelectionWritten

__all__ = ["Locator", "ObservedSource", "observed"]

AnyArray = npt.NDArray[Any]


def observed(
    event: type[SelectionRead | SelectionWritten],
    do: Callable[..., None],
    source: ChunkSource,
    plan: Plan,
    work: AnyArray,
    **options: Any,
) -> None:
    """Call ``do(source, plan, work, **options)`` such that all hooks hear of it."""
    hooks = telemetry.hooks()
    told = ObservedSource(source, hooks, writing=event is SelectionWritten)
    start, failure = perf_counter(), ""
    try:
        do(told, plan, work, **options)
    except BaseException as error:
        failure = f"{type(error).__name__}: {error}"
        raise
    finally:
        seconds = perf_counter() - start
        told.ledger.finish()
        field = options.get("field")
        element = source.dtype if field is None else source.dtype[field]
        # Not those of `work`: it may have room for more, and values that are written another type as yet.
        nbytes = math.prod(plan.work_shape) * element.itemsize
        happened = event(told.store.url, source.path, plan.chunks, nbytes, seconds, failure)
        telemetry.emit(happened, hooks)


class ObservedSource(ChunkSource):
    """`source`, with a store and codecs that tell a ledger what they are asked."""

    __slots__ = ("_hooks", "_plain", "ledger")
    observed = True

    def __init__(self, source: ChunkSource, hooks: telemetry.Hooks, *, writing: bool) -> None:
        take_over(self, source, ChunkSource)
        self._plain = source
        self._bound = {}
        self._layouts = {}
        self.ledger = ledger = Ledger(
            hooks, source.store.url, source.path, Locator.of(source), writing=writing
        )
        raw = source.pipeline is not None and source.pipeline.raw
        store = source.store
        while isinstance(store, ObservedStore):  # it would tell of each request, too
            store = store.inner
        self.store = EngineStore(
            store, hooks, ledger, raw=raw, sharded=source.sharded, chunk_nbytes=self._chunk_nbytes
        )
        if source.pipeline is not None:
            self.pipeline = observed_pipeline(source.pipeline, ledger)
        if source.layout is not None:
            self.layout = ObservedLayout(source.layout, ledger, source)
        inner = self.layout.inner if self.layout is not None else self.pipeline
        self.unit = inner or observed_pipeline(source.unit, ledger)

    def items(self, plan: Plan, *, covers: bool = False) -> Any:
        return _Items(self._plain.items(plan, covers=covers), self.ledger)

    def runs(self, plan: Plan, most: int) -> Any:
        return _Items(self._plain.runs(plan, most), self.ledger)

    def absent(self, key: str) -> Any:
        fill = super().absent(key)
        self.ledger.absent(key)
        return fill

    def _bind(self, shape: tuple[int, ...]) -> BoundPipeline:
        bound = self._bound.get(shape)
        if bound is None:
            bound = self._bound[shape] = observed_pipeline(self._plain._bind(shape), self.ledger)
        return bound

    def _layout_for(self, shape: tuple[int, ...]) -> ShardLayout:
        layout = self._layouts.get(shape)
        if layout is None:
            plain = self._plain._layout_for(shape)
            layout = self._layouts[shape] = ObservedLayout(plain, self.ledger, self._plain)
        return layout

    def _chunk_nbytes(self, key: str) -> int:
        return math.prod(self.grid.chunk_shape_at(self.index(key))) * self.dtype.itemsize


class _Items:
    """The items of a plan. What it takes to plan the next one, its worker waits for."""

    __slots__ = ("_items", "_ledger")

    def __init__(self, items: Iterator[Any], ledger: Ledger) -> None:
        self._items = items
        self._ledger = ledger

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        watch = self._ledger.watch()
        start = watch.begin()
        try:
            return next(self._items)
        finally:
            watch.waiting += watch.end(start)


@dataclass(frozen=True, slots=True)
class Locator:
    """Keys → chunk indexes, for events: small, and pickles.

    Attributes
    ----------
    prefix
        What stands before the chunk's own key.
    encoding, dims
        The array's chunk key encoding, and its grid's dimensions.
    inner
        The shape of an inner chunk; None where there are no shards.
    """

    prefix: str
    encoding: Any
    dims: tuple[Any, ...]
    inner: tuple[int, ...] | None

    @classmethod
    def of(cls, source: ChunkSource) -> Locator:
        layout = source.layout
        if source.sharded and layout is None:
            layout = source.layout_at(source.key((0,) * len(source.shape)))
        inner = layout.inner.spec.shape if layout is not None else None
        return cls(source._prefix, source._encoding, tuple(source.dims), inner)

    def __call__(self, key: str, number: int | None) -> tuple[int, ...]:
        index: tuple[int, ...] = self.encoding.decode(key[len(self.prefix) :], len(self.dims)) or ()
        if number is None or self.inner is None or not index:
            return index
        sizes = [dim.size(i) // n for dim, i, n in zip(self.dims, index, self.inner, strict=True)]
        local = np.unravel_index(number, sizes)
        return tuple(
            [
                dim.offset(i) // n + int(at)
                for dim, i, n, at in zip(self.dims, index, self.inner, local, strict=True)
            ]
        )
