"""A worker's scratch: decoded chunks of one run, moved to the work array by one assignment.

Neighbours along the last dimension are decoded into the slots of a `Stack` and moved together:
rows of the work array are then written in long pieces, where chunk after chunk would write
each row in many small ones.

`Mover` can do the moving in a thread of its own. Where chunks are small and quickly decoded,
several threads that all read and decode mostly wait for one another (each system call lets
go of the interpreter lock and has to win it back). One thread that reads, and one whose
few long assignments need no lock, don't.
"""

from __future__ import annotations

from collections.abc import Sequence
from queue import Empty, SimpleQueue
from typing import Any

import numpy as np
import numpy.typing as npt

from exzarr.codecs.base import ChunkSpec
from exzarr.engine.pool import submit

__all__ = ["Mover", "Stack", "neighbours", "slots_for"]

AnyArray = npt.NDArray[Any]

RUN_NBYTES = 256 * 1024
"""Decoded bytes that are moved together: they should stay in a core's own cache."""


class Stack:
    """Room for chunks of one shape, one behind the other; grows to the longest run it has seen.

    Attributes
    ----------
    chunks
        The slots, as arrays of the chunk's shape.
    buffers
        Their memory.
    """

    __slots__ = ("_all", "_row", "_rows", "_spec", "buffers", "chunks")

    def __init__(self, spec: ChunkSpec) -> None:
        self._spec = spec
        self._row = np.dtype((np.void, spec.shape[-1] * spec.dtype.itemsize)) if spec.shape else spec.dtype
        self.reserve(1)

    def reserve(self, slots: int) -> None:
        """Make room for `slots` chunks; what was in the stack is lost."""
        spec = self._spec
        memory = np.empty(slots * spec.nbytes, np.uint8)
        self._all: AnyArray = np.ndarray((slots, *spec.shape), spec.dtype, memory)
        view = memoryview(memory)
        self.buffers = [view[i * spec.nbytes : (i + 1) * spec.nbytes] for i in range(slots)]
        self.chunks: list[AnyArray] = [self._all[i, ...] for i in range(slots)]
        # Every row of a chunk as one element, slots last: as they lie in the work array.
        self._rows = np.moveaxis(np.ndarray((slots, *spec.shape[:-1]), self._row, memory), 0, -1)

    def move(self, slots: int, chunk_index: Any, work: AnyArray, work_index: Any) -> None:
        """Assign the first `slots` chunks to where they belong in `work`."""
        target = work[work_index]
        spec = self._spec
        same = target.dtype == spec.dtype and target.ndim and target.strides[-1] == spec.dtype.itemsize
        if same and target.shape[-1] == slots * spec.shape[-1]:
            # Whole rows, each copied at once: NumPy's loop over elements would cost more than the copy.
            target.view(self._row)[...] = self._rows[(*chunk_index[:-1], slice(0, slots))]
        elif slots == 1:
            target[...] = self.chunks[0][chunk_index]
        else:
            *shape, length = target.shape
            # Splitting a dimension never copies: slot i is the i-th piece of every row.
            pieces = target.reshape(*shape, slots, length // slots)
            pieces[...] = np.moveaxis(self._all[(slice(0, slots), *chunk_index)], 0, -2)


class Mover:
    """Hands out stacks and moves what they hold into one work array.

    Between `stack` and the `move` that follows, the stack is the caller's. With `threaded`,
    `move` returns at once and another stack is handed out meanwhile; `finish` waits for
    all moves, and raises what went wrong in one.
    """

    __slots__ = ("_filled", "_free", "_future", "_own", "_spec", "_work")

    def __init__(self, spec: ChunkSpec, work: AnyArray, *, threaded: bool = False) -> None:
        self._spec = spec
        self._work = work
        self._own = Stack(spec)
        self._future: Any = None
        if threaded:
            self._free: SimpleQueue[Stack] = SimpleQueue()
            self._filled: SimpleQueue[Any] = SimpleQueue()
            for stack in (self._own, Stack(spec), Stack(spec)):
                self._free.put(stack)
            self._future = submit(self._moves)

    def stack(self, slots: int) -> Stack:
        """A stack with room for `slots` chunks."""
        stack = self._own
        if self._future is not None:
            try:
                stack = self._free.get_nowait()
            except Empty:
                stack = self._wait()
        if len(stack.chunks) < slots:
            stack.reserve(slots)
        return stack

    def move(self, stack: Stack, slots: int, chunk_index: Any, work_index: Any) -> None:
        """Move the first `slots` chunks of `stack`, which is no longer the caller's."""
        if self._future is None:
            stack.move(slots, chunk_index, self._work, work_index)
        else:
            self._filled.put((stack, slots, chunk_index, work_index))

    def finish(self) -> None:
        """Wait until everything is moved."""
        future, self._future = self._future, None
        if future is not None:
            self._filled.put(None)
            if future.cancel():
                self._moves()
            else:
                future.result()

    def _wait(self) -> Stack:
        # The pool may be busy with other reads: then this thread moves for itself from now on.
        if self._future.cancel():
            self._future = None
            self._filled.put(None)
            self._moves()
            return self._own
        return self._free.get()

    def _moves(self) -> None:
        error: Exception | None = None
        while (item := self._filled.get()) is not None:
            stack, slots, chunk_index, work_index = item
            try:
                if error is None:
                    stack.move(slots, chunk_index, self._work, work_index)
            except Exception as caught:
                error = caught  # raised by `finish`; the reader must not wait for stacks until then
            self._free.put(stack)
        if error is not None:
            raise error


def slots_for(spec: ChunkSpec) -> int:
    """How many neighbouring chunks of `spec` to move together; 1 where it does not pay."""
    if spec.data_type.variable_length or not spec.nbytes:
        return 1
    return max(1, RUN_NBYTES // spec.nbytes)


def neighbours(items: Sequence[Any], first: int, most: int, width: int) -> int:
    """How many of `items`, from `first` on, are whole neighbours along the last dimension.

    Items are ``(start, length, number, chunk_index, work_index)`` of inner chunks, `width` their
    length along that dimension.
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


def _whole(index: Any, width: int) -> bool:
    return type(index) is slice and index.step == 1 and index.stop - index.start == width
