"""Random numbers and permutations that are the same on every machine and in every version.

NumPy guarantees the streams of its bit generators, but not the results of ``Generator.permutation``. This module
therefore uses integers only. SplitMix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, 2014)
computes its i-th number without the ones before it. The permutations built on it compute their i-th value in the same
way. Results do not depend on the machine, the version, or the number of elements requested together.
"""

from __future__ import annotations

import math
from typing import Protocol

import numpy as np
import numpy.typing as npt

from exzarr._typing import AnyArray, IntArray

__all__ = ["IntArray", "Permutation", "draws", "key_for", "permutation"]

WordArray = npt.NDArray[np.uint64]

LISTED = 1 << 16
"""Maximum length of permutations that are computed by sorting; all permutations are equally likely there."""
ROUNDS = 8

_GAMMA = np.uint64(0x9E3779B97F4A7C15)
_FIRST = np.uint64(0xBF58476D1CE4E5B9)
_SECOND = np.uint64(0x94D049BB133111EB)
_HALF = np.uint64(32)
_SHIFTS = np.uint64(30), np.uint64(27), np.uint64(31)


def key_for(seed: int, epoch: int, purpose: int) -> int:
    """Return a 64-bit key for one purpose in one epoch. `seed` and `epoch` must be below 2**64."""
    words = [seed & 0xFFFFFFFF, seed >> 32, epoch & 0xFFFFFFFF, epoch >> 32, purpose]
    return int(np.random.SeedSequence(words).generate_state(1, np.uint64)[0])


def draws(key: int, counters: AnyArray) -> WordArray:
    """Return, for each counter i, number i of the SplitMix64 generator with seed `key`: uniform 64-bit numbers."""
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
    """A permutation of the numbers from 0 to `length` - 1."""

    length: int

    def at(self, positions: IntArray) -> IntArray:
        """Return the numbers at `positions`."""
        ...

    def position_of(self, number: int) -> int:
        """Return the position of `number`."""
        ...


def permutation(length: int, key: int | None) -> Permutation:
    """Return a random permutation, or the identity if `key` is None."""
    if key is None:
        return Identity(length)
    return SortedPermutation(length, key) if length <= LISTED else FeistelPermutation(length, key)


class Identity:
    """The identity permutation."""

    __slots__ = ("length",)

    def __init__(self, length: int) -> None:
        self.length = length

    def at(self, positions: IntArray) -> IntArray:
        return positions

    def position_of(self, number: int) -> int:
        return number


class SortedPermutation:
    """A permutation that sorts the numbers by random keys."""

    __slots__ = ("_numbers", "length")

    def __init__(self, length: int, key: int) -> None:
        self.length = length
        self._numbers = np.argsort(draws(key, np.arange(length)), kind="stable")

    def at(self, positions: IntArray) -> IntArray:
        return self._numbers[positions]

    def position_of(self, number: int) -> int:
        return int(np.flatnonzero(self._numbers == number)[0])


class FeistelPermutation:
    """A permutation of any length that needs no list: a Feistel network over pairs of digits.

    A number *x* below *a·b* is written as two digits *(x div b, x mod b)*. Each round adds a random function of one
    digit to the other digit, which can be inverted. *a* and *b* are near the square root of the length. Results beyond
    the length are mapped again until they are in range. (Black, Rogaway: Ciphers with Arbitrary Finite Domains, 2002,
    sections 3 and 5.)
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
            # Multiply the upper half, as a fraction of 2**32, by `most`: this needs no division and stays below 2**64.
            by = ((random >> _HALF) * np.uint64(most) >> _HALF).view(np.int64)
            digit = digits[changed] + by if forward else digits[changed] - by
            digit[digit >= most if forward else digit < 0] += -most if forward else most
            digits[changed] = digit
        high, low = digits
        high *= self._b
        high += low
        return high
