"""Create arrays with the shape, data type, chunks and codecs of another array, without its values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np

from exzarr._api.creating import CreateOptions, FullOptions, create, fill_value_of
from exzarr._api.opening import open_array
from exzarr._creation.metadata import ArrayOptions
from exzarr._nodes import node_creation
from exzarr._nodes.array import Array
from exzarr._nodes.hierarchy import ZarrFormat
from exzarr._nodes.like import options_like
from exzarr._nodes.locating import StoreLike
from exzarr._spelling import known_arguments
from exzarr.errors import NodeNotFoundError

if TYPE_CHECKING:
    from exzarr.stores.url_options import StorageOptions

__all__ = ["empty_like", "full_like", "ones_like", "open_like", "zeros_like"]


class LikeOptions(CreateOptions, total=False):
    """Keywords of `create`, and `shape`."""

    shape: Any


class FullLikeOptions(FullOptions, total=False):
    """Keywords of `full_like`: those of `LikeOptions` without the fill value."""

    shape: Any


@known_arguments
def empty_like(a: Any, **options: Unpack[LikeOptions]) -> Array:
    """Create an array like `a` without values, in memory unless you give a store.

    Parameters
    ----------
    a
        Anything array-like. It gives the shape and the data type; an exzarr array also gives its chunks, codecs, fill
        value, attributes and other properties.
    **options
        Keywords of `create`, and `shape`. They override the properties of `a`.

    Returns
    -------
    Array
        The new array. Its elements read as the fill value.
    """
    return _like(a, options)


@known_arguments
def zeros_like(a: Any, **options: Unpack[LikeOptions]) -> Array:
    """Create an array of zeros like `a`; see `empty_like`."""
    return _like(a, {**options, "fill_value": fill_value_of(0, _dtype(a, options))})


@known_arguments
def ones_like(a: Any, **options: Unpack[LikeOptions]) -> Array:
    """Create an array of ones like `a`; see `empty_like`."""
    return _like(a, {**options, "fill_value": fill_value_of(1, _dtype(a, options))})


@known_arguments
def full_like(a: Any, fill_value: Any = None, **options: Unpack[FullLikeOptions]) -> Array:
    """Create an array like `a` whose elements are all `fill_value`; see `empty_like`.

    With None, the fill value is that of `a`.
    """
    return _like(a, options if fill_value is None else {**options, "fill_value": fill_value})


@known_arguments
def open_like(
    a: Any,
    path: StoreLike,
    *,
    dtype: Any = None,
    zarr_format: ZarrFormat | None = None,
    storage_options: StorageOptions | None = None,
    **options: Unpack[ArrayOptions],
) -> Array:
    """Open the array stored at `path`; create it like `a` if there is none.

    Parameters
    ----------
    a
        Anything array-like; see `empty_like`.
    path
        A path, a URL or a `Store`; see `open`.
    dtype
        Data type of a new array. The default is that of `a`.
    zarr_format
        Open only an array of this version. It is also the version of a new array.
    storage_options
        See `create_array`.
    **options
        Other keywords of `create_array`, for a new array only.

    Returns
    -------
    Array
        The existing or the new array.
    """
    place: Any = {"zarr_format": zarr_format, "storage_options": storage_options}

    new = {**options, "store": path, **place, **({} if dtype is None else {"dtype": dtype})}

    def find() -> Array | None:
        try:
            return open_array(path, **place)
        except NodeNotFoundError:
            return None

    return node_creation.found_or_made(find, lambda: _like(a, new))


def _dtype(a: Any, options: Mapping[str, Any]) -> Any:
    dtype = options.get("dtype")
    return (a.dtype if hasattr(a, "dtype") else np.asarray(a).dtype) if dtype is None else dtype


def _like(a: Any, options: Mapping[str, Any]) -> Array:
    given: dict[str, Any] = {**options}
    zarr_format = given.get("zarr_format") or (a.zarr_format if isinstance(a, Array) else 3)
    if not hasattr(a, "shape"):
        a = np.asarray(a)
    kept, dtype = options_like(a, zarr_format, given)
    made: Any = {"shape": tuple(a.shape), "dtype": dtype, **kept, "zarr_format": zarr_format}
    if "dtype" in given:
        # The codecs and the fill value of `a` may not fit another data type.
        for name in ("filters", "serializer", "fill_value"):
            if name not in given:
                made.pop(name, None)
    return create(**made)
