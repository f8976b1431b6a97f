"""Normalize selections.

The meaning of a selection follows NumPy's rules (https://numpy.org/doc/stable/user/basics.indexing.html). Integers,
slices, ellipsis, ``oindex`` and ``blocks`` become a `GridSelection`. ``vindex``, masks and several index arrays become
a `PointSelection`. Pure: no function here accesses a store.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from exzarr._engine.planning.selections import (
    Axis,
    GridSelection,
    IntArray,
    IntegerIndex,
    PointSelection,
    Selection,
    SliceIndex,
)
from exzarr._typing import AnyArray
from exzarr.errors import SelectionError

__all__ = ["basic", "block", "coordinate", "mask", "orthogonal"]

_ALL = slice(None)


# -- the five ways to select --------------------------------------------------------


def basic(selection: Any, shape: tuple[int, ...]) -> Selection:
    """Normalize the selection of ``a[...]`` by NumPy's rules, including index arrays and masks."""
    parts = selection if isinstance(selection, tuple) else (selection,)
    for part in parts:
        kind = type(part)
        plain = kind is int or kind is slice or part is Ellipsis or part is None
        if not plain and (_is_array_like(part) or isinstance(part, (bool, np.bool_))):
            return _advanced(parts, shape)
    return _basic(parts, shape)


def orthogonal(selection: Any, shape: tuple[int, ...]) -> GridSelection:
    """Normalize the selection of ``a.oindex[...]``: each dimension is indexed on its own."""
    parts = _expand(selection if isinstance(selection, tuple) else (selection,), shape)
    axes: list[Axis] = []
    view: list[Any] = []
    result: list[int] = []
    scalar = True
    for dim, (part, length) in enumerate(zip(parts, shape, strict=True)):
        if part is None:
            raise SelectionError("oindex does not take None; add dimensions to the result instead")
        if _is_array_like(part):
            array = _as_array(part)
            if array.ndim != 1:
                raise SelectionError(
                    f"oindex takes index arrays of one dimension, got {array.ndim} for dimension {dim}; "
                    "use vindex to pick single points"
                )
            picks = IntegerIndex(_positions(array, length, dim))
            axes.append(picks)
            view.append(_ALL)
            result.append(picks.count)
            scalar = False
        else:
            axis, index = _axis(part, length, dim)
            axes.append(axis)
            view.append(index)
            if index is not None:
                result.append(axis.count)
                scalar = False
    scalar = scalar and not _has_ellipsis(selection)
    return GridSelection(tuple(axes), tuple(result), _view(view), scalar)


def coordinate(selection: Any, shape: tuple[int, ...]) -> Selection:
    """Normalize the selection of ``a.vindex[...]``: the index arrays are broadcast and paired.

    Slices may be combined with them. As in NumPy, the points' dimensions replace the index arrays if those are
    adjacent, else they come first.
    """
    parts = selection if isinstance(selection, tuple) else (selection,)
    if not any(_is_array_like(part) for part in parts):
        parts = tuple([np.asarray(p) if _is_integer(p) else p for p in parts])
        if not any(isinstance(p, np.ndarray) for p in parts):
            raise SelectionError("vindex takes at least one index array or a mask; use a[...] for slices")
    return _advanced(parts, shape)


def mask(selection: Any, shape: tuple[int, ...]) -> Selection:
    """Normalize a mask: a boolean array of the array's shape."""
    array = _as_array(selection)
    if array.dtype != np.bool_:
        raise SelectionError(f"a mask has data type bool, not {array.dtype}")
    if array.shape != shape:
        raise SelectionError(f"a mask of shape {array.shape} does not fit an array of shape {shape}")
    return _advanced((array,), shape)


def block(selection: Any, dims: Sequence[Any], shape: tuple[int, ...]) -> GridSelection:
    """Normalize the selection of ``a.blocks[...]``: integers and slices count chunks, not elements.

    `dims` are the chunk grid's dimensions (`_format.chunk_grids`).
    """
    counts = tuple([dim.count(n) for dim, n in zip(dims, shape, strict=True)])
    parts = _expand(selection if isinstance(selection, tuple) else (selection,), counts)
    axes: list[Axis] = []
    for axis, (part, count) in enumerate(zip(parts, counts, strict=True)):
        if isinstance(part, slice):
            first, stop, step = _indices(part, count, axis)
            if step != 1:
                raise SelectionError(f"a slice of blocks must have step 1, got {step} for dimension {axis}")
        elif _is_integer(part):
            first = _integer(part, count, axis, "block")
            stop = first + 1
        else:
            raise SelectionError(f"blocks are chosen by integers and slices, not {part!r}")
        if stop <= first:
            axes.append(SliceIndex(0, 1, 0))
            continue
        start = dims[axis].offset(first)
        end = min(shape[axis], dims[axis].offset(stop - 1) + dims[axis].size(stop - 1))
        axes.append(SliceIndex(start, 1, end - start))
    return GridSelection(tuple(axes), tuple([axis.count for axis in axes]))


# -- one dimension --------------------------------------------------------------------


def _axis(part: Any, length: int, dim: int) -> tuple[SliceIndex, slice | None]:
    """Return the slice index of an integer or slice, and the work array's view of that dimension."""
    if isinstance(part, slice):
        start, stop, step = _indices(part, length, dim)
        if step > 0:
            count = (stop - start + step - 1) // step if stop > start else 0
            return SliceIndex(start, step, count), _ALL
        count = (start - stop - step - 1) // -step if start > stop else 0
        return SliceIndex(start + (count - 1) * step if count else 0, -step, count), slice(None, None, -1)
    return SliceIndex(_integer(part, length, dim), 1, 1), None


def _indices(part: slice, length: int, dim: int) -> tuple[int, int, int]:
    try:
        return part.indices(length)
    except (TypeError, ValueError) as error:
        raise SelectionError(f"slice {part} for dimension {dim}: {error}") from None


def _integer(part: Any, length: int, dim: int, what: str = "index") -> int:
    try:
        if isinstance(part, (bool, np.bool_)):
            raise TypeError
        index = operator.index(part)
    except TypeError:
        raise SelectionError(
            f"{part!r} for dimension {dim}: expected an integer, a slice, an ellipsis or an index array"
        ) from None
    if index < 0:
        index += length
    if not 0 <= index < length:
        raise SelectionError(f"{what} {part} is out of bounds for dimension {dim} of length {length}")
    return index


def _positions(array: AnyArray, length: int, dim: int) -> IntArray:
    """Return non-negative positions for an integer or boolean index array."""
    if array.dtype == np.bool_:
        if array.shape != (length,):
            raise SelectionError(
                f"a mask of shape {array.shape} does not fit dimension {dim} of length {length}"
            )
        return np.flatnonzero(array).astype(np.int64, copy=False)
    if array.size == 0:
        return np.zeros(array.shape, np.int64)
    if array.dtype.kind not in "iu":
        raise SelectionError(f"index arrays hold integers or booleans, not {array.dtype} (dimension {dim})")
    low, high = int(array.min()), int(array.max())
    if low < -length or high >= length:
        wrong = low if low < -length else high
        raise SelectionError(f"index {wrong} is out of bounds for dimension {dim} of length {length}")
    positions = array.astype(np.int64)
    if low < 0:
        positions[positions < 0] += length
    return positions


# -- all dimensions -------------------------------------------------------------------


def _basic(parts: tuple[Any, ...], shape: tuple[int, ...]) -> GridSelection:
    expanded = _expand(parts, shape)
    axes: list[Axis] = []
    view: list[Any] = []
    result: list[int] = []
    for part in expanded:
        if part is None:  # a new dimension of length 1
            view.append(0)
            result.append(1)
            continue
        dim = len(axes)
        axis, index = _axis(part, shape[dim], dim)
        axes.append(axis)
        view.append(index)
        if index is not None:
            result.append(axis.count)
    scalar = not result and not _has_ellipsis(parts)
    return GridSelection(tuple(axes), tuple(result), _view(view), scalar)


def _view(view: list[Any]) -> tuple[Any, ...] | None:
    for index in view:
        if index is not _ALL:
            return (*view, Ellipsis)  # without it, integers alone would give a scalar: no view
    return None


def _advanced(parts: tuple[Any, ...], shape: tuple[int, ...]) -> Selection:
    """Normalize a selection with index arrays: NumPy's advanced indexing.

    A boolean of no dimensions indexes no dimension. It is an index array of length 1 (True) or 0 (False) that is only
    broadcast.
    """
    arrays: list[tuple[int | None, Any]] = []  # (dimension, index array or integer)
    others: list[_Other | None] = []  # other dimensions, in order; None is a new dimension
    # For each of `arrays`: the number of `others` before it, and True if the ellipsis is before it. An ellipsis
    # separates index arrays even if it selects no dimension.
    place: list[tuple[int, bool]] = []
    ellipsis, dim = False, 0
    for part, took in _expand_counted(parts, shape):
        if part is Ellipsis:
            ellipsis = True
        elif part is None:
            others.append(None)
        elif isinstance(part, np.ndarray) and part.dtype == np.bool_:
            for at, positions in _mask_positions(part, shape, dim):
                arrays.append((at, positions))
                place.append((len(others), ellipsis))
        elif isinstance(part, slice):
            span, index = _axis(part, shape[dim], dim)
            others.append((dim, span, index is not _ALL))
        elif _is_array_like(part):
            arrays.append((dim, _positions(_as_array(part), shape[dim], dim)))
            place.append((len(others), ellipsis))
        else:
            arrays.append((dim, np.asarray(_integer(part, shape[dim], dim), dtype=np.int64)))
            place.append((len(others), ellipsis))
        dim += took
    try:
        points = np.broadcast_arrays(*[array for _, array in arrays])
    except ValueError:
        shapes = ", ".join(str(np.shape(array)) for _, array in arrays)
        raise SelectionError(f"index arrays of shapes {shapes} cannot be broadcast together") from None
    position = place[0][0] if place[0] == place[-1] else 0
    point_shape = points[0].shape
    indexed = [
        (d, np.ascontiguousarray(p)) for (d, _), p in zip(arrays, points, strict=True) if d is not None
    ]
    if len(indexed) == len(arrays) == 1 and len(point_shape) == 1:
        # One index array in one dimension equals oindex, which has better plans.
        return _one_array(indexed[0][1], others, position)
    if not indexed:
        return _no_array(point_shape[0], others, position)
    spans = [other for other in others if other is not None]
    new = [at for at, other in enumerate(others) if other is None]
    return PointSelection(
        point_dims=tuple([d for d, _ in indexed]),
        points=tuple([p.reshape(-1) for _, p in indexed]),
        span_dims=tuple([d for d, _, _ in spans]),
        spans=tuple([span for _, span, _ in spans]),
        point_shape=point_shape,
        position=position - sum(at < position for at in new),
        flips=tuple([flip for _, _, flip in spans]),
        scalar=not others and not point_shape,
        new=tuple([at if at < position else at + len(point_shape) for at in new]),
    )


def _mask_positions(mask: AnyArray, shape: tuple[int, ...], dim: int) -> list[tuple[int | None, IntArray]]:
    """Return the index arrays that equal a mask, each with its dimension."""
    if not mask.ndim:
        return [(None, np.zeros(int(mask), np.int64))]
    if mask.shape != shape[dim : dim + mask.ndim]:
        raise SelectionError(
            f"a mask of shape {mask.shape} does not fit dimensions {dim} to {dim + mask.ndim - 1} "
            f"of shape {shape[dim : dim + mask.ndim]}"
        )
    return [(dim + n, found.astype(np.int64, copy=False)) for n, found in enumerate(mask.nonzero())]


_Other = tuple[int, SliceIndex, bool]
"""(dimension, slice index, True if the slice's step is negative)"""


def _one_array(positions: IntArray, others: list[_Other | None], position: int) -> GridSelection:
    axes, result, view = _spans(others)
    axes.insert(sum(other is not None for other in others[:position]), IntegerIndex(positions))
    result.insert(position, len(positions))
    view.insert(position, _ALL)
    return GridSelection(tuple(axes), tuple(result), _view(view))


def _no_array(count: int, others: list[_Other | None], position: int) -> GridSelection:
    """Normalize a selection whose only arrays are booleans of no dimensions: a new dimension of length 1 or 0."""
    axes, result, view = _spans(others)
    result.insert(position, count)
    if not count:
        return GridSelection(tuple([SliceIndex(0, 1, 0) for _ in axes]), tuple(result))
    view.insert(position, 0)
    return GridSelection(tuple(axes), tuple(result), _view(view))


def _spans(others: list[_Other | None]) -> tuple[list[Axis], list[int], list[Any]]:
    """Return axes, lengths in the result, and the index that makes the work array's view of the result."""
    axes: list[Axis] = [other[1] for other in others if other is not None]
    result = [1 if other is None else other[1].count for other in others]
    view = [0 if other is None else slice(None, None, -1) if other[2] else _ALL for other in others]
    return axes, result, view


def _expand(parts: tuple[Any, ...], shape: tuple[int, ...]) -> list[Any]:
    """Replace the ellipsis, and add full slices for the remaining dimensions."""
    ndim = len(shape)
    given = 0
    ellipsis = -1
    for at, part in enumerate(parts):
        if part is Ellipsis:
            if ellipsis >= 0:
                raise SelectionError("a selection can hold only one ellipsis (...)")
            ellipsis = at
        elif part is not None:
            given += 1
    if given > ndim:
        raise SelectionError(f"too many indices: the array has {ndim} dimensions, {given} were indexed")
    fill = [_ALL] * (ndim - given)
    if ellipsis < 0:
        return [*parts, *fill]
    return [*parts[:ellipsis], *fill, *parts[ellipsis + 1 :]]


def _expand_counted(parts: tuple[Any, ...], shape: tuple[int, ...]) -> list[tuple[Any, int]]:
    """Return parts like `_expand`, each with the number of dimensions that it indexes (a mask: any number, or 0).

    The ellipsis stays, before the slices that replace it.
    """
    counted: list[tuple[Any, int]] = []
    stand_in: list[Any] = []  # one entry for each dimension that is indexed, for the checks of `_expand`
    for part in parts:
        found = _as_mask(part)
        took = 0 if part is None or part is Ellipsis else 1 if found is None else found.ndim
        counted.append((part if found is None else found, took))
        stand_in.extend([part] if part is None or part is Ellipsis else [0] * took)
    missing = len(_expand(tuple(stand_in), shape)) - sum(1 for part in stand_in if part is not Ellipsis)
    fill: list[tuple[Any, int]] = [(_ALL, 1)] * missing
    for at, part in enumerate(parts):
        if part is Ellipsis:
            return counted[: at + 1] + fill + counted[at + 1 :]
    return counted + fill


def _is_array_like(part: Any) -> bool:
    return isinstance(part, (list, tuple, range, np.ndarray)) or (
        not isinstance(part, (int, np.generic, slice, str, bytes, type(None), type(Ellipsis)))
        and hasattr(part, "__array__")
    )


def _is_integer(part: Any) -> bool:
    return not isinstance(part, (bool, np.bool_)) and hasattr(part, "__index__")


def _as_array(part: Any) -> AnyArray:
    try:
        return np.asarray(part)
    except ValueError as error:  # lists of unequal length
        raise SelectionError(f"{part!r} is not an index array: {error}") from None


def _as_mask(part: Any) -> AnyArray | None:
    """Return a boolean, or an array of booleans, as an array; None for anything else."""
    if isinstance(part, (bool, np.bool_)):
        return np.asarray(part)
    if _is_array_like(part):
        array = _as_array(part)
        if array.dtype == np.bool_:
            return array
    return None


def _has_ellipsis(parts: Any) -> bool:
    return any(part is Ellipsis for part in parts) if isinstance(parts, tuple) else parts is Ellipsis
