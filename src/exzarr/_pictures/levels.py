"""Choose the level of a pyramid that a picture shows."""

from __future__ import annotations

from typing import Any

from exzarr._engine.planning import indexing
from exzarr.multiscale.pyramid import Level, Pyramid

__all__ = ["level_for"]

LEAST = 600
"""Wanted number of elements along the longest dimension of an image."""


def level_for(pyramid: Pyramid, selection: tuple[Any, ...]) -> tuple[Level, tuple[Any, ...]]:
    """Return the coarsest level that has enough elements of a region, and the region in this level.

    Parameters
    ----------
    pyramid
        The pyramid.
    selection
        Integers, slices and ``...`` in the first level. Empty: the middle plane of the image at the first time and channel.

    Raises
    ------
    SelectionError
        The region is not one of the first level.
    """
    finest = pyramid.levels[0].shape
    indexing.basic(selection, finest)
    full = _full(selection, len(finest)) if selection else _overview(pyramid)
    chosen = pyramid.levels[0]
    for level in pyramid.levels:
        scaled = _scaled(full, finest, level.shape)
        lengths = [
            len(range(n)[part])
            for n, part in zip(level.shape, scaled, strict=True)
            if isinstance(part, slice)
        ]
        if max(lengths, default=0) >= LEAST:
            chosen = level
    return chosen, tuple(_scaled(full, finest, chosen.shape))


def _overview(pyramid: Pyramid) -> list[Any]:
    shape = pyramid.levels[0].shape
    spatial = [axis.type == "space" for axis in pyramid.axes]
    planes = [dim for dim, is_space in enumerate(spatial) if is_space][-2:] or [*range(len(shape))][-2:]
    return [slice(None) if dim in planes else n // 2 if spatial[dim] else 0 for dim, n in enumerate(shape)]


def _full(selection: tuple[Any, ...], ndim: int) -> list[Any]:
    full = [*selection]
    at = full.index(...) if ... in full else len(full)
    full[at : at + 1] = [slice(None)] * max(0, ndim - len(full) + (... in full))
    return full


def _scaled(full: list[Any], finest: tuple[int, ...], shape: tuple[int, ...]) -> list[Any]:
    """Return a region of the first level in a level of another shape."""
    return [_part(part, n, m) for part, n, m in zip(full, finest, shape, strict=True)]


def _part(part: Any, n: int, m: int) -> Any:
    if n == m:
        return part
    if isinstance(part, slice):
        start, stop, step = part.indices(n)
        number = len(range(start, stop, step))
        if not number:
            return slice(0, 0)
        scaled = max(1, abs(step) * m // n)
        if step > 0:
            return slice(start * m // n, -(-stop * m // n), scaled)
        last = (start + (number - 1) * step) * m // n
        return slice(start * m // n, last - 1 if last else None, -scaled)
    return (part + n if part < 0 else part) * m // n
