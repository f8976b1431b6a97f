"""`write_labels`: add a label image to an image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from exzarr._format.multiscales.collections import parse_paths
from exzarr._format.multiscales.model import LabelInfo
from exzarr._format.multiscales.parse import ome_members
from exzarr._nodes.group import Group
from exzarr.errors import ArgumentError
from exzarr.multiscale.pyramid import Pyramid
from exzarr.multiscale.updating import level_factors
from exzarr.multiscale.writing import write

__all__ = ["write_labels"]


VERSIONS: tuple[Literal["0.4", "0.5", "0.6"], ...] = ("0.4", "0.5", "0.6")
"""Versions of OME-Zarr that exzarr adds label images to."""


def write_labels(
    source: Any,
    image: Pyramid,
    name: str,
    *,
    axes: Sequence[str] | str | None = None,
    colors: Mapping[int, Sequence[int]] | None = None,
    properties: Mapping[int, Mapping[str, Any]] | None = None,
    **options: Any,
) -> Pyramid:
    """Add a label image to an image: an array of integers that says which object each element belongs to.

    It becomes the pyramid ``labels/NAME`` below the image, with the same number of levels, and is listed in the group
    ``labels``. Its labels are reduced by the method "mode", which never invents a label.

    Parameters
    ----------
    source
        The labels, an array of integers. Along each axis it has the length of the image, or 1.
    image
        The image: a `Pyramid` in OME-Zarr 0.4, 0.5 or 0.6.
    name
        Name of the label image.
    axes
        Names of the axes of `source`, which are axes of the image. Default: the last axes of the image.
    colors
        Red, green, blue and alpha of labels, from 0 to 255.
    properties
        Other properties of labels: JSON objects.
    **options
        Other keywords of `write`: `chunks`, `shards`, `compressors`, `checkpoint`, `executor`, `workers`, `progress`, ...

    Returns
    -------
    Pyramid
        The label image.

    Raises
    ------
    ArgumentError
        The labels are no integers, or do not have the shape of the image.
    NodeExistsError
        There is a label image of this name.

    Notes
    -----
    Specification: https://ngff.openmicroscopy.org/0.5/index.html#labels-md.
    """
    metadata = image.metadata
    version = next((one for one in VERSIONS if metadata.version.startswith(one)), None)
    if metadata.convention != "ome-zarr" or version is None:
        raise ArgumentError(
            f"{image.group.name!r} is {metadata.convention} {metadata.version}: label images require OME-Zarr 0.4 to 0.6"
        )
    if getattr(source, "dtype", None) is None or source.dtype.kind not in "iu":
        raise ArgumentError("labels are an array of integers")
    used = _axes_of(source, image, axes)
    shape = image.levels[0].shape
    for length, axis in zip(source.shape, used, strict=True):
        if length not in (1, shape[axis]):
            raise ArgumentError(
                f"the labels have length {length} along axis {image.axes[axis].name!r}, and the image {shape[axis]}"
            )
    factors = [
        [step[axis] if n > 1 else 1 for axis, n in zip(used, source.shape, strict=True)]
        for step in level_factors(image.levels)
    ]
    first = image.levels[0]
    group = _listing_group(image).create_group(name, overwrite=options.pop("overwrite", False))
    try:
        made = write(
            source,
            group,
            factors=factors or "auto",
            levels="auto" if factors else 1,
            method=options.pop("method", "mode"),
            axes=[image.axes[axis] for axis in used],
            scale=[first.scale[axis] for axis in used],
            translation=[first.translation[axis] for axis in used],
            name=name,
            label=LabelInfo(_colors(colors), dict(properties or {})),
            version=version,
            **options,
        )
    except BaseException:
        del image.group["labels"][name]
        raise
    _list(image, name)
    return made


def _axes_of(source: Any, image: Pyramid, axes: Sequence[str] | str | None) -> list[int]:
    """Return the numbers of the image's axes that the labels have."""
    names = [axis.name for axis in image.axes]
    wanted = names[len(names) - len(source.shape) :] if axes is None else [*axes]
    for name in wanted:
        if name not in names:
            raise ArgumentError(f"axes={axes!r}: the image has no axis {name!r}; it has {names}")
    if len(wanted) != len(source.shape):
        raise ArgumentError(f"the labels have {len(source.shape)} dimensions, and the axes are {wanted}")
    return [names.index(name) for name in wanted]


def _colors(colors: Mapping[int, Sequence[int]] | None) -> dict[int, tuple[int, int, int, int]]:
    found = {}
    for value, rgba in (colors or {}).items():
        parts = [int(part) for part in rgba]
        if len(parts) == 3:
            parts.append(255)
        if len(parts) != 4 or not all(0 <= part <= 255 for part in parts):
            raise ArgumentError(
                f"the color of label {value} is three or four numbers from 0 to 255, not {rgba!r}"
            )
        found[int(value)] = (parts[0], parts[1], parts[2], parts[3])
    return found


def _listing_group(image: Pyramid) -> Group:
    return image.group.require_group("labels")


def _list(image: Pyramid, name: str) -> None:
    """Add a name to the list of label images. Other writers may do the same concurrently."""
    version = image.metadata.version[:3]

    def add(stored: dict[str, Any]) -> None:
        names = [*parse_paths(ome_members(stored).get("labels"), "labels")]
        names += [] if name in names else [name]
        if version == "0.4":
            stored["labels"] = names
        else:
            stored["ome"] = {**stored.get("ome", {}), "version": version, "labels": names}

    _listing_group(image).attrs.change(add)
