"""What is drawn: values, and the coordinates along their dimensions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from exzarr._pictures.sampling import Sample
from exzarr._typing import AnyArray

__all__ = ["Axis", "Kind", "Picture"]

Kind = Literal["image", "line", "histogram"]


@dataclass(frozen=True, slots=True)
class Axis:
    """A dimension of a picture.

    Attributes
    ----------
    label
        Name and units.
    values
        Coordinates of the elements: numbers or ``datetime64``, increasing or decreasing; else indices.
    labelled
        True if the values are coordinates of the data, and not indices.
    """

    label: str
    values: AnyArray
    labelled: bool = False


@dataclass(frozen=True, slots=True)
class Picture:
    """A sample of an array.

    Attributes
    ----------
    kind
        How it is drawn.
    values
        Numbers, masked where there are none; or colours (``uint8``, red, green, blue, and opacity if there are four).
    axes
        The dimensions, without the one of the colours.
    title, label
        What the picture shows, and name and units of the values.
    sample
        Which elements were read.
    """

    kind: Kind
    values: np.ma.MaskedArray[Any, Any]
    axes: tuple[Axis, ...]
    title: str
    label: str
    sample: Sample

    @property
    def colours(self) -> bool:
        """True if the values are colours."""
        return self.values.ndim == len(self.axes) + 1
