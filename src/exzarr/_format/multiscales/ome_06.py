"""OME-Zarr 0.6: named coordinate systems instead of axes (RFC-5).

https://ngff.openmicroscopy.org/0.6/, sections "coordinateSystems", "coordinateTransformations" and "multiscales" metadata.
Each level has one transformation, to the same coordinate system: identity, scale, or a sequence of scale and
translation. Transformations from there to other coordinate systems are kept as they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from exzarr._format.multiscales import ome_04
from exzarr._format.multiscales.documents import array_in, object_in, relative_path, text_in
from exzarr._format.multiscales.model import Axis, LevelMetadata, Multiscale
from exzarr._format.multiscales.ome_parts import chosen, format_axes, format_image, image_members, parse_axes
from exzarr._format.multiscales.transforms import as_transformations, combined
from exzarr.errors import MetadataError

__all__ = ["VERSION", "parse", "to_attributes"]

VERSION = "0.6"


def parse(ome: Mapping[str, Any]) -> Multiscale:
    """Parse the attribute ``ome`` of a group."""
    entry = chosen(ome)
    what = "an entry of 'multiscales'"
    systems = _systems(array_in(entry, "coordinateSystems", what))
    levels, outputs = [], []
    for one in array_in(entry, "datasets", what):
        dataset = object_in(one, "a dataset")
        path = relative_path(dataset.get("path"), "the path of a dataset")
        given = array_in(dataset, "coordinateTransformations", f"dataset {path!r}")
        if len(given) != 1:
            raise MetadataError(f"dataset {path!r} has one transformation in OME-Zarr 0.6, not {len(given)}")
        transformation = object_in(given[0], f"the transformation of dataset {path!r}")
        output = _system_name(transformation.get("output"))
        if output not in systems:
            raise MetadataError(
                f"dataset {path!r} is transformed to the coordinate system {output!r}; there are {[*systems]}"
            )
        outputs.append(output)
        steps = [transformation]
        if transformation.get("type") == "sequence":
            steps = [*array_in(transformation, "transformations", f"the sequence of dataset {path!r}")]
        scale, translation = combined(steps, len(systems[output]), f"dataset {path!r}")
        levels.append(LevelMetadata(path, scale, translation))
    if len({*outputs}) > 1:
        raise MetadataError(f"all datasets have one output coordinate system, not {sorted({*outputs})}")
    others = array_in(entry, "coordinateTransformations", what, required=False)
    return Multiscale(
        "ome-zarr",
        str(ome.get("version", VERSION)),
        systems[outputs[0]],
        tuple(levels),
        coordinate_system=outputs[0],
        transformations=tuple([object_in(one, "a transformation") for one in others]),
        **image_members(entry, ome),
    )


def _systems(entries: Any) -> dict[str, tuple[Axis, ...]]:
    systems = {}
    for entry in entries:
        one = object_in(entry, "a coordinate system")
        name = text_in(one, "name")
        if name is None or name in systems:
            raise MetadataError("coordinate systems have unique names")
        systems[name] = parse_axes(array_in(one, "axes", f"the coordinate system {name!r}"))
    return systems


def _system_name(value: Any) -> str:
    """Return the name of a coordinate system: the member ``name``, or in drafts of 0.6 a text."""
    name = value.get("name") if isinstance(value, Mapping) else value
    return name if isinstance(name, str) else ""


def to_attributes(image: Multiscale) -> dict[str, Any]:
    """Return the attributes of a group."""
    ome_04.check_axes(image.axes, image.version)
    name = image.coordinate_system
    datasets = []
    for level in image.levels:
        steps = as_transformations(level.scale or (), level.translation or ())
        one = steps[0] if len(steps) == 1 else {"type": "sequence", "transformations": steps}
        transformation = {**one, "input": {"path": level.path}, "output": {"name": name}}
        datasets.append({"path": level.path, "coordinateTransformations": [transformation]})
    entry: dict[str, Any] = {
        "coordinateSystems": [{"name": name, "axes": format_axes(image.axes)}],
        "datasets": datasets,
    }
    return {"ome": {"version": VERSION, **format_image(image, entry)}}
