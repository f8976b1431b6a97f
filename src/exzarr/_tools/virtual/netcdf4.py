"""Conventions of the netCDF library in HDF5 files: names, dimensions, and variables shorter than a dimension.

https://docs.unidata.ucar.edu/netcdf-c/current/file_format_specifications.html#netcdf_4_spec
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from types import ModuleType
from typing import Any

import numpy as np

from exzarr._format import v2
from exzarr._nodes.array import Array
from exzarr._tools.virtual.hdf5_arrays import taken_in
from exzarr._tools.virtual.hdf5_attributes import NETCDF, attribute
from exzarr._tools.virtual.hdf5_links import Found
from exzarr._tools.virtual.model import DAMAGE, UnreferencedError, VirtualArray
from exzarr._tools.virtual.values import fill_json

__all__ = ["Axis", "Dimensions", "is_phantom", "padded", "plain_name"]

_NON_COORD = "_nc4_non_coord_"
_NO_VARIABLE = b"This is a netCDF dimension but not a netCDF variable"
_DEFAULT_FILL = {
    "i1": -127, "u1": 255, "i2": -32767, "u2": 65535, "i4": -2147483647, "u4": 4294967295,
    "i8": -9223372036854775806, "u8": 18446744073709551614, "f4": float(np.float32(9.9692099683868690e36)),
    "f8": 9.9692099683868690e36, "S1": b"\0",
}  # fmt: skip
"""NC_FILL_BYTE and the other default fill values of netcdf.h."""
SMALL = 1 << 20
"""Maximum bytes of a padded variable that is stored in the references because they cannot express it."""


def plain_name(path: str) -> str:
    """Return the path in netCDF, without the prefix of variables that are named like a foreign dimension."""
    return "/".join(part.removeprefix(_NON_COORD) for part in path.split("/"))


def is_phantom(dataset: Any) -> bool:
    """Return True if a data set is only a dimension without a variable."""
    name = attribute(dataset, "NAME")
    return isinstance(name, bytes) and name.startswith(_NO_VARIABLE)


@dataclass(frozen=True, slots=True)
class Axis:
    """One dimension of a data set: its key (equal for all data sets that share it), and its name."""

    key: Any
    name: str


class Dimensions:
    """The dimensions of all data sets of a file."""

    def __init__(self, h5py: ModuleType, root: Any, datasets: Iterable[Found]) -> None:
        self._h5py = h5py
        self._ids: dict[tuple[str, int], Found] = {}
        self._unlimited: set[Any] = set()
        self._axes: dict[Any, Sequence[Axis]] = {}
        datasets = [*datasets]
        netcdf = any(name in NETCDF for name in _names(root))
        for found in datasets:
            number = attribute(found.item, "_Netcdf4Dimid")
            if number is not None and h5py.h5ds.is_scale(found.item.id):
                self._ids.setdefault((found.place.target, int(number)), found)
            netcdf = netcdf or is_phantom(found.item) or not NETCDF.isdisjoint(_names(found.item))
        self._longest: dict[Any, int] = {}
        for found in datasets if netcdf else ():
            if is_phantom(found.item) or found.item.shape is None:
                continue
            try:
                axes = self.axes(found)
            except (*DAMAGE, UnreferencedError):  # reported when the data set is read
                continue
            for axis, length in zip(axes, found.item.shape, strict=True):
                self._longest[axis.key] = max(length, self._longest.get(axis.key, 0))

    def axes(self, found: Found) -> Sequence[Axis]:
        """Return the dimensions of a data set. h5py raises an error if they cannot be read."""
        axes = self._axes.get(found.identity)
        if axes is None:
            axes = self._axes[found.identity] = [*self._read(found)]
        return axes

    def shape(self, found: Found) -> tuple[int, ...]:
        """Return the shape, with unlimited dimensions as long as the longest variable that has them."""
        shape: tuple[int, ...] = found.item.shape
        return tuple(
            max(length, self._longest.get(axis.key, 0)) if axis.key in self._unlimited else length
            for axis, length in zip(self.axes(found), shape, strict=True)
        )

    def _read(self, found: Found) -> Iterable[Axis]:
        dataset = found.item
        scale = self._h5py.h5ds.is_scale(dataset.id)
        ids = attribute(dataset, "_Netcdf4Coordinates") if scale and dataset.ndim > 1 else None
        for number in range(dataset.ndim):
            attached = dataset.dims[number]
            if len(attached):
                yield self._axis(attached[0], found)
            elif ids is not None and len(ids) > number:
                other = self._ids.get((found.place.target, int(ids[number])))
                yield Axis(None, f"phony_dim_{number}") if other is None else self._axis(other.item, other)
            elif scale and number == 0:
                yield self._axis(dataset, found)
            else:
                yield Axis(None, f"phony_dim_{number}")

    def _axis(self, scale: Any, found: Found) -> Axis:
        key = found.place.target, int(self._h5py.h5o.get_info(scale.id).addr)
        if scale.maxshape and scale.maxshape[0] is None:
            self._unlimited.add(key)
        return Axis(key, plain_name(scale.name).rpartition("/")[2])


def _names(item: Any) -> Iterable[str]:
    try:
        return [*item.attrs]
    except DAMAGE:  # reported when the attributes are read
        return ()


def padded(
    array: VirtualArray,
    dataset: Any,
    shape: tuple[int, ...],
    reader: Callable[[VirtualArray], Array],
) -> VirtualArray:
    """Pad an array to `shape` with netCDF's fill value. Raise UnreferencedError if references cannot express it."""
    if shape == dataset.shape:
        return array
    if array.document["dtype"] == "|O":
        return _whole(array, dataset, shape, array.masked or "")
    fill = _fill(dataset, array)
    longer = replace(array, document={**array.document, "shape": [*shape]})
    if array.complete or array.unwritten == fill:
        longer.unwritten = fill
        if _edges_are_filled(longer, dataset.shape, reader):
            return longer
    return _whole(array, dataset, shape, _element(array, fill))


def _fill(dataset: Any, array: VirtualArray) -> Any:
    """Return the value with which netCDF pads, as JSON."""
    if dataset.id.get_create_plist().fill_value_defined() == _USER_DEFINED:
        return array.unwritten
    if array.masked is not None:
        return array.masked
    default = _DEFAULT_FILL.get(dataset.dtype.str[1:])
    if default is None:
        raise UnreferencedError(
            f"it is shorter than its unlimited dimension, but netCDF has no fill value for {dataset.dtype}"
        )
    return fill_json(array, default)


def _element(array: VirtualArray, fill: Any) -> Any:
    """Convert a fill value of a document to an element."""
    return v2.parse_array({**array.document, "fill_value": fill}).fill_value


_USER_DEFINED = 2
"""H5D_FILL_VALUE_USER_DEFINED."""


def _edges_are_filled(
    longer: VirtualArray, shape: tuple[int, ...], reader: Callable[[VirtualArray], Array]
) -> bool:
    """Return True if stored chunks have the fill value beyond the end of the variable, which HDF5 ignores."""
    ours: Array | None = None
    filled = _element(longer, longer.unwritten)
    for index in longer.chunks:
        starts = [at * length for at, length in zip(index, longer.chunk_shape, strict=True)]
        stops = [
            min(start + length, most)
            for start, length, most in zip(starts, longer.chunk_shape, longer.shape, strict=True)
        ]
        for axis, end in enumerate(shape):
            if not starts[axis] < end < stops[axis]:
                continue
            ours = reader(longer) if ours is None else ours
            region = [slice(start, stop) for start, stop in zip(starts, stops, strict=True)]
            region[axis] = slice(end, stops[axis])
            beyond = np.asarray(ours[tuple(region)])
            if beyond.tobytes() != np.full(beyond.shape, filled, beyond.dtype).tobytes():
                return False
    return True


def _whole(array: VirtualArray, dataset: Any, shape: tuple[int, ...], fill: Any) -> VirtualArray:
    """Store all elements and the padding in the references."""
    if math.prod(shape) * dataset.dtype.itemsize > SMALL:
        raise UnreferencedError(
            f"it has the shape {dataset.shape}, but its unlimited dimension requires {shape}; its chunks have other "
            f"values there than netCDF reads, and it is larger than {SMALL} bytes"
        )
    whole = taken_in(dataset, shape=shape, fill=fill)
    return replace(whole, attributes=array.attributes, masked=array.masked)
