"""`exzarr.mix`: batches of several data sets, in proportion to weights."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack
from itertools import accumulate, islice
from typing import Any, Literal

import numpy as np

from exzarr._stream.batches.batches import Batches
from exzarr._stream.batches.epoch_iterator import BatchIterator, Position
from exzarr._stream.batches.permutation import draws, key_for
from exzarr._stream.batches.settings import check_whole
from exzarr.errors import ArgumentError

__all__ = ["Mix", "Stop", "mix"]

Stop = Literal["first", "all", "cycle"]

CHOICES = 7
"""Purpose of random keys (`permutation.key_for`)."""


def mix(
    loaders: Sequence[Batches],
    weights: Sequence[float] | None = None,
    *,
    stop: Stop = "first",
    seed: int = 0,
    epoch: int = 0,
) -> Mix:
    """Return the batches of several data sets, each drawn in proportion to its weight.

    ::

        for batch in exzarr.mix([photos, drawings], [0.7, 0.3]):
            ...

    Each batch has samples of one data set, so that the data sets can have different shapes. The sequence of data sets
    depends only on `seed` and `epoch`: it is the same on all ranks.

    Parameters
    ----------
    loaders
        Results of `exzarr.batches`. The mix uses copies: passes over these loaders do not change them.
    weights
        A positive number for each of them. Default: equal weights.
    stop
        When a pass ends.

        ``"first"``
            When the next batch is one of a data set that is exhausted.
        ``"all"``
            When all data sets are exhausted. Each batch occurs once. The weights of the others share the rest.
        ``"cycle"``
            When each data set has been exhausted once. Until then, an exhausted one starts its next epoch.
    seed, epoch
        Select the sequence of data sets. Each pass is followed by the next epoch of the mix.

    Returns
    -------
    Mix
        An iterable over the batches of an epoch.

    Raises
    ------
    ArgumentError
        An argument is invalid.

    Notes
    -----
    With ranks, use ``drop_last=True``: then each data set has the same number of batches on all ranks, and so has the
    mix.
    """
    return Mix(loaders, weights, stop, seed, epoch)


class Mix:
    """Batches of several data sets, returned by `exzarr.mix`. Iterate to get the batches of an epoch."""

    def __init__(
        self, loaders: Sequence[Batches], weights: Sequence[float] | None, stop: Stop, seed: int, epoch: int
    ) -> None:
        if not loaders or not all(isinstance(loader, Batches) for loader in loaders):
            raise ArgumentError("mix takes a sequence of results of exzarr.batches")
        chosen = [1.0] * len(loaders) if weights is None else [*weights]
        if len(chosen) != len(loaders) or not all(
            isinstance(each, (int, float)) and 0 < each < float("inf") for each in chosen
        ):
            raise ArgumentError(
                f"weights are {len(loaders)} positive numbers, one for each data set, not {weights!r}"
            )
        if stop not in ("first", "all", "cycle"):
            raise ArgumentError(f"stop is 'first', 'all' or 'cycle', not {stop!r}")
        if any(len(loader) == 0 for loader in loaders):
            raise ArgumentError("each data set of a mix must have at least one batch")
        check_whole("seed", seed, 0)
        self._loaders = [loader.replace() for loader in loaders]
        self._weights = chosen
        self._stop: Stop = stop
        self._seed = seed
        self._lengths = [len(loader) for loader in loaders]
        self._first_epochs = [loader.epoch for loader in loaders]
        self._identities = [loader.state_dict()["of"] for loader in loaders]
        self._position, self._resumed = Position(epoch), False
        self.set_epoch(epoch)

    def __iter__(self) -> Generator[Any, None, None]:
        """Iterate over the current epoch: from its start, or from the position that `load_state_dict` set."""
        if self._resumed:
            self._resumed = False
        else:
            self._position = Position(self._position.epoch)
        return self._batches(self._position)

    def _batches(self, position: Position) -> Generator[Any, None, None]:
        """Yield the batches from `position` on."""
        epoch = position.epoch
        sequence = self._sequence(epoch)
        taken = [0] * len(self._loaders)
        for which in islice(sequence, position.batches):
            taken[which] += 1
        with ExitStack() as opened:
            passes: dict[int, BatchIterator] = {}
            for which in sequence:
                rounds, number = divmod(taken[which], self._lengths[which])
                if which not in passes or number == 0:
                    # Rounds use epochs far apart, so that the next epochs of the mix do not repeat their orders.
                    self._loaders[which].set_epoch(self._first_epochs[which] + epoch + (rounds << 32), number)
                    passes[which] = opened.enter_context(iter(self._loaders[which]))
                batch = next(passes[which])
                taken[which] += 1
                position.batches += 1
                yield batch
        position.epoch, position.batches = epoch + 1, 0

    def _sequence(self, epoch: int) -> Iterator[int]:
        """Yield the number of the data set of each batch of an epoch."""
        key = key_for(self._seed, epoch, CHOICES)
        left = [*self._lengths]
        weights = [*self._weights]
        exhausted = [False] * len(left)
        sums = [*accumulate(weights)]
        step = 0
        while True:
            for word in draws(key, np.arange(step, step + 256)).tolist():
                target = (word >> 11) * 2.0**-53 * sums[-1]
                which = next((i for i, end in enumerate(sums) if end > target), _last_positive(weights))
                if not left[which]:
                    if self._stop == "first":
                        return
                    left[which] = self._lengths[which]  # only for "cycle": others have no weight then
                yield which
                left[which] -= 1
                if not left[which] and self._stop != "first":
                    exhausted[which] = True
                    if all(exhausted):
                        return
                    if self._stop == "all":
                        weights[which] = 0.0
                        sums = [*accumulate(weights)]
            step += 256

    def __len__(self) -> int:
        """Return the number of batches in the current epoch. It is counted, which takes about a microsecond each."""
        return sum(1 for _ in self._sequence(self.epoch))

    @property
    def epoch(self) -> int:
        """Epoch of the current or next pass."""
        return self._position.epoch

    def set_epoch(self, epoch: int, batches: int = 0) -> None:
        """Start the next pass after the first `batches` batches of `epoch`."""
        check_whole("epoch", epoch, 0)
        check_whole("batches", batches, 0)
        self._position, self._resumed = Position(epoch, batches), batches > 0

    def choices(self) -> list[int]:
        """Return the number of the data set of each batch of the current epoch, without reading data."""
        return [*self._sequence(self.epoch)]

    def state_dict(self, batches: int | None = None) -> dict[str, Any]:
        """Return the position of the latest pass, for `load_state_dict`. It can be stored as JSON.

        If other code counts the `batches` of the epoch, pass their number.
        """
        if batches is not None:
            check_whole("batches", batches, 0)
        done = self._position.batches if batches is None else batches
        return {"epoch": self.epoch, "batches": done, "of": self._identity()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Start the next pass at the position that `state_dict` returned.

        Raises
        ------
        ArgumentError
            The state belongs to another mix.
        """
        try:
            epoch, done, of = state["epoch"], state["batches"], state["of"]
        except (KeyError, TypeError):
            raise ArgumentError("this is not the state of exzarr.mix") from None
        mine = self._identity()
        if of != mine:
            raise ArgumentError(
                f"the state is that of another mix ({of!r}, here {mine!r}): make it with the same arguments"
            )
        self.set_epoch(epoch, done)

    def _identity(self) -> dict[str, Any]:
        return {
            "weights": self._weights,
            "stop": self._stop,
            "seed": self._seed,
            "data sets": self._identities,
            "epochs": self._first_epochs,
        }

    def __repr__(self) -> str:
        return f"<exzarr.Mix of {len(self._loaders)} data sets, stop={self._stop!r}, epoch {self.epoch}>"


def _last_positive(weights: Sequence[float]) -> int:
    return max(i for i, weight in enumerate(weights) if weight > 0)
