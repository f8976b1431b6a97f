"""The Pareto front."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["front"]


def front(points: Sequence[Sequence[float]]) -> list[bool]:
    """Return for each point whether it is on the Pareto front. Larger figures are better.

    A point is on the front if no other is at least as good in each figure and better in one.

    >>> front([(1, 9), (5, 5), (4, 4), (9, 1)])
    [True, True, False, True]
    """
    return [
        not any(
            all(a >= b for a, b in zip(other, one, strict=True))
            and any(a > b for a, b in zip(other, one, strict=True))
            for other in points
        )
        for one in points
    ]
