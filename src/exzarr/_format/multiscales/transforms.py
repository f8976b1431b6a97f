"""Scale and translation of a level.

OME-Zarr 0.4 and 0.5, section "coordinateTransformations" metadata: a list of transformations, applied in order.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from exzarr._format.multiscales.documents import numbers, object_in
from exzarr.errors import MetadataError, UnsupportedError

__all__ = ["Affine1D", "as_transformations", "combined", "identity"]

Affine1D = tuple[tuple[float, ...], tuple[float, ...]]
"""Scale and translation along each axis: a coordinate ``x`` becomes ``scale * x + translation``."""


def identity(count: int) -> Affine1D:
    """Return the transformation of `count` axes that changes nothing."""
    return (1.0,) * count, (0.0,) * count


def combined(
    transformations: Iterable[Any], count: int, what: str, start: Affine1D | None = None
) -> Affine1D:
    """Combine transformations of `count` axes, applied one after the other, after `start`.

    Raises
    ------
    UnsupportedError
        A transformation is of another type than identity, scale and translation, or is stored in an array.
    """
    scale, translation = start or identity(count)
    for entry in transformations:
        one = object_in(entry, f"a transformation of {what}")
        kind = one.get("type")
        if kind == "identity":
            continue
        if kind not in ("scale", "translation"):
            raise UnsupportedError(
                f"{what} has a transformation of type {kind!r}: levels have only scale and translation"
            )
        if kind not in one and "path" in one:
            raise UnsupportedError(
                f"{what} has a {kind} that is stored in an array, which exzarr does not read"
            )
        values = numbers(one.get(str(kind)), f"the {kind} of {what}", count)
        if kind == "scale":
            scale = tuple([a * b for a, b in zip(scale, values, strict=True)])
            translation = tuple([a * b for a, b in zip(translation, values, strict=True)])
        else:
            translation = tuple([a + b for a, b in zip(translation, values, strict=True)])
    if not all(scale):
        raise MetadataError(f"{what} has the scale {scale}: a scale is not 0")
    return scale, translation


def as_transformations(
    level_scale: Iterable[float], level_translation: Iterable[float]
) -> list[Mapping[str, Any]]:
    """Return the list of transformations for OME-Zarr: a scale, and a translation unless it is zero."""
    found: list[Mapping[str, Any]] = [{"type": "scale", "scale": [*level_scale]}]
    translation = [*level_translation]
    if any(translation):
        found.append({"type": "translation", "translation": translation})
    return found
