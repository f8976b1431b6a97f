"""What the arguments of `exzarr.multiscale.write` say about the source: axes, scale, translation and units. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from exzarr._format.multiscales.model import Axis
from exzarr.errors import ArgumentError

__all__ = ["AxesLike", "PerAxis", "axes_of", "numbers_of"]

AxesLike = str | Sequence[str | Axis] | None
PerAxis = float | Sequence[float] | Mapping[str, float] | None

_TYPES = {
    "space": ("x", "y", "z", "lat", "lon", "latitude", "longitude", "easting", "northing"),
    "time": ("t", "time"),
    "channel": ("c", "channel", "band", "bands"),
}
TYPES = {name: kind for kind, names in _TYPES.items() for name in names}
"""Types of axes by their names, in lower case."""


def axes_of(
    axes: AxesLike, names: Sequence[str | None] | None, count: int, unit: str | Mapping[str, str] | None
) -> tuple[Axis, ...]:
    """Return the axes: those given, else those named after the dimensions, else the last of t, c, z, y, x."""
    given: Sequence[str | Axis]
    if axes is not None:
        given = [*axes]
    elif names is not None and all(names):
        given = [name for name in names if name]
    elif count <= 5:
        given = [*"tczyx"[5 - count :]]
    else:
        raise ArgumentError(f"axes is missing: name the {count} dimensions, for example axes=('a', 'b', ...)")
    if len(given) != count:
        raise ArgumentError(
            f"axes={axes!r}: the array has {count} dimensions, and there are {len(given)} axes"
        )
    found = [axis if isinstance(axis, Axis) else Axis(axis, TYPES.get(str(axis).lower())) for axis in given]
    if len({axis.name for axis in found}) < count:
        raise ArgumentError(f"axes={axes!r}: the names of axes are unique")
    units = _units(unit, found)
    return tuple([Axis(axis.name, axis.type, units.get(axis.name, axis.unit)) for axis in found])


def _units(unit: str | Mapping[str, str] | None, axes: Sequence[Axis]) -> Mapping[str, str]:
    if unit is None:
        return {}
    if isinstance(unit, str):
        return {axis.name: unit for axis in axes if axis.type == "space"}
    _check_names(unit, axes, "unit")
    return unit


def numbers_of(value: PerAxis, axes: Sequence[Axis], what: str, default: float) -> tuple[float, ...]:
    """Return one number for each axis: one number is for the axes of type space, and a dict is by name."""
    found: list[Any]
    if value is None:
        found = [default] * len(axes)
    elif isinstance(value, Mapping):
        _check_names(value, axes, what)
        found = [value.get(axis.name, default) for axis in axes]
    elif isinstance(value, Sequence):
        found = [*value]
    else:
        found = [value if axis.type == "space" else default for axis in axes]
    try:
        numbers = tuple([float(number) for number in found])
    except (TypeError, ValueError):
        numbers = ()
    if len(numbers) != len(axes) or not all(map(math.isfinite, numbers)):
        raise ArgumentError(
            f"{what} is {len(axes)} numbers, one for each axis, or a dict by name, not {value!r}"
        )
    if what == "scale" and not all(numbers):
        raise ArgumentError(f"scale={value!r}: a scale is not 0")
    return numbers


def _check_names(by_name: Mapping[str, Any], axes: Sequence[Axis], what: str) -> None:
    names = [axis.name for axis in axes]
    for name in by_name:
        if name not in names:
            raise ArgumentError(f"{what}={dict(by_name)}: there is no axis {name!r}; there are {names}")
