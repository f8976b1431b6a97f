"""Run a read or write while a hook is registered, with the same loops on a source that has a recorder."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np

from exzarr import telemetry
from exzarr._engine.planning.plan import Plan
from exzarr._engine.recorder import ChunkRecorder
from exzarr._engine.source import ChunkSource
from exzarr._typing import AnyArray
from exzarr.stores.wrappers.instrumented import InstrumentedStore
from exzarr.telemetry.events import SelectionRead, SelectionWritten

__all__ = ["Outcome", "recorded", "recorded_source", "selection"]

SelectionEvent = type[SelectionRead | SelectionWritten]


def recorded(
    event: SelectionEvent,
    do: Callable[..., None],
    source: ChunkSource,
    plan: Plan,
    work: AnyArray,
    **options: Any,
) -> None:
    """Call ``do(source, plan, work, **options)`` and emit its events to the registered hooks."""
    hooks = telemetry.hooks()
    instrumented, recorder = recorded_source(source, hooks, writing=event is SelectionWritten)
    field = options.get("field")
    element = source.dtype if field is None else source.dtype[field]
    # Not the bytes of `work`: it may be larger, and its values may have another data type.
    nbytes = math.prod(plan.work_shape) * element.itemsize
    with selection(recorder, event, plan.chunks, nbytes):
        try:
            do(instrumented, plan, work, **options)
        finally:
            recorder.finish()


def recorded_source(
    source: ChunkSource, hooks: telemetry.Hooks, *, writing: bool
) -> tuple[ChunkSource, ChunkRecorder]:
    """Return `source` with an instrumented store and timed pipelines, and the recorder to which these report."""
    recorder = ChunkRecorder(hooks, source, Locator.of(source), writing=writing)
    store = source.store
    while isinstance(store, InstrumentedStore):  # its requests would be reported twice
        store = store.inner
    return source.recorded(recorder, InstrumentedStore(store, hooks, recorder)), recorder


class Outcome:
    """Result of a selection. `failure` is set if it ends with an error that is not raised."""

    failure: BaseException | None = None


@contextmanager
def selection(recorder: ChunkRecorder, event: SelectionEvent, chunks: int, nbytes: int) -> Iterator[Outcome]:
    """Emit a `SelectionRead` or `SelectionWritten` at the end of the block."""
    outcome = Outcome()
    start = perf_counter()
    try:
        yield outcome
    except BaseException as error:
        outcome.failure = error
        raise
    finally:
        failure, seconds = outcome.failure, perf_counter() - start
        text = "" if failure is None else f"{type(failure).__name__}: {failure}"
        source = recorder.source
        telemetry.emit(event(source.store.url, source.path, chunks, nbytes, seconds, text), recorder.hooks)


@dataclass(frozen=True, slots=True)
class Locator:
    """Function that returns chunk indexes from keys, for events. It is small and picklable.

    Attributes
    ----------
    prefix
        The part of a key before the chunk's own.
    encoding, dims
        The array's chunk key encoding, and its grid's dimensions.
    inner
        The shape of an inner chunk; None if there are no shards.
    """

    prefix: str
    encoding: Any
    dims: tuple[Any, ...]
    inner: tuple[int, ...] | None

    @classmethod
    def of(cls, source: ChunkSource) -> Locator:
        """Return the locator of an array."""
        inner = source.inner_pipeline.spec.shape if source.sharded else None
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
