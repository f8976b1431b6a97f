"""Combine a selection and a chunk grid into a plan: the list of chunks to read or write.

A plan is an iterator and never stored. `walk` yields a tuple for each chunk:

``(label, chunk_index, work_index[, covers])``

- `chunk_index` and `work_index` are NumPy indexes. ``work[work_index] = chunk[chunk_index]`` reads the data, and the
  reverse writes it.
- `label` identifies the chunk. The caller gives a function for each dimension that turns a coordinate into a piece of
  the label, and a function that joins the pieces. A label is a store key, or an inner chunk's number in its shard.
- `covers` is True if the selection has all elements of the chunk that are inside the array.

C-level iterators (`zip`, `map`, `itertools.product`) make the tuples. Therefore a chunk costs no other Python object.

One NumPy assignment per small chunk would be slow. `runs` yields neighbors along the last dimension together:
``(labels, chunk_index, work_index)``. They are contiguous in the work array, and one assignment moves them.

The same rules make the plan of a shard, with its inner chunks as the grid (`within`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

from exzarr._engine.planning.grid_plan import GridPlan
from exzarr._engine.planning.point_plan import PointPlan
from exzarr._engine.planning.projections import Dimension, Item, Run
from exzarr._engine.planning.selections import GridSelection, Selection

__all__ = ["Dimension", "Plan", "SelectionPlan", "make_plan"]


class Plan(Protocol):
    """Interface of plans, as reads and writes use it."""

    work_shape: tuple[int, ...]
    permutation: tuple[int, ...] | None
    """Permutation that transposes a chunk before it is indexed; None for no transposition."""
    sliced: bool
    """All indexes are slices."""
    rows: bool
    """Along every dimension except the first, each chunk is selected whole and fills the work array."""

    @property
    def chunks(self) -> int:
        """Number of chunks in the plan. If more than `LAZY` chunks vary in length, an upper bound."""
        ...

    def walk(
        self, labels: Sequence[Callable[[int], Any]], join: Callable[[Any], Any], *, covers: bool = False
    ) -> Iterator[Item]: ...

    def runs(
        self, labels: Sequence[Callable[[int], Any]], join: Callable[[Any], Any], most: int
    ) -> Iterator[Run]:
        """Iterate like `walk`, with up to `most` neighbors in one item.

        The label of a chunk must be the joined label of its first coordinates *plus* that of its last coordinate. In an
        item with more than one label, each chunk is selected whole along the last dimension.
        """
        ...

    def within(self, item: Item, dims: Sequence[Dimension], extents: Sequence[int]) -> Plan:
        """Return the plan of one item of this plan over a finer grid inside its chunk."""
        ...


class SelectionPlan(Plan, Protocol):
    """Plan of a selection of the whole array, which `explain` also uses."""

    def over(self, dims: Sequence[Dimension]) -> SelectionPlan:
        """Return the plan of the same selection over another grid."""
        ...

    def only(self, chunk: Sequence[int]) -> SelectionPlan:
        """Return the part of the plan for one chunk index: one item, or none."""
        ...


def make_plan(selection: Selection, dims: Sequence[Dimension], extents: Sequence[int]) -> SelectionPlan:
    """Return the plan of `selection` over a grid of `dims`, for an array of shape `extents`."""
    if isinstance(selection, GridSelection):
        return GridPlan(selection.axes, dims, extents, selection.work_shape)
    return PointPlan(
        selection.point_dims,
        selection.points,
        None,
        selection.span_dims,
        selection.spans,
        dims,
        extents,
        selection.work_shape,
    )
