"""What is wrong between the metadata of a pyramid and its arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from exzarr._format.metadata import ArrayMetadata
from exzarr._format.multiscales.model import LevelMetadata, Multiscale

__all__ = ["Fault", "faults", "known_scales"]


@dataclass(frozen=True, slots=True)
class Fault:
    """A contradiction.

    Attributes
    ----------
    kind
        ``"missing"``: a level without an array. ``"shape"``: an array with other dimensions or another data type than
        the first level, or longer than the level before it. ``"scale"``: a shape and a scale that contradict each other.
    path
        Path of the level, relative to the group.
    detail
        What is wrong, in one sentence.
    """

    kind: Literal["missing", "shape", "scale"]
    path: str
    detail: str


def faults(image: Multiscale, arrays: Mapping[str, ArrayMetadata | None]) -> list[Fault]:
    """Return the faults of a pyramid; `arrays` has the metadata of the array at each level's path, or None."""
    found = []
    first: ArrayMetadata | None = None
    before: ArrayMetadata | None = None
    for level in image.levels:
        array = arrays.get(level.path)
        if array is None:
            found.append(
                Fault(
                    "missing", level.path, f"the metadata has a level {level.path!r}, but there is no array"
                )
            )
            continue
        first = first or array
        detail = _shape_fault(image, array, first, before)
        if detail is not None:
            found.append(Fault("shape", level.path, detail))
        elif (detail := _scale_fault(image.levels[0], level, first, array)) is not None:
            found.append(Fault("scale", level.path, detail))
        else:
            before = array
    return found


def _shape_fault(
    image: Multiscale, array: ArrayMetadata, first: ArrayMetadata, before: ArrayMetadata | None
) -> str | None:
    shape = array.shape
    count = len(image.axes)
    if image.convention == "ome-zarr" and len(shape) != count:
        return f"the array has {len(shape)} dimensions, and the pyramid {count} axes"
    if len(shape) != len(first.shape):
        return f"the array has {len(shape)} dimensions, and the first level {len(first.shape)}"
    if array.data_type != first.data_type:
        return f"the array has the data type {array.data_type}, and the first level {first.data_type}"
    if before is not None and any(n > m for n, m in zip(shape, before.shape, strict=True)):
        return f"the array has the shape {shape}, which is longer than that of the level before it, {before.shape}"
    return None


def _scale_fault(
    base: LevelMetadata, level: LevelMetadata, first: ArrayMetadata, array: ArrayMetadata
) -> str | None:
    """Return what contradicts: the first level is ``ratio`` times as long as this one, up to rounding."""
    if base.scale is None or level.scale is None or base is level:
        return None
    axes = range(-min(len(base.scale), len(level.scale)), 0)
    for axis in axes:
        ratio = level.scale[axis] / base.scale[axis]
        length, whole = array.shape[axis], first.shape[axis]
        # Each level may have rounded its length up or down.
        if ratio <= 0 or abs(whole / ratio - length) > 1.0 + 1e-6 * whole / ratio:
            return (
                f"by its scale the level is {ratio:.6g} times as coarse as the first one along dimension "
                f"{len(array.shape) + axis}, but its length is {length} where the first level has {whole}"
            )
    return None


def known_scales(
    levels: Sequence[LevelMetadata], shapes: Sequence[Sequence[int]]
) -> list[tuple[tuple[float, ...], tuple[float, ...]]]:
    """Return scale and translation of each level for all dimensions.

    Levels without a scale get the ratio of lengths, and the same corner as the first level. Dimensions that a level does
    not describe (with the spatial convention: all but the last two) have scale 1.
    """
    found = []
    for level, shape in zip(levels, shapes, strict=True):
        if level.scale is None or level.translation is None:
            scale = tuple([_ratio(a, b) for a, b in zip(shapes[0], shape, strict=True)])
            found.append((scale, tuple([(s - 1) / 2 for s in scale])))
            continue
        rest = len(shape) - len(level.scale)
        found.append(((1.0,) * rest + level.scale, (0.0,) * rest + level.translation))
    return found


def _ratio(first: int, here: int) -> float:
    """Return the factor between two lengths: a whole number if rounding a length explains the difference."""
    if not here:
        return 1.0
    ratio = first / here
    whole = max(1, round(ratio))
    return float(whole) if here in (first // whole, -(-first // whole)) else ratio
