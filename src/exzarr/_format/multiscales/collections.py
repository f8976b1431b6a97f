"""Groups of images: plates and wells of high-content screening, label groups and ``bioformats2raw.layout``.

https://ngff.openmicroscopy.org/0.5/index.html, sections "plate", "well", "labels" and "bioformats2raw.layout" metadata.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from exzarr._format.multiscales.documents import array_in, object_in, relative_path, text_in

__all__ = ["Field", "PlateMetadata", "parse_paths", "parse_plate", "parse_well"]


@dataclass(frozen=True, slots=True)
class Field:
    """A field of view of a well.

    Attributes
    ----------
    path
        Path of the image, relative to the well.
    acquisition
        Number of the acquisition, if the plate has several.
    """

    path: str
    acquisition: int | None = None


@dataclass(frozen=True, slots=True)
class PlateMetadata:
    """The layout of a plate.

    Attributes
    ----------
    name
        Name of the plate.
    rows, columns
        Names of the rows and columns, also of those without wells.
    wells
        Path of each stored well, relative to the plate.
    acquisitions
        The acquisitions, as stored.
    """

    name: str | None
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    wells: tuple[str, ...]
    acquisitions: tuple[Mapping[str, Any], ...]


def parse_plate(value: Any) -> PlateMetadata:
    """Parse "plate" metadata."""
    plate = object_in(value, "'plate' metadata")
    wells = array_in(plate, "wells", "'plate' metadata", required=False)
    return PlateMetadata(
        text_in(plate, "name"),
        _names(plate, "rows"),
        _names(plate, "columns"),
        tuple([relative_path(object_in(well, "a well").get("path"), "the path of a well") for well in wells]),
        tuple(
            [object_in(one, "an acquisition") for one in array_in(plate, "acquisitions", "", required=False)]
        ),
    )


def _names(plate: Mapping[str, Any], which: str) -> tuple[str, ...]:
    entries = array_in(plate, which, "'plate' metadata", required=False)
    return tuple([str(object_in(one, f"one of the {which}").get("name")) for one in entries])


def parse_well(value: Any) -> tuple[Field, ...]:
    """Parse "well" metadata: the fields of view."""
    fields = []
    for entry in array_in(object_in(value, "'well' metadata"), "images", "'well' metadata"):
        one = object_in(entry, "an image of a well")
        number = one.get("acquisition")
        path = relative_path(one.get("path"), "the path of an image")
        fields.append(Field(path, number if isinstance(number, int) else None))
    return tuple(fields)


def parse_paths(value: Any, what: str) -> tuple[str, ...]:
    """Parse an array of paths: "labels", or "series" of the group ``OME``."""
    entries = array_in({what: value}, what, f"{what!r} metadata", required=False)
    return tuple([relative_path(entry, f"an entry of {what!r}") for entry in entries])
