"""Plan of chunks that the caller lists: their keys, and the indexes in each chunk and in the work array."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from exzarr._engine.planning.grid_plan import GridPlan, grid_within
from exzarr._engine.planning.point_plan import PointPlan
from exzarr._engine.planning.projections import Dimension, Item, Run, single

__all__ = ["ListedPlan"]


class ListedPlan:
    """Chunks in the order of three lists of equal length.

    Parameters
    ----------
    keys
        The store key of each chunk.
    chunk_indexes, work_indexes
        The index in each chunk and in the work array, with one entry per dimension: slices with start, stop and step,
        or integer arrays. Several arrays are the broadcastable ones of `numpy.ix_`. With `points`, the index in the
        work array is one array, and those in the chunk are one array per dimension.
    chunk_shape
        The shape of every chunk; None if they differ.
    work_shape
        The shape of the work array.
    sliced
        All indexes are slices.
    points
        The arrays of an index select point by point.
    covers
        For each chunk, True if its index selects all of its elements. Only writes use it.
    """

    __slots__ = (
        "_chunk_indexes",
        "_covers",
        "_keys",
        "_points",
        "_width",
        "_work_indexes",
        "rows",
        "sliced",
        "work_shape",
    )
    permutation: tuple[int, ...] | None = None

    def __init__(
        self,
        keys: Sequence[str],
        chunk_indexes: Sequence[Any],
        work_indexes: Sequence[Any],
        chunk_shape: tuple[int, ...] | None,
        work_shape: tuple[int, ...],
        *,
        sliced: bool,
        points: bool = False,
        covers: Sequence[bool] = (),
    ) -> None:
        self._keys = keys
        self._chunk_indexes = chunk_indexes
        self._work_indexes = work_indexes
        self._covers = covers
        self._points = points
        self._width = chunk_shape[-1] if chunk_shape else 0
        self.work_shape = work_shape
        self.sliced = sliced
        self.rows = chunk_shape is not None and not points and self._selects_rows(chunk_shape)

    def _selects_rows(self, chunk_shape: tuple[int, ...]) -> bool:
        if self.work_shape[1:] != chunk_shape[1:]:
            return False
        whole = tuple([slice(0, size, 1) for size in chunk_shape[1:]])
        indexes = self._chunk_indexes
        if not self.sliced and any(type(part) is not slice for index in indexes for part in index[1:]):
            return False
        return all(index[1:] == whole for index in indexes)

    @property
    def chunks(self) -> int:
        return len(self._keys)

    def walk(
        self, labels: Sequence[Callable[[int], Any]], join: Callable[[Any], Any], *, covers: bool = False
    ) -> Iterator[Item]:
        if covers:
            return zip(self._keys, self._chunk_indexes, self._work_indexes, self._covers, strict=True)
        return zip(self._keys, self._chunk_indexes, self._work_indexes, strict=True)

    def runs(
        self, labels: Sequence[Callable[[int], Any]], join: Callable[[Any], Any], most: int
    ) -> Iterator[Run]:
        items = self.walk(labels, join)
        if most <= 1 or self.rows or not self.sliced or len(self.work_shape) < 2 or not self._width:
            return single(items)
        return _runs(items, slice(0, self._width, 1), most)

    def within(self, item: Item, dims: Sequence[Dimension], extents: Sequence[int]) -> GridPlan | PointPlan:
        if self._points:
            at = item[2][0]
            return PointPlan((*range(len(dims)),), item[1], at, (), (), dims, extents, self.work_shape)
        return grid_within(item, dims, extents, self.work_shape)


def _runs(items: Iterator[Item], whole: slice, most: int) -> Iterator[Run]:
    """Yield items, with up to `most` neighbors together that are whole along the last dimension."""
    keys: list[str] = []
    chunk_head = work_head = last = None
    start = stop = 0
    for key, chunk_index, work_index in items:
        work = work_index[-1]
        if (
            keys
            and len(keys) < most
            and last == whole == chunk_index[-1]
            and work.start == stop
            and chunk_index[:-1] == chunk_head
            and work_index[:-1] == work_head
        ):
            keys.append(key)
            stop = work.stop
            continue
        if keys:
            yield keys, (*chunk_head, last), (*work_head, slice(start, stop))  # type: ignore[misc]
        keys, last, start, stop = [key], chunk_index[-1], work.start, work.stop
        chunk_head, work_head = chunk_index[:-1], work_index[:-1]
    if keys:
        yield keys, (*chunk_head, last), (*work_head, slice(start, stop))  # type: ignore[misc]
