"""`exzarr.batches`: minibatches of samples, shuffled or not, read chunk by chunk and ahead of who uses them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from exzarr import config
from exzarr._stream.batches.arrays import Arrays, arrays_of, layout_of
from exzarr._stream.batches.batch_plan import Batching, rows
from exzarr._stream.batches.choices import Choice, choose
from exzarr._stream.batches.epoch_iterator import BatchIterator, Position
from exzarr._stream.batches.making import make_batches
from exzarr._stream.batches.orders import BlockOrder, FullOrder, Shuffle
from exzarr._stream.batches.settings import Settings, check_whole
from exzarr.errors import ArgumentError

if TYPE_CHECKING:
    from exzarr._stream.batches.explain import BatchesExplanation
    from exzarr._stream.batches.layout import RowLayout

__all__ = ["Batches", "batches"]

CACHE_NBYTES = 256 * 1024 * 1024


def batches(
    arrays: Any,
    batch_size: int,
    *,
    axis: int = 0,
    shuffle: Shuffle = False,
    seed: int = 0,
    epoch: int = 0,
    window: int | None = None,
    drop_last: bool = False,
    prefetch: int = 2,
    workers: int | None = None,
    rank: int = 0,
    world_size: int = 1,
    cache_bytes: int = CACHE_NBYTES,
) -> Batches:
    """Minibatches of the samples that lie along `axis`.

    ::

        for images, labels in exzarr.batches((a, b), 256, shuffle="window", seed=1):
            ...

    Each batch is planned by chunk, and read ahead in a thread while the one before it is used. With the
    same arguments, samples come in the same order on every machine, whatever `workers` and `prefetch` are.

    Parameters
    ----------
    arrays
        One array, a mapping or a sequence of arrays, or a group; of the same length along `axis`. NumPy
        arrays may be among them. Batches come in the same form: an array, a dict, a tuple.
    batch_size
        Samples of a batch. The last one of an epoch may have fewer.
    axis
        The dimension of samples. It keeps its place: a batch of an array of shape ``(100, n, 3)`` along axis
        1 has the shape ``(100, batch_size, 3)``.
    shuffle
        False
            Samples come in the order they are stored in.
        ``"chunks"``
            Blocks of samples that share chunks come in random order, samples of a block in random order.
        ``"window"``
            Blocks come in random order, and the samples of every `window` of them in random order.
        ``"full"``
            Any sample may come anywhere.

        All but the last read each chunk once in an epoch. ``explain()`` tells what each costs, and how
        well it shuffles.
    seed, epoch
        Choose the order. Every pass over all batches is followed by the next epoch.
    window
        For ``shuffle="window"``. Default: 16 blocks, or as many as have 128 MiB, but at least 2.
    drop_last
        Leave out the batch that would have fewer samples. Then all ranks have the same number of batches.
    prefetch
        Batches that are made ahead; with 0, each is made when it is asked for, in the caller's thread.
    workers
        Threads that read and decode. Default: `exzarr.config`'s.
    rank, world_size
        This process is one of so many that share the samples. Each has a stretch of the epoch's order, none
        of it in common with another's; the first ``n % world_size`` have one sample more.
    cache_bytes
        Bytes of decoded chunks that may be kept, for ``shuffle="full"`` and for arrays whose chunks don't end
        where others' do.

    Raises
    ------
    ArgumentError
        An argument makes no sense, or the arrays have no common length.

    Notes
    -----
    Batches are new arrays of the caller's own. An error while a batch is made is raised in its place.
    """
    settings = Settings(
        batch_size, shuffle, seed, window, drop_last, prefetch, workers, rank, world_size, cache_bytes
    )
    return Batches(arrays_of(arrays, axis), settings, epoch)


class Batches:
    """What `exzarr.batches` returns: iterate over it for the batches of an epoch.

    It may be iterated any number of times, pickled as long as the arrays' stores can be, and carried into a
    forked process: files and threads belong to each pass, which makes its own.
    """

    def __init__(self, arrays: Arrays, settings: Settings, epoch: int) -> None:
        check_whole("epoch", epoch, 0)
        self._arrays = arrays
        self._settings = settings
        self._layouts: list[RowLayout] = [
            layout_of(array, arrays.axis, arrays.name(i)) for i, array in enumerate(arrays.arrays)
        ]
        self._choice: Choice = choose(
            self._layouts, arrays.samples, settings.batch_size, settings.shuffle, settings.window, settings.cache_nbytes
        )  # fmt: skip
        self._position = Position(epoch)
        self._resumed = False

    # -- iterating -----------------------------------------------------------------

    def __iter__(self) -> BatchIterator:
        """The batches of the current epoch: from the start, or from where `load_state_dict` put it."""
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

    def __len__(self) -> int:
        """Batches of an epoch."""
        return self._batching.count

    @property
    def epoch(self) -> int:
        """The epoch that is under way, or comes next."""
        return self._position.epoch

    def set_epoch(self, epoch: int) -> None:
        """Go on with the start of that epoch. What is being iterated over already is not changed."""
        check_whole("epoch", epoch, 0)
        self._position, self._resumed = Position(epoch), False

    def indices(self) -> Iterator[npt.NDArray[np.int64]]:
        """The numbers of the samples in each batch of the current epoch. Nothing is read."""
        return rows(self._order(self._position.epoch), self._batching, 0)

    # -- the position ----------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """Where the latest pass is: JSON-able, and all that `load_state_dict` needs.

        Batches that were made ahead but not handed out do not count.
        """
        return {
            "epoch": self._position.epoch,
            "batches": self._position.batches,
            "of": self._identity(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Have the next pass begin where another was when `state_dict` was called.

        ArgumentError where that one's samples come in another order than this one's.
        """
        try:
            epoch, done, of = state["epoch"], state["batches"], dict(state["of"])
        except (KeyError, TypeError, ValueError):
            raise ArgumentError("this is not the state of exzarr.batches") from None
        mine = self._identity()
        differing = [
            f"{key}: {of.get(key)!r}, here {mine[key]!r}" for key in mine if of.get(key) != mine[key]
        ]
        if differing:
            raise ArgumentError(
                f"the state is that of batches in another order ({'; '.join(differing)}): make them with the "
                "same arguments, of arrays with the same chunks"
            )
        check_whole("epoch", epoch, 0)
        check_whole("batches", done, 0)
        self._position, self._resumed = Position(epoch, done), True

    def _identity(self) -> dict[str, Any]:
        """What the order of samples depends on."""
        settings, choice = self._settings, self._choice
        return {
            "samples": self._arrays.samples,
            "batch_size": settings.batch_size,
            "shuffle": settings.shuffle,
            "seed": settings.seed,
            "window": choice.window,
            "blocks": [choice.blocks.count, choice.blocks.longest] if choice.window else None,
            "drop_last": settings.drop_last,
            "rank": settings.rank,
            "world_size": settings.world_size,
            "part": [*settings.part, settings.interleaved],
        }

    # -- parts -------------------------------------------------------------------------

    def part(self, index: int, count: int, *, interleaved: bool = False) -> Batches:
        """One of `count` parts of the batches, for processes that share them; at the current epoch.

        The batches are the same as without parts. Parts are stretches of them, so that hardly a chunk is
        read by two; `interleaved`, part `index` has every `count`-th batch, and taking one from each
        part in turn keeps the order, but each part reads (nearly) all chunks.
        """
        if self._settings.part != (0, 1):
            raise ArgumentError("this is a part already: take parts of the whole")
        check_whole("count", count, 1)
        if type(index) is not int or not 0 <= index < count:
            raise ArgumentError(f"there is no part {index!r} of {count}: parts are 0 to {count - 1}")
        settings = replace(self._settings, part=(index, count), interleaved=interleaved)
        return Batches(self._arrays, settings, self._position.epoch)

    # -- what it is --------------------------------------------------------------------

    def explain(self) -> BatchesExplanation:
        """What an epoch reads and how much memory it takes, and how well it is shuffled. Nothing is read."""
        from exzarr._stream.batches.explain import explain

        settings = self._settings
        return explain(
            self._layouts,
            self._choice,
            self._order(self.epoch),
            self._batching,
            settings.shuffle,
            self._workers,
            settings.prefetch,
        )

    def __repr__(self) -> str:
        settings = self._settings
        shuffle = f"shuffle={settings.shuffle!r}"
        if settings.shuffle == "window":
            shuffle += f" of {self._choice.window}"
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
        return self._settings.batching(self._arrays.samples)

    def _order(self, epoch: int) -> BlockOrder | FullOrder:
        settings, choice, samples = self._settings, self._choice, self._arrays.samples
        stretch = settings.stretch(samples)
        if settings.shuffle == "full":
            return FullOrder(samples, settings.seed, epoch, *stretch)
        return BlockOrder(choice.blocks, choice.window, settings.seed, epoch, *stretch)

    def _make(self, position: Position) -> Iterator[list[npt.NDArray[Any]]]:
        """The batches from `position` on."""
        return make_batches(
            self._arrays,
            self._layouts,
            self._choice,
            self._order(position.epoch),
            self._batching,
            position.batches,
            self._workers,
        )
