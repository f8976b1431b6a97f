"""OME-Zarr 0.1, 0.2 and 0.3, which exzarr reads and does not write.

https://ngff.openmicroscopy.org/0.1/, /0.2/ and /0.3/, section "multiscales" metadata. The versions 0.1 and 0.2 always have
the axes t, c, z, y, x; version 0.3 names them. None of them states the scale of a level.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from exzarr._format.multiscales.documents import array_in, object_in, relative_path
from exzarr._format.multiscales.model import Axis, LevelMetadata, Multiscale
from exzarr._format.multiscales.ome_parts import chosen, image_members

__all__ = ["TYPES", "parse"]

TYPES = {"t": "time", "c": "channel", "z": "space", "y": "space", "x": "space"}
"""Types of the axes by their names, which these versions prescribe."""


def parse(attributes: Mapping[str, Any], version: str) -> Multiscale:
    """Parse the attributes of a group."""
    entry = chosen(attributes)
    names = entry.get("axes") or [*TYPES]
    return Multiscale(
        "ome-zarr",
        version,
        tuple([Axis(str(name), TYPES.get(str(name))) for name in names]),
        tuple(
            [
                LevelMetadata(relative_path(object_in(one, "a dataset").get("path"), "a dataset"), None, None)
                for one in array_in(entry, "datasets", "an entry of 'multiscales'")
            ]
        ),
        **image_members(entry, attributes),
    )
