"""Label images: the "image-label" metadata of OME-Zarr.

https://ngff.openmicroscopy.org/0.5/index.html#labels-md
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from exzarr._format.multiscales.model import LabelInfo

__all__ = ["format_label", "parse_label"]


def parse_label(value: Any) -> LabelInfo | None:
    """Parse "image-label" metadata; None if it is missing. Invalid colors and properties are ignored."""
    if not isinstance(value, Mapping):
        return None
    colors = {}
    for one, label in _by_label(value.get("colors")):
        rgba = one.get("rgba")
        if isinstance(rgba, list | tuple) and len(rgba) == 4 and all(isinstance(n, int) for n in rgba):
            colors[label] = (rgba[0], rgba[1], rgba[2], rgba[3])
    properties = {
        label: {name: member for name, member in one.items() if name != "label-value"}
        for one, label in _by_label(value.get("properties"))
    }
    source = value.get("source")
    image = source.get("image") if isinstance(source, Mapping) else None
    return LabelInfo(colors, properties, image if isinstance(image, str) else "../../")


def _by_label(entries: Any) -> list[tuple[Mapping[str, Any], int]]:
    found = []
    for one in entries if isinstance(entries, list | tuple) else ():
        label = one.get("label-value") if isinstance(one, Mapping) else None
        if isinstance(label, int | float) and label == int(label):
            found.append((one, int(label)))
    return found


def format_label(label: LabelInfo) -> dict[str, Any]:
    """Return "image-label" metadata."""
    found: dict[str, Any] = {"source": {"image": label.source}}
    if label.colors:
        found["colors"] = [{"label-value": value, "rgba": [*rgba]} for value, rgba in label.colors.items()]
    if label.properties:
        found["properties"] = [
            {"label-value": value, **members} for value, members in label.properties.items()
        ]
    return found
