"""From the first argument of ``xarray.open_dataset`` to a group of exzarr."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import exzarr
from exzarr.errors import ArgumentError, NodeNotFoundError
from exzarr.stores import Store
from exzarr.stores.foreign import HDF5, NETCDF, NETCDF3, NETCDF4, foreign_file, foreign_name
from exzarr.xarray.options import OpenOptions

__all__ = ["is_for_exzarr_only", "open_group"]

_PIPELINE = re.compile(r"\|(zarr|zarr2|zarr3|icechunk|zip)(:|$)")
_HDF5 = (HDF5, NETCDF4, NETCDF3)


def is_for_exzarr_only(place: Any) -> bool:
    """Return whether `place` is something that only exzarr opens."""
    if isinstance(place, exzarr.Group | Store):
        return True
    if not isinstance(place, str | os.PathLike):
        return False
    text = os.fspath(place)
    return (
        text.startswith("sqlite://")
        or text.lower().endswith((".sqlite", ".zarr.zip"))
        or bool(_PIPELINE.search(text))
    )


def open_group(place: Any, options: OpenOptions) -> exzarr.Group:
    """Return the group that `place` and ``options.group`` name, opened for reading.

    Raises
    ------
    NodeNotFoundError
        There is no such group.
    NodeTypeError
        There is an array.
    ArgumentError
        An option does not apply to `place`.
    """
    path = (options.group or "").strip("/")
    if isinstance(place, exzarr.Group):
        return _below(place, path, options)
    if isinstance(place, str | os.PathLike) and _is_hdf5(os.fspath(place)):
        return _virtual(os.fspath(place), path, options)
    return _stored(place, path, options)


def _below(group: exzarr.Group, path: str, options: OpenOptions) -> exzarr.Group:
    if options.storage_options:
        raise ArgumentError(
            f"storage_options are for URLs, and {group} has its store already: leave them out"
        )
    if options.zarr_format not in (None, group.zarr_format):
        raise NodeNotFoundError(f"{group} has Zarr format {group.zarr_format}, not {options.zarr_format}")
    if options.consolidated is not None:
        group = exzarr.open_group(
            group.store, path=group.path, mode="r", use_consolidated=options.consolidated
        )
    return group.get_group(path) if path else group


def _is_hdf5(place: str) -> bool:
    """Return whether `place` is an HDF5 or NetCDF file: by its first bytes, or for a URL by its name."""
    if "|" in place:
        return False
    if "://" in place:
        return foreign_name(place.partition("?")[0]) in (*_HDF5, NETCDF)
    return Path(place).is_file() and foreign_file(place) in _HDF5


def _virtual(place: str, path: str, options: OpenOptions) -> exzarr.Group:
    if options.consolidated:
        raise ArgumentError(f"{place!r} is an HDF5 or NetCDF file, which has no consolidated metadata")
    root = exzarr.virtualize(place, storage_options=options.storage_options)
    if options.zarr_format not in (None, root.zarr_format):
        raise ArgumentError(
            f"{place!r} is an HDF5 or NetCDF file, which is read as Zarr format {root.zarr_format}, "
            f"not {options.zarr_format}: leave zarr_format out"
        )
    return root.get_group(path) if path else root


def _stored(place: Any, path: str, options: OpenOptions) -> exzarr.Group:
    """Open a group of a store, through the consolidated metadata of the root if it has some."""
    shared: dict[str, Any] = {
        "mode": "r",
        "zarr_format": options.zarr_format,
        "storage_options": options.storage_options,
    }
    consolidated = options.consolidated
    if not getattr(
        place, "supports_consolidated_metadata", True
    ):  # a store of zarr-python, such as Icechunk's
        consolidated = False
    if path and consolidated is not False:
        try:
            root = exzarr.open_group(place, use_consolidated=None, **shared)
        except NodeNotFoundError:  # a group below a prefix that is no group
            pass
        else:
            if root.consolidated:
                return root.get_group(path)
    return exzarr.open_group(place, path=path or None, use_consolidated=consolidated, **shared)
