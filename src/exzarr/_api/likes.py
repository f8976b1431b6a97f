"""New arrays like others: the same shape, data type, chunks and codecs, but not what is in them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np

from exzarr._api.creating import CreateOptions, FullOptions, create, number
from exzarr._api.opening import open_array
from exzarr._creation.metadata import ArrayOptions
from exzarr._nodes import node_creation
from exzarr._nodes.array import Array
from exzarr._nodes.hierarchy import ZarrFormat
from exzarr._nodes.like import likeness
from exzarr._nodes.locating import StoreLike
from exzarr._spelling import known_arguments
from exzarr.errors import NodeNotFoundError

if TYPE_CHECKING:
    from exzarr.stores.url_options import StorageOptions

__all__ = ["empty_like", "full_like", "ones_like", "open_like", "zeros_like"]


class LikeOptions(CreateOptions, total=False):
    """What `create` takes, and another shape."""

    shape: Any


class FullLikeOptions(FullOptions, total=False):
    """The same, but the fill value."""

    shape: Any


@known_arguments
def empty_like(a: Any, **options: Unpack[LikeOptions]) -> Array:
    """A new array like `a`, with its fill value in it; in memory, unless a store is given.

    `a` is anything array-like. What is not said in the options, which are those of `create`, is as in
    `a`, where that is an exzarr array.
    """
    return _like(a, options)


@known_arguments
def zeros_like(a: Any, **options: Unpack[LikeOptions]) -> Array:
    """A new array like `a` with nothing but zeros; see `empty_like`."""
    return _like(a, {**options, "fill_value": number(0, _dtype(a, options))})


@known_arguments
def ones_like(a: Any, **options: Unpack[LikeOptions]) -> Array:
    """A new array like `a` with nothing but ones; see `empty_like`."""
    return _like(a, {**options, "fill_value": number(1, _dtype(a, options))})


@known_arguments
def full_like(a: Any, fill_value: Any = None, **options: Unpack[FullLikeOptions]) -> Array:
    """A new array like `a` with nothing but `fill_value`; see `empty_like`."""
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

    `zarr_format` opens only an array of that version, and is the version of a new one. `storage_options` are for a
    URL. `dtype` and the other options are those of `create_array`, and are used for a new array only.
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
    said: dict[str, Any] = {**options}
    zarr_format = said.get("zarr_format") or (a.zarr_format if isinstance(a, Array) else 3)
    if not hasattr(a, "shape"):
        a = np.asarray(a)
    kept, dtype = likeness(a, zarr_format, said)
    made: Any = {"shape": tuple(a.shape), "dtype": dtype, **kept, "zarr_format": zarr_format}
    if "dtype" in said:
        # Codecs that were chosen for another data type, and its fill value, may not fit.
        for name in ("filters", "serializer", "fill_value"):
            if name not in said:
                made.pop(name, None)
    return create(**made)
