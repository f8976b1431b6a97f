"""Which samples an epoch has: all of them, a subset, or samples that are drawn with repeats.

All are functions of seed and epoch. Draws use the integers of `permutation`, and sums of floating-point numbers in a
fixed order, so that they are the same on every machine.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from exzarr._nodes.array import Array
from exzarr._stream.batches.permutation import IntArray, draws, key_for, permutation
from exzarr._stream.batches.runs import Runs, digest_of
from exzarr._typing import AnyArray
from exzarr.errors import ArgumentError

__all__ = ["AllSamples", "Balanced", "SampleSet", "Subset", "Weighted", "runs_of"]

DRAWS, CLASSES = 4, 5
"""Purposes of random keys (`permutation.key_for`)."""


class SampleSet(Protocol):
    """The samples of an epoch.

    Attributes
    ----------
    size
        Number of samples, repeats included.
    drawn
        True if the samples are drawn again for each epoch.
    """

    size: int
    drawn: bool

    @property
    def identity(self) -> list[Any] | None:
        """What the samples depend on besides seed and epoch, as JSON. None for all samples."""
        ...

    def runs(self, seed: int, epoch: int) -> Runs | None:
        """Return the samples of an epoch; None for all samples."""
        ...


class AllSamples:
    """All samples of the arrays."""

    drawn = False
    identity = None

    def __init__(self, size: int) -> None:
        self.size = size

    def runs(self, seed: int, epoch: int) -> Runs | None:
        return None


class Subset:
    """The same samples in each epoch."""

    drawn = False

    def __init__(self, runs: Runs) -> None:
        self._runs = runs
        self.size = runs.count

    @property
    def identity(self) -> list[Any]:
        return ["subset", self._runs.digest()]

    def runs(self, seed: int, epoch: int) -> Runs:
        return self._runs


class Weighted:
    """Samples that are drawn independently, with a probability proportional to their weights.

    Parameters
    ----------
    weights
        One for each sample of the arrays; 0 for samples that are never drawn.
    size
        Number of draws in an epoch.
    """

    drawn = True

    def __init__(self, weights: AnyArray, size: int) -> None:
        self.size = size
        self._digest = digest_of(weights)
        self._sums = np.cumsum(weights)
        self._last = int(np.flatnonzero(weights)[-1])

    @property
    def identity(self) -> list[Any]:
        return ["weighted", self._digest, self.size]

    def runs(self, seed: int, epoch: int) -> Runs:
        words = np.sort(draws(key_for(seed, epoch, DRAWS), np.arange(self.size)) >> np.uint64(11))
        targets = words.astype(np.float64) * (2.0**-53 * self._sums[-1])
        return Runs.of(np.minimum(np.searchsorted(self._sums, targets, side="right"), self._last))


class Balanced:
    """Equally many samples of each class, and of each class all samples equally often; both differ by one at most.

    Parameters
    ----------
    samples, labels
        Samples in ascending order, and the class of each, from 0 on.
    size
        Number of samples in an epoch.
    """

    drawn = True

    def __init__(self, samples: IntArray, labels: IntArray, size: int) -> None:
        self.size = size
        self._digest = digest_of(samples, labels)
        self._members = np.split(
            samples[np.argsort(labels, kind="stable")], np.cumsum(np.bincount(labels))[:-1]
        )

    @property
    def identity(self) -> list[Any]:
        return ["balanced", self._digest, self.size]

    def runs(self, seed: int, epoch: int) -> Runs:
        classes = len(self._members)
        keys = draws(key_for(seed, epoch, CLASSES), np.arange(classes + 1)).tolist()
        each, more = divmod(self.size, classes)
        extra = set(permutation(classes, keys[-1]).at(np.arange(more)).tolist())
        parts = []
        for i, members in enumerate(self._members):
            times, rest = divmod(each + (i in extra), len(members))
            parts.append(np.tile(members, times))
            parts.append(members[permutation(len(members), keys[i]).at(np.arange(rest))])
        return Runs.of(np.sort(np.concatenate(parts)))


# -- arguments ---------------------------------------------------------------------------------


def runs_of(given: Any, samples: int, base: Runs | None) -> Runs:
    """Return the samples of a `subset` argument: slices, integers or a mask. `base` is the subset it is taken from."""
    slices = [given] if isinstance(given, slice) else given
    if isinstance(slices, (list, tuple)) and slices and all(isinstance(each, slice) for each in slices):
        parts = [range(*each.indices(samples)) for each in slices]
        parts = [part if part.step > 0 else part[::-1] for part in parts if len(part)]
        parts.sort(key=lambda part: part.start)
        if all(part.step == 1 for part in parts):
            starts = np.array([part.start for part in parts], np.int64)
            found = Runs(starts, np.array([len(part) for part in parts], np.int64))
        else:
            found = Runs.of(np.sort(np.concatenate([np.asarray(part) for part in parts])))
    else:
        found = Runs.of(_integers(given, samples))
    if not found.count:
        raise ArgumentError("a subset must have at least one sample")
    if np.any(found.starts[1:] < found.stops[:-1]):
        raise ArgumentError("a subset has each sample at most once: to repeat samples, use weighted()")
    if base is not None and len(np.setdiff1d(found.all(), base.all(), assume_unique=True)):
        raise ArgumentError(
            "these samples are not all in the subset: pass numbers of samples of the arrays, as indices() yields them"
        )
    return found


def _integers(given: Any, samples: int) -> IntArray:
    numbers = np.asarray(given)
    if numbers.shape == (0,):
        return np.zeros(0, np.int64)
    if numbers.dtype == bool:
        if numbers.shape != (samples,):
            raise ArgumentError(f"the mask of a subset has the shape ({samples},), not {numbers.shape}")
        return np.flatnonzero(numbers)
    if numbers.ndim != 1 or numbers.dtype.kind not in "iu":
        raise ArgumentError(
            "a subset is a slice, a sequence of slices, a sequence of integers or a mask, "
            f"not {type(given).__name__} of {numbers.ndim} dimensions and data type {numbers.dtype}"
        )
    numbers = numbers.astype(np.int64)
    outside = numbers[(numbers < -samples) | (numbers >= samples)]
    if len(outside):
        raise ArgumentError(f"there is no sample {outside[0]} among the {samples} samples of the arrays")
    return np.sort(np.where(numbers < 0, numbers + samples, numbers))


def values_of(what: str, given: Any, samples: int) -> AnyArray:
    """Return the values of an argument with one value for each sample of the arrays."""
    values = np.asarray(given[...] if isinstance(given, Array) else given)
    if values.shape != (samples,):
        raise ArgumentError(
            f"{what} has one value for each of the {samples} samples of the arrays, not the shape {values.shape}"
        )
    return values


def weights_of(given: Any, samples: int, base: Runs | None) -> AnyArray:
    """Check the `weights` argument. Samples outside of `base` get the weight 0."""
    values = values_of("weights", given, samples)
    if values.dtype.kind not in "biuf":
        raise ArgumentError(f"weights are numbers, not of data type {values.dtype}")
    weights: AnyArray = values.astype(np.float64)
    if base is not None:
        inside = base.all()
        part, weights = weights[inside], np.zeros(samples)
        weights[inside] = part
    if not np.all(np.isfinite(weights)) or np.any(weights < 0):
        raise ArgumentError("weights must be finite and not negative")
    if not 0 < weights.sum() < np.inf:
        raise ArgumentError("at least one sample must have a positive weight")
    return weights
