"""Which level and which elements show a region of the world. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any

from exzarr._format.multiscales.model import Axis
from exzarr.errors import ArgumentError, SelectionError

__all__ = ["Extent", "Geometry", "Pixels", "WorldRegion", "elements", "sampling", "world_region"]

WorldRegion = Mapping[str, Any] | Sequence[Any] | None
"""By axis name, or for the last axes: ``(start, stop)``, one coordinate, or None for the whole axis."""

Pixels = int | Sequence[int] | Mapping[str, int] | None
"""Wanted elements along the last axes (``(height, width)``), or by axis name."""

Extent = tuple[float, float]
"""World coordinates of the two edges along an axis, the smaller first."""

Part = Extent | float | None


@dataclass(frozen=True, slots=True)
class Geometry:
    """Where the elements of a level are: ``translation + scale * i`` is the center of element ``i``."""

    shape: tuple[int, ...]
    scale: tuple[float, ...]
    translation: tuple[float, ...]

    def extent(self, axis: int) -> Extent:
        """Return the edges of the level along an axis."""
        start = self.translation[axis] - self.scale[axis] / 2
        stop = start + self.scale[axis] * self.shape[axis]
        return min(start, stop), max(start, stop)


def world_region(region: WorldRegion, axes: Sequence[Axis]) -> tuple[Part, ...]:
    """Return for each axis: an extent, one coordinate, or None for the whole axis.

    Raise ArgumentError if an axis does not exist or a part is invalid.
    """
    names = [axis.name for axis in axes]
    if region is None:
        given: Mapping[str, Any] = {}
    elif isinstance(region, Mapping):
        given = region
    elif isinstance(region, Sequence) and not isinstance(region, str) and len(region) <= len(names):
        given = dict(zip(names[len(names) - len(region) :], region, strict=True))
    else:
        raise ArgumentError(
            f"region is a dict by axis name, or a sequence for the last of {names}, not {region!r}"
        )
    for name in given:
        if name not in names:
            raise ArgumentError(f"region: there is no axis {name!r}; there are {names}")
    return tuple([_part(name, given.get(name)) for name in names])


def _part(name: str, value: Any) -> Part:
    if value is None:
        return None
    if isinstance(value, Real):
        ends: list[Any] = [value]
    elif isinstance(value, slice) and value.step is None:
        ends = [
            -math.inf if value.start is None else value.start,
            math.inf if value.stop is None else value.stop,
        ]
    else:
        ends = [*value] if isinstance(value, Sequence) and not isinstance(value, str) else []
    if len(ends) not in (1, 2) or not all(isinstance(end, Real) and end == end for end in ends):
        raise ArgumentError(f"region: axis {name!r} has a coordinate, or a pair of two, not {value!r}")
    if len(ends) == 1:
        return float(ends[0])
    start, stop = float(ends[0]), float(ends[1])
    if start > stop:
        raise ArgumentError(f"region: axis {name!r} ends at {stop:g}, before its start at {start:g}")
    return start, stop


def sampling(pixels: Pixels, axes: Sequence[Axis]) -> dict[int, int]:
    """Return the wanted number of elements by number of the axis."""
    names = [axis.name for axis in axes]
    if pixels is None:
        return {}
    if isinstance(pixels, Mapping):
        for name in pixels:
            if name not in names:
                raise ArgumentError(f"pixels: there is no axis {name!r}; there are {names}")
        found = {names.index(name): count for name, count in pixels.items()}
    else:
        counts = [pixels] if isinstance(pixels, int) else [*pixels]
        if len(counts) > len(names):
            raise ArgumentError(f"pixels={pixels!r} for {len(names)} axes")
        found = {len(names) - len(counts) + at: count for at, count in enumerate(counts)}
    if not all(isinstance(count, int) and count > 0 for count in found.values()):
        raise ArgumentError(f"pixels are positive integers, not {pixels!r}")
    return found


def elements(geometry: Geometry, parts: Sequence[Part], axes: Sequence[Axis]) -> tuple[slice | int, ...]:
    """Return the elements of a level that show a region: all that it touches, or the one at a coordinate.

    Raise SelectionError if the region lies outside.
    """
    return tuple([_elements(geometry, axis, part, axes[axis].name) for axis, part in enumerate(parts)])


def _elements(geometry: Geometry, axis: int, part: Part, name: str) -> slice | int:
    length, scale, first = geometry.shape[axis], geometry.scale[axis], geometry.translation[axis]
    if part is None:
        return slice(0, length)
    low, high = geometry.extent(axis)
    ends = (part, part) if isinstance(part, float) else part
    if ends[0] > high or ends[1] < low or not length:
        raise SelectionError(
            f"the region {ends[0]:g} to {ends[1]:g} lies outside of the image, which extends from {low:g} to {high:g} "
            f"along axis {name!r}"
        )
    inner = [min(max(end, low), high) for end in ends]
    # Positions in elements, from the edge of the first one; rounding errors are not to touch one more element.
    start, stop = sorted([(end - first) / scale + 0.5 for end in inner])
    if isinstance(part, float):
        return min(max(math.floor(start + TINY), 0), length - 1)
    begin = min(max(math.floor(start + TINY), 0), length - 1)
    return slice(begin, min(max(math.ceil(stop - TINY), begin + 1), length))


TINY = 1e-6
"""Part of an element that is a rounding error."""


def best_level(levels: Sequence[Geometry], parts: Sequence[Part], wanted: Mapping[int, int]) -> int:
    """Return the coarsest level with at least the wanted number of elements in the region; else the first level."""
    for number in range(len(levels) - 1, -1, -1):
        geometry = levels[number]
        if all(
            _length(geometry, levels[0], axis, parts[axis]) / abs(geometry.scale[axis]) >= count - TINY
            for axis, count in wanted.items()
        ):
            return number
    return 0


def _length(geometry: Geometry, first: Geometry, axis: int, part: Part) -> float:
    """Return the length of the region along an axis, in world units."""
    low, high = first.extent(axis)
    if part is None:
        return geometry.shape[axis] * abs(geometry.scale[axis])
    if isinstance(part, float):
        return abs(geometry.scale[axis])
    return max(0.0, min(part[1], high) - max(part[0], low))
