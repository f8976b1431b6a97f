"""`Array.slice_stream`: iterate over the positions of one axis; each stored chunk is read once."""

from __future__ import annotations

import math
import operator
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from exzarr import config
from exzarr._engine.planning.plan import make_plan
from exzarr._engine.planning.projections import Dimension
from exzarr._engine.planning.selections import GridSelection, SliceIndex
from exzarr._engine.pool import in_flight
from exzarr._engine.reading.read import read
from exzarr._engine.source import ChunkSource
from exzarr._spelling import no_dimension
from exzarr._stream.chunks.grid import Region, StreamGrid, as_region
from exzarr._stream.memory import fresh_array
from exzarr._stream.options import StreamOptions
from exzarr._stream.stream import Stream
from exzarr._stream.window import Outcome, Window
from exzarr._typing import AnyArray
from exzarr.errors import ArgumentError, SelectionError

__all__ = ["Slice", "SliceStream"]


@dataclass(frozen=True, slots=True, eq=False)
class Slice:
    """One position along an axis and the data at that position.

    Attributes
    ----------
    index
        Position along the axis.
    region
        Elements of the array that `data` holds. Its length along the axis is 1.
    data
        Array with the region's shape without the axis: for axis 0 of a whole array, ``array[index]``. It is C-contiguous
        and writable. It is a view of a slab of several positions; copy it to keep a single position.
    """

    index: int
    region: Region
    data: AnyArray


class SliceStream(Stream[Slice]):
    """Iterator over `Slice`; see `Array.slice_stream`."""

    __slots__ = ("_axis", "_region")

    def __init__(
        self,
        source: ChunkSource,
        axis: int | str,
        part: slice,
        options: StreamOptions,
        *,
        names: Sequence[str | None] | None = None,
    ) -> None:
        self._axis = as_axis(axis, len(source.shape), names)
        self._region = as_region(options.region, source.shape)
        length = source.shape[self._axis]
        if self._region[self._axis] != slice(0, length):
            raise SelectionError(f"start and stop select the part of dimension {self._axis}, not the region")
        positions = _positions(part, length)
        dims = StreamGrid(source).dims
        slabs = _slabs(positions, dims[self._axis])
        prefetch = options.prefetch
        if prefetch is None:
            prefetch = _slabs_ahead(source, dims, self._axis, self._region)
        # One thread reads the slabs one after the other, and the engine's threads help with each. If requests are slow,
        # one thread reads each slab that may be read ahead.
        readers = max(1, prefetch) if source.store.traits.concurrency else 1
        with config.override(workers=options.threads):
            window: Window[range, AnyArray] = Window(
                _SlabReader(source, self._axis, self._region),
                slabs,
                workers=readers,
                prefetch=prefetch + 1 - readers,
                timeout=options.timeout,
                retry=options.retry,
            )
        total = len(positions)
        meter = options.meter(total, "slices", stream="slice_stream", array=source.path)
        super().__init__(window, options, total, meter)

    def _unpack(self, outcome: Outcome[range, AnyArray]) -> list[Slice | BaseException | None]:
        if outcome.error is not None:
            return [outcome.error] * len(outcome.item)
        assert outcome.value is not None
        before, after = self._region[: self._axis], self._region[self._axis + 1 :]
        return [
            Slice(at, (*before, slice(at, at + 1), *after), outcome.value[n, ...])
            for n, at in enumerate(outcome.item)
        ]


class _SlabReader:
    """Reads the positions of one slab into an array whose first dimension is the axis."""

    def __init__(self, source: ChunkSource, axis: int, region: Region) -> None:
        self._source = source
        self._axis = axis
        self._region = region

    def __call__(self, positions: range) -> AnyArray:
        source, axis = self._source, self._axis
        spans = [SliceIndex(part.start, 1, part.stop - part.start) for part in self._region]
        spans[axis] = SliceIndex(min(positions), abs(positions.step), len(positions))
        counts = [span.count for span in spans]
        slab = fresh_array((counts.pop(axis), *counts), source.dtype)
        work = np.moveaxis(slab, 0, axis)
        plan = make_plan(GridSelection(tuple(spans), work.shape), source.dims, source.shape)
        read(source, plan, work)
        return slab if positions.step > 0 else slab[::-1]


def _positions(part: slice, length: int) -> range:
    """Return the positions that `part` selects."""
    try:
        return range(*part.indices(length))
    except (TypeError, ValueError) as error:
        raise SelectionError(f"start, stop and step must be those of a slice: {error}") from None


def _slabs_ahead(source: ChunkSource, dims: Sequence[Dimension], axis: int, region: Region) -> int:
    """Return the default number of slabs to read ahead: one, or enough to keep the store's requests in flight."""
    if not source.store.traits.concurrency:
        return 1
    others = [(dim, part) for d, (dim, part) in enumerate(zip(dims, region, strict=True)) if d != axis]
    if any(part.start >= part.stop for _, part in others):
        return 1
    chunks = math.prod([dim.index_of(part.stop - 1) - dim.index_of(part.start) + 1 for dim, part in others])
    length = dims[axis].size(0) if source.shape[axis] else 1
    nbytes: int = math.prod([part.stop - part.start for _, part in others]) * length * source.dtype.itemsize
    room = config.get().fetch_bytes // max(1, 2 * nbytes)
    return max(1, min(-(-in_flight(source.store, source.nbytes) // chunks), room))


def _slabs(positions: range, dim: Dimension) -> Iterator[range]:
    """Split `positions` into slabs: positions that lie in the same chunk along the axis."""
    while len(positions):
        chunk = dim.index_of(positions[0])
        low = dim.offset(chunk)
        high = low + dim.size(chunk)
        if positions.step > 0:
            count = -(-(high - positions[0]) // positions.step)
        else:
            count = (positions[0] - low) // -positions.step + 1
        yield positions[:count]
        positions = positions[count:]


def as_axis(axis: int | str, ndim: int, names: Sequence[str | None] | None) -> int:
    """Return the number of a dimension that is given by number (negative: from the end) or by name."""
    if isinstance(axis, str):
        if names is None or axis not in names:
            raise SelectionError(no_dimension(axis, names or ()))
        return [*names].index(axis)
    try:
        number = operator.index(axis)
    except TypeError:
        raise ArgumentError(f"axis must be the number or the name of a dimension, not {axis!r}") from None
    if not -ndim <= number < ndim:
        raise SelectionError(f"there is no dimension {number}: the array has {ndim}")
    return number % ndim
