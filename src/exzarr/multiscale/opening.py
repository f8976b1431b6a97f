"""`open`: open a pyramid, or a collection of images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from exzarr._api.opening import open as open_node
from exzarr._format.multiscales.faults import known_scales
from exzarr._format.multiscales.model import Axis, Multiscale
from exzarr._format.multiscales.parse import kind_of, parse
from exzarr._nodes import hierarchy
from exzarr._nodes.array import Array
from exzarr._nodes.group import Group
from exzarr._nodes.hierarchy import Location
from exzarr._spelling import known_arguments
from exzarr.errors import MetadataError, NodeNotFoundError, NodeTypeError, UnsupportedError
from exzarr.multiscale.collections import Plate, Scene, Series, Well
from exzarr.multiscale.describe import TYPES
from exzarr.multiscale.pyramid import Level, Pyramid

if TYPE_CHECKING:
    from exzarr.stores.resolve import StoreLike
    from exzarr.stores.url_options import StorageOptions

__all__ = ["image_at", "open", "open_image"]


@known_arguments
def open(  # noqa: A001
    store: Group | StoreLike,
    *,
    path: str | None = None,
    mode: Literal["r", "r+"] | None = None,
    variable: str | None = None,
    storage_options: StorageOptions | None = None,
) -> Pyramid | Plate | Well | Series | Scene:
    """Open a pyramid or a collection of images.

    It reads OME-Zarr 0.1 to 0.6, and the Zarr convention "multiscales" with "spatial" and "proj", from folders, zip files
    (``.ozx``) and URLs.

    Parameters
    ----------
    store, path
        A group, or a store, path or URL as for `exzarr.open`, and a path in it.
    mode
        ``"r"`` reads; ``"r+"`` reads and writes. Default: ``"r+"`` if the store is writable.
    variable
        Name of the array, if the levels are groups of several arrays, as in GeoZarr.
    storage_options
        Options of the store that a URL names.

    Returns
    -------
    Pyramid, Plate, Well, Series or Scene
        A pyramid; a plate or a well of high-content screening; the images of a ``bioformats2raw.layout``; or the images
        of a scene.

    Raises
    ------
    NodeNotFoundError
        There is no node, or the array of a level is missing.
    NodeTypeError
        The node is an array, or a group that is none of these.
    MetadataError
        The metadata is invalid.
    UnsupportedError
        The version is unknown, or the metadata requires a feature that exzarr lacks.
    """
    if isinstance(store, Group):
        node: Array | Group = store if path is None else store[path]
    else:
        node = open_node(store, path=path, mode=mode, storage_options=storage_options)
    if isinstance(node, Array):
        raise NodeTypeError(f"{node.name!r} in {node.store} is an array: open the group of its pyramid")
    kind = kind_of(node.attrs.asdict())
    if kind == "image":
        return image_at(node, variable)
    if kind == "plate":
        return Plate(node)
    if kind == "well":
        return Well(node)
    if kind == "series":
        return Series(node)
    if kind == "scene":
        return Scene(node)
    hint = (
        "open the image above it, and its .labels" if kind == "labels" else "it has no metadata of a pyramid"
    )
    raise NodeTypeError(
        f"{node.name!r} in {node.store} is a group, but no pyramid or collection of images: {hint}"
    )


def open_image(location: Location) -> Pyramid:
    """Open the pyramid at a location."""
    direct = location.direct
    return image_at(Group(direct, hierarchy.load_group(direct)))


def image_at(group: Any, variable: str | None = None) -> Pyramid:
    """Return the pyramid of a group."""
    if not isinstance(group, Group):
        raise NodeTypeError(f"{group.name!r} in {group.store} is an array, and no pyramid")
    try:
        metadata = parse(group.attrs.asdict())
    except UnsupportedError as error:
        raise UnsupportedError(f"the pyramid {group.name!r} in {group.store}: {error}") from error
    except MetadataError as error:
        raise MetadataError(f"the pyramid {group.name!r} in {group.store}: {error}") from error
    arrays = [_array_of(group, level.path, variable) for level in metadata.levels]
    counts = {len(array.shape) for array in arrays}
    if len(counts) > 1 or (metadata.convention == "ome-zarr" and counts != {len(metadata.axes)}):
        raise MetadataError(
            f"the pyramid {group.name!r} in {group.store} has {len(metadata.axes)} axes, and levels of "
            f"{sorted(counts)} dimensions: exzarr check tells which"
        )
    scales = known_scales(metadata.levels, [array.shape for array in arrays])
    levels = [
        Level(number, array, *scale) for number, (array, scale) in enumerate(zip(arrays, scales, strict=True))
    ]
    return Pyramid(group, metadata, _axes(metadata, arrays[0]), tuple(levels))


def _array_of(group: Group, path: str, variable: str | None) -> Array:
    node = group.get(path)
    if isinstance(node, Group):
        names = [*node.array_keys()]
        name = variable if variable is not None else names[0] if len(names) == 1 else None
        if name is None:
            raise NodeTypeError(
                f"level {path!r} of {group.name!r} is a group of the arrays {sorted(names)}: choose one with variable="
            )
        node = node.get(name)
        path = f"{path}/{name}"
    if not isinstance(node, Array):
        raise NodeNotFoundError(
            f"the pyramid {group.name!r} in {group.store} has a level {path!r}, but there is no such array: "
            "exzarr check lists what is missing"
        )
    return node


def _axes(metadata: Multiscale, array: Array) -> tuple[Axis, ...]:
    """Return the axes of the metadata; where it has none, those named after the dimensions, or numbered."""
    ndim = array.ndim
    if len(metadata.axes) == ndim:
        return metadata.axes
    known = {axis.name: axis for axis in metadata.axes}
    names = array.dimension_names or (None,) * ndim
    found = []
    for at, name in enumerate(names):
        used = name or f"dim_{at}"
        found.append(known.get(used) or Axis(used, TYPES.get(used.lower())))
    return tuple(found)
