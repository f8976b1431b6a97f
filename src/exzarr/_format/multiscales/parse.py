"""From the attributes of a group to its meaning, whatever the convention and its version."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from exzarr._format.multiscales import ome_04, ome_05, ome_06, ome_early, zarr_convention
from exzarr._format.multiscales.model import Multiscale
from exzarr.errors import MetadataError, UnsupportedError

__all__ = ["Kind", "kind_of", "ome_members", "parse", "to_attributes"]

Kind = Literal["image", "plate", "well", "labels", "series", "scene"]
"""What a group is: a pyramid, a plate, a well, a group of label images, a ``bioformats2raw.layout``, or a scene."""


def ome_members(attributes: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the OME-Zarr metadata: the attribute ``ome`` since 0.5, before all attributes."""
    ome = attributes.get("ome")
    return ome if isinstance(ome, Mapping) else attributes


def kind_of(attributes: Mapping[str, Any]) -> Kind | None:
    """Return what a group with these attributes is; None if it is something else.

    Plate metadata takes precedence over ``bioformats2raw.layout``, as the specification requires.
    """
    members = ome_members(attributes)
    entries = members.get("multiscales")
    if (entries and isinstance(entries, list | tuple)) or zarr_convention.is_multiscale(attributes):
        return "image"
    if isinstance(members.get("plate"), Mapping):
        return "plate"
    if isinstance(members.get("well"), Mapping):
        return "well"
    if isinstance(members.get("scene"), Mapping):
        return "scene"
    if "bioformats2raw.layout" in members:
        return "series"
    return "labels" if isinstance(members.get("labels"), list | tuple) else None


def parse(attributes: Mapping[str, Any]) -> Multiscale:
    """Parse the attributes of a group that is a pyramid.

    Raises
    ------
    MetadataError
        The metadata is invalid, or the group is no pyramid.
    UnsupportedError
        The version is unknown, or the metadata requires a feature that exzarr lacks.
    """
    ome = attributes.get("ome")
    if isinstance(ome, Mapping) and ome.get("multiscales"):
        version = str(ome.get("version", ome_05.VERSION))
        if version.startswith("0.6"):
            return ome_06.parse(ome)
        if version.startswith("0.5"):
            return ome_05.parse(ome)
        raise UnsupportedError(f"OME-Zarr version {version!r}: exzarr reads 0.1 to 0.6")
    if zarr_convention.is_multiscale(attributes):
        return zarr_convention.parse(attributes)
    entries = attributes.get("multiscales")
    if not isinstance(entries, list | tuple) or not entries or not isinstance(entries[0], Mapping):
        raise MetadataError("the attributes have no 'multiscales' metadata")
    version = _early_version(entries[0])
    return ome_04.parse(attributes) if version == ome_04.VERSION else ome_early.parse(attributes, version)


def _early_version(entry: Mapping[str, Any]) -> str:
    """Return the version of metadata without the attribute ``ome``. Its axes tell more than the version it states."""
    axes = entry.get("axes")
    if isinstance(axes, list | tuple) and axes and isinstance(axes[0], Mapping):
        return ome_04.VERSION
    if axes:
        return "0.3"
    version = entry.get("version")
    return version if version in ("0.1", "0.2") else "0.2"


def to_attributes(
    image: Multiscale, shapes: Any = (), attributes: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Return the attributes that describe a pyramid; `shapes` and `attributes` are for the convention "multiscales"."""
    if image.convention == "multiscales":
        return zarr_convention.to_attributes(image, shapes, attributes or {})
    writers = {"0.4": ome_04.to_attributes, "0.5": ome_05.to_attributes, "0.6": ome_06.to_attributes}
    return writers[image.version](image)
