"""The two sides of `Array.write_stream`: `Writer` takes items and creates tasks; `BoxWriter` writes them in threads."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from exzarr._engine.planning.grid_plan import GridPlan
from exzarr._engine.planning.selections import SliceIndex
from exzarr._nodes.casting import Casting, as_values
from exzarr._retrying import Retry
from exzarr._stop import Stop
from exzarr._stream.chunks.chunk_stream import Chunk
from exzarr._stream.chunks.grid import Region, StreamGrid, as_region
from exzarr._stream.failures import chunk_error
from exzarr._stream.memory import copied
from exzarr._stream.options import StreamOptions
from exzarr._stream.progress.progress import Meter
from exzarr._stream.window import Window
from exzarr._stream.writing.assembly import Assembly, Box, Item, Part
from exzarr._stream.writing.checkpoint import Checkpoint
from exzarr._typing import AnyArray
from exzarr.errors import ArgumentError, SelectionError

if TYPE_CHECKING:
    from exzarr._stream.stored_array import StoredArray

__all__ = ["BoxWriter", "FailedWrite", "Task", "Writer"]


@dataclass(frozen=True, slots=True)
class FailedWrite:
    """An item that was not written, or only in part.

    Attributes
    ----------
    region
        Region of the item.
    error
        The exception that occurred.
    """

    region: Region
    error: BaseException

    @property
    def reason(self) -> str:
        """Text of the error."""
        return str(self.error)


class _BadItemError(Exception):
    """An invalid item: its region, as far as it is known, and the reason."""

    def __init__(self, region: Region, error: Exception) -> None:
        super().__init__(region, error)
        self.region = region
        self.error = error


class Task:
    """Boxes of one stored chunk, to be written one after the other."""

    __slots__ = ("boxes", "index")

    def __init__(self, index: tuple[int, ...], boxes: list[Box]) -> None:
        self.index = index
        self.boxes = boxes


class BoxWriter:
    """Writes the boxes of a task in a thread. Returns for each box its error, or None."""

    def __init__(self, array: StoredArray, retry: Retry | None, stop: Stop) -> None:
        self._array = array
        self._retry = retry
        self._stop = stop

    def __call__(self, task: Task) -> list[BaseException | None]:
        return [self._failure(box) for box in task.boxes]

    def _failure(self, box: Box) -> BaseException | None:
        try:
            if self._retry is None:
                self._write(box)
            else:
                self._retry.call(self._write, box, stop=self._stop)
        except Exception as error:  # noqa: BLE001 - handled by the caller's thread
            return error
        return None

    def _write(self, box: Box) -> None:
        # `Writer` has checked the casting.
        self._array.set(box.region, box.data(self._array.dtype), casting="unsafe")


class Writer:
    """The caller's side of a write stream: takes items, creates tasks and records results."""

    def __init__(
        self,
        array: StoredArray,
        window: Window[Task, list[BaseException | None]],
        *,
        copy: bool,
        casting: Casting,
        most: Callable[[int, int], bool],
        options: StreamOptions,
        checkpoint: Checkpoint | Callable[[Region], object] | None,
        meter: Meter,
    ) -> None:
        source = array.chunk_source
        self._array = array
        self._source = source
        self._grid = StreamGrid(source)
        self._window = window
        self._copy = copy
        self._casting: Casting = casting
        self._most = most
        self._options = options
        self._checkpoint = checkpoint if isinstance(checkpoint, Checkpoint) else None
        self._note = checkpoint.add if isinstance(checkpoint, Checkpoint) else checkpoint
        self._meter = meter
        self._waiting: dict[tuple[int, ...], Assembly] = {}
        self._busy: set[tuple[int, ...]] = set()
        self._pending = self._pending_nbytes = 0
        self.written = self.skipped = self.nbytes = 0
        self.failed: list[FailedWrite] = []

    # -- taking items ------------------------------------------------------------------

    def take(self, given: Any) -> None:
        """Take one item, and wait until there is room for another one."""
        try:
            item, data = self._parse(given)
        except _BadItemError as bad:
            self._fail(bad.region, bad.error)
            return
        if data is None:
            return
        if not data.size:
            self._done(item)
            return
        self._pending += 1
        self._pending_nbytes += item.nbytes
        for index, part, whole in self._cut(item, data):
            item.left += 1
            waiting = self._waiting.get(index)
            if waiting is None:
                waiting = self._waiting[index] = Assembly(whole)
            waiting.add(part)
            if waiting.complete and index not in self._busy:
                self._submit(index)
        while self._collect(wait=False):
            pass
        while self._pending and self._most(self._pending, self._pending_nbytes):
            if not self._collect(wait=True):
                self._submit(max(self._waiting, key=lambda index: self._waiting[index].nbytes))

    def _parse(self, given: Any) -> tuple[Item, AnyArray | None]:
        """Return an item and its data. The data is None if the item was written by an earlier run."""
        if isinstance(given, Chunk):
            place, data = given.region, given.data
        elif isinstance(given, (tuple, list)) and len(given) == 2:
            place, data = given
        else:
            what = type(given).__name__
            raise _BadItemError(
                (), ArgumentError(f"an item is (chunk index or region, data), or a Chunk, not {what}")
            )
        try:
            region, index = self._place(place)
        except SelectionError as error:
            raise _BadItemError((), error) from error
        shape = tuple([part.stop - part.start for part in region])
        if self._checkpoint is not None and self._checkpoint.leave_out(region):
            self.skipped += 1
            self._meter.add()
            return Item(region, index, 0), None
        try:
            values = as_values(data, self._array.metadata.data_type, casting=self._casting, one=not shape)
            if self._copy and not isinstance(given, Chunk):
                values = copied(values)  # the producer may reuse its memory
            values = np.broadcast_to(values, shape)
        except ValueError as error:
            reason = f"data of shape {np.shape(data)} does not fit region {_shown(region)}: {error}"
            raise _BadItemError(region, ArgumentError(reason)) from error
        return Item(region, index, values.nbytes), values

    def _place(self, place: Any) -> tuple[Region, tuple[int, ...]]:
        """Return the region of an item and the index of its (first) chunk."""
        grid = self._grid
        parts = place if isinstance(place, tuple) else (place,)
        if any(isinstance(part, slice) or part is Ellipsis for part in parts):
            region = as_region(place, grid.shape)
            first = [
                d.index_of(s.start) if s.start < n else 0
                for d, s, n in zip(grid.dims, region, grid.shape, strict=True)
            ]
            return region, tuple(first)
        try:
            index = tuple([operator.index(part) for part in parts])
        except TypeError:
            raise SelectionError(
                f"{place!r} is neither a chunk index nor a region, a tuple of slices"
            ) from None
        if len(index) != len(grid.counts) or not all(
            0 <= i < n for i, n in zip(index, grid.counts, strict=True)
        ):
            raise SelectionError(f"there is no chunk {index}: the grid has {grid.counts} chunks")
        return grid.region(index), index

    def _cut(self, item: Item, data: AnyArray) -> Iterator[tuple[tuple[int, ...], Part, Region]]:
        """Yield the parts of an item. For each: index of the stored chunk, the part, and the region of the chunk."""
        source = self._source
        if not source.shape:
            yield (), Part(item, (), data), ()
            return
        corner = [part.start for part in item.region]
        spans = [SliceIndex(part.start, 1, part.stop - part.start, part.start) for part in item.region]
        plan = GridPlan(spans, source.dims, source.shape, source.shape)
        for index, _, region in plan.walk([int] * len(spans), tuple):
            place: Any = (*[slice(s.start - c, s.stop - c) for s, c in zip(region, corner, strict=True)], ...)
            yield index, Part(item, region, data[place]), source.grid.region(index)

    # -- writing ---------------------------------------------------------------------

    def _submit(self, index: tuple[int, ...]) -> None:
        self._busy.add(index)
        self._window.push(Task(index, self._waiting.pop(index).boxes()))

    def _collect(self, *, wait: bool) -> bool:
        """Record the result of one task. Return False if there is none (or, without `wait`, none is ready)."""
        outcome = self._window.pop(wait=wait)
        if outcome is None:
            return False
        task = outcome.item
        self._busy.discard(task.index)
        errors = outcome.value or [outcome.error] * len(task.boxes)
        for box, error in zip(task.boxes, errors, strict=True):
            for part in box.parts:
                for item in part.items:
                    item.error = item.error or error
                    item.left -= 1
                    if not item.left:
                        self._pending -= 1
                        self._pending_nbytes -= item.nbytes
                        self._done(item)
        waiting = self._waiting.get(task.index)
        if waiting is not None and waiting.complete:
            self._submit(task.index)
        return True

    def flush(self) -> None:
        """Write all pending parts and wait for them."""
        while True:
            for index in [index for index in self._waiting if index not in self._busy]:
                self._submit(index)
            if not self._collect(wait=True):
                return

    # -- recording ---------------------------------------------------------------------

    def _done(self, item: Item) -> None:
        if item.error is not None:
            key = self._grid.key(item.index)
            error = chunk_error(self._source.path, item.index, key, item.error)
            self._fail(item.region, error)
            return
        self.written += 1
        self.nbytes += item.nbytes
        if self._note is not None:
            self._note(item.region)
        self._meter.add(1, item.nbytes)

    def _fail(self, region: Region, error: BaseException) -> None:
        self.failed.append(FailedWrite(region, error))
        self._meter.add(failed=1)
        self._options.failed(error)


def _shown(region: Region) -> str:
    return f"[{', '.join([f'{part.start}:{part.stop}' for part in region])}]"
