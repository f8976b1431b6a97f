"""Read a picture: a sample of an array with its coordinates, decoded by the CF conventions.

Source: CF conventions, section 8.1 "Packed Data" and 2.5.1 "Missing data"
(https://cfconventions.org/cf-conventions/cf-conventions.html).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import unquote

import numpy as np

from exzarr._engine.planning import indexing
from exzarr._labels.times import Times, cf_times
from exzarr._nodes import hierarchy
from exzarr._nodes.array import Array
from exzarr._nodes.coordinates import place_beside
from exzarr._pictures.picture import Axis, Kind, Picture
from exzarr._pictures.sampling import Limits, Part, sample
from exzarr._tools.xarray_fill import missing_marks
from exzarr._typing import AnyArray, IntArray
from exzarr.errors import ArgumentError, ExzarrError, UnsupportedError

__all__ = ["read_picture"]

COLOURS = (3, 4)
"""Lengths of a last dimension that holds colours."""

POINTS: dict[Kind, int] = {"image": 1200, "line": 20_000, "histogram": 1200}
"""Maximum number of elements along a dimension."""


def read_picture(
    array: Array,
    selection: tuple[Any, ...],
    kind: Kind | None = None,
    *,
    decoded: int = 256 << 20,
    name: str | None = None,
    axis_of: Callable[[int, IntArray], Axis] | None = None,
) -> Picture:
    """Read a picture of a region.

    Parameters
    ----------
    array
        Any array of numbers or booleans.
    selection
        Integers, slices and ``...``.
    kind
        How to draw it. By default: one dimension as a line, two dimensions, or three whose last has three or four elements of
        ``uint8`` (colours), as an image, and more as a histogram.
    decoded
        Maximum number of bytes of all chunks that are decoded.
    name
        Name of the values, unless the attributes have one. Default: the name of the array.
    axis_of
        Function that returns the axis of a dimension from the indices of its elements. Default: the coordinates beside the
        array.

    Raises
    ------
    ArgumentError
        The region has no dimension, no elements, or not the number of dimensions of the kind; the array does not have
        numbers; or one chunk exceeds the limit.
    """
    if array.dtype.kind not in "biufcmM":
        raise ArgumentError(
            f"{array} has no numbers, so that it can't be drawn: `exzarr head` prints its values"
        )
    region = _region(selection, array.shape)
    shown = [part for part in region if isinstance(part, range)]
    colours = (
        len(shown) == 3
        and len(shown[-1]) in COLOURS
        and isinstance(region[-1], range)
        and array.dtype == "u1"
    )
    kind = _kind(kind, len(shown) - colours, len(shown))
    if not all(map(len, shown)):
        raise ArgumentError(f"the region of {array} has no elements: choose another one")
    colours = colours and kind == "image"
    most = POINTS[kind] if len(shown) <= 2 or kind == "image" else max(4, int(1_000_000 ** (1 / len(shown))))
    points = tuple([COLOURS[-1] if colours and i == 2 else most for i in range(len(shown))])
    chosen = sample(array.metadata, region, Limits(points, decoded, colours=colours))
    values = array.oindex[tuple(chosen.parts)]
    names = array.metadata.dimension_names or (None,) * array.ndim
    dims = [dim for dim, part in enumerate(region) if isinstance(part, range)]
    axis_of = axis_of or (lambda dim, at: _axis(array, names[dim], dim, at))
    axes = [axis_of(dim, at) for dim, at in zip(dims, chosen.positions, strict=True)]
    name = name or array.basename or unquote(array.store.url.rstrip("/").rpartition("/")[2]) or "array"
    return Picture(
        kind,
        np.ma.MaskedArray(values) if colours else _decoded(array, values),
        tuple(axes[: len(axes) - colours]),
        _title(array, name, names, region),
        _label(array.metadata.attributes, f"|{name}|" if array.dtype.kind == "c" else name),
        chosen,
    )


def _kind(kind: Kind | None, ndim: int, shown: int) -> Kind:
    if shown == 0:
        raise ArgumentError(
            "a picture needs at least one dimension: use a slice in the region, or `exzarr head`"
        )
    if kind is None:
        return "line" if ndim == 1 else "image" if ndim == 2 else "histogram"
    if kind == "line" and shown != 1:
        raise ArgumentError(
            f"a line has one dimension, and the region has {shown}: give indices for the others"
        )
    if kind == "image" and ndim != 2:
        raise ArgumentError(
            f"an image has two dimensions, and the region has {shown}: give indices for the others"
        )
    return kind


def _region(selection: tuple[Any, ...], shape: tuple[int, ...]) -> list[Part]:
    """Return the elements of each dimension."""
    indexing.basic(selection, shape)  # raises the errors of a read
    full = [*selection]
    at = full.index(...) if ... in full else len(full)
    full[at : at + 1] = [slice(None)] * (len(shape) - len(full) + (... in full))
    return [
        range(n)[item] if isinstance(item, slice) else int(item) % n
        for item, n in zip(full, shape, strict=True)
    ]


def _decoded(array: Array, values: AnyArray) -> np.ma.MaskedArray[Any, Any]:
    """Return values as numbers: unpacked, and masked where they are missing."""
    attributes = array.metadata.attributes
    marks = missing_marks(array.metadata, values.dtype)
    missing = np.isin(values, marks) if marks else np.zeros(values.shape, bool)
    if values.dtype.kind in "mM":
        missing, values = np.isnat(values), values.astype(np.int64)
    if values.dtype.kind == "c":
        values = np.abs(values)
    numbers = values.astype(np.float64)
    scale, offset = (_number(attributes.get(name)) for name in ("scale_factor", "add_offset"))
    if scale is not None or offset is not None:
        numbers = numbers * (1.0 if scale is None else scale) + (offset or 0.0)
    return np.ma.MaskedArray(numbers, missing | ~np.isfinite(numbers))


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _title(array: Array, name: str, names: Sequence[str | None], region: Sequence[Part]) -> str:
    fixed = [
        f"{named or dim}={part}"
        for dim, (named, part) in enumerate(zip(names, region, strict=True))
        if isinstance(part, int)
    ]
    title = str(array.metadata.attributes.get("long_name") or name)
    return f"{title} ({', '.join(fixed)})" if fixed else title


def _label(attributes: Mapping[str, Any], name: str) -> str:
    text = str(attributes.get("long_name") or attributes.get("standard_name") or name)
    units = attributes.get("units")
    return f"{text} [{units}]" if isinstance(units, str) and units else text


def _axis(array: Array, name: str | None, dim: int, at: IntArray) -> Axis:
    """Return the coordinate of a dimension at some positions; the positions, if there is none that can be drawn."""
    plain = Axis(name or f"dimension {dim}", at)
    found = _coordinate(array, name, dim)
    if found is None:
        return plain
    try:
        values, attributes = found.oindex[(at,)], found.metadata.attributes
        times = cf_times(values, attributes, f"coordinate {found.path}")
    except UnsupportedError:  # another calendar: the numbers are drawn
        times = None
    except ExzarrError:  # a damaged coordinate does not hide the data
        return plain
    if times is not None:
        values = _dates(times)
    if values.dtype.kind == "M":
        return Axis(name or "", values, labelled=True) if _drawable(values) else plain
    numbers = _decoded(found, values)
    if numbers.mask.any() or not _monotonic(numbers.data):
        return plain
    return Axis(_label(attributes, name or ""), numbers.data, labelled=True)


def _dates(times: Times) -> AnyArray:
    """Return times as ``datetime64``, in seconds if all are whole seconds."""
    seconds = times.values * (times.unit / 1e9)
    if np.abs(seconds).max(initial=0.0) > 1e12:  # of years that have no microseconds in 64 bits
        return seconds.round().astype("M8[s]")
    micros = (seconds * 1e6).round().astype(np.int64)
    whole, rest = np.divmod(micros, 1_000_000)
    return micros.astype("M8[us]") if rest.any() else whole.astype("M8[s]")


def _drawable(dates: AnyArray) -> bool:
    """Return True for dates that matplotlib can draw: of the years 1 to 9999, without gaps and in order."""
    years = dates.astype("M8[Y]").astype(np.int64) + 1970
    return not np.isnat(dates).any() and bool(((years > 0) & (years < 10_000)).all()) and _monotonic(dates)


def _monotonic(values: AnyArray) -> bool:
    """Return True if the values increase or decrease, without equal neighbours."""
    before, after = values[:-1], values[1:]
    return bool((before < after).all() or (before > after).all())


def _coordinate(array: Array, name: str | None, dim: int) -> Array | None:
    """Return the array beside this one that is named after a dimension and has its length, or None."""
    place = None if name is None else place_beside(array.location, name)
    if place is None:
        return None
    try:
        meta = hierarchy.find(place)
    except ExzarrError:
        return None
    if getattr(meta, "shape", None) != (array.shape[dim],) or meta.data_type.dtype.kind not in "iufM":  # type: ignore[union-attr]
        return None
    return Array(place, meta, read_only=True)  # type: ignore[arg-type]
