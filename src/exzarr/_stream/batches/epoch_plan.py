"""How the batches of one epoch are made: samples, order, and the way to read each array. Pure functions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from exzarr._stream.batches.batch_plan import Batching, rows
from exzarr._stream.batches.blocks import Blocks
from exzarr._stream.batches.choices import Choice, choose
from exzarr._stream.batches.layout import BLOCK_NBYTES, RowLayout
from exzarr._stream.batches.orders import BlockOrder, FullOrder
from exzarr._stream.batches.permutation import IntArray
from exzarr._stream.batches.runs import Runs, bounded
from exzarr._stream.batches.sample_sets import SampleSet
from exzarr._stream.batches.settings import Settings

__all__ = ["EpochPlan", "plan_epoch"]


@dataclass(frozen=True, slots=True)
class EpochPlan:
    """Plan of one epoch.

    Attributes
    ----------
    runs
        The samples of the epoch; None for all samples. Everything else is in positions among them.
    layouts
        Layout of these samples in each array.
    choice
        How the arrays are read.
    order
        Order of the positions.
    batching
        How the positions are divided into batches.
    """

    runs: Runs | None
    layouts: Sequence[RowLayout]
    choice: Choice
    order: BlockOrder | FullOrder
    batching: Batching

    def samples(self) -> Iterator[IntArray]:
        """Yield the samples of each batch."""
        for positions in rows(self.order, self.batching, 0):
            yield positions if self.runs is None else self.runs.at(positions)


def plan_epoch(layouts: Sequence[RowLayout], samples: SampleSet, settings: Settings, epoch: int) -> EpochPlan:
    """Plan an epoch of arrays with these layouts."""
    runs = samples.runs(settings.seed, epoch)
    whole = layouts
    if runs is not None:
        layouts = [_within(layout, runs) for layout in whole]
    choice = choose(
        layouts, samples.size, settings.batch_size, settings.shuffle, settings.window, settings.cache_nbytes
    )
    if runs is not None:
        longest = max([layout.blocks.longest for layout in whole if layout.blocks is not None], default=1)
        row = sum([layout.row_nbytes for layout in layouts])
        choice = replace(choice, blocks=_bounded(choice.blocks, longest, row))
    stretch = settings.stretch(samples.size)
    order: BlockOrder | FullOrder
    if settings.shuffle == "full":
        order = FullOrder(samples.size, settings.seed, epoch, *stretch)
    else:
        order = BlockOrder(choice.blocks, choice.window, settings.seed, epoch, *stretch)
    return EpochPlan(runs, layouts, choice, order, settings.batching(samples.size))


def _within(layout: RowLayout, runs: Runs) -> RowLayout:
    """Return the layout of some of the samples."""
    return replace(
        layout,
        nbytes=layout.nbytes if layout.shared else layout.row_nbytes * runs.count,
        bands=_bounded(runs.within(layout.bands), layout.bands.longest, layout.row_nbytes),
        blocks=None if layout.blocks is None else runs.within(layout.blocks),
    )


def _bounded(blocks: Blocks, longest: int, row_nbytes: int) -> Blocks:
    """Divide blocks that few samples with many repeats made longer than `longest`, if they take much memory."""
    return bounded(blocks, max(1, longest, BLOCK_NBYTES // max(1, row_nbytes)))
