"""Save NumPy arrays to a store in one call, and load them."""

from __future__ import annotations

from collections.abc import Iterable
from inspect import signature
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np

from exzarr._api.creating import CreateOptions, create_array
from exzarr._api.opening import closing_on_error, open as open_
from exzarr._creation.metadata import ArrayOptions
from exzarr._format.metadata import ArrayMetadata, GroupMetadata
from exzarr._nodes import hierarchy, node_creation
from exzarr._nodes.array import Array
from exzarr._nodes.casting import Casting
from exzarr._nodes.group import Group
from exzarr._nodes.hierarchy import ZarrFormat
from exzarr._nodes.locating import StoreLike, locate
from exzarr._nodes.survey import Obstacle, OnError, check_on_error, settle, survey, warn_of
from exzarr._spelling import known_arguments
from exzarr.errors import ArgumentError, ChunkError, MetadataError
from exzarr.stores.base import Store

if TYPE_CHECKING:
    from exzarr.stores.url_options import StorageOptions

__all__ = ["load", "save", "save_array", "save_group"]


class SaveOptions(ArrayOptions, total=False):
    """Keywords of `save_array`."""

    dtype: Any
    casting: Casting


def save(
    store: StoreLike,
    *args: Any,
    zarr_format: ZarrFormat | None = None,
    path: str | None = None,
    storage_options: StorageOptions | None = None,
    **kwargs: Any,
) -> None:
    """Save one array, or several arrays in a group. An existing node is replaced.

    One array without a name is stored at `path` itself. Several arrays become ``arr_0``, ``arr_1``, ... in a group, as
    with ``numpy.savez``. A ``.zip`` file is closed.

    Parameters
    ----------
    store, storage_options
        See `create_array`.
    *args
        Arrays: anything array-like.
    zarr_format
        2 or 3 (the default).
    path
        Path of the array or group in the store.
    **kwargs
        Arrays by name. The names of arguments of the functions that create and open nodes (``mode``, ``chunks``, ...)
        are not allowed. Use `save_array` to give the options of `create_array`.

    Raises
    ------
    ArgumentError
        There is no array, or a name is not allowed.
    """
    _refuse_names_of_arguments(kwargs)
    if not args and not kwargs:
        raise ArgumentError("there is nothing to save: give one array, or several")
    if len(args) == 1 and not kwargs:
        save_array(store, args[0], zarr_format=zarr_format, path=path, storage_options=storage_options)
    else:
        save_group(
            store, *args, zarr_format=zarr_format, path=path, storage_options=storage_options, **kwargs
        )


@known_arguments
def save_array(
    store: StoreLike,
    arr: Any,
    *,
    zarr_format: ZarrFormat | None = None,
    path: str | None = None,
    storage_options: StorageOptions | None = None,
    **options: Unpack[SaveOptions],
) -> None:
    """Save one array. An existing node is replaced.

    Parameters
    ----------
    store, zarr_format, storage_options
        See `create_array`.
    arr
        Anything array-like.
    path
        Path of the array in the store.
    **options
        Keywords of `create_array`.
    """
    array = create_array(
        store,
        name=path,
        data=arr,
        zarr_format=zarr_format,
        overwrite=True,
        storage_options=storage_options,
        **options,
    )
    _finish(store, array.store)


def save_group(
    store: StoreLike,
    *args: Any,
    zarr_format: ZarrFormat | None = None,
    path: str | None = None,
    storage_options: StorageOptions | None = None,
    **kwargs: Any,
) -> None:
    """Save several arrays in a group. An existing node is replaced.

    Parameters
    ----------
    store, *args, zarr_format, path, storage_options, **kwargs
        See `save`.

    Raises
    ------
    ArgumentError
        There is no array, or a name is not allowed.
    """
    _refuse_names_of_arguments(kwargs)
    named = {**{f"arr_{i}": array for i, array in enumerate(args)}, **kwargs}
    if not named:
        raise ArgumentError("there is nothing to save: give one array, or several")
    if len(named) < len(args) + len(kwargs):
        raise ArgumentError(
            "arr_0, arr_1, ... are the names of the arrays given without a name: choose other names"
        )
    location, _ = locate(store, path, "a" if path else "w", storage_options)
    meta = GroupMetadata(3 if zarr_format is None else zarr_format)
    with (
        closing_on_error(store, location.store),
        node_creation.built(location, meta, overwrite=True) as place,
    ):
        hierarchy.check_new(location, meta.zarr_format)
        group = Group(place, meta)
        for name, data in named.items():
            group.create_array(name, data=data)
        hierarchy.save(place, meta)
    _finish(store, location.store)


@known_arguments
def load(
    store: StoreLike,
    path: str | None = None,
    zarr_format: ZarrFormat | None = None,
    *,
    on_error: OnError = "raise",
    storage_options: StorageOptions | None = None,
) -> Any:
    """Load an array, or all arrays below a group, into memory.

    Parameters
    ----------
    store, path, zarr_format, storage_options
        See `open`.
    on_error
        What to do with an array in a group that cannot be read: ``"raise"`` raises the error; ``"skip"`` leaves the
        array out and names it in a `LeftOutWarning`.

    Returns
    -------
    numpy.ndarray, scalar or dict
        An array as a NumPy array (a scalar if it has no dimensions). A group as a dict of arrays by path.
    """
    check_on_error(on_error)
    found = open_(store, mode="r", path=path, zarr_format=zarr_format, storage_options=storage_options)
    try:
        if isinstance(found, Array):
            return found[()] if not found.shape else found[...]
        arrays, left_out = _load_group(found, on_error)
        warn_of(left_out)
        return arrays
    finally:
        _finish(store, found.store)


def _load_group(group: Group, on_error: OnError) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return the arrays below a group, and the paths that were left out."""
    obstacles: list[Obstacle] = []
    if group.consolidated:
        arrays = [(name, node) for name, node in group.walk() if isinstance(node, Array)]
    else:
        below = survey(group.location, data=True)
        obstacles = below.obstacles
        arrays = [
            (name, Array(group.location.child(name), meta, **group.access))
            for name, meta in below.nodes
            if isinstance(meta, ArrayMetadata)
        ]
    settle(obstacles, on_error)
    made = {}
    for name, array in arrays:
        try:
            made[name] = np.asarray(array[...])
        except (ChunkError, MetadataError) as error:  # damaged, or with an unknown codec
            if on_error == "raise":
                raise
            obstacles.append(Obstacle(array.path, error))
    return made, settle(obstacles, on_error)


def _refuse_names_of_arguments(names: Iterable[str]) -> None:
    """Raise ArgumentError for ``save(path, a, mode="w")``, which would store an array called ``mode``."""
    taken = signature(create_array).parameters.keys() | signature(open_).parameters.keys()
    taken |= CreateOptions.__annotations__.keys()
    for name in names:
        if name in taken:
            raise ArgumentError(
                f"{name}= is an argument of the functions that create and open arrays, and save would store it as an "
                f"array of that name. save always replaces the existing node, and save_array takes options. To store "
                f"an array called {name!r}, use exzarr.open_group(path, mode='a')[{name!r}] = array"
            )


def _finish(given: StoreLike, store: Store) -> None:
    """Close a store that was opened here. A zip file is complete only when it is closed."""
    if not isinstance(given, Store):
        store.close()
