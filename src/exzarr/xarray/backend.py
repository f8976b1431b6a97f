"""The engine ``"exzarr"`` of xarray."""

from __future__ import annotations

from xarray.backends import BackendEntrypoint

__all__ = ["ExzarrBackendEntrypoint"]


class ExzarrBackendEntrypoint(BackendEntrypoint):  # type: ignore[misc]
    """Opens Zarr hierarchies in xarray with exzarr."""

    description = "Open Zarr stores, references, zip files and HDF5 files with exzarr"
