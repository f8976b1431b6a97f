"""`Array.min`, `max` and `mean`: from statistics where they suffice; the other chunks are read."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from exzarr._nodes.array import Array
from exzarr._spelling import no_dimension
from exzarr._typing import AnyArray, IntArray
from exzarr.errors import ArgumentError, SelectionError, UnknownArgumentError, UnsupportedError
from exzarr.statistics.evidence import Evidence, gather, nan_of
from exzarr.statistics.layout import announced
from exzarr.statistics.matches import QueryOptions
from exzarr.statistics.values import exact_sums, limits

__all__ = ["Axis", "Reduction", "reduce_array"]

Axis = int | str | Sequence[int | str] | None
"""Numbers or names of dimensions; None: all."""


Kind = Literal["min", "max", "mean"]


@dataclass(frozen=True, slots=True)
class Reduction:
    """Arguments of `Array.min`, which documents them, `Array.max` and `Array.mean`."""

    kind: Kind
    axis: Axis
    skipna: bool
    keepdims: bool
    out: AnyArray | None
    dtype: npt.DTypeLike | None = None

    def finish(self, array: Array, axes: tuple[int, ...], found: Any) -> Any:
        """Return the result as the user wants it."""
        if self.keepdims:
            found = np.expand_dims(found, axes)
        if self.out is None:
            return found
        if self.out.shape != np.shape(found):
            raise ArgumentError(
                f"out has shape {self.out.shape}, and {self.kind} of {array.name!r} has {np.shape(found)}"
            )
        self.out[...] = found
        return self.out


def reduce_array(array: Array, reduction: Reduction, options: QueryOptions) -> Any:
    """Return the smallest or largest value, or the mean, of an array or along dimensions; see `Array.min`."""
    kind, skipna = reduction.kind, reduction.skipna
    unknown = [name for name in options if name not in QueryOptions.__annotations__]
    if unknown:
        raise UnknownArgumentError(
            f"{kind} of a stored array has no argument {unknown[0]!r}: read what you need, np.{kind}(a[...], ...)"
        )
    axes = _axes(array, reduction.axis)
    _check(array, kind, axes)
    keeps = [d for d in range(array.ndim) if d not in axes]
    shape = tuple([array.shape[d] for d in keeps])
    dtype = array.dtype.newbyteorder("=")
    result: _Extreme | _Mean = (
        _Mean(shape, dtype, skipna, reduction.dtype)
        if kind == "mean"
        else _Extreme(shape, dtype, skipna, kind)
    )
    chunks = None
    with np.errstate(all="ignore"):  # infinities and NaN are results, as in NumPy
        if announced(array):
            evidence = gather(array)
            decided = _about_one_element(evidence, keeps) & result.decided(evidence)
            result.add_chunks(_positions(evidence, decided, keeps, shape), evidence, decided)
            chunks = ~decided
        with array.parallel_chunk_map(partial(result.partial, axes), where=chunks, **options) as stream:
            for each in stream.results():
                result.add(tuple([each.region[d] for d in keeps]), each.value)
        return reduction.finish(array, axes, result.finish())


class _Extreme:
    """The smallest or largest values so far."""

    def __init__(self, shape: tuple[int, ...], dtype: np.dtype[Any], skipna: bool, kind: Kind) -> None:
        self._column = kind
        self._skipna = skipna
        functions = {"min": (np.minimum, np.fmin), "max": (np.maximum, np.fmax)}
        self._function: Any = functions[kind][skipna]
        # The value of no values: fmin and fmax replace NaN.
        nan = nan_of(dtype)
        self._start = limits(dtype)[kind == "max"] if nan is None or not skipna else nan[0]
        self._result = np.full(shape, self._start, dtype)

    def decided(self, evidence: Evidence) -> AnyArray:
        """Return True where the statistics of a chunk are enough."""
        return evidence.proved

    def add_chunks(self, at: IntArray, evidence: Evidence, chunks: AnyArray) -> None:
        """Add the statistics of chunks, each to one element of the flat result."""
        columns = {name: column[chunks] for name, column in evidence.columns.items()}
        found = np.where(columns["count"] > 0, columns[self._column], self._start)
        if evidence.fill is not None:
            fills = evidence.grid.sizes()[chunks] - columns["count"] - columns["nans"]
            found = np.where(fills > 0, self._function(found, evidence.fill), found)
        if evidence.nan is not None and not self._skipna:
            found = np.where(columns["nans"] > 0, evidence.nan, found)
        self._function.at(self._result.reshape(-1), at, found)

    def partial(self, axes: tuple[int, ...], data: AnyArray) -> AnyArray:
        """Return the result of a chunk. Workers call this."""
        found: AnyArray = self._function.reduce(data, axis=axes)
        return found

    def add(self, region: tuple[slice, ...], found: AnyArray) -> None:
        """Add the result of a chunk."""
        self._result[region] = self._function(self._result[region], found)

    def finish(self) -> Any:
        """Return the result."""
        return self._result[()]


class _Mean:
    """Sums and numbers of the values so far. Sums are float64; `wanted` is the data type of the result."""

    def __init__(
        self, shape: tuple[int, ...], dtype: np.dtype[Any], skipna: bool, wanted: npt.DTypeLike | None
    ) -> None:
        self._skipna = skipna and dtype.kind == "f"
        self._dtype = (
            np.dtype(wanted) if wanted is not None else dtype if dtype.kind == "f" else np.dtype("f8")
        )
        self._totals, self._numbers = np.zeros(shape), np.zeros(shape, np.int64)

    def decided(self, evidence: Evidence) -> AnyArray:
        """Return True where the statistics of a chunk are enough: sums of integers may have wrapped."""
        columns = evidence.columns
        exact = exact_sums(columns["min"], columns["max"], columns["count"])
        return np.asarray(evidence.proved & exact)

    def add_chunks(self, at: IntArray, evidence: Evidence, chunks: AnyArray) -> None:
        """Add the statistics of chunks, each to one element of the flat result."""
        columns = {name: column[chunks] for name, column in evidence.columns.items()}
        sizes, nans = evidence.grid.sizes()[chunks], columns["nans"]
        totals = columns["sum"].astype("f8")
        if evidence.fill is not None:
            fills = sizes - columns["count"] - nans
            totals = np.where(fills > 0, totals + fills * evidence.fill.astype("f8"), totals)
        if not self._skipna:
            totals = np.where(nans > 0, np.nan, totals)
        np.add.at(self._totals.reshape(-1), at, totals)
        np.add.at(self._numbers.reshape(-1), at, sizes - nans if self._skipna else sizes)

    def partial(self, axes: tuple[int, ...], data: AnyArray) -> tuple[AnyArray, AnyArray | int]:
        """Return sums and numbers of a chunk. Workers call this."""
        with np.errstate(all="ignore"):
            if self._skipna:
                valid = ~np.isnan(data)
                return np.where(valid, data, 0).sum(axes, "f8"), np.count_nonzero(valid, axes)
            return data.sum(axes, "f8"), math.prod([data.shape[d] for d in axes])

    def add(self, region: tuple[slice, ...], found: tuple[AnyArray, AnyArray | int]) -> None:
        """Add the sums and numbers of a chunk."""
        self._totals[region] += found[0]
        self._numbers[region] += found[1]

    def finish(self) -> Any:
        """Return the means."""
        return (self._totals / self._numbers).astype(self._dtype)[()]


def _axes(array: Array, axis: Axis) -> tuple[int, ...]:
    if axis is None:
        return tuple(range(array.ndim))
    names = array.dimension_names or ()
    axes = []
    for one in [axis] if isinstance(axis, (int, str)) else axis:
        if isinstance(one, str):
            if one not in names:
                raise SelectionError(no_dimension(one, names))
            axes.append(names.index(one))
        elif -array.ndim <= one < array.ndim:
            axes.append(one % array.ndim)
        else:
            raise ArgumentError(
                f"axis {one} does not exist: array {array.name!r} has {array.ndim} dimensions"
            )
    if len({*axes}) < len(axes):
        raise ArgumentError(f"axis {axis!r} has a dimension twice")
    return tuple(sorted(axes))


def _check(array: Array, kind: Kind, axes: tuple[int, ...]) -> None:
    dtype = array.dtype
    if dtype.kind not in ("biuf" if kind == "mean" else "biufmM") or dtype.itemsize > 8:
        raise UnsupportedError(
            f"array {array.name!r} has data type {dtype}, of which exzarr computes no {kind}: read what you need, "
            f"np.{kind}(a[...]), or combine chunks, a.parallel_chunk_map(fn, reduce=...)"
        )
    if kind != "mean" and any(not array.shape[d] for d in axes):
        raise ArgumentError(
            f"array {array.name!r} of shape {array.shape} has no {kind}: it has no elements along the reduced dimensions"
        )


def _about_one_element(evidence: Evidence, keeps: Sequence[int]) -> AnyArray:
    """Return True where a chunk has a single position along each dimension that is kept."""
    grid = evidence.grid
    found = np.ones(grid.counts, bool)
    for d in keeps:
        dim, count, length = grid.dims[d], grid.counts[d], grid.shape[d]
        single = np.array([min(dim.size(i), length - dim.offset(i)) == 1 for i in range(count)], bool)
        found &= single.reshape([-1 if d == other else 1 for other in range(len(grid.shape))])
    return found


def _positions(
    evidence: Evidence, chunks: AnyArray, keeps: Sequence[int], shape: tuple[int, ...]
) -> IntArray:
    """Return the positions in the flat result of chunks that are each about one element."""
    at, dims = np.zeros(np.count_nonzero(chunks), np.int64), evidence.grid.dims
    if not keeps:
        return at
    indices = np.nonzero(chunks)
    for d, length in zip(keeps, shape, strict=True):
        offsets = np.array([dims[d].offset(i) for i in range(evidence.grid.counts[d])], np.int64)
        at = at * length + offsets[indices[d]]
    return at
