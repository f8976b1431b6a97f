"""The Zarr conventions ``multiscales``, ``spatial`` and ``proj``, which GeoZarr uses.

- https://github.com/zarr-conventions/multiscales: levels, and how each was derived from another
- https://github.com/zarr-conventions/spatial: world coordinates of the two horizontal axes
- https://github.com/zarr-conventions/proj: the coordinate reference system

With ``spatial:registration`` "pixel", the default, coordinates are those of the corner of an element; exzarr's are those
of its center. Without the spatial convention, world coordinates are positions in the first level.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from exzarr._format.multiscales.documents import array_in, numbers, object_in, relative_path, text_in
from exzarr._format.multiscales.model import Axis, LevelMetadata, Multiscale
from exzarr._format.multiscales.transforms import Affine1D, identity
from exzarr.errors import ArgumentError, MetadataError, UnsupportedError

__all__ = ["RESAMPLING", "UUID", "declared", "is_multiscale", "parse", "to_attributes"]

_RAW, _HUB = "https://raw.githubusercontent.com/zarr-conventions", "https://github.com/zarr-conventions"

UUID: Final = "d35379db-88df-4056-af3a-620245f8e347"
"""Identifies the multiscales convention."""


def _convention(name: str, uuid: str, description: str) -> dict[str, str]:
    return {
        "uuid": uuid,
        "schema_url": f"{_RAW}/{name}/refs/tags/v0.1/schema.json",
        "spec_url": f"{_HUB}/{name}/blob/v0.1/README.md",
        "name": name,
        "description": description,
    }


MULTISCALES = _convention("multiscales", UUID, "Multiscale layout of zarr datasets")
SPATIAL = _convention("spatial", "689b58e2-cf7b-45e0-9fff-9cfc0883d6b4", "Spatial coordinate information")
PROJ = _convention(
    "proj",
    "f17cb550-5864-4468-aeb7-f3180cfb622f",
    "Coordinate reference system information for geospatial data",
)

RESAMPLING: Final = {"mean": "average"}
"""Names of methods in the convention, where they are not exzarr's."""

CRS = ("code", "wkt2", "projjson")
"""Members of the proj convention."""


def is_multiscale(attributes: Mapping[str, Any]) -> bool:
    """Return True if the attributes of a group have a layout of the convention."""
    value = attributes.get("multiscales")
    return isinstance(value, Mapping) and "layout" in value


def parse(attributes: Mapping[str, Any]) -> Multiscale:
    """Parse the attributes of a group. The axes are those of the spatial convention; there are none without it."""
    multiscales = object_in(attributes["multiscales"], "'multiscales' metadata")
    layout = [
        object_in(one, "an entry of 'layout'")
        for one in array_in(multiscales, "layout", "'multiscales' metadata")
    ]
    names = attributes.get("spatial:dimensions")
    axes = tuple([Axis(str(name), "space") for name in names]) if isinstance(names, list | tuple) else ()
    relative: dict[str, Affine1D] = {}
    levels = []
    for one in layout:
        path = relative_path(one.get("asset"), "the asset of a level")
        relative[path] = _relative(one, path, relative)
        levels.append(_level(one, path, relative[path], attributes))
    methods = {text_in(one, "resampling_method") for one in layout} - {None}
    method = text_in(multiscales, "resampling_method") or (methods.pop() if len(methods) == 1 else None)
    named = {theirs: ours for ours, theirs in RESAMPLING.items()}
    return Multiscale(
        "multiscales",
        "0.1",
        axes,
        tuple(levels),
        method=named.get(method or "", method),
        crs={name: attributes[f"proj:{name}"] for name in CRS if attributes.get(f"proj:{name}") is not None},
    )


def _relative(one: Mapping[str, Any], path: str, known: Mapping[str, Affine1D]) -> Affine1D:
    """Return the transformation from positions in this level to positions in the level that all are derived from."""
    transform = object_in(one.get("transform", {}), f"the transform of level {path!r}")
    parts = {
        name: numbers(transform[name], f"the {name} of level {path!r}")
        for name in transform
        if name in AFFINE
    }
    count = len(next(iter(parts.values()), ()))
    scale, translation = identity(count)
    scale, translation = parts.get("scale", scale), parts.get("translation", translation)
    if len(scale) != len(translation):
        raise MetadataError(
            f"scale and translation of level {path!r} have {len(scale)} and {len(translation)} numbers"
        )
    source = one.get("derived_from")
    if source is None:
        return scale, translation
    if source not in known:
        raise MetadataError(f"level {path!r} is derived from {source!r}, which is no level before it")
    above = known[source]
    if not above[0]:
        return scale, translation
    if not scale:
        return above
    if len(above[0]) != len(scale):
        raise MetadataError(f"levels {path!r} and {source!r} have transforms of different lengths")
    return (
        tuple([a * b for a, b in zip(above[0], scale, strict=True)]),
        tuple([a * t + b for a, b, t in zip(*above, translation, strict=True)]),
    )


AFFINE = ("scale", "translation")


def _level(
    one: Mapping[str, Any], path: str, relative: Affine1D, attributes: Mapping[str, Any]
) -> LevelMetadata:
    """Return the level: its own spatial transform, else that of the first level and the relative transform."""
    center = 0.0 if attributes.get("spatial:registration") == "node" else 0.5
    own = one.get("spatial:transform")
    if own is None and not any(n not in (1.0, 0.0) for part in relative for n in part):
        own = attributes.get("spatial:transform")
    if own is not None:
        x_scale, x_shear, x, y_shear, y_scale, y = numbers(own, f"spatial:transform of level {path!r}", 6)
        if x_shear or y_shear:
            raise UnsupportedError(f"level {path!r} is rotated or sheared, which exzarr does not read")
        return LevelMetadata(path, (y_scale, x_scale), (y + center * y_scale, x + center * x_scale))
    base = attributes.get("spatial:transform")
    scale, translation = relative
    if base is not None and len(scale) >= 2:
        x_scale, _, x, _, y_scale, y = numbers(base, "spatial:transform", 6)
        corner = (y + y_scale * translation[-2], x + x_scale * translation[-1])
        scale = (y_scale * scale[-2], x_scale * scale[-1])
        return LevelMetadata(path, scale, tuple([c + center * s for c, s in zip(corner, scale, strict=True)]))
    if not scale:
        return LevelMetadata(path, None, None)
    return LevelMetadata(
        path, scale, tuple([t + center * s for t, s in zip(translation, scale, strict=True)])
    )


def declared(attributes: Mapping[str, Any], added: Sequence[Mapping[str, str]]) -> list[Any]:
    """Return ``zarr_conventions`` with these conventions, and the others that are there."""
    uuids = {one["uuid"] for one in added}
    before = attributes.get("zarr_conventions")
    kept = [
        one
        for one in (before if isinstance(before, list | tuple) else ())
        if not (isinstance(one, Mapping) and one.get("uuid") in uuids)
    ]
    return [*kept, *[dict(one) for one in added]]


def to_attributes(
    image: Multiscale, shapes: Sequence[Sequence[int]], attributes: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the attributes of a group whose levels have these shapes; `attributes` are those it has.

    Raises
    ------
    ArgumentError
        Another axis than the two horizontal ones has world coordinates, which the convention cannot state.
    """
    y, x = _horizontal(image)
    layout: list[dict[str, Any]] = []
    first = image.levels[0]
    assert first.scale is not None
    for level, shape in zip(image.levels, shapes, strict=True):
        assert level.scale is not None
        assert level.translation is not None
        corner = [t - s / 2 for t, s in zip(level.translation, level.scale, strict=True)]
        entry: dict[str, Any] = {"asset": level.path}
        if layout:
            before = image.levels[len(layout) - 1]
            assert before.scale is not None
            assert before.translation is not None
            start = [t - s / 2 for t, s in zip(before.translation, before.scale, strict=True)]
            entry["derived_from"] = before.path
            entry["transform"] = {
                "scale": [a / b for a, b in zip(level.scale, before.scale, strict=True)],
                "translation": [
                    (a - b) / s + 0.0 for a, b, s in zip(corner, start, before.scale, strict=True)
                ],
            }
        else:
            entry["transform"] = {"scale": [1.0] * len(shape), "translation": [0.0] * len(shape)}
        entry["spatial:shape"] = [shape[y], shape[x]]
        entry["spatial:transform"] = [level.scale[x], 0.0, corner[x], 0.0, level.scale[y], corner[y]]
        layout.append(entry)
    edges = {axis: _edges(first, axis, shapes[0][axis]) for axis in (y, x)}
    found: dict[str, Any] = {
        "zarr_conventions": declared(attributes, [MULTISCALES, SPATIAL, *([PROJ] if image.crs else [])]),
        "multiscales": {
            "layout": layout,
            **(
                {}
                if image.method is None
                else {"resampling_method": RESAMPLING.get(image.method, image.method)}
            ),
        },
        "spatial:dimensions": [image.axes[y].name, image.axes[x].name],
        "spatial:bbox": [edges[x][0], edges[y][0], edges[x][1], edges[y][1]],
        "spatial:transform": layout[0]["spatial:transform"],
        "spatial:registration": "pixel",
    }
    return {**found, **{f"proj:{name}": value for name, value in image.crs.items()}}


def _horizontal(image: Multiscale) -> tuple[int, int]:
    """Return the numbers of the axes y and x: the last two of type space."""
    space = [at for at, axis in enumerate(image.axes) if axis.type == "space"]
    if len(space) < 2:
        raise ArgumentError(
            f"the convention 'multiscales' requires two axes of type space, and there are {len(space)}: give axes"
        )
    y, x = space[-2:]
    scale, translation = image.levels[0].scale or (), image.levels[0].translation or ()
    for at, axis in enumerate(image.axes):
        if at not in (y, x) and (scale[at] != 1.0 or translation[at] != 0.0):
            raise ArgumentError(
                f"the convention 'multiscales' states world coordinates of {image.axes[y].name} and "
                f"{image.axes[x].name} only, not the scale or translation of axis {axis.name!r}: leave them out, or "
                "use convention='ome-zarr'"
            )
    units = sorted({axis.unit for axis in image.axes if axis.unit})
    if units:
        raise ArgumentError(
            f"the convention 'multiscales' states no units ({', '.join(units)}): the unit is that of crs"
        )
    return y, x


def _edges(level: LevelMetadata, axis: int, length: int) -> tuple[float, float]:
    assert level.scale is not None
    assert level.translation is not None
    start = level.translation[axis] - level.scale[axis] / 2
    edges = (start, start + level.scale[axis] * length)
    return min(edges), max(edges)
