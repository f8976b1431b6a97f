"""The engine ``"exzarr"`` of xarray."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

from xarray import Dataset, DataTree
from xarray.backends import BackendEntrypoint

from exzarr.xarray import datasets, places
from exzarr.xarray.options import OpenOptions

__all__ = ["ExzarrBackendEntrypoint"]


class ExzarrBackendEntrypoint(BackendEntrypoint):  # type: ignore[misc]
    """Opens Zarr hierarchies in xarray with exzarr: ``xarray.open_dataset(place, engine="exzarr")``.

    `OpenOptions` documents the keywords.
    """

    description = "Open Zarr stores, references, zip files, SQLite files and HDF5 files with exzarr"
    supports_groups = True

    def guess_can_open(self, filename_or_obj: Any) -> bool:
        """Return True for what no other engine opens: exzarr's groups and stores, URL pipelines and SQLite files.

        The engine ``"zarr"`` keeps paths that end in ``.zarr``, and the engines for NetCDF keep HDF5 files.
        ``open_dataset`` without `engine` therefore opens the same files as before exzarr was installed.
        """
        return places.is_for_exzarr_only(filename_or_obj)

    # xarray reads the names of the keywords from this signature.
    def open_dataset(
        self,
        filename_or_obj: Any,
        *,
        mask_and_scale: Any = True,
        decode_times: Any = True,
        concat_characters: Any = True,
        decode_coords: Any = True,
        drop_variables: str | Iterable[str] | None = None,
        use_cftime: Any = None,
        decode_timedelta: Any = None,
        group: str | None = None,
        mode: Literal["r"] = "r",
        consolidated: bool | None = None,
        storage_options: Any = None,
        zarr_format: Literal[2, 3] | None = None,
        use_zarr_fill_value_as_mask: bool | None = None,
        prefer_shards: bool = False,
    ) -> Dataset:
        """Open one group as a dataset."""
        options = OpenOptions(
            mask_and_scale=mask_and_scale,
            decode_times=decode_times,
            concat_characters=concat_characters,
            decode_coords=decode_coords,
            drop_variables=drop_variables,
            use_cftime=use_cftime,
            decode_timedelta=decode_timedelta,
            group=group,
            mode=mode,
            consolidated=consolidated,
            storage_options=storage_options,
            zarr_format=zarr_format,
            use_zarr_fill_value_as_mask=use_zarr_fill_value_as_mask,
            prefer_shards=prefer_shards,
        )
        return datasets.open_dataset(filename_or_obj, options)

    def open_groups_as_dict(self, filename_or_obj: Any, **options: Any) -> dict[str, Dataset]:
        """Open a group and all groups below it, by path; the keywords are those of `open_dataset`."""
        return datasets.open_groups(filename_or_obj, OpenOptions(**options))

    def open_datatree(self, filename_or_obj: Any, **options: Any) -> DataTree:
        """Open a group and all groups below it as a tree; the keywords are those of `open_dataset`."""
        groups = datasets.open_groups(filename_or_obj, OpenOptions(**options))
        try:
            tree = DataTree.from_dict(groups)
        except BaseException:
            groups.popitem()[1].close()  # all datasets share one store
            raise
        tree.set_close(groups.popitem()[1].close)
        return tree
