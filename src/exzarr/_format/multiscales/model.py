"""What the conventions say about a pyramid, in one form.

The *world coordinate* of element ``i`` of a level is ``translation + scale * i``, and refers to the center of the
element, as in OME-Zarr. Parsers of conventions that refer to the corner of the element add half an element.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

__all__ = ["Axis", "Channel", "Convention", "LabelInfo", "LevelMetadata", "Multiscale", "Window"]

Convention = Literal["ome-zarr", "multiscales"]


@dataclass(frozen=True, slots=True)
class Axis:
    """One dimension of a pyramid.

    Attributes
    ----------
    name
        Its name, unique among the axes.
    type
        ``"space"``, ``"time"``, ``"channel"`` or another type; None if it is not stated.
    unit
        The unit of world coordinates, such as ``"micrometer"``; None if it is not stated.
    """

    name: str
    type: str | None = None
    unit: str | None = None


@dataclass(frozen=True, slots=True)
class LevelMetadata:
    """One level of a pyramid, as its metadata describes it.

    Attributes
    ----------
    path
        Path of the array, relative to the group.
    scale
        Distance of neighboring elements along each axis, in world units. None if the convention does not state it.
    translation
        World coordinate of the center of the first element along each axis. None if `scale` is None.
    """

    path: str
    scale: tuple[float, ...] | None
    translation: tuple[float, ...] | None


@dataclass(frozen=True, slots=True)
class Window:
    """The values of a channel that a viewer shows.

    Attributes
    ----------
    start, end
        Values that are shown darkest and brightest.
    min, max
        Bounds for `start` and `end`.
    """

    start: float
    end: float
    min: float
    max: float


@dataclass(frozen=True, slots=True)
class Channel:
    """How to show one channel (``omero`` metadata).

    Attributes
    ----------
    label
        Name of the channel.
    color
        Six hexadecimal digits: red, green, blue.
    window
        The values to show.
    active
        True if viewers show the channel at first.
    """

    label: str | None = None
    color: str | None = None
    window: Window | None = None
    active: bool = True


@dataclass(frozen=True, slots=True)
class LabelInfo:
    """What a label image says about its labels (``image-label`` metadata).

    Attributes
    ----------
    colors
        Color of labels: red, green, blue and alpha from 0 to 255.
    properties
        Other properties of labels.
    source
        Path of the labeled image, relative to the label image.
    """

    colors: Mapping[int, tuple[int, int, int, int]] = field(default_factory=dict)
    properties: Mapping[int, Mapping[str, Any]] = field(default_factory=dict)
    source: str = "../../"


@dataclass(frozen=True, slots=True)
class Multiscale:
    """The metadata of one pyramid.

    Attributes
    ----------
    convention, version
        The convention, and its version (``"0.5"``).
    axes
        The axes, in the order of the array's dimensions. Empty if the convention does not name them.
    levels
        The levels, the one with the most elements first.
    name
        Name of the image.
    method
        How elements were reduced, such as ``"mean"``.
    details
        More about the reduction, as a JSON object.
    channels
        How to show the channels.
    label
        Present for label images.
    crs
        The coordinate reference system of the ``proj`` convention: members without their prefix (``code``, ``wkt2``,
        ``projjson``).
    coordinate_system
        Name of the coordinate system of the axes (OME-Zarr 0.6).
    transformations
        Transformations from that system to others (OME-Zarr 0.6), as stored. exzarr does not apply them.
    """

    convention: Convention
    version: str
    axes: tuple[Axis, ...]
    levels: tuple[LevelMetadata, ...]
    name: str | None = None
    method: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
    channels: tuple[Channel, ...] = ()
    label: LabelInfo | None = None
    crs: Mapping[str, Any] = field(default_factory=dict)
    coordinate_system: str = "physical"
    transformations: tuple[Mapping[str, Any], ...] = ()
