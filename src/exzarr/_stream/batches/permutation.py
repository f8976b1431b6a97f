"""Random numbers and permutations that are the same everywhere, for ever.

NumPy promises that its bit generators keep their streams, not that ``Generator.permutation`` does. So
this is made of whole numbers alone: SplitMix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number
Generators, 2014), whose i-th number can be had without those before it, and on top of it permutations
whose i-th value can be had likewise. Nothing here depends on the machine, the version, or the number
of elements asked for at once.
"""

from __future__ import annotations

import math
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

__all__ = ["IntArray", "Permutation", "draws", "key_for", "permutation"]

IntArray = npt.NDArray[np.int64]
WordArray = npt.NDArray[np.uint64]

LISTED = 1 << 16
"""Permutations of up to so many elements are listed and sorted: all of them are equally likely."""
ROUNDS = 8

_GAMMA = np.uint64(0x9E3779B97F4A7C15)
_FIRST = np.uint64(0xBF58476D1CE4E5B9)
_SECOND = np.uint64(0x94D049BB133111EB)
_HALF = np.uint64(32)
_SHIFTS = np.uint64(30), np.uint64(27), np.uint64(31)


def key_for(seed: int, epoch: int, purpose: int) -> int:
    """A 64-bit key, for one purpose in one epoch. `seed` and `epoch` are below 2**64."""
    words = [seed & 0xFFFFFFFF, seed >> 32, epoch & 0xFFFFFFFF, epoch >> 32, purpose]
    return int(np.random.SeedSequence(words).generate_state(1, np.uint64)[0])


def draws(key: int, counters: npt.NDArray[Any]) -> WordArray:
    """Uniform 64-bit numbers: number `i` of the SplitMix64 generator whose seed is `key`, for each counter."""
    word = counters.astype(np.uint64)
    word += np.uint64(1)
    word *= _GAMMA
    word += np.uint64(key)
    word ^= word >> _SHIFTS[0]
    word *= _FIRST
    word ^= word >> _SHIFTS[1]
    word *= _SECOND
    word ^= word >> _SHIFTS[2]
    return word


class Permutation(Protocol):
    """An order of the numbers from 0 to `length` - 1."""

    length: int

    def at(self, positions: IntArray) -> IntArray:
        """The numbers that stand at `positions`."""
        ...

    def position_of(self, number: int) -> int:
        """Where `number` stands."""
        ...


def permutation(length: int, key: int | None) -> Permutation:
    """A random permutation; with None for a key, the one that changes nothing."""
    if key is None:
        return Identity(length)
    return Listed(length, key) if length <= LISTED else Scrambled(length, key)


class Identity:
    """Every number stands at its own place."""

    __slots__ = ("length",)

    def __init__(self, length: int) -> None:
        self.length = length

    def at(self, positions: IntArray) -> IntArray:
        return positions

    def position_of(self, number: int) -> int:
        return number


class Listed:
    """Sorted by a random number each."""

    __slots__ = ("_numbers", "length")

    def __init__(self, length: int, key: int) -> None:
        self.length = length
        self._numbers = np.argsort(draws(key, np.arange(length)), kind="stable")

    def at(self, positions: IntArray) -> IntArray:
        return self._numbers[positions]

    def position_of(self, number: int) -> int:
        return int(np.flatnonzero(self._numbers == number)[0])


class Scrambled:
    """For any length, without a list: a Feistel network over pairs of digits.

    A number *x* below *a·b* is seen as two digits *(x div b, x mod b)*. In each round a random function
    of one digit is added to the other, which can be undone. *a* and *b* are near the square root of the
    length; what falls past the end is sent through again, until it does not. (Black, Rogaway: Ciphers
    with Arbitrary Finite Domains, 2002, sections 3 and 5.)
    """

    __slots__ = ("_a", "_b", "_keys", "length")

    def __init__(self, length: int, key: int) -> None:
        self.length = length
        self._a = math.isqrt(length - 1) + 1
        self._b = -(-length // self._a)
        self._keys = [int(word) for word in draws(key, np.arange(ROUNDS))]

    def at(self, positions: IntArray) -> IntArray:
        return self._walk(positions, forward=True)

    def position_of(self, number: int) -> int:
        return int(self._walk(np.array([number]), forward=False)[0])

    def _walk(self, numbers: IntArray, *, forward: bool) -> IntArray:
        result = self._scramble(numbers, forward=forward)
        outside = np.flatnonzero(result >= self.length)
        while len(outside):
            again = self._scramble(result[outside], forward=forward)
            result[outside] = again
            outside = outside[again >= self.length]
        return result

    def _scramble(self, numbers: IntArray, *, forward: bool) -> IntArray:
        size = self._a, self._b
        digits = [*np.divmod(numbers, self._b)]
        for at in range(ROUNDS) if forward else reversed(range(ROUNDS)):
            changed = at % 2
            most = size[changed]
            random = draws(self._keys[at], digits[1 - changed])
            # The upper half as a fraction of 2**32, times `most`: no division, and below 2**64.
            by = ((random >> _HALF) * np.uint64(most) >> _HALF).view(np.int64)
            digit = digits[changed] + by if forward else digits[changed] - by
            digit[digit >= most if forward else digit < 0] += -most if forward else most
            digits[changed] = digit
        high, low = digits
        high *= self._b
        high += low
        return high
