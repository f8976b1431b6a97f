"""Write the positions of differences to a store: a mask, or indices and values, for each compared array."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Literal

import numpy as np

from exzarr._format.metadata import GroupMetadata
from exzarr._nodes import hierarchy, node_creation
from exzarr._nodes.array import Array
from exzarr._nodes.group import Group
from exzarr._nodes.hierarchy import Location
from exzarr._tools.diff.elements import Block, Sink
from exzarr.errors import ArgumentError
from exzarr.stores.base import Store
from exzarr.stores.resolve import StoreLike, resolve_store
from exzarr.stores.url_options import StorageOptions

__all__ = ["Form", "Output", "opened_output"]

Form = Literal["mask", "sparse"]

ROWS = 65536
"""Length of the chunks of indices and values, and of the appended pieces."""


class Output:
    """A new group that gets a group for each compared array, with the same relative path."""

    def __init__(self, group: Group, form: Form) -> None:
        self._group = group
        self._form = form

    @contextmanager
    def sink(self, path: str, left: Array, right: Array) -> Iterator[Sink]:
        """Create the arrays for one pair of arrays. They are complete when the block ends."""
        group = self._group.require_group(path) if path else self._group
        if self._form == "mask":
            yield _Mask(group, left)
            return
        sparse = _Sparse(group, left, right)
        yield sparse
        sparse.flush()


@contextmanager
def opened_output(
    into: StoreLike | None, form: Form, options: StorageOptions | None
) -> Iterator[Output | None]:
    """Create the group `into`, which must not exist. If the block fails, the group is removed."""
    if form not in ("mask", "sparse"):
        raise ArgumentError(f"form is 'mask' or 'sparse', not {form!r}")
    if into is None:
        if form != "mask" or options is not None:
            raise ArgumentError("form and into_options require into=, the place for the positions")
        yield None
        return
    with ExitStack() as opened:
        place = _place(into, opened, options)
        meta = GroupMetadata(zarr_format=3)
        with node_creation.built(place, meta) as building:
            hierarchy.save(building, meta)
            yield Output(Group(building, meta), form)


def _place(into: Any, opened: ExitStack, options: StorageOptions | None) -> Location:
    if isinstance(into, Array | Group):
        raise ArgumentError(
            f"into is {into.name!r}, an existing node: pass a path or a store for a new group"
        )
    store, path = resolve_store(into, mode="a", storage_options=options)
    if not isinstance(into, Store):
        opened.enter_context(store)
    return Location(store, path)


class _Mask:
    """A boolean array with the shape of the left array: True where the elements differ."""

    def __init__(self, group: Group, left: Array) -> None:
        self._array = group.create_array(
            "mask", shape=left.shape, dtype="bool", chunks="auto", dimension_names=left.dimension_names
        )

    def write(self, block: Block) -> None:
        mask = np.zeros(block.size, bool)
        mask[block.positions] = True
        self._array[block.region] = mask.reshape([part.stop - part.start for part in block.region])


class _Sparse:
    """Three arrays with one entry for each difference: its index, and both values. Pieces are appended when full."""

    def __init__(self, group: Group, left: Array, right: Array) -> None:
        ndim = left.ndim
        self._index = group.create_array("index", shape=(0, ndim), dtype="int64", chunks=(ROWS, max(1, ndim)))
        self._values = [
            group.create_array(name, shape=(0,), dtype=one.dtype, chunks=(ROWS,))
            for name, one in (("left", left), ("right", right))
        ]
        self._waiting: list[Block] = []
        self._rows = 0

    def write(self, block: Block) -> None:
        self._waiting.append(block)
        self._rows += len(block.positions)
        if self._rows >= ROWS:
            self.flush()

    def flush(self) -> None:
        """Append the waiting entries."""
        if not self._rows:
            return
        waiting, self._waiting, self._rows = self._waiting, [], 0
        self._index.append(np.concatenate([block.indices() for block in waiting]))
        left, right = self._values
        left.append(np.concatenate([block.left for block in waiting]))
        right.append(np.concatenate([block.right for block in waiting]))
