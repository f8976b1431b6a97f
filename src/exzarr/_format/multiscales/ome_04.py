"""OME-Zarr 0.4: Zarr format 2, and metadata at the top of the attributes.

https://ngff.openmicroscopy.org/0.4/, section "multiscales" metadata.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from exzarr._format.multiscales.documents import array_in, object_in, relative_path
from exzarr._format.multiscales.model import Axis, LevelMetadata, Multiscale
from exzarr._format.multiscales.ome_parts import chosen, format_axes, format_image, image_members, parse_axes
from exzarr._format.multiscales.transforms import as_transformations, combined
from exzarr.errors import ArgumentError

__all__ = ["VERSION", "format_entry", "parse", "parse_entry", "to_attributes"]

VERSION = "0.4"


def parse(attributes: Mapping[str, Any]) -> Multiscale:
    """Parse the attributes of a group."""
    return parse_entry(chosen(attributes), attributes, VERSION)


def parse_entry(entry: Mapping[str, Any], holder: Mapping[str, Any], version: str) -> Multiscale:
    """Parse an entry of ``multiscales``, which 0.4 and 0.5 store in the same way.

    A level without transformations has the scale None: early writers of 0.4 left them out.
    """
    axes = parse_axes(array_in(entry, "axes", "an entry of 'multiscales'"))
    after = array_in(entry, "coordinateTransformations", "", required=False)
    levels = []
    for one in array_in(entry, "datasets", "an entry of 'multiscales'"):
        dataset = object_in(one, "a dataset")
        path = relative_path(dataset.get("path"), "the path of a dataset")
        given = array_in(dataset, "coordinateTransformations", "", required=False)
        scale = translation = None
        if given:
            own = combined(given, len(axes), f"dataset {path!r}")
            scale, translation = combined(after, len(axes), "the pyramid", own)
        levels.append(LevelMetadata(path, scale, translation))
    return Multiscale("ome-zarr", version, axes, tuple(levels), **image_members(entry, holder))


def to_attributes(image: Multiscale) -> dict[str, Any]:
    """Return the attributes of a group."""
    check_axes(image.axes, image.version)
    members = format_image(image, format_entry(image))
    members["multiscales"][0]["version"] = VERSION
    if "omero" in members:
        members["omero"]["version"] = VERSION
    if "image-label" in members:
        members["image-label"]["version"] = VERSION
    return members


def format_entry(image: Multiscale) -> dict[str, Any]:
    """Return axes and datasets of an entry of ``multiscales``."""
    return {
        "axes": format_axes(image.axes),
        "datasets": [
            {
                "path": level.path,
                "coordinateTransformations": as_transformations(level.scale or (), level.translation or ()),
            }
            for level in image.levels
        ],
    }


def check_axes(axes: tuple[Axis, ...], version: str) -> None:
    """Raise ArgumentError if OME-Zarr does not allow the axes.

    https://ngff.openmicroscopy.org/0.5/index.html#multiscale-md: 2 to 5 axes, 2 or 3 of type space, at most one of type
    time and one of type channel (or another type), ordered time, channel, space.
    """
    kinds = [axis.type for axis in axes]
    order = [{"time": 0, "space": 2}.get(kind or "", 1) for kind in kinds]
    names = [f"{axis.name} ({axis.type})" for axis in axes]
    problem = None
    if not 2 <= len(axes) <= 5:
        problem = "it has 2 to 5 axes"
    elif not 2 <= kinds.count("space") <= 3:
        problem = "2 or 3 of its axes are of type space"
    elif kinds.count("time") > 1 or order.count(1) > 1:
        problem = "it has at most one time axis and one channel axis"
    elif order != sorted(order):
        problem = "time comes before channel, and channel before space"
    if problem:
        raise ArgumentError(
            f"OME-Zarr {version} does not allow the axes {', '.join(names)}: {problem}. Give axes that describe the "
            "dimensions, or convention='multiscales'"
        )
