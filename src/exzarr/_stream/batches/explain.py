"""Estimates of what batches cost and how well they are shuffled, without reading data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np

from exzarr._stream.batches.batch_plan import Batching, rows
from exzarr._stream.batches.blocks import Blocks
from exzarr._stream.batches.choices import SCRATCH_NBYTES, Choice
from exzarr._stream.batches.create import least_samples, portion_of
from exzarr._stream.batches.decoded_cache import PORTION_NBYTES
from exzarr._stream.batches.epoch_plan import EpochPlan
from exzarr._stream.batches.layout import RowLayout
from exzarr._stream.batches.memory_cache import KeptBands
from exzarr._stream.batches.orders import BlockOrder, FullOrder, Shuffle
from exzarr.telemetry.units import human_bytes

__all__ = ["ArrayReads", "BatchesExplanation", "explain"]

SAMPLED = 32
"""Number of batches from which `mixed` is computed."""

_HOW = {
    "memory": "in memory",
    "staged": "each chunk read once",
    "cut": "chunks that blocks cut are read with each block",
    "kept": "each chunk read once, all kept",
    "cached": "some chunks kept",
    "rows": "read sample by sample",
}
_KEPT_FOR_ALL = "each chunk read once for all parts and epochs, all kept"


@dataclass(frozen=True, slots=True)
class ArrayReads:
    """What an epoch reads of one array.

    Attributes
    ----------
    name
        Name of the array.
    how
        How it is read, in words.
    chunks
        Number of its chunks (inner chunks, if there are shards).
    reads
        Number of chunk reads, repeated ones included; estimated if it depends on chance.
    nbytes
        Bytes decoded.
    """

    name: str
    how: str
    chunks: int
    reads: int
    nbytes: int


@dataclass(frozen=True, slots=True)
class BatchesExplanation:
    """Cost and shuffling of an epoch of batches. Printing it shows a summary.

    Attributes
    ----------
    samples, batches, batch_size
        Numbers for this rank (this part).
    shuffle
        The kind of shuffling.
    block, blocks
        Samples of the longest block, and number of blocks. A block is read at a time. With ``"full"``, blocks are the
        samples that share chunks.
    window
        Number of blocks whose samples are shuffled together.
    spread
        Mean distance, in the order of the epoch, between two samples that are stored next to each other. The optimum is
        a third of the number of samples.
    mixed
        Mean number of blocks that the samples of a batch come from, for a few batches of this epoch.
    reads
        What is read of each array.
    memory
        Maximum memory of a pass in bytes: decoded chunks, batches made ahead, buffers.
    """

    samples: int
    batches: int
    batch_size: int
    shuffle: Shuffle
    block: int
    blocks: int
    window: int
    spread: float
    mixed: float
    reads: tuple[ArrayReads, ...]
    memory: int

    def __str__(self) -> str:
        return "\n".join([self._title(), *[f"  {name:<10} {text}" for name, text in self._facts()]])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        from exzarr._html.fragments import facts, framed, heading

        return framed(heading(self._title()), facts(self._facts()))

    def _title(self) -> str:
        return f"{self.batches:,} batches of {self.batch_size:,} of {self.samples:,} samples"

    def _facts(self) -> Iterator[tuple[str, str]]:
        window = f" of {self.window} blocks" if self.shuffle == "window" else ""
        yield "shuffle", f"{self.shuffle}{window}"
        yield "blocks", f"{self.blocks:,} of up to {self.block:,} samples"
        yield "spread", f"neighbours come {self.spread:,.0f} samples apart, on average"
        yield "mixed", f"a batch has samples of {self.mixed:.3g} blocks"
        yield "memory", f"at most {human_bytes(self.memory)}"
        for array in self.reads:
            cost = ""
            if array.chunks:
                times = array.reads / array.chunks
                cost = f" ({times:.3g} x {array.chunks:,} chunks, {human_bytes(array.nbytes)} decoded)"
            yield "reads", f"{array.name}: {array.how}{cost}"


def explain(
    plan: EpochPlan, kept: Mapping[int, KeptBands], shuffle: Shuffle, workers: int, prefetch: int
) -> BatchesExplanation:
    """Return the explanation of an epoch of these batches. `kept` has the arrays that all parts of a loader share."""
    layouts, choice, batching = plan.layouts, plan.choice, plan.batching
    blocks = choice.blocks
    if shuffle == "full":
        blocks = max(layouts, key=lambda layout: layout.row_nbytes).bands
    return BatchesExplanation(
        batching.samples,
        batching.count,
        batching.size,
        shuffle,
        blocks.longest,
        blocks.count,
        choice.window,
        _spread(choice, batching, shuffle),
        _mixed(plan.order, blocks, batching),
        tuple([_reads(layouts[i], choice, i, batching, kept.get(i)) for i in range(len(layouts))]),
        _memory(layouts, choice, batching, workers, prefetch),
    )


def _spread(choice: Choice, batching: Batching, shuffle: Shuffle) -> float:
    """Return the mean distance of stored neighbours. Two random places of n are (n + 1) / 3 apart on average."""
    if not shuffle:
        return 1.0
    together = choice.window * choice.blocks.longest if choice.window else batching.samples
    return (min(together, batching.samples) + 1) / 3


def _mixed(order: BlockOrder | FullOrder, blocks: Blocks, batching: Batching) -> float:
    counts = [len(np.unique(blocks.of(some))) for some in islice(rows(order, batching, 0), SAMPLED)]
    return float(np.mean(counts)) if counts else 0.0


def _reads(
    layout: RowLayout, choice: Choice, i: int, batching: Batching, kept: KeptBands | None
) -> ArrayReads:
    how, bands = choice.how[i], layout.bands
    if how == "memory" or not bands.count:
        return ArrayReads(layout.name, _HOW["memory"], 0, 0, 0)
    words = _HOW[how] + (", or taken from the cache on disk" if layout.on_disk else "")
    wanted = min(batching.samples, batching.count * batching.size)
    share = wanted / bands.samples
    count = bands.count
    if kept is not None:
        count, words = kept.count, _KEPT_FOR_ALL
        reads = min(_different(bands, wanted), count) * kept.missing / count
    elif how == "cut":
        reads = share * (bands.count + choice.blocks.count)  # upper bound
    elif how == "kept":
        reads = _different(bands, wanted)
    elif how == "cached":
        absent = 1 - min(choice.slots[i], bands.count) / bands.count
        groups = _reads_together(wanted, batching.size, choice.together)
        reads = absent * sum([_different(bands, many) * times for many, times in groups])
        reads = max(reads, _different(bands, wanted))
    elif how == "rows" and bands.longest > 1:
        reads = wanted / batching.size * _different(bands, batching.size)
    else:
        reads = share * bands.count
    times = round(reads) * layout.across
    return ArrayReads(layout.name, words, count * layout.across, times, times * layout.chunk_nbytes)


def _different(bands: Blocks, samples: int) -> float:
    """Return the expected number of bands that contain `samples` random samples."""
    return bands.count * (1 - (1 - min(samples, bands.samples) / bands.samples) ** bands.longest)


def _reads_together(samples: int, batch_size: int, together: int) -> Iterator[tuple[int, int]]:
    """Yield how many samples are read together, and how often: those of 1, 2, 4, ... batches, up to `together`."""
    many = 1
    while samples > 0:
        taken = min(samples, many * batch_size)
        times = samples // taken if many == together else 1
        yield taken, times
        samples -= taken * times
        many = min(together, 2 * many)


def _memory(
    layouts: Sequence[RowLayout], choice: Choice, batching: Batching, workers: int, prefetch: int
) -> int:
    batch = batching.size * sum([layout.row_nbytes for layout in layouts])
    total = batch * (prefetch + 2)
    staged = [each for each, how in zip(layouts, choice.how, strict=True) if how in ("staged", "cut")]
    if staged:
        portion = portion_of(layouts, choice, workers)
        whole = max(1, choice.window) * choice.blocks.longest
        stage = min(batching.samples, least_samples(choice, batching.size, portion) - 1 + whole)
        total += 2 * stage * sum([each.row_nbytes for each in staged])
    for layout, how, slots in zip(layouts, choice.how, choice.slots, strict=True):
        if how == "kept":
            total += layout.nbytes
        elif how == "cached":
            total += min(slots, layout.bands.count) * layout.bands.longest * layout.row_nbytes
    if choice.together > 1:
        total += min(choice.together * batch, batching.samples * (batch // batching.size))
    if any(layout.on_disk for layout in layouts):
        total += PORTION_NBYTES
    chunk = max([layout.chunk_nbytes for layout in layouts])
    return total + 2 * workers * chunk + SCRATCH_NBYTES
