"""A worker's buffer for the chunks of one run, which one assignment moves to or from the work array.

Chunks that are neighbours along the last dimension are decoded into the slots of a `RunBuffer` and moved together. Rows
of the work array are then written in long pieces instead of one small piece per chunk. Writes do the reverse.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from exzarr import config
from exzarr._engine.planning.plan import Plan
from exzarr._engine.scratch import scratch
from exzarr._typing import AnyArray
from exzarr.codecs.base import ChunkSpec

__all__ = [
    "HUGE_NBYTES",
    "LARGE_NBYTES",
    "RunBuffer",
    "joined",
    "neighbours",
    "neighbours_to_write",
    "slots_for",
]


RUN_NBYTES = 4 * 1024 * 1024
"""Maximum decoded bytes that are moved together: preferably a whole row of chunks."""

ALL_RUNS_NBYTES = 8 * 1024 * 1024
"""Maximum decoded bytes in the run buffers of all workers of one read. It bounds their memory."""

HUGE_NBYTES = 1 << 28
"""Above this size, memory for a chunk is only allocated after its codecs have checked its data."""

LARGE_NBYTES = 64 * 1024
"""From this size on, chunks are decoded into reused memory; new memory causes page faults."""


class RunBuffer:
    """Contiguous memory for chunks of one shape. It grows to the longest run.

    Attributes
    ----------
    chunks
        The slots, as arrays of the chunk's shape.
    buffers
        Their memory: the thread's scratch memory, or, with ``kept=False``, new memory for each `take`.
    """

    __slots__ = (
        "_all",
        "_kept",
        "_last",
        "_permutation",
        "_row",
        "_rows",
        "_sliced",
        "_spec",
        "buffers",
        "chunks",
    )

    def __init__(self, spec: ChunkSpec, plan: Plan, *, kept: bool = True) -> None:
        self._spec = spec
        self._kept = kept
        self._sliced = plan.sliced and len(spec.shape) > 0
        self._permutation = plan.permutation
        self._row = np.dtype((np.void, spec.shape[-1] * spec.dtype.itemsize)) if spec.shape else spec.dtype
        self._last = (*range(1, max(1, len(spec.shape))), 0)
        self.chunks: list[AnyArray] = []
        self.buffers: list[memoryview] = []

    def reserve(self, slots: int) -> list[AnyArray]:
        """Return at least `slots` chunks. Growing the buffer discards its content."""
        if slots <= len(self.chunks):
            return self.chunks
        nbytes = self._spec.nbytes
        memory = scratch("decoded", slots * nbytes) if self._kept else np.empty(slots * nbytes, np.uint8)
        view = memoryview(memory)
        self.lay(slots, view)
        self.buffers = [view[i * nbytes : (i + 1) * nbytes] for i in range(slots)]
        self.chunks = [self._all[i, ...] for i in range(slots)]
        return self.chunks

    def lay(self, slots: int, memory: memoryview) -> None:
        """Use `memory`, which already holds `slots` chunks, as the slots."""
        spec = self._spec
        self._all: AnyArray = np.ndarray((slots, *spec.shape), spec.dtype, memory)
        # Each row of a chunk is one element, and slots are the last dimension, as in the work array.
        self._rows = np.ndarray((slots, *spec.shape[:-1]), self._row, memory).transpose(self._last)

    def move(self, slots: int, chunk_index: Any, work: AnyArray, work_index: Any) -> None:
        """Assign the first `slots` chunks to `work[work_index]`."""
        if not self._sliced:
            chunk = self._all[0, ...]
            if self._permutation is not None:
                chunk = chunk.transpose(self._permutation)
            work[work_index] = chunk[chunk_index]
            return
        target = work[work_index]
        spec = self._spec
        same = target.dtype == spec.dtype and target.strides[-1] == spec.dtype.itemsize
        if same and target.shape[-1] == slots * spec.shape[-1]:
            # Copy whole rows as single elements: NumPy's loop over elements would cost more than the copy.
            target.view(self._row)[...] = self._rows[(*chunk_index[:-1], slice(0, slots))]
        elif slots == 1:
            target[...] = self._all[0, ...][chunk_index]
        else:
            *shape, length = target.shape
            # Splitting a dimension makes a view: slot i is the i-th piece of every row.
            pieces = target.reshape(*shape, slots, length // slots)
            pieces[...] = np.moveaxis(self._all[(slice(0, slots), *chunk_index)], 0, -2)

    def take(self, slots: int, work: AnyArray, work_index: Any) -> list[AnyArray]:
        """Fill the first `slots` chunks from `work[work_index]`, and return them. All are whole chunks."""
        if not self._kept:
            self.chunks = []
        chunks = self.reserve(slots)
        given = work[work_index]
        spec = self._spec
        if given.dtype == spec.dtype and given.strides[-1] == spec.dtype.itemsize:
            self._rows[..., :slots] = given.view(self._row)
        else:
            *shape, length = given.shape
            self._all[:slots] = np.moveaxis(given.reshape(*shape, slots, length // slots), -2, 0)
        return chunks


def slots_for(spec: ChunkSpec) -> int:
    """Return how many neighboring chunks of `spec` to move together; 0 if a run buffer cannot hold them."""
    if spec.data_type.variable_length or not spec.nbytes:
        return 0
    return max(1, min(RUN_NBYTES, ALL_RUNS_NBYTES // config.get().workers) // spec.nbytes)


def neighbours(items: Sequence[Any], first: int, most: int, width: int) -> int:
    """Count the `items` from `first` on that are whole neighbors along the last dimension, up to `most`.

    Items are ``(start, length, number, chunk_index, work_index)`` of inner chunks. `width` is their length along that
    dimension.
    """
    _, _, number, chunk_index, work_index = items[first]
    if not _whole(chunk_index[-1], width):
        return 1
    most = min(most, len(items) - first)
    n = 1
    while n < most:
        _, _, other, other_chunk, other_work = items[first + n]
        if (
            other != number + n
            or not _whole(other_chunk[-1], width)
            or other_work[-1].start != work_index[-1].start + n * width
            or other_work[:-1] != work_index[:-1]
        ):
            break
        n += 1
    return n


def neighbours_to_write(items: Sequence[Any], first: int, most: int, shape: tuple[int, ...]) -> int:
    """Count the `items` from `first` on that are neighboring whole chunks of `shape`, up to `most`.

    Items are ``(label, chunk_index, work_index, covers)``. All indexes are slices.
    """
    _, _, index, covers = items[first]
    if not covers or [here.stop - here.start for here in index] != [*shape]:
        return 1
    most = min(most, len(items) - first)
    head, stop, width = index[:-1], index[-1].stop, shape[-1]
    n = 1
    while n < most:
        _, _, index, covers = items[first + n]
        if not covers or index[-1].start != stop or index[-1].stop != stop + width or index[:-1] != head:
            break
        stop += width
        n += 1
    return n


def joined(first: Any, last: Any) -> Any:
    """Return the index of a run in the work array, from the indexes of its first and last chunk."""
    return (*first[:-1], slice(first[-1].start, last[-1].stop))


def _whole(index: Any, width: int) -> bool:
    return type(index) is slice and index.step == 1 and index.stop - index.start == width
