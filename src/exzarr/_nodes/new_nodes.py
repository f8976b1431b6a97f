"""Create nodes in a store, and fill new arrays with data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any, Literal

import numpy as np

from exzarr._creation.auto_chunks import auto_shards
from exzarr._creation.layout import parse_shape
from exzarr._format.dtypes import from_numpy
from exzarr._format.metadata import ArrayMetadata, GroupMetadata
from exzarr._nodes import hierarchy, node_creation
from exzarr._nodes.array import Array
from exzarr._nodes.attributes import as_stored
from exzarr._nodes.casting import Casting, as_values, check_casting, check_kinds
from exzarr._nodes.hierarchy import Location
from exzarr._nodes.node import AccessOptions
from exzarr._nodes.objects import infer, is_pandas, plain
from exzarr.errors import ArgumentError

__all__ = ["Source", "describe", "new_array", "new_group"]

BLOCK = 64 * 2**20
"""Size in bytes of the blocks in which lazy data is read."""


class Source:
    """The data of a new array: an array-like, with the shape and data type of the array.

    `casting` is the rule for the conversion of lazy data, when it is read.
    """

    __slots__ = ("casting", "data", "dtype", "shape")

    def __init__(self, data: Any, shape: tuple[int, ...], dtype: Any, casting: Casting = "unsafe") -> None:
        self.data = data
        self.shape = shape
        self.dtype = dtype
        self.casting: Casting = casting


def describe(data: Any, shape: Any, dtype: Any, zarr_format: int, casting: Casting = "same_kind") -> Source:
    """Combine the user's description of a new array: `data`, or `shape` and `dtype`.

    Data in memory is converted to `dtype`, by the rule `casting`. Lazy data (arrays of exzarr, h5py, dask) is not read.

    Raises
    ------
    ArgumentError
        An argument is missing, or arguments contradict each other.
    """
    check_casting(casting)
    if data is None:
        if shape is None or dtype is None:
            absent = "shape" if shape is None else "dtype"
            raise ArgumentError(f"{absent} is missing: a new array needs shape and dtype, or data")
        return Source(None, parse_shape(shape), dtype)
    lazy = _is_lazy(data)
    if not lazy:
        data = (
            _in_memory(data)
            if dtype is None
            else as_values(data, from_numpy(dtype, zarr_format), casting=casting)
        )
    if shape is not None and parse_shape(shape) != tuple(data.shape):
        raise ArgumentError(
            f"shape={shape} contradicts data of shape {tuple(data.shape)}; leave shape out, "
            "or give a scalar as fill_value"
        )
    if dtype is None:
        dtype = data.metadata.data_type if isinstance(data, Array) else data.dtype
    # Refuse unsuitable data before anything is stored.
    wanted = from_numpy(dtype, zarr_format)
    if lazy:
        check_kinds(data.dtype, wanted, casting)
        return Source(data, tuple(data.shape), dtype, casting)
    return Source(as_values(data, wanted, casting=casting), tuple(data.shape), dtype)


def _in_memory(data: Any) -> np.ndarray[Any, Any]:
    """Convert `data` to a NumPy array with a data type that Zarr has."""
    try:
        values: np.ndarray[Any, Any] = np.asarray(plain(data))
        unclear = values.dtype.kind == "O" and not values.dtype.metadata
        return infer(values) if unclear or hasattr(values.dtype, "na_object") else values
    except (TypeError, ValueError) as error:
        raise ArgumentError(f"data: {error}") from error


def new_array(
    location: Location,
    meta: ArrayMetadata,
    data: Any = None,
    *,
    overwrite: bool = False,
    access: AccessOptions | None = None,
    casting: Casting = "unsafe",
) -> Array:
    """Store the array that `meta` describes, filled with `data` unless that is None.

    `casting` applies to lazy data; `describe` has converted the rest.

    Raises NodeExistsError if a node exists and `overwrite` is false. With `overwrite`, the old node remains until the
    new one is complete: `data` may be read from it, and it is kept if reading or writing fails.
    """
    meta = meta.with_(attributes=as_stored(meta.attributes))
    hierarchy.check_new(location, meta.zarr_format)
    hierarchy.documents(meta)  # raises for invalid metadata, before anything is stored
    array = Array(location, meta, **(access or {}))
    if data is None or not array.size:
        node_creation.create(location, meta, overwrite=overwrite)
        return array
    with node_creation.filled(location, meta, overwrite=overwrite) as place:
        _fill(Array(place, meta, **(access or {})), data, casting)
    return array


def new_group(
    location: Location,
    zarr_format: Literal[2, 3],
    attributes: Mapping[str, Any] | None = None,
    *,
    overwrite: bool = False,
) -> GroupMetadata:
    """Store a group and return its metadata."""
    hierarchy.check_new(location, zarr_format)
    meta = GroupMetadata(zarr_format, as_stored(attributes or {}))
    node_creation.create(location, meta, overwrite=overwrite)
    return meta


def _is_lazy(data: Any) -> bool:
    """Return whether `data` is an array that is not in memory and can be read in parts."""
    return (
        not isinstance(data, (np.ndarray, np.generic))
        and not is_pandas(data)
        and hasattr(data, "shape")
        and isinstance(getattr(data, "dtype", None), np.dtype)
        and hasattr(data, "__getitem__")
    )


def _fill(array: Array, data: Any, casting: Casting) -> None:
    if isinstance(data, np.ndarray):
        array.set(..., data, casting="unsafe")
        return
    for region in _blocks(array):
        array.set(region, np.asarray(data[region]), casting=casting)


def _blocks(array: Array) -> Iterator[tuple[slice, ...]]:
    """Divide the array into regions of whole chunks, of at most `BLOCK` bytes unless a chunk is larger."""
    grid = array.metadata.chunk_grid
    if not grid.regular:
        yield from (grid.region(index) for index in product(*[range(n) for n in grid.chunk_counts]))
        return
    block = auto_shards(array.shape, grid.chunk_shape, array.itemsize, BLOCK)
    starts = [range(0, n, size) for n, size in zip(array.shape, block, strict=True)]
    for corner in product(*starts):
        yield tuple(
            [slice(at, min(at + size, n)) for at, size, n in zip(corner, block, array.shape, strict=True)]
        )
