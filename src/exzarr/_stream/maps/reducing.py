"""Reduction of many results to one, in a tree of logarithmic size."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from exzarr.errors import ArgumentError

__all__ = ["Tree"]


class Tree:
    """Combines values as they arrive: neighbours first, then pairs of pairs, and so on.

    The order of the values alone determines which values are combined. Floating-point sums are therefore independent of
    timing, and a sum of *n* numbers has the error of a tree of depth log n, not of a chain. The tree holds one partial
    result for each 1 in the binary form of the number of values: at most ``log2(n) + 1``.

    Parameters
    ----------
    combine
        ``combine(a, b)``, where `a` comes from earlier values than `b`. It should be associative. It need not be
        commutative. It may change `a` and return it.
    """

    __slots__ = ("_combine", "_partials")

    def __init__(self, combine: Callable[[Any, Any], Any]) -> None:
        self._combine = combine
        self._partials: list[tuple[int, Any]] = []  # (rank, result of 2 ** rank values), the earliest first

    def add(self, value: Any) -> None:
        """Add one value."""
        rank, partials = 0, self._partials
        while partials and partials[-1][0] == rank:
            value = self._combine(partials.pop()[1], value)
            rank += 1
        partials.append((rank, value))

    def result(self, initial: Any = None) -> Any:
        """Return the combination of `initial`, if it is not None, and all values.

        Raise ArgumentError if there are neither values nor an `initial`.
        """
        partials = self._partials
        if not partials:
            if initial is None:
                raise ArgumentError("there are no results to reduce: give an initial value for this case")
            return initial
        _, value = partials[-1]
        for _, earlier in reversed(partials[:-1]):
            value = self._combine(earlier, value)
        return value if initial is None else self._combine(initial, value)
