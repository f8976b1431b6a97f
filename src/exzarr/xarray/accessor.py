"""``ds.exzarr``, ``da.exzarr`` and ``tree.exzarr``: methods that call the functions of this package."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Generic, TypeVar, Unpack

import xarray

if TYPE_CHECKING:
    from dask.delayed import Delayed

    from exzarr import Explanation
    from exzarr.xarray.explanations import DatasetExplanation
    from exzarr.xarray.writing.options import WriteKeywords, WriteMode
    from exzarr.xarray.writing.result import ZarrDataStore

__all__ = ["DataArrayAccessor", "DataTreeAccessor", "DatasetAccessor"]

T = TypeVar("T")


class _Writing(Generic[T]):
    """The methods that all accessors have."""

    def __init__(self, data: T) -> None:
        self._data = data

    def to_zarr(
        self,
        store: Any = None,
        mode: WriteMode | None = None,
        group: str | None = None,
        encoding: Mapping[Any, Any] | None = None,
        **options: Unpack[WriteKeywords],
    ) -> ZarrDataStore | Delayed:
        """Write the data to a Zarr store; see `exzarr.xarray.to_zarr`."""
        from exzarr.xarray.writing.to_zarr import to_zarr

        data: Any = self._data
        return to_zarr(data, store, mode, group, encoding, **options)


@xarray.register_dataset_accessor("exzarr")
class DatasetAccessor(_Writing[xarray.Dataset]):
    """The methods of exzarr for a dataset."""

    def explain(self) -> DatasetExplanation:
        """Estimate the cost of loading all variables; see `exzarr.xarray.explain_dataset`."""
        from exzarr.xarray.explanations import explain_dataset

        return explain_dataset(self._data)


@xarray.register_dataarray_accessor("exzarr")
class DataArrayAccessor(_Writing[xarray.DataArray]):
    """The methods of exzarr for an array with coordinates."""

    def explain(self) -> Explanation:
        """Estimate the cost of reading the values; see `exzarr.xarray.explain`."""
        from exzarr.xarray.explanations import explain

        return explain(self._data)


@xarray.register_datatree_accessor("exzarr")
class DataTreeAccessor(_Writing[xarray.DataTree]):
    """The methods of exzarr for a tree of datasets."""
