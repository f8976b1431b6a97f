"""Create the batches of one epoch from a choice and the arrays, in the thread that requests them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from exzarr._engine.source import ChunkSource
from exzarr._nodes.array import Array
from exzarr._stream.batches.aligned import aligned_empty
from exzarr._stream.batches.arrays import Arrays
from exzarr._stream.batches.batch_plan import rows
from exzarr._stream.batches.choices import PORTION_NBYTES, Choice
from exzarr._stream.batches.chunk_cache import InMemory, RowReader, Rows
from exzarr._stream.batches.decoded_cache import DecodedSamples
from exzarr._stream.batches.epoch_plan import EpochPlan
from exzarr._stream.batches.layout import RowLayout
from exzarr._stream.batches.memory_cache import MemoryCache
from exzarr._stream.batches.orders import BlockOrder
from exzarr._stream.batches.reading import PositionReader, SampleReader, Samples
from exzarr._stream.batches.staging import Staged, staged_batches
from exzarr._typing import AnyArray
from exzarr.errors import ArgumentError
from exzarr.stores.wrappers.disk_cache import DiskCache

__all__ = ["Caches", "least_samples", "make_batches", "portion_of"]


@dataclass(frozen=True, slots=True)
class Caches:
    """Caches of decoded chunks: that of a loader and its parts in memory, and one on disk."""

    memory: MemoryCache
    disk: DiskCache | None


def make_batches(
    arrays: Arrays,
    layouts: Sequence[RowLayout],
    plan: EpochPlan,
    number: int,
    workers: int,
    caches: Caches,
) -> Iterator[list[AnyArray]]:
    """Yield the batches from `number` on, each as a list with one array for each of `arrays`.

    `layouts` are those of all samples of the arrays.
    """
    choice, order, batching = plan.choice, plan.order, plan.batching
    if number >= batching.count:
        return iter(())
    made = [_reader(arrays, layouts[i], plan, caches, i) for i in range(len(layouts))]
    if isinstance(order, BlockOrder) and not choice.by_rows:
        portion = portion_of(plan.layouts, choice, workers)
        least = least_samples(choice, batching.size, portion)
        stages = order.stages(*batching.span(number), batching.size, least)
        return staged_batches(stages, batching, number, made, portion)
    taken: list[Rows] = [reader for reader in made if not isinstance(reader, Staged)]
    return _row_batches(plan, number, taken, arrays.axis)


def portion_of(layouts: Sequence[RowLayout], choice: Choice, workers: int) -> int:
    """Return the number of blocks to read at a time: a few MiB, and work for every worker."""
    staged = [each for each, how in zip(layouts, choice.how, strict=True) if how in ("staged", "cut")]
    nbytes = choice.blocks.longest * sum([each.row_nbytes for each in staged])
    chunks = sum([-(-choice.blocks.longest // each.bands.longest) * each.across for each in staged])
    return max(1, -(-PORTION_NBYTES // max(1, nbytes)), -(-workers // max(1, chunks)))


def least_samples(choice: Choice, batch_size: int, portion: int) -> int:
    """Return the minimum number of samples of a stage."""
    return max(batch_size, portion * choice.blocks.longest)


def _reader(arrays: Arrays, layout: RowLayout, plan: EpochPlan, caches: Caches, i: int) -> Staged | Rows:
    array, how = arrays.arrays[i], plan.choice.how[i]
    if not isinstance(array, Array):
        return InMemory(array, arrays.axis, plan.runs)
    source: ChunkSource = array.chunk_source
    if source.shape[arrays.axis] != arrays.samples:
        raise ArgumentError(
            f"array {array.name!r} has been resized to shape {source.shape} since the batches of its "
            f"{arrays.samples} samples were created: call exzarr.batches again"
        )
    stored = Samples(source, arrays.axis)
    samples: SampleReader = stored
    if caches.disk is not None and layout.on_disk:
        samples = DecodedSamples(array, stored, layout.bands, caches.disk)
    if how == "kept" and layout.shared and (kept := caches.memory.shared(i, layout, samples, plan.runs)):
        return kept
    if plan.runs is not None:
        samples = PositionReader(samples, plan.runs, layout.bands)
    bands = plan.layouts[i].bands
    match how:
        case "staged" | "cut":
            return Staged(samples, whole=how == "staged")
        case "kept":
            return caches.memory.of_one_pass(samples, bands, bands.count, layout.row_nbytes)
        case "cached":
            return caches.memory.of_one_pass(samples, bands, plan.choice.slots[i], layout.row_nbytes)
    return RowReader(samples)


def _row_batches(plan: EpochPlan, number: int, arrays: Sequence[Rows], axis: int) -> Iterator[list[AnyArray]]:
    """Yield batches whose samples are read individually.

    Several batches are read together if memory allows, so that fewer chunks are read twice. The first batch is read
    alone, because the consumer waits for it. After that the number doubles each time.
    """
    wanted = rows(plan.order, plan.batching, number)
    together = plan.choice.together
    many = 1
    while batch := [samples for _, samples in zip(range(many), wanted, strict=False)]:
        if len(batch) == 1:
            yield [array.take(batch[0]) for array in arrays]
        else:
            yield from _cut([array.take(np.concatenate(batch)) for array in arrays], batch, axis)
        many = min(together, 2 * many)


def _copy(part: AnyArray) -> AnyArray:
    copy = aligned_empty(part.shape, part.dtype)
    copy[...] = part
    return copy


def _cut(taken: Sequence[AnyArray], batch: Sequence[AnyArray], axis: int) -> Iterator[list[AnyArray]]:
    start = 0
    for samples in batch:
        where = (*(slice(None),) * axis, slice(start, start + len(samples)))
        yield [_copy(array[where]) for array in taken]
        start += len(samples)
