"""The levels of a new pyramid: shapes, factors, scales and translations. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import index
from typing import Any, Literal

from exzarr._format.multiscales.model import Axis
from exzarr.errors import ArgumentError
from exzarr.multiscale.methods import Method, reduced_shape

__all__ = ["Factors", "LevelPlan", "plan_levels"]

Factors = Literal["auto"] | int | Mapping[str, int] | Sequence[int] | Sequence[Sequence[int]]
"""How many elements of a level become one of the next; see `exzarr.multiscale.write`."""

SMALL = 512
"""Elements along an axis below which a level is small enough, if chunks are longer."""

MOST = 32
"""Maximum number of levels."""


@dataclass(frozen=True, slots=True)
class LevelPlan:
    """One level of a new pyramid.

    Attributes
    ----------
    shape
        Shape of the array.
    factors
        Elements of the level before that become one element, along each axis; 1 for the first level.
    scale, translation
        World coordinates: ``translation + scale * i`` is the center of element ``i``.
    """

    shape: tuple[int, ...]
    factors: tuple[int, ...]
    scale: tuple[float, ...]
    translation: tuple[float, ...]


def plan_levels(
    shape: Sequence[int],
    axes: Sequence[Axis],
    chunks: Sequence[int],
    *,
    factors: Factors,
    levels: int | Literal["auto"],
    method: Method,
    scale: Sequence[float],
    translation: Sequence[float],
) -> tuple[LevelPlan, ...]:
    """Plan the levels of an array of `shape`.

    Lengths are rounded up, so that every element of a level is part of the next one.
    """
    steps = _explicit(factors, axes)
    if levels != "auto" and not (
        isinstance(levels, int) and not isinstance(levels, bool) and 1 <= levels <= MOST
    ):
        raise ArgumentError(f"levels is 'auto' or a number from 1 to {MOST}, not {levels!r}")
    if isinstance(steps, list) and levels not in ("auto", len(steps) + 1):
        raise ArgumentError(
            f"levels={levels} contradicts factors for {len(steps) + 1} levels: leave levels out"
        )
    plans = [LevelPlan(tuple(shape), (1,) * len(shape), tuple(scale), tuple(translation))]
    enough = [min(chunk, SMALL) for chunk in chunks]
    while len(plans) < MOST:
        last = plans[-1]
        if isinstance(steps, list):
            if len(plans) > len(steps):
                break
            step = steps[len(plans) - 1]
        else:
            step = steps or _automatic(last, axes)
            step = tuple([f if n > 1 else 1 for f, n in zip(step, last.shape, strict=True)])
            if math.prod(step) == 1 or 0 in last.shape or len(plans) == levels:
                break
            long = any(f > 1 and n > most for f, n, most in zip(step, last.shape, enough, strict=True))
            if levels == "auto" and not long:
                break
        plans.append(_next(last, step, method))
    if levels not in ("auto", len(plans)):
        raise ArgumentError(
            f"levels={levels}: level {len(plans) - 1} of shape {plans[-1].shape} cannot be reduced further"
        )
    return tuple(plans)


def _next(last: LevelPlan, step: tuple[int, ...], method: Method) -> LevelPlan:
    # The method "nearest" takes the first element of a block; the others represent the block's center.
    shift = [0.0 if method == "nearest" else (f - 1) / 2 for f in step]
    return LevelPlan(
        reduced_shape(last.shape, step),
        step,
        tuple([s * f for s, f in zip(last.scale, step, strict=True)]),
        tuple([t + s * d for t, s, d in zip(last.translation, last.scale, shift, strict=True)]),
    )


def _automatic(last: LevelPlan, axes: Sequence[Axis]) -> tuple[int, ...]:
    """Halve the space axes, but not those whose elements are already at least twice as far apart as the closest."""
    space = [
        abs(s)
        for s, n, axis in zip(last.scale, last.shape, axes, strict=True)
        if axis.type == "space" and n > 1
    ]
    finest = min(space, default=0.0)
    return tuple(
        [
            2 if axis.type == "space" and abs(s) < 2 * finest else 1
            for s, axis in zip(last.scale, axes, strict=True)
        ]
    )


def _explicit(factors: Factors | str, axes: Sequence[Axis]) -> tuple[int, ...] | list[tuple[int, ...]] | None:
    """Return factors for all levels, a list of factors for each, or None for automatic ones."""
    if factors == "auto":
        return None
    if isinstance(factors, Mapping):
        names = [axis.name for axis in axes]
        unknown = [name for name in factors if name not in names]
        if unknown:
            raise ArgumentError(
                f"factors={dict(factors)}: there is no axis {unknown[0]!r}; there are {names}"
            )
        return _checked([factors.get(name, 1) for name in names], len(axes))
    if isinstance(factors, int):
        return _checked([factors if axis.type == "space" else 1 for axis in axes], len(axes))
    if isinstance(factors, str) or not isinstance(factors, Sequence):
        raise ArgumentError(
            f"factors is 'auto', a number, a number for each axis, or a dict, not {factors!r}"
        )
    if factors and all(isinstance(step, Sequence) for step in factors):
        return [_checked(step, len(axes)) for step in factors]
    return _checked(factors, len(axes))


def _checked(step: Any, count: int) -> tuple[int, ...]:
    try:
        found = tuple([index(f) for f in step])
    except TypeError:
        found = ()
    if len(found) != count or any(f < 1 for f in found):
        raise ArgumentError(f"factors are {count} positive integers, one for each axis, not {step!r}")
    return found
