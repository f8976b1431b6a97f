"""A selection × a chunk grid → the flat chunk plan.

A plan is walked, never stored: `walk` yields one tuple for each chunk it touches,

``(label, chunk_index, work_index[, covers])``

made by C-level iterators (`zip`, `map`, `itertools.product`), so that a chunk costs no
Python object beyond the tuples. `chunk_index` and `work_index` are NumPy indexes such that
``work[work_index] = chunk[chunk_index]`` moves the data (and the reverse writes it).
`label` is made from the chunk's coordinates by the caller, who gives a function for each
dimension and one that joins what they return: to a store key, or to an inner chunk's number
in its shard. `covers` tells whether every element that the chunk has inside the array is selected.

Small chunks are not worth a NumPy assignment each. `runs` yields neighbours along the last
dimension together, ``(labels, chunk_index, work_index)``: their data lies side by side in the
work array and can be moved by one assignment.

A shard is planned by the same rules, once more, with its inner chunks as the grid (`within`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

from exzarr._engine.planning.grid_plan import GridPlan
from exzarr._engine.planning.point_plan import PointPlan
from exzarr._engine.planning.projections import Dimension, Item, Run
from exzarr._engine.planning.selections import GridSelection, Selection

__all__ = ["Dimension", "Plan", "make_plan"]


class Plan(Protocol):
    """What the engine asks of a plan."""

    work_shape: tuple[int, ...]
    permutation: tuple[int, ...] | None
    """Transpose a chunk by this before indexing it; None: as it is."""
    sliced: bool
    """All indexes are slices."""
    rows: bool
    """Along every dimension but the first, each chunk is taken whole and fills the work array."""

    @property
    def chunks(self) -> int:
        """How many chunks the plan touches; at most, where more than `LAZY` chunks vary in length."""
        ...

    def walk(
        self, labels: Sequence[Callable[[int], Any]], join: Callable[[Any], Any], *, covers: bool = False
    ) -> Iterator[Item]: ...

    def runs(
        self, labels: Sequence[Callable[[int], Any]], join: Callable[[Any], Any], most: int
    ) -> Iterator[Run]:
        """Like `walk`, with up to `most` neighbours in one item.

        Joined labels must be such that the label of a chunk is that of its first coordinates
        *plus* that of its last. Where an item has more than one label, each of its chunks is
        taken whole along the last dimension.
        """
        ...

    def within(self, item: Item, dims: Sequence[Dimension], extents: Sequence[int]) -> Plan:
        """The plan of one item of this plan over a finer grid inside its chunk."""
        ...

    def over(self, dims: Sequence[Dimension]) -> Plan:
        """The plan of the same selection over another grid."""
        ...

    def only(self, chunk: Sequence[int]) -> Plan:
        """The part of the plan that touches `chunk`, a chunk's coordinates: one item, or none."""
        ...


def make_plan(selection: Selection, dims: Sequence[Dimension], extents: Sequence[int]) -> Plan:
    """The plan of `selection` over a grid of `dims` whose array has the shape `extents`."""
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
