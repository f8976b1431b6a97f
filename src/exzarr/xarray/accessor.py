"""``ds.exzarr``, ``da.exzarr`` and ``tree.exzarr``: methods that call the functions of this package."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Unpack

import xarray

if TYPE_CHECKING:
    from dask.delayed import Delayed

    from exzarr import Explanation
    from exzarr.xarray.explanations import DatasetExplanation
    from exzarr.xarray.writing.options import WriteKeywords, WriteMode
    from exzarr.xarray.writing.result import ZarrDataStore

__all__ = ["DataArrayAccessor", "DataTreeAccessor", "DatasetAccessor"]


@xarray.register_dataset_accessor("exzarr")
class DatasetAccessor:
    """The methods of exzarr for a dataset."""

    def __init__(self, dataset: xarray.Dataset) -> None:
        self._dataset = dataset

    def explain(self) -> DatasetExplanation:
        """Estimate the cost of loading all variables; see `exzarr.xarray.explain_dataset`."""
        from exzarr.xarray.explanations import explain_dataset

        return explain_dataset(self._dataset)

    def to_zarr(
        self,
        store: Any = None,
        mode: WriteMode | None = None,
        group: str | None = None,
        encoding: Mapping[Any, Any] | None = None,
        **options: Unpack[WriteKeywords],
    ) -> ZarrDataStore | Delayed:
        """Write the dataset to a Zarr store; see `exzarr.xarray.to_zarr`."""
        from exzarr.xarray.writing.to_zarr import to_zarr

        return to_zarr(self._dataset, store, mode, group, encoding, **options)


@xarray.register_dataarray_accessor("exzarr")
class DataArrayAccessor:
    """The methods of exzarr for an array with coordinates."""

    def __init__(self, array: xarray.DataArray) -> None:
        self._array = array

    def explain(self) -> Explanation:
        """Estimate the cost of reading the values; see `exzarr.xarray.explain`."""
        from exzarr.xarray.explanations import explain

        return explain(self._array)

    def to_zarr(
        self,
        store: Any = None,
        mode: WriteMode | None = None,
        group: str | None = None,
        encoding: Mapping[Any, Any] | None = None,
        **options: Unpack[WriteKeywords],
    ) -> ZarrDataStore | Delayed:
        """Write the array to a Zarr store; see `exzarr.xarray.to_zarr`."""
        from exzarr.xarray.writing.to_zarr import to_zarr

        return to_zarr(self._array, store, mode, group, encoding, **options)


@xarray.register_datatree_accessor("exzarr")
class DataTreeAccessor:
    """The methods of exzarr for a tree of datasets."""

    def __init__(self, tree: xarray.DataTree) -> None:
        self._tree = tree

    def to_zarr(
        self,
        store: Any = None,
        mode: WriteMode | None = None,
        group: str | None = None,
        encoding: Mapping[Any, Any] | None = None,
        **options: Unpack[WriteKeywords],
    ) -> ZarrDataStore | Delayed:
        """Write the tree to a Zarr store; see `exzarr.xarray.to_zarr`."""
        from exzarr.xarray.writing.to_zarr import to_zarr

        return to_zarr(self._tree, store, mode, group, encoding, **options)
