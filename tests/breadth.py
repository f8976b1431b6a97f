"""How much a test tries: a part in `make test`, everything in `make soak`.

`make test` uses the same examples in every run, so more of them find nothing new in the next run.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from itertools import combinations
from typing import Any, TypeVar

import pytest
from hypothesis import settings

__all__ = ["SOAK", "cover", "examples", "pairwise"]

T = TypeVar("T")
Test = TypeVar("Test", bound=Callable[..., Any])

SOAK = os.environ.get("HYPOTHESIS_PROFILE") == "soak"
"""Whether this is a run of `make soak`."""


def examples(count: int, **options: Any) -> settings:
    """Return settings of hypothesis: `count` examples, and ten times as many in `make soak`."""
    return settings(max_examples=10 * count if SOAK else count, **options)


def pairwise(cases: Iterable[T], values_of: Callable[[T], Sequence[Any]]) -> list[T]:
    """Return cases in which each two options have each pair of values that they have in `cases`.

    `values_of` returns the values of all options of a case, always in the same order.
    """
    left = {case: {*combinations(enumerate(values_of(case)), min(2, len(values_of(case))))} for case in cases}
    chosen = []
    while left:
        best = max(left, key=lambda case: len(left[case]))  # the first of the best, so the order is stable
        covered = left.pop(best)
        if not covered:
            break
        chosen.append(best)
        for pairs in left.values():
            pairs -= covered
    return chosen


def cover(
    names: str | Sequence[str], cases: Iterable[T], values_of: Callable[[T], Sequence[Any]], **options: Any
) -> Callable[[Test], Test]:
    """Parametrize a test with `pairwise` cases, and with all cases in `make soak`."""
    chosen: list[T] = [*dict.fromkeys(cases)]
    if not SOAK:
        chosen = pairwise(chosen, values_of)
    parametrize = pytest.mark.parametrize(names, chosen, **options)

    def decorate(test: Test) -> Test:
        return pytest.mark.cover(parametrize(test))

    return decorate
