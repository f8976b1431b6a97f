"""Inner chunks of shards → array."""

from __future__ import annotations

from collections.abc import Sequence
from operator import itemgetter
from typing import Any

import numpy.typing as npt

from exzarr import config
from exzarr.engine.plan import Plan
from exzarr.engine.pool import Feed
from exzarr.engine.scratch import scratch
from exzarr.engine.shards import coalesce
from exzarr.engine.source import ChunkSource
from exzarr.engine.stack import LARGE_NBYTES, Stack, joined, neighbours
from exzarr.errors import CodecError, StoreError

__all__ = ["read_shards"]

AnyArray = npt.NDArray[Any]


def read_shards(source: ChunkSource, plan: Plan, work: AnyArray, feed: Feed) -> None:
    """Inner chunks of shards: one index, then few coalesced ranges, for each shard.

    All ranges come from one opened value, so that a shard that is replaced meanwhile is
    read as it was or as it is, never as a mixture.
    """
    settings = config.get()
    gap, most = settings.coalesce_gap, settings.coalesce_max // settings.workers
    store = source.store
    permutation = plan.permutation
    buffer = memoryview(b"")
    slots = source.slots if plan.sliced and not plan.rows else min(source.slots, 1)
    stack: Stack | None = None
    batch = feed.take()
    while batch:
        for item in batch:
            key = item[0]
            value = store.open_value(key)
            if value is None:
                work[item[2]] = source.absent(key)
                continue
            layout = source.layout or source.layout_at(key)
            if stack is None and slots:
                stack = Stack(layout.inner.spec, plan)
            decode, decode_into, raw = layout.inner.decode, layout.inner.decode_into, layout.inner.raw
            number = -1
            try:
                wanted = []
                starts, lengths = layout.index(key, value)
                sub = plan.within(item, layout.dims, layout.shape)
                for number, chunk_index, work_index in sub.walk(layout.labels, sum):
                    length = lengths[number]
                    if length < 0:
                        work[work_index] = layout.absent(source, key, number)
                    else:
                        wanted.append((starts[number], length, number, chunk_index, work_index))
                wanted.sort(key=itemgetter(0))
                for begin, end, first, until in coalesce(wanted, gap, most):
                    if end - begin > len(buffer):
                        buffer = memoryview(scratch("encoded", end - begin))
                    value.read_into(buffer[: end - begin], begin)
                    # From the order in the shard back to that in the array: it makes neighbours.
                    group = sorted(wanted[first:until], key=itemgetter(2))
                    at = 0
                    while at < len(group):
                        many = neighbours(group, at, slots, layout.width) if slots > 1 else 1
                        start, length, number, chunk_index, work_index = group[at]
                        if stack is None or (many == 1 and source.nbytes < LARGE_NBYTES):
                            chunk = decode(buffer[start - begin : start - begin + length])
                            if permutation is not None:
                                chunk = chunk.transpose(permutation)
                            work[work_index] = chunk[chunk_index]
                            at += 1
                            continue
                        if raw and _in_a_row(group, at, many, source.nbytes):
                            stack.lay(many, buffer[start - begin : start - begin + many * length])
                        else:
                            chunks = stack.reserve(many)
                            for slot in range(many):
                                start, length, number, _, _ = group[at + slot]
                                decode_into(buffer[start - begin : start - begin + length], chunks[slot])
                        if many > 1:
                            work_index = joined(work_index, group[at + many - 1][4])
                        stack.move(many, chunk_index, work, work_index)
                        at += many
            except (CodecError, StoreError) as error:
                raise layout.corrupt(source, key, number, error) from error
            finally:
                value.close()
        batch = feed.take()


def _in_a_row(group: Sequence[Any], at: int, many: int, nbytes: int) -> bool:
    """Whether `many` raw chunks lie one right behind the other, each of the right size."""
    place = group[at][0]
    for start, length, *_ in group[at : at + many]:
        if start != place or length != nbytes:
            return False
        place += nbytes
    return True
