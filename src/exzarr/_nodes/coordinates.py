"""The coordinates of an array: arrays of one dimension beside it, named after its dimensions, that hold labels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from exzarr._engine.planning import indexing
from exzarr._engine.source import open_source
from exzarr._format.metadata import ArrayMetadata
from exzarr._labels.index import Found, LabelIndex, Query
from exzarr._labels.times import cf_times, datetime_times
from exzarr._nodes import hierarchy
from exzarr._nodes.hierarchy import Location
from exzarr._nodes.selection_io import read_selection
from exzarr._spelling import no_dimension
from exzarr._typing import AnyArray
from exzarr.errors import LabelError, SelectionError

__all__ = ["Coordinates", "place_beside"]


class Coordinates:
    """The coordinates of one array, each read on first use and kept.

    Parameters
    ----------
    location, meta
        The array.
    """

    __slots__ = ("_indexes", "_location", "_names", "_shape")

    def __init__(self, location: Location, meta: ArrayMetadata) -> None:
        self._location = location
        self._names = meta.dimension_names or ()
        self._shape = meta.shape
        self._indexes: dict[str, LabelIndex] = {}

    def selection(self, labels: Mapping[str, Any], query: Query) -> dict[str, Found]:
        """Return the positions of labels by dimension.

        Raises
        ------
        SelectionError
            A dimension does not exist.
        LabelError
            A dimension has no coordinate, or a label does not exist.
        """
        found = {}
        for name, label in labels.items():
            if name not in self._names:
                raise SelectionError(no_dimension(name, self._names))
            try:
                found[name] = self._index(name).find(label, query)
            except LabelError as error:
                raise LabelError(f"array '/{self._location.path}', dimension {name!r}: {error}") from None
        return found

    def region(self, labels: Mapping[str, Any]) -> tuple[slice, ...]:
        """Return the region that labels select, for streams. Raise LabelError if it has gaps."""
        found = self.selection(labels, Query())
        return tuple([self._slice(name, found.get(name or "", slice(None))) for name in self._names])

    def _slice(self, name: str | None, found: Found) -> slice:
        if isinstance(found, slice) and found.step in (None, 1):
            return found
        if isinstance(found, int):
            return slice(found, found + 1)
        positions = found if isinstance(found, np.ndarray) else np.empty(0)
        if len(positions) and (np.diff(positions) == 1).all():
            return slice(int(positions[0]), int(positions[-1]) + 1)
        raise LabelError(
            f"array '/{self._location.path}', dimension {name!r}: a region has no gaps: pass a label, a period or a "
            "slice of labels"
        )

    # -- reading ------------------------------------------------------------------------

    def _index(self, name: str) -> LabelIndex:
        index = self._indexes.get(name)
        if index is None:
            index = self._indexes[name] = self._read(name)
        return index

    def _read(self, name: str) -> LabelIndex:
        length = self._shape[self._names.index(name)]
        place = self._place(name)
        meta = _coordinate(place)
        if meta is not None and meta.shape[0] != length and place is not None:
            place = place.direct  # consolidated metadata may be older than the array's document
            meta = _coordinate(place)
        if meta is None or place is None:
            raise LabelError(f"it has no coordinate: {self._others()}. isel selects by position")
        if meta.shape[0] != length:
            raise LabelError(
                f"its coordinate '/{place.path}' has {meta.shape[0]} labels, and the array has the length {length}"
            )
        return _labels(_values(place, meta), meta.attributes, f"coordinate '/{place.path}'")

    def _place(self, name: str) -> Location | None:
        """Return the location of a coordinate: beside the array. None if its name can't be that of an array."""
        return place_beside(self._location, name)

    def _others(self) -> str:
        """Return the coordinates that exist, as text."""
        names = [
            name for name in self._names if name is not None and _coordinate(self._place(name)) is not None
        ]
        if names:
            return f"the array's coordinates are {', '.join(map(repr, names))}"
        return "no array beside this one is named after a dimension"


def place_beside(location: Location, name: str) -> Location | None:
    """Return the location of the node beside an array that has this name; None if there can be none."""
    parent = location.parent
    if parent is None:  # the array is the root of its store
        above = location.store.parent()
        parent = None if above is None else Location(above, "")
    return parent.child(name) if parent is not None and hierarchy.is_node_name(name) else None


def _coordinate(place: Location | None) -> ArrayMetadata | None:
    """Return the metadata of the array of one dimension at `place`, or None."""
    found = None if place is None else hierarchy.find(place)
    return found if isinstance(found, ArrayMetadata) and found.ndim == 1 else None


def _values(place: Location, meta: ArrayMetadata) -> AnyArray:
    source = open_source(place.store, place.path, meta)
    values: AnyArray = read_selection(source, indexing.basic(Ellipsis, meta.shape))
    return values


def _labels(values: AnyArray, attributes: Mapping[str, Any], where: str) -> LabelIndex:
    if values.dtype.kind == "M":
        return LabelIndex(values, datetime_times(values))
    scale, offset = attributes.get("scale_factor"), attributes.get("add_offset")
    if values.dtype.kind in "iuf" and (scale is not None or offset is not None):
        values = values * float(1 if scale is None else scale) + float(offset or 0)
    return LabelIndex(values, cf_times(values, attributes, where))
