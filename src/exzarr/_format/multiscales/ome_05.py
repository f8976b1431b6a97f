"""OME-Zarr 0.5: Zarr format 3, and metadata in the attribute ``ome``.

https://ngff.openmicroscopy.org/0.5/, sections "OME-Zarr Metadata" and "multiscales" metadata.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from exzarr._format.multiscales import ome_04
from exzarr._format.multiscales.model import Multiscale
from exzarr._format.multiscales.ome_parts import chosen, format_image

__all__ = ["VERSION", "parse", "to_attributes"]

VERSION = "0.5"


def parse(ome: Mapping[str, Any]) -> Multiscale:
    """Parse the attribute ``ome`` of a group."""
    return ome_04.parse_entry(chosen(ome), ome, VERSION)


def to_attributes(image: Multiscale) -> dict[str, Any]:
    """Return the attributes of a group."""
    ome_04.check_axes(image.axes, image.version)
    return {"ome": {"version": VERSION, **format_image(image, ome_04.format_entry(image))}}
