"""`Batches`: a loader of minibatches, shuffled or in order, read chunk by chunk and ahead of the consumer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np

from exzarr import config
from exzarr._stream.batches.arrays import Arrays, layout_of
from exzarr._stream.batches.batch_plan import Batching
from exzarr._stream.batches.blocks import EvenBlocks
from exzarr._stream.batches.create import Caches, make_batches
from exzarr._stream.batches.epoch_iterator import BatchIterator, Position
from exzarr._stream.batches.epoch_plan import EpochPlan, plan_epoch
from exzarr._stream.batches.layout import common_blocks
from exzarr._stream.batches.memory_cache import MemoryCache, shareable
from exzarr._stream.batches.runs import Runs
from exzarr._stream.batches.sample_sets import (
    AllSamples,
    Balanced,
    SampleSet,
    Subset,
    Weighted,
    runs_of,
    values_of,
    weights_of,
)
from exzarr._stream.batches.settings import BatchOptions, Settings, check_whole
from exzarr._stream.batches.splits import split_blocks
from exzarr._typing import AnyArray, IntArray
from exzarr.errors import ArgumentError

if TYPE_CHECKING:
    from exzarr._stream.batches.explain import BatchesExplanation
    from exzarr._stream.batches.layout import RowLayout

__all__ = ["Batches"]


class Batches:
    """Batches of one or more arrays, returned by `exzarr.batches`. Iterate to get the batches of an epoch.

    You can iterate any number of times. A `Batches` can be pickled if the stores of its arrays can, and it works in a
    forked process: each pass opens its own files and threads.
    """

    def __init__(
        self,
        arrays: Arrays,
        settings: Settings,
        epoch: int,
        samples: SampleSet | None = None,
        memory: MemoryCache | None = None,
    ) -> None:
        check_whole("epoch", epoch, 0)
        self._arrays = arrays
        self._settings = settings
        self._samples: SampleSet = samples or AllSamples(arrays.samples)
        layouts = [
            layout_of(array, arrays.axis, arrays.name(i), settings.cache)
            for i, array in enumerate(arrays.arrays)
        ]
        self._layouts: list[RowLayout] = shareable(layouts, settings.cache_nbytes)
        self._memory = memory or MemoryCache(settings.cache_nbytes)
        self._planned: tuple[int, EpochPlan] | None = None
        self._position = Position(epoch)
        self._resumed = False

    # -- iterating -----------------------------------------------------------------

    def __iter__(self) -> BatchIterator:
        """Iterate over the current epoch: from its start, or from the position that `load_state_dict` set."""
        if self._resumed:
            self._resumed = False
        else:
            self._position = Position(self._position.epoch)
        settings = self._settings
        return BatchIterator(
            self._make,
            self._arrays.pack,
            self._position,
            len(self),
            settings.prefetch,
            settings.workers,
            self._arrays.label,
        )

    def __aiter__(self) -> BatchIterator:
        """Iterate with ``async for``; see `__iter__`."""
        return iter(self)

    def __len__(self) -> int:
        """Return the number of batches in an epoch."""
        return self._batching.count

    @property
    def epoch(self) -> int:
        """Epoch of the current or next pass."""
        return self._position.epoch

    def set_epoch(self, epoch: int, batches: int = 0) -> None:
        """Start the next pass after the first `batches` batches of `epoch`. A pass in progress does not change."""
        check_whole("epoch", epoch, 0)
        check_whole("batches", batches, 0)
        self._position, self._resumed = Position(epoch, batches), batches > 0

    def indices(self) -> Iterator[IntArray]:
        """Yield the sample numbers of each batch of the current epoch, without reading data."""
        return self._plan(self._position.epoch).samples()

    # -- the position ----------------------------------------------------------------

    def state_dict(self, batches: int | None = None) -> dict[str, Any]:
        """Return the position of the latest pass, for `load_state_dict`. It can be stored as JSON.

        Batches that were made ahead but not yet returned do not count. If other processes make the batches, pass the
        number of `batches` that they have returned in this epoch.
        """
        if batches is not None:
            check_whole("batches", batches, 0)
        return {
            "epoch": self._position.epoch,
            "batches": self._position.batches if batches is None else batches,
            "of": self._identity(self._position.epoch),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Start the next pass at the position that `state_dict` returned.

        Raises
        ------
        ArgumentError
            The state belongs to batches with another order of samples.
        """
        try:
            epoch, done, of = state["epoch"], state["batches"], dict(state["of"])
        except (KeyError, TypeError, ValueError):
            raise ArgumentError("this is not the state of exzarr.batches") from None
        check_whole("epoch", epoch, 0)
        mine = self._identity(epoch)
        differing = [
            f"{key}: {of.get(key)!r}, here {mine[key]!r}" for key in mine if of.get(key) != mine[key]
        ]
        if differing:
            raise ArgumentError(
                f"the state is that of batches in another order ({'; '.join(differing)}): make them with the "
                "same arguments, of arrays with the same chunks"
            )
        self.set_epoch(epoch, done)

    def _identity(self, epoch: int) -> dict[str, Any]:
        """Return the settings that the order of samples in an epoch depends on."""
        settings, choice, chosen = self._settings, self._plan(epoch).choice, self._samples.identity
        return {
            "samples": self._arrays.samples,
            "subset": chosen,
            "batch_size": settings.batch_size,
            "shuffle": settings.shuffle,
            "seed": settings.seed,
            "window": choice.window,
            "blocks": [choice.blocks.count, choice.blocks.longest] if choice.window else None,
            "drop_last": settings.drop_last,
            "rank": settings.rank,
            "world_size": settings.world_size,
            "part": [*settings.part, settings.interleaved, *([settings.skipped] if settings.skipped else [])],
        }

    # -- other samples -----------------------------------------------------------------

    def subset(self, samples: Any) -> Batches:
        """Return batches of some of the samples.

        Parameters
        ----------
        samples
            A slice, a sequence of slices, a sequence of integers, or a mask: numbers of samples of the arrays, as
            `indices` yields them. Their order has no effect: `shuffle` determines the order.

        Raises
        ------
        ArgumentError
            A sample does not exist, is not among the samples of this subset, or is given twice.
        """
        return self._like(
            self._settings, Subset(runs_of(samples, self._arrays.samples, self._fixed("selected")))
        )

    def split(
        self, fractions: Sequence[float], *, seed: int | None = 0, align: bool = True
    ) -> tuple[Batches, ...]:
        """Divide the samples into disjoint subsets, for example for training, validation and test::

            train, validation, test = loader.split((0.8, 0.1, 0.1))

        Parameters
        ----------
        fractions
            Share of each part. They add up to 1.
        seed
            Selects the samples of each part. None takes consecutive samples in stored order: for time series, the last
            part has the latest samples.
        align
            True: parts end at chunk boundaries, and no chunk is read by two parts, except chunks of small arrays that
            are kept whole. The sizes differ from the fractions by up to a block of samples.
            False: single samples are selected, and the sizes are exact.

        Raises
        ------
        ArgumentError
            The fractions do not add up to 1, or a part would be empty.
        """
        if seed is not None:
            check_whole("seed", seed, 0)
        whole, layouts = self._fixed("split"), self._plan(self.epoch).layouts
        blocks = common_blocks(layouts, self._settings.cache_nbytes)[0] if align else None
        if blocks is None:
            blocks = EvenBlocks(self._samples.size, 1)
        parts = split_blocks(blocks, fractions, seed)
        if whole is not None:
            ranges = [whole.ranges(part.starts, part.stops) for part in parts]
            parts = [Runs(starts, stops - starts) for starts, stops, _ in ranges]
        return tuple([self._like(self._settings, Subset(part)) for part in parts])

    def weighted(self, weights: Any, samples: int | None = None) -> Batches:
        """Return batches of samples that are drawn with replacement, in proportion to weights.

        The samples of an epoch are drawn first, and then ordered by `shuffle`. Thus ``shuffle="window"`` reads a chunk
        once however often its samples are drawn, up to the length of a block.

        Parameters
        ----------
        weights
            One number for each sample of the arrays: a sequence, or an array of NumPy or exzarr. Samples of the weight
            0 are never drawn, and those outside of a subset have no effect.
        samples
            Number of draws in an epoch. Default: the number of samples.

        Raises
        ------
        ArgumentError
            The weights have another length, are negative or not finite, or are all 0.
        """
        count = self._draws(samples)
        drawn = Weighted(weights_of(weights, self._arrays.samples, self._fixed("weighted")), count)
        return self._like(self._settings, drawn)

    def balanced(self, labels: Any, samples: int | None = None) -> Batches:
        """Return batches of samples with equally many of each class.

        In each epoch, the numbers of samples of two classes differ by at most one. The samples of one class occur
        equally often, up to a difference of one. The order is that of `shuffle`.

        Parameters
        ----------
        labels
            Class of each sample of the arrays: a sequence, or an array of NumPy or exzarr. Any values that can be
            sorted.
        samples
            Number of samples in an epoch. Default: the number of samples.

        Raises
        ------
        ArgumentError
            The labels have another length.
        """
        whole, count = self._fixed("balanced"), self._draws(samples)
        inside = np.arange(self._arrays.samples) if whole is None else whole.all()
        values = values_of("labels", labels, self._arrays.samples)[inside]
        codes = np.unique(values, return_inverse=True)[1]
        return self._like(self._settings, Balanced(inside, codes, count))

    def _draws(self, samples: int | None) -> int:
        if not self._samples.size:
            raise ArgumentError("the arrays have no samples to draw")
        if samples is not None:
            check_whole("samples", samples, 1)
        return samples or self._samples.size

    def replace(self, **options: Unpack[BatchOptions]) -> Batches:
        """Return batches of the same samples with other options: those of `exzarr.batches`, except arrays and axis.

        ::

            validation = validation.replace(shuffle=False, batch_size=1024)
        """
        return self._like(self._settings.with_options(options))

    # -- parts -------------------------------------------------------------------------

    def part(self, index: int, count: int, *, interleaved: bool = False) -> Batches:
        """Return one of `count` parts of the batches, at the current epoch, for processes that share them.

        The batches are the same as without parts. By default each part is a contiguous range of batches, and few chunks are
        read by two parts. With `interleaved`, part `index` has every `count`-th batch: taking one batch from each part in
        turn keeps the order, but each part reads nearly all chunks.

        After `load_state_dict`, parts have the batches from that position on, in every epoch.
        """
        if self._settings.part != (0, 1):
            raise ArgumentError("this is a part already: take parts of the whole")
        check_whole("count", count, 1)
        if type(index) is not int or not 0 <= index < count:
            raise ArgumentError(f"there is no part {index!r} of {count}: parts are 0 to {count - 1}")
        skipped = self._position.batches if self._resumed else 0
        settings = replace(self._settings, part=(index, count), interleaved=interleaved, skipped=skipped)
        return self._like(settings)

    # -- explanation --------------------------------------------------------------------

    def explain(self) -> BatchesExplanation:
        """Return what an epoch reads, its memory, and how well it is shuffled, without reading data.

        Chunks of small arrays that this loader or another part of it has read already are in memory, and do not count
        as reads. The estimate assumes that no other part of the loader is iterated concurrently: its caches of larger
        arrays would leave less of `cache_bytes`.
        """
        from exzarr._stream.batches.explain import explain

        settings, plan = self._settings, self._plan(self.epoch)
        kept = {
            i: self._memory.bands_of(i, layout, plan)
            for i, layout in enumerate(self._layouts)
            if layout.shared and plan.choice.how[i] == "kept"
        }
        return explain(plan, kept, settings.shuffle, self._workers, settings.prefetch)

    def __repr__(self) -> str:
        settings = self._settings
        shuffle = f"shuffle={settings.shuffle!r}"
        if settings.shuffle == "window":
            shuffle += f" of {self._plan(self.epoch).choice.window}"
        rank = f", rank {settings.rank} of {settings.world_size}" if settings.world_size > 1 else ""
        return (
            f"<exzarr.Batches of {settings.batch_size} of {self._batching.samples} samples, "
            f"{shuffle}, epoch {self.epoch}{rank}>"
        )

    # -- inside ------------------------------------------------------------------------

    @property
    def _workers(self) -> int:
        return self._settings.workers or config.get().workers

    @property
    def _batching(self) -> Batching:
        return self._settings.batching(self._samples.size)

    def _plan(self, epoch: int) -> EpochPlan:
        """Return the plan of an epoch. The latest one is kept, because drawing samples and dividing blocks takes time."""
        planned = self._planned
        if planned is None or planned[0] != epoch:
            planned = epoch, plan_epoch(self._layouts, self._samples, self._settings, epoch)
            self._planned = planned
        return planned[1]

    def _make(self, position: Position) -> Iterator[list[AnyArray]]:
        """Yield the batches from `position` on."""
        return make_batches(
            self._arrays,
            self._layouts,
            self._plan(position.epoch),
            position.batches,
            self._workers,
            Caches(self._memory, self._settings.cache),
        )

    def _like(self, settings: Settings, samples: SampleSet | None = None) -> Batches:
        """Return batches of the same arrays at the same epoch, with the same cache unless its size differs."""
        memory = self._memory if settings.cache_nbytes == self._settings.cache_nbytes else None
        return Batches(self._arrays, settings, self._position.epoch, samples or self._samples, memory)

    def _fixed(self, verb: str) -> Runs | None:
        """Return the samples, which are the same in each epoch. None for all samples of the arrays."""
        if self._samples.drawn:
            raise ArgumentError(
                f"samples that are drawn for each epoch cannot be {verb}: draw from a subset instead"
            )
        return self._samples.runs(0, 0)

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_planned": None}  # it can be large, and is computed again
