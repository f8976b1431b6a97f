"""Selections of another library in chunks and in a buffer, and the plan that they are for the engine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from exzarr._engine.planning.listed_plan import ListedPlan
from exzarr._typing import AnyArray
from exzarr.errors import SelectionError

__all__ = ["ChunkSelections", "plan_chunks"]

Index = tuple[Any, ...]

_FIRST = slice(0, 1)
"""Place of the only element along a dimension that the buffer does not have."""


@dataclass(frozen=True, slots=True)
class ChunkSelections:
    """Chunks of one read or write, as lists of equal length.

    Attributes
    ----------
    keys
        The store key of each stored chunk (a shard, if the array has shards). No key occurs twice.
    in_chunk
        What each chunk is asked for, in its own coordinates. One of, per chunk:

        - an integer, a slice with a positive step or an index array (of integers or booleans) for each dimension,
          of which the result is the product, as in ``oindex``; the arrays may be those of `numpy.ix_`;
        - two or more 1-dimensional index arrays, one for each dimension, that select point by point, as in ``vindex``.
    in_buffer
        Where the elements are in the buffer: slices and integer arrays of the same kind. The buffer does not have the
        dimensions of integers.
    drop_axes
        Dimensions of which `in_chunk` has an array of one element, and which the buffer does not have either.
    shapes
        The shape of each chunk if the chunk grid is not regular; else None.
    """

    keys: Sequence[str]
    in_chunk: Sequence[Index]
    in_buffer: Sequence[Any]
    drop_axes: tuple[int, ...] = ()
    shapes: Sequence[tuple[int, ...]] | None = None


@dataclass(frozen=True, slots=True)
class _Indexes:
    """Normalized indexes: those of a `ListedPlan`, and the index of the buffer that adds dropped dimensions."""

    chunk: Sequence[Any]
    work: Sequence[Any]
    sliced: bool
    points: bool
    added: Index | None


def plan_chunks(
    chunks: ChunkSelections, shape: tuple[int, ...] | None, buffer: AnyArray, *, writing: bool = False
) -> tuple[ListedPlan, AnyArray]:
    """Return the plan of `chunks`, of which each has this `shape`, and the view of `buffer` that is its work array.

    With `writing`, a scalar `buffer` has the size of the selections, and the plan says which chunks are covered.

    Raises
    ------
    SelectionError
        The selections are of another kind, or a buffer to write has not the shape of the selections.
    """
    found = _normalized(chunks)
    covers: Sequence[bool] = ()
    if writing:
        needed = _work_shape(found.work)
        if not buffer.ndim:
            buffer = np.broadcast_to(buffer, needed)
        else:
            buffer = buffer if found.added is None else buffer[found.added]
            if buffer.shape != needed:
                raise SelectionError(f"a buffer of shape {buffer.shape} for selections of shape {needed}")
        covers = _covers(chunks, found, shape)
    elif found.added is not None:
        buffer = buffer[found.added]
    plan = ListedPlan(
        chunks.keys,
        found.chunk,
        found.work,
        shape,
        buffer.shape,
        sliced=found.sliced,
        points=found.points,
        covers=covers,
    )
    return plan, buffer


def _normalized(chunks: ChunkSelections) -> _Indexes:
    given = chunks.in_chunk
    types = {type(part) for index in given for part in index}
    if types <= {slice}:
        if not given[0]:  # no dimensions
            return _Indexes(given, [(Ellipsis,)] * len(given), True, False, None)
        if all(_is_explicit(part) for index in given for part in index):
            return _Indexes(given, chunks.in_buffer, True, False, None)
    if types <= {slice, int}:
        return _without_integers(given, chunks.in_buffer)
    if len(given[0]) > 1 and all(type(part) is np.ndarray and part.ndim == 1 for part in given[0]):
        return _points(given, chunks.in_buffer)
    return _product(chunks)


def _is_explicit(part: slice) -> bool:
    return part.step is not None and part.start is not None and part.stop is not None and part.start >= 0


def _without_integers(given: Sequence[Index], places: Sequence[Any]) -> _Indexes:
    """Return slices in the place of integers."""
    first = given[0]
    at = [d for d, part in enumerate(first) if type(part) is int]
    chunk: list[Index] = []
    work: list[Index] = []
    for index, place in zip(given, places, strict=True):
        here, there = [*index], [*place]
        for d in at:
            i = here[d]
            if type(i) is not int:
                raise SelectionError(f"selections of two kinds: {first} and {index}")
            here[d] = slice(i, i + 1, 1)
            there.insert(d, _FIRST)
        if not all(type(part) is slice and _is_explicit(part) for part in here):
            raise SelectionError(f"{index} is not a selection with start, stop and step in a chunk")
        chunk.append(tuple(here))
        work.append(tuple(there))
    return _Indexes(chunk, work, True, False, _added(at, len(first)))


def _added(at: Sequence[int], ndim: int) -> Index | None:
    return tuple([None if d in at else slice(None) for d in range(ndim)]) if at else None


def _points(given: Sequence[Index], places: Sequence[Any]) -> _Indexes:
    work: list[Index] = []
    for index, place in zip(given, places, strict=True):
        if not all(type(part) is np.ndarray and part.ndim == 1 and part.dtype.kind in "iu" for part in index):
            raise SelectionError(f"selections of two kinds: {given[0]} and {index}")
        work.append((_positions(place[0] if type(place) is tuple else place),))
    return _Indexes(given, work, False, True, None)


def _product(chunks: ChunkSelections) -> _Indexes:
    """Return the indexes of a product of integers, slices and arrays."""
    ndim = len(chunks.in_chunk[0])
    at = [d for d, part in enumerate(chunks.in_chunk[0]) if _is_integer(part) or d in chunks.drop_axes]
    chunk: list[Index] = []
    work: list[Index] = []
    sliced = True
    for index, place in zip(chunks.in_chunk, chunks.in_buffer, strict=True):
        here, there = _pairs(index, place, at)
        arrays = sum([type(part) is not slice for part in here])
        sliced = sliced and not arrays
        if len(here) != ndim:
            raise SelectionError(f"selections of two kinds: {chunks.in_chunk[0]} and {index}")
        if arrays > 1:
            here = np.ix_(*map(_positions, here))
            there = np.ix_(*map(_positions, there))
        chunk.append((*here,))
        work.append((*there,))
    return _Indexes(chunk, work, sliced, False, _added(at, ndim))


def _pairs(index: Index, place: Any, at: Sequence[int]) -> tuple[Sequence[Any], Sequence[Any]]:
    """Return an index of a chunk and of the work array, with slices where possible; both have the same types."""
    places: Iterator[Any] = iter(place if type(place) is tuple else (place,))
    here: list[Any] = []
    there: list[Any] = []
    try:
        for d, part in enumerate(index):
            if d in at:
                i = int(part if _is_integer(part) else part.reshape(-1)[0])
                here.append(slice(i, i + 1, 1))
                there.append(_FIRST)
                continue
            one, other = _pair(part, next(places))
            here.append(one)
            there.append(other)
    except (StopIteration, AttributeError, TypeError):
        raise SelectionError(f"{index} and {place} are not selections in a chunk and in a buffer") from None
    if next(places, None) is not None:
        raise SelectionError(f"the selection {place} has more dimensions than {index}")
    return here, there


def _pair(part: Any, place: Any) -> tuple[Any, Any]:
    if type(part) is slice:
        if not _is_explicit(part):
            raise SelectionError(f"{part} is not a slice with start, stop and step")
        if type(place) is slice:
            return part, place
        return _positions(part), _positions(place)
    picks = _positions(part)
    count = len(picks)
    if count == 1:
        start = int(picks[0])
        to = place.start if type(place) is slice else int(place.reshape(-1)[0])
        return slice(start, start + 1, 1), slice(to, to + 1)
    if type(place) is slice:
        first = int(picks[0]) if count else 0
        if count and int(picks[-1]) - first == count - 1 and bool((picks[1:] - picks[:-1] == 1).all()):
            return slice(first, first + count, 1), place
    return picks, _positions(place)


def _is_integer(part: Any) -> bool:
    return isinstance(part, (int, np.integer))


def _positions(part: Any) -> npt.NDArray[np.int64]:
    """Return the positions of a slice or an index array."""
    if type(part) is slice:
        return np.arange(part.start, part.stop, part.step or 1)
    if part.dtype == np.bool_:
        return np.flatnonzero(part)
    return part.reshape(-1)  # type: ignore[no-any-return]


# -- writes ----------------------------------------------------------------------------------------


def _work_shape(indexes: Sequence[Index]) -> tuple[int, ...]:
    """Return the shape of the smallest work array that has all `indexes`."""
    if indexes[0] and indexes[0][0] is Ellipsis:
        return ()
    return tuple([max([_end(part) for part in parts]) for parts in zip(*indexes, strict=True)])


def _end(part: Any) -> int:
    if type(part) is slice:
        return int(part.stop)
    return int(part.max()) + 1 if part.size else 0


def _covers(chunks: ChunkSelections, found: _Indexes, shape: tuple[int, ...] | None) -> Sequence[bool]:
    """Return for each chunk whether its index selects all of its elements."""
    if not found.sliced:
        return [False] * len(chunks.keys)
    if chunks.shapes is not None:
        return [index == _whole(one) for index, one in zip(found.chunk, chunks.shapes, strict=True)]
    assert shape is not None
    whole = _whole(shape)
    return [index == whole for index in found.chunk]


def _whole(shape: tuple[int, ...]) -> Index:
    return tuple([slice(0, size, 1) for size in shape])
