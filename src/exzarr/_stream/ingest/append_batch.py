"""The blocks of one commit, converted and joined for one array."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from exzarr._engine.pool import in_flight
from exzarr._format.metadata import ArrayMetadata
from exzarr._nodes.array import Array
from exzarr._nodes.casting import Casting, as_values
from exzarr._nodes.hierarchy import Location
from exzarr._nodes.resize import extended, store_rows
from exzarr._spelling import no_dimension
from exzarr._typing import AnyArray
from exzarr.errors import ArgumentError

__all__ = ["AppendBatch", "axis_number", "rows_to_fill"]

Region = tuple[slice, ...]


def axis_number(meta: ArrayMetadata, axis: int | str) -> int:
    """Return the number of a dimension that is given by number or by name."""
    if isinstance(axis, str):
        names = meta.dimension_names or ()
        if axis not in names:
            raise ArgumentError(no_dimension(axis, names))
        return names.index(axis)
    if type(axis) is not int or not -meta.ndim <= axis < meta.ndim:
        raise ArgumentError(f"axis {axis!r} does not exist: the array has {meta.ndim} dimensions")
    return axis % meta.ndim


def rows_to_fill(array: Array, axis: int) -> int:
    """Return how many rows fill the chunks (shards) that all workers, or all requests in flight, write together."""
    meta = array.metadata
    dim = meta.chunk_grid.dims[axis]
    nbytes = math.prod(meta.chunk_grid.max_chunk_shape) * array.dtype.itemsize
    across = 1
    for d, (other, n) in enumerate(zip(meta.chunk_grid.dims, meta.shape, strict=True)):
        across *= 1 if d == axis else max(1, other.count(n))
    return dim.size(0) * max(1, -(-in_flight(array.store, nbytes) // across))


@dataclass(frozen=True, slots=True)
class AppendBatch:
    """Data that one commit adds to one array.

    Attributes
    ----------
    axis
        Dimension that grows.
    rows
        Number of new rows.
    values
        The new rows; None if there are none.
    patches
        ``(region, values)`` of writes to existing elements.
    """

    axis: int
    rows: int
    values: AnyArray | None
    patches: Sequence[tuple[Region, AnyArray]]

    @classmethod
    def of(
        cls,
        items: Sequence[tuple[Region | None, Any]],
        meta: ArrayMetadata,
        axis: int,
        casting: Casting = "same_kind",
    ) -> AppendBatch:
        """Build the batch from ``(region, data)`` items. Raise ArgumentError if an item does not fit the array."""
        pieces: list[AnyArray] = []
        patches: list[tuple[Region, AnyArray]] = []
        for region, data in items:
            values = as_values(data, meta.data_type, casting=casting)
            if region is not None:
                patches.append((region, values))
                continue
            _check_shape(values.shape, meta.shape, axis)
            pieces.append(values)
        dtype = meta.data_type.dtype
        # NumPy could choose a common data type that holds the values of none of the pieces.
        alike = len({piece.dtype for piece in pieces}) == 1
        if not alike:
            pieces = [piece.astype(dtype) for piece in pieces]
        joined = np.concatenate(pieces, axis) if len(pieces) > 1 else pieces[0] if pieces else None
        return cls(axis, 0 if joined is None else joined.shape[axis], joined, patches)

    def extended(self, meta: ArrayMetadata) -> ArrayMetadata:
        """Return the metadata `meta` with the new shape."""
        return meta if self.values is None else extended(meta, self.values.shape, self.axis)

    def store(self, array: Array, before: ArrayMetadata, grown: ArrayMetadata, place: Location) -> None:
        """Write the batch to `array`. Appended rows go to `place`; `before` and `grown` are the old and new metadata."""
        for region, values in self.patches:
            array.set(region, values, casting="unsafe")  # `of` checked the casting
        if self.values is not None and self.rows:
            write_empty = array.access["write_empty_chunks"]
            store_rows(place, before.shape, grown, self.values, self.axis, write_empty)


def _check_shape(shape: tuple[int, ...], of: tuple[int, ...], axis: int) -> None:
    fits = len(shape) == len(of) and all(
        n == m for d, (n, m) in enumerate(zip(shape, of, strict=True)) if d != axis
    )
    if not fits:
        wanted = ", ".join("any" if d == axis else str(n) for d, n in enumerate(of))
        raise ArgumentError(f"a block of shape {shape} can't be appended: it must have the shape ({wanted})")
