"""Read inner chunks of shards into an array."""

from __future__ import annotations

from collections.abc import Sequence
from operator import itemgetter
from typing import Any

import numpy as np

from exzarr._engine.planning.plan import Plan
from exzarr._engine.pool import WorkFeed
from exzarr._engine.reading.batch_decode import BATCH_NBYTES, decode_group
from exzarr._engine.run_buffer import HUGE_NBYTES, LARGE_NBYTES, RunBuffer, joined, neighbours
from exzarr._engine.scratch import scratch
from exzarr._engine.shards import Index, ShardLayout
from exzarr._engine.source import ChunkSource
from exzarr._engine.strategy import ShardRequests, adjacent
from exzarr._typing import AnyArray
from exzarr.codecs.pipeline import BoundPipeline
from exzarr.errors import CodecError, StoreError
from exzarr.stores.base import Buffer

__all__ = ["ShardReader", "read_shards", "stored_chunks"]

Wanted = tuple[int, int, int, Any, Any]
"""(start, length, number, chunk_index, work_index) of an inner chunk"""


def read_shards(source: ChunkSource, plan: Plan, work: AnyArray, feed: WorkFeed) -> None:
    """Read inner chunks of shards: for each shard its index, then a few coalesced ranges.

    All ranges come from one opened value. Therefore a shard that is replaced during the read is read in its old or its
    new version, never as a mixture.
    """
    reader = ShardReader(source, plan, work)
    batch = feed.take()
    while batch:
        for item in batch:
            reader.read(item)
        batch = feed.take()


def stored_chunks(
    source: ChunkSource, layout: ShardLayout, key: str, index: Index, plan: Plan, work: AnyArray
) -> list[Wanted]:
    """Return the stored inner chunks of `plan`, in the order of their bytes in the shard.

    Fill `work` with the fill value for missing inner chunks.
    """
    starts, lengths = index
    wanted: list[Wanted] = []
    for number, chunk_index, work_index in plan.walk(layout.labels, sum):
        length = lengths[number]
        if length < 0:
            work[work_index] = layout.absent(source, key, number)
        else:
            wanted.append((starts[number], length, number, chunk_index, work_index))
    wanted.sort(key=itemgetter(0))
    return wanted


class ShardReader:
    """Reader of shards, with the buffers of one worker."""

    __slots__ = (
        "_buffer",
        "_key",
        "_layout",
        "_number",
        "_plan",
        "_requests",
        "_slots",
        "_source",
        "_run_buffer",
        "_target",
        "_timer",
        "_work",
    )

    def __init__(self, source: ChunkSource, plan: Plan, work: AnyArray) -> None:
        self._requests = ShardRequests.of(source)
        self._source, self._plan, self._work = source, plan, work
        self._buffer = memoryview(b"")
        self._layout: ShardLayout | None = None
        self._slots = source.slots if plan.sliced and not plan.rows else min(source.slots, 1)
        if source.nbytes > HUGE_NBYTES:
            self._slots = 0
        self._run_buffer: RunBuffer | None = None
        self._target: memoryview | None = None
        self._key, self._number = "", -1
        self._timer = None if source.recorder is None else source.recorder.timer()
        if self._timer is not None:
            self._timer.where = lambda: (self._key, self._number)

    def read(self, item: Any) -> None:
        """Read the inner chunks of one item of the plan."""
        source, key = self._source, item[0]
        value = source.store.open_value(key)
        if value is None:
            self._work[item[2]] = source.absent(key)
            return
        layout = source.layout or source.layout_at(key)
        self._key, self._number = key, -1
        try:
            if layout is not self._layout:
                self._prepare(layout)
            index = layout.index(key, value)
            sub = self._plan.within(item, layout.dims, layout.shape)
            wanted = stored_chunks(source, layout, key, index, sub, self._work)
            place = self._rows if sub.rows and self._target is not None else self._runs
            for begin, end, first, until in self._requests.ranges(wanted):
                if end - begin > len(self._buffer):
                    self._buffer = memoryview(scratch("encoded", end - begin))
                value.read_into(self._buffer[: end - begin], begin)
                place(layout, wanted[first:until], begin)
        except (CodecError, StoreError) as error:
            raise layout.corrupt(source, key, self._number, error) from error
        finally:
            value.close()

    def place(
        self, key: str, layout: ShardLayout, rows: bool, group: Sequence[Wanted], begin: int, data: memoryview
    ) -> None:
        """Decode the inner chunks in `data`, which is the shard at `key` from byte `begin` on, into the result.

        With `rows`, the plan selects whole rows of each inner chunk.
        """
        self._key, self._number = key, -1
        if layout is not self._layout:
            self._prepare(layout)
        self._buffer = data
        place = self._rows if rows and self._target is not None else self._runs
        place(layout, group, begin)

    @property
    def number(self) -> int:
        """Number of the inner chunk that was decoded last."""
        return self._number

    def _prepare(self, layout: ShardLayout) -> None:
        self._layout, work, inner = layout, self._work, layout.inner
        self._run_buffer = RunBuffer(inner.spec, self._plan) if self._slots else None
        small = self._source.nbytes < LARGE_NBYTES
        in_place = (
            inner.plain and work.ndim > 0 and work.flags.c_contiguous and work.dtype == inner.spec.dtype
        )
        self._target = memoryview(work.reshape(-1).view(np.uint8)) if small and in_place else None

    def _rows(self, layout: ShardLayout, group: Sequence[Wanted], begin: int) -> None:
        """Decode small inner chunks of which whole rows are selected (see `rows`)."""
        inner, target, buffer = layout.inner, self._target, self._buffer
        assert target is not None
        decode_bytes, row = inner.decode_bytes, inner.spec.nbytes // inner.spec.shape[0]
        at_once = BATCH_NBYTES // inner.spec.nbytes
        for first in range(0, len(group), at_once):
            part = group[first : first + at_once]
            found = self._found(inner, part, begin)
            for i, (start, length, number, chunk_index, work_index) in enumerate(part):
                self._number = number
                data = buffer[start - begin : start - begin + length]
                here, there = chunk_index[0], work_index[0]
                if type(here) is slice and here.step == 1:
                    decoded = memoryview(decode_bytes(data) if found is None else found[i])
                    target[there.start * row : there.stop * row] = decoded[here.start * row : here.stop * row]
                else:
                    self._work[there] = inner.decode(data)[here]

    def _runs(self, layout: ShardLayout, wanted: Sequence[Wanted], begin: int) -> None:
        """Decode any inner chunks, neighbors along the last dimension together (see `run_buffer`)."""
        source, run_buffer, work, buffer = self._source, self._run_buffer, self._work, self._buffer
        inner, slots, permutation = layout.inner, self._slots, self._plan.permutation
        # Sort from the order in the shard to the order in the array, to find neighbors.
        group = sorted(wanted, key=itemgetter(2))
        at = 0
        while at < len(group):
            many = neighbours(group, at, slots, layout.width) if slots > 1 else 1
            start, length, self._number, chunk_index, work_index = group[at]
            if run_buffer is None or (many == 1 and source.nbytes < LARGE_NBYTES):
                chunk = inner.decode(buffer[start - begin : start - begin + length])
                if permutation is not None:
                    chunk = chunk.transpose(permutation)
                work[work_index] = chunk[chunk_index]
                at += 1
                continue
            if inner.raw and adjacent(group[at : at + many], source.nbytes):
                run_buffer.lay(many, buffer[start - begin : start - begin + many * length])
                if self._timer is not None:
                    self._read(group[at : at + many])
            else:
                self._decode(inner, run_buffer, group[at : at + many], begin)
            if many > 1:
                work_index = joined(work_index, group[at + many - 1][4])
            run_buffer.move(many, chunk_index, work, work_index)
            at += many

    def _decode(
        self, inner: BoundPipeline, run_buffer: RunBuffer, group: Sequence[Wanted], begin: int
    ) -> None:
        """Decode neighbors into the slots of the run buffer."""
        chunks, buffer = run_buffer.reserve(len(group)), self._buffer
        few = len(group) <= BATCH_NBYTES // inner.spec.nbytes
        found = self._found(inner, group, begin) if few else None
        if found is not None:
            for slot, decoded in zip(run_buffer.buffers, found, strict=False):
                slot[:] = decoded
            return
        for chunk, (start, length, number, _, _) in zip(chunks, group, strict=False):
            self._number = number
            inner.decode_into(buffer[start - begin : start - begin + length], chunk)

    def _found(self, inner: BoundPipeline, group: Sequence[Wanted], begin: int) -> Sequence[Buffer] | None:
        """Decode all chunks of a group with one call; None if that is not possible."""
        found = decode_group(inner.decode_each, group, self._buffer, begin)
        if found is not None and self._timer is not None:
            self._read(group)
        return found

    def _read(self, group: Sequence[Wanted]) -> None:
        """Record a group that was not decoded, or was decoded by one call."""
        assert self._timer is not None
        numbers, lengths = [item[2] for item in group], [item[1] for item in group]
        self._timer.read(numbers, lengths, self._source.nbytes, self._key)
