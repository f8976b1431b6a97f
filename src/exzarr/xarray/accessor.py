"""``ds.exzarr`` and ``da.exzarr``: methods that call the functions of this package."""

from __future__ import annotations

from typing import TYPE_CHECKING

import xarray

if TYPE_CHECKING:
    from exzarr import Explanation
    from exzarr.xarray.explanations import DatasetExplanation

__all__ = ["DataArrayAccessor", "DatasetAccessor"]


@xarray.register_dataset_accessor("exzarr")
class DatasetAccessor:
    """The methods of exzarr for a dataset."""

    def __init__(self, dataset: xarray.Dataset) -> None:
        self._dataset = dataset

    def explain(self) -> DatasetExplanation:
        """Estimate the cost of loading all variables; see `exzarr.xarray.explain_dataset`."""
        from exzarr.xarray.explanations import explain_dataset

        return explain_dataset(self._dataset)


@xarray.register_dataarray_accessor("exzarr")
class DataArrayAccessor:
    """The methods of exzarr for an array with coordinates."""

    def __init__(self, array: xarray.DataArray) -> None:
        self._array = array

    def explain(self) -> Explanation:
        """Estimate the cost of reading the values; see `exzarr.xarray.explain`."""
        from exzarr.xarray.explanations import explain

        return explain(self._array)
