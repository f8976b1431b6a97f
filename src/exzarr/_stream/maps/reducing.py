"""Many results into one, in a tree that does not grow with their number."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from exzarr.errors import ArgumentError

__all__ = ["Tree"]


class Tree:
    """Combines values as they come: neighbours first, then pairs of pairs, and so on.

    Which values are combined with which depends on their order alone, so that floating-point sums come out the
    same whatever the timing; and a sum of *n* numbers has the error of a tree of depth log n, not of a chain.
    It holds a partial result for each 1 in the binary form of the number of values so far: at most
    ``log2(n) + 1``.

    Parameters
    ----------
    combine
        ``combine(a, b)``, of which `a` stands for earlier values than `b`. It should be associative, and need
        not be commutative; it may change `a` and return it.
    """

    __slots__ = ("_combine", "_partials")

    def __init__(self, combine: Callable[[Any, Any], Any]) -> None:
        self._combine = combine
        self._partials: list[tuple[int, Any]] = []  # each of 2 ** rank values, the earliest first

    def add(self, value: Any) -> None:
        """One more value."""
        rank, partials = 0, self._partials
        while partials and partials[-1][0] == rank:
            value = self._combine(partials.pop()[1], value)
            rank += 1
        partials.append((rank, value))

    def result(self, initial: Any = None) -> Any:
        """All values combined, after `initial` where that is not None.

        ArgumentError where there are neither values nor an `initial`.
        """
        partials = self._partials
        if not partials:
            if initial is None:
                raise ArgumentError("there are no results to reduce: give an initial value for that case")
            return initial
        _, value = partials[-1]
        for _, earlier in reversed(partials[:-1]):
            value = self._combine(earlier, value)
        return value if initial is None else self._combine(initial, value)
