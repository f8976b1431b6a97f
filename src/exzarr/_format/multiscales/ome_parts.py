"""What the versions 0.4, 0.5 and 0.6 of OME-Zarr have in common."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from exzarr._format.multiscales.documents import array_in, object_in, text_in
from exzarr._format.multiscales.labels import format_label, parse_label
from exzarr._format.multiscales.model import Axis, Multiscale
from exzarr._format.multiscales.omero import format_channels, parse_channels
from exzarr.errors import MetadataError

__all__ = ["chosen", "format_axes", "format_image", "image_members", "parse_axes"]


def chosen(holder: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the first entry of ``multiscales``; the specification makes it the default."""
    entries = array_in(holder, "multiscales", "an OME-Zarr image")
    return object_in(entries[0], "an entry of 'multiscales'")


def parse_axes(entries: Any) -> tuple[Axis, ...]:
    """Parse "axes" metadata: objects with name, type and unit."""
    axes = []
    for entry in entries:
        one = object_in(entry, "an axis")
        name = text_in(one, "name")
        if name is None:
            raise MetadataError(f"an axis requires a name, and {dict(one)!r:.80} has none")
        axes.append(Axis(name, text_in(one, "type"), text_in(one, "unit")))
    if len({axis.name for axis in axes}) < len(axes):
        raise MetadataError(f"the names of axes are unique, but there are {[axis.name for axis in axes]}")
    return tuple(axes)


def format_axes(axes: tuple[Axis, ...]) -> list[dict[str, Any]]:
    """Return "axes" metadata."""
    return [
        {
            "name": axis.name,
            **({} if axis.type is None else {"type": axis.type}),
            **({} if axis.unit is None else {"unit": axis.unit}),
        }
        for axis in axes
    ]


def image_members(entry: Mapping[str, Any], holder: Mapping[str, Any]) -> dict[str, Any]:
    """Return the members of a `Multiscale` that all versions store in the same way.

    `entry` is the entry of ``multiscales``, `holder` the object that has it.
    """
    details = entry.get("metadata")
    return {
        "name": text_in(entry, "name"),
        "method": text_in(entry, "type"),
        "details": details if isinstance(details, Mapping) else {},
        "channels": parse_channels(holder.get("omero")),
        "label": parse_label(holder.get("image-label")),
    }


def format_image(image: Multiscale, entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return the members ``multiscales``, ``omero`` and ``image-label``, with this entry of ``multiscales``."""
    named: dict[str, Any] = {} if image.name is None else {"name": image.name}
    method: dict[str, Any] = {} if image.method is None else {"type": image.method}
    details = {"metadata": {**image.details}} if image.details else {}
    return {
        "multiscales": [{**named, **entry, **method, **details}],
        **({"omero": {"channels": format_channels(image.channels)}} if image.channels else {}),
        **({} if image.label is None else {"image-label": format_label(image.label)}),
    }
